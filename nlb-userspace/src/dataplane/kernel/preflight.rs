//! What must hold before anything is tried: kernel version and capabilities. An errno of bpf(2) tells neither.

use super::KernelError;

/// The oldest kernel that the programs are made for.
const OLDEST: (u32, u32) = (6, 1);

const RELEASE: &str = "/proc/sys/kernel/osrelease";
/// Capabilities belong to threads.
const STATUS: &str = "/proc/thread-self/status";

/// A capability of capabilities(7), and whether CAP_SYS_ADMIN includes it.
struct Capability {
    name: &'static str,
    bit: u32,
    in_sys_admin: bool,
}

const SYS_ADMIN: u32 = 21;
const NEEDED: [Capability; 3] = [
    Capability { name: "CAP_BPF", bit: 39, in_sys_admin: true },
    Capability { name: "CAP_NET_ADMIN", bit: 12, in_sys_admin: false },
    Capability { name: "CAP_PERFMON", bit: 38, in_sys_admin: true },
];

/// Checks the kernel's version and this thread's capabilities.
pub(super) fn check() -> Result<(), KernelError> {
    let release = read(RELEASE)?;
    if version(&release).is_some_and(|version| version < OLDEST) {
        return Err(KernelError::TooOld { release: release.trim().to_owned() });
    }
    let missing = missing(effective(&read(STATUS)?));
    if missing.is_empty() { Ok(()) } else { Err(KernelError::MissingCapabilities { missing }) }
}

fn read(path: &'static str) -> Result<String, KernelError> {
    std::fs::read_to_string(path).map_err(|source| KernelError::Proc { path, source })
}

/// Major and minor number; `None` for a release that has none, which is let through.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.trim().split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The effective capabilities; all of them when the file does not say.
fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(u64::MAX)
}

fn missing(effective: u64) -> Vec<&'static str> {
    let has = |bit: u32| effective >> bit & 1 == 1;
    let lacks = |needed: &&Capability| !(has(needed.bit) || needed.in_sys_admin && has(SYS_ADMIN));
    NEEDED.iter().filter(lacks).map(|needed| needed.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_distributions_write_them() {
        for (release, expected) in [
            ("6.1.0-25-amd64\n", Some((6, 1))),
            ("5.15.0-1019-aws", Some((5, 15))),
            ("6.18.44-fc-v657", Some((6, 18))),
            ("6.10-rc1", Some((6, 10))),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!(version("5.19").unwrap() < OLDEST && version("6.1.0").unwrap() >= OLDEST);
    }

    #[test]
    fn what_is_missing_is_named() {
        let bits = |bits: &[u32]| bits.iter().fold(0_u64, |set, bit| set | 1 << bit);
        for (effective, expected) in [
            (bits(&[12, 38, 39]), vec![]),
            (bits(&[12, SYS_ADMIN]), vec![]),
            (bits(&[SYS_ADMIN]), vec!["CAP_NET_ADMIN"]),
            (bits(&[12]), vec!["CAP_BPF", "CAP_PERFMON"]),
            (0, vec!["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]),
        ] {
            assert_eq!(missing(effective), expected, "{effective:x}");
        }
    }

    #[test]
    fn the_line_of_effective_capabilities_is_found() {
        assert_eq!(effective("CapPrm:\t00000000000000ff\nCapEff:\t0000000000001000\n"), 0x1000);
    }
}
