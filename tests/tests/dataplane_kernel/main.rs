//! The promises of the kernel's packet path, held against the real kernel. Root is needed.

mod bench;
mod wire;

mod capabilities;
mod flows;
mod interfaces;
mod known;
mod lossless;
mod pins;
mod process;
mod tables;
mod takeover;
mod trace;
