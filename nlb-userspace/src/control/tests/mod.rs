//! What the state promises about targets that come, go and fail, with a clock that the tests move and tables in memory.

mod bench;
mod continuity;
mod drains;
mod failing;
mod first_round;
mod gateways;
mod nat;
mod pins;
mod quic;
mod serving;
mod shares;
mod shield;
mod sizes;
mod transitions;
