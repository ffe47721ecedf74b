//! What a crash or a stranger leaves below the pin path, and removing it all.

use aya::maps::{Array, MapData, MapInfo};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nlb_common::layout::edge;
use nlb_userspace::dataplane::{
    Dataplane as _, DataplaneError, Detached, Kernel, KernelError, KernelSettings, Status, Tables, detach, status,
};

use crate::bench::{FIRST, contents, map_ids, on_the_bench, pins_in};

#[test]
fn a_set_that_a_crash_left_half_made_is_made_anew_while_the_old_program_runs_on() {
    on_the_bench(|bench| {
        let first = bench.active(&bench.settings());
        let (set, program) = (first.set_path(), bench.program());
        drop(first);
        for missing in [edge::SLOTS, edge::SEED] {
            std::fs::remove_file(set.join(missing)).unwrap();
        }

        let mut second = Kernel::open(&bench.settings()).unwrap();
        assert_eq!(second.read().unwrap(), Tables::default());
        assert_eq!(map_ids(&set).len(), edge::PINNED.len());
        assert_eq!(bench.program(), program);
        second.apply(&contents()).unwrap();
        second.activate().unwrap();
        assert_ne!(bench.program(), program);
    });
}

#[test]
fn a_map_of_another_shape_is_not_adopted() {
    on_the_bench(|bench| {
        let set = Kernel::open(&bench.settings()).unwrap().set_path();
        let pin = set.join(edge::TARGETS);
        let wanted = MapInfo::from_pin(&pin).unwrap();
        std::fs::remove_file(&pin).unwrap();
        Array::<MapData, u64>::create(4, 0).unwrap().pin(&pin).unwrap();

        drop(Kernel::open(&bench.settings()).unwrap());
        let found = MapInfo::from_pin(&pin).unwrap();
        assert_eq!((found.value_size(), found.max_entries()), (wanted.value_size(), wanted.max_entries()));
    });
}

#[test]
fn the_pin_path_is_held_by_one_agent_at_a_time() {
    on_the_bench(|bench| {
        let first = bench.active(&bench.settings());
        assert!(status(&bench.pin_path).unwrap().held);
        let refused = |error| matches!(error, DataplaneError::Kernel(KernelError::InUse { .. }));
        assert!(refused(Kernel::open(&bench.settings()).err().unwrap()));
        assert!(
            refused(detach(&bench.pin_path).unwrap_err()),
            "detaching under an agent would leave it writing to nobody"
        );
        drop(first);
        assert!(!status(&bench.pin_path).unwrap().held);
        Kernel::open(&bench.settings()).unwrap();
    });
}

#[test]
fn detach_removes_every_set_and_link_and_says_what_it_was() {
    on_the_bench(|bench| {
        drop(bench.active(&bench.settings()));
        // A change of capacity that was never completed.
        let other = nlb_userspace::model::Capacity { slots: 512, ..bench.settings().capacity };
        drop(Kernel::open(&KernelSettings { capacity: other, ..bench.settings() }).unwrap());

        let detached = detach(&bench.pin_path).unwrap();
        assert_eq!(detached.interfaces, [FIRST]);
        assert_eq!(detached.pins.len(), 1 + 2 * edge::PINNED.len());
        assert!(!bench.pin_path.exists());
        let ip = std::process::Command::new("ip").args(["-d", "link", "show", FIRST]).output().unwrap();
        assert!(!String::from_utf8_lossy(&ip.stdout).contains("xdp"), "{ip:?}");

        assert_eq!(detach(&bench.pin_path).unwrap(), Detached::default());
        assert_eq!(status(&bench.pin_path).unwrap(), Status::default());
    });
}

#[test]
fn what_others_keep_below_the_pin_path_stays() {
    on_the_bench(|bench| {
        drop(bench.active(&bench.settings()));
        let foreign = bench.pin_path.join("others");
        Array::<MapData, u64>::create(1, 0).unwrap().pin(&foreign).unwrap();
        assert!(!detach(&bench.pin_path).unwrap().is_nothing());
        assert_eq!(pins_in(&bench.pin_path), [foreign]);
    });
}

#[test]
fn bpffs_is_mounted_where_there_is_none_and_only_once() {
    on_the_bench(|bench| {
        // A mount namespace of this thread's own.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let pin_path = directory.path().join("bpf");
        let settings = KernelSettings { pin_path: pin_path.clone(), ..bench.settings() };
        for _ in 0..2 {
            let mut kernel = Kernel::open(&settings).unwrap();
            kernel.activate().unwrap();
        }
        let mounts = std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
        let here = format!(" {} bpf ", pin_path.display());
        assert_eq!(mounts.lines().filter(|line| line.contains(&here)).count(), 1, "{mounts}");
        assert_eq!(detach(&pin_path).unwrap().interfaces, [FIRST]);
        nix::mount::umount(&pin_path).unwrap();
    });
}
