//! The promises of the kernel's packet path, held against the real kernel. Root is needed.

mod bench;

mod capabilities;
mod interfaces;
mod pins;
mod process;
mod tables;
mod takeover;
mod trace;
