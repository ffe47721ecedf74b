//! What holds for an address, whatever listeners it has.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Settings of a VIP; one without them has the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// The address; some listener has it.
    pub address: IpAddr,
    /// Whether it is the balancer's alone: what comes for a port without listener is refused. Otherwise it passes to the host's
    /// stack, which may serve the address as well.
    pub exclusive: bool,
}
