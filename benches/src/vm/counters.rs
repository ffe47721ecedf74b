//! What an interface has counted: a line of `/proc/net/dev`, which is the same for every kind of sink.

use std::fs;

use anyhow::{Context as _, Result};

/// Packets of an interface so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// That came in by it.
    pub(super) received: u64,
    /// That were lost on their way in or out.
    pub(super) lost: u64,
}

/// Reads those of an interface of this thread's network namespace.
pub(super) fn of(interface: &str) -> Result<Counted> {
    let text = fs::read_to_string("/proc/thread-self/net/dev")?;
    parse(&text, interface).with_context(|| format!("no counters of {interface} in:\n{text}"))
}

fn parse(text: &str, interface: &str) -> Option<Counted> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    // Of what is received, then of what is sent: bytes, packets, errors, dropped, and four more.
    Some(Counted { received: *numbers.get(1)?, lost: numbers.get(3)? + numbers.get(11)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_losses_of_the_interface_asked_for_are_read() {
        let text = "Inter-|   Receive                                                |  Transmit\n\
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n\
             in10:       1       1    1    1    0     0          0         0        1       1    1    1    0     0       0          0\n\
             \u{20} in1:     600      10    0    3    0     0          0         0      100       2    0    4    0     0       0          0\n";
        assert_eq!(parse(text, "in1"), Some(Counted { received: 10, lost: 7 }));
        assert_eq!(parse(text, "in"), None);
    }
}
