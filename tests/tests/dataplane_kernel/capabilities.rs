//! Three capabilities are enough, and what is missing is named.

use nlb_userspace::dataplane::{Dataplane as _, DataplaneError, Kernel, KernelError, detach, seed_in_force, status};

use crate::bench::{contents, on_the_bench};

const NET_ADMIN: u32 = 12;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// Leaves this thread only these capabilities.
fn keep(capabilities: &[u32]) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    // capset(2): version 3, two words of each set, the lower one first.
    let header = Header { version: 0x2008_0522, pid: 0 };
    let word = |word: u32| {
        let bits = capabilities.iter().filter(|bit| *bit / 32 == word).fold(0, |set, bit| set | 1 << (bit % 32));
        Set { effective: bits, permitted: bits, inheritable: 0 }
    };
    let sets = [word(0), word(1)];
    // SAFETY: header and sets have the layout of capset(2) and live until the call returns.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) };
    assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn bpf_net_admin_and_perfmon_are_enough() {
    on_the_bench(|bench| {
        // Mounts bpffs where it is missing, which needs more.
        drop(Kernel::open(&bench.settings()).unwrap());
        keep(&[NET_ADMIN, PERFMON, BPF]);
        for _ in 0..2 {
            let mut kernel = Kernel::open(&bench.settings()).unwrap();
            kernel.apply(&contents()).unwrap();
            kernel.activate().unwrap();
            kernel.counters(&[5], &[1]).unwrap();
            kernel.trace(Some(Default::default())).unwrap();
            kernel.trace(None).unwrap();
            assert_eq!(kernel.attachments().len(), 1);
        }
        assert_eq!(seed_in_force(&bench.pin_path).unwrap(), Some(7));
        assert_eq!(status(&bench.pin_path).unwrap().sets.len(), 1);
        assert_eq!(detach(&bench.pin_path).unwrap().interfaces.len(), 1);
    });
}

#[test]
fn a_missing_capability_is_named() {
    for (kept, expected) in [
        (&[NET_ADMIN, PERFMON][..], &["CAP_BPF"][..]),
        (&[PERFMON, BPF], &["CAP_NET_ADMIN"]),
        (&[NET_ADMIN], &["CAP_BPF", "CAP_PERFMON"]),
    ] {
        on_the_bench(|bench| {
            keep(kept);
            let errors = [
                Kernel::open(&bench.settings()).err().unwrap(),
                status(&bench.pin_path).unwrap_err(),
                seed_in_force(&bench.pin_path).unwrap_err(),
                detach(&bench.pin_path).unwrap_err(),
            ];
            for error in errors {
                let DataplaneError::Kernel(KernelError::MissingCapabilities { missing }) = &error else {
                    panic!("{error}")
                };
                assert_eq!(missing, expected);
            }
        });
    }
}
