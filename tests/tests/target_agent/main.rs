//! The target agent on a real host: packets out of tunnels, VIPs that nobody hears of, and an end that leaves nothing.
//!
//! The segment's `edge` sends tunnel packets and is the client as well; its `peer` is the target host.

mod packets;
mod running;
mod scene;
mod settings;
mod tunnel;
mod vips;

use std::time::Duration;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

const VIP_V4: &str = "203.0.113.10";
const VIP_V6: &str = "2001:db8:ff::10";
const CLIENT_V4: &str = "198.51.100.7";
const CLIENT_V6: &str = "2001:db8:c::7";
const PORT: u16 = 5300;
const CLIENT_PORT: u16 = 4000;
