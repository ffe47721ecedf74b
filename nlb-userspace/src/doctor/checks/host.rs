//! The kernel.

use super::super::{Finding, HostFacts};

/// The oldest kernel that the programs load on.
const OLDEST: (u32, u32) = (6, 1);

/// What the host must offer.
pub(super) fn judge(host: &HostFacts, agent_answers: bool) -> Vec<Finding> {
    let kernel = match version(&host.kernel) {
        Some(version) if version >= OLDEST => Finding::ok("kernel", format!("Linux {}", host.kernel)),
        Some(_) => Finding::fail(
            "kernel",
            format!("Linux {} is older than {}.{}", host.kernel, OLDEST.0, OLDEST.1),
            "boot a newer kernel: Debian 12's own is 6.1",
        ),
        None => Finding::warn(
            "kernel",
            format!("the kernel's release `{}` can't be read", host.kernel),
            "is /proc mounted? mount -t proc proc /proc",
        ),
    };
    let btf = if host.btf {
        Finding::ok("kernel", "it describes its types (BTF)")
    } else {
        Finding::warn(
            "kernel",
            "/sys/kernel/btf/vmlinux is missing: programs may not load",
            "mount /sys, or boot a kernel with CONFIG_DEBUG_INFO_BTF=y",
        )
    };
    let bpffs = match (host.bpffs, agent_answers) {
        (true, _) => Finding::ok("bpffs", "mounted at /sys/fs/bpf"),
        (false, true) => Finding::note(
            "bpffs",
            "none at /sys/fs/bpf that can be seen from here; the agent runs, so it has one",
            "run this in the agent's mount namespace to see it: nsenter --mount --target PID",
        ),
        (false, false) => Finding::warn(
            "bpffs",
            "no BPF file system at /sys/fs/bpf",
            "the agent mounts one at its start; by hand: mount -t bpf bpf /sys/fs/bpf",
        ),
    };
    vec![kernel, btf, bpffs]
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
