//! One agent after the other: what is there is adopted, and the program changes on a live link.

use nlb_userspace::dataplane::{Dataplane as _, Kernel, KernelSettings, Tables, seed_in_force, status};
use nlb_userspace::model::Capacity;

use crate::bench::{CAPACITY, contents, map_ids, on_the_bench};

#[test]
fn the_next_agent_adopts_tables_and_link_and_brings_its_own_program() {
    on_the_bench(|bench| {
        let settings = bench.settings();
        let mut first = bench.active(&settings);
        let (tables, set) = (first.read().unwrap(), first.set_path());
        let (maps, links, program) = (map_ids(&set), bench.link_ids(), bench.program());
        assert_eq!(links.len(), 1);
        drop(first);
        assert_eq!(bench.program(), program, "the program outlives its agent");

        let mut second = Kernel::open(&settings).unwrap();
        assert_eq!(second.read().unwrap(), tables);
        assert_eq!(bench.program(), program, "opening changes nothing for packets");
        second.activate().unwrap();
        assert_ne!(bench.program(), program);
        assert_eq!(map_ids(&second.set_path()), maps);
        assert_eq!(bench.link_ids(), links);
        assert_eq!(second.attachments(), bench.attachments());
    });
}

#[test]
fn another_capacity_moves_to_new_tables_and_the_old_ones_go_last() {
    on_the_bench(|bench| {
        let settings = bench.settings();
        let mut first = bench.active(&settings);
        let (tables, old_set) = (first.read().unwrap(), first.set_path());
        let (links, program) = (bench.link_ids(), bench.program());
        drop(first);

        let larger = KernelSettings { capacity: Capacity { slots: 2048, ..CAPACITY }, ..settings };
        let mut second = Kernel::open(&larger).unwrap();
        assert_ne!(second.set_path(), old_set);
        assert_eq!(second.read().unwrap(), Tables::default());
        assert_eq!((bench.program(), old_set.exists()), (program, true), "the old ones serve until the new are filled");
        second.apply(&contents()).unwrap();
        second.activate().unwrap();
        assert_eq!(second.read().unwrap(), tables);
        assert_ne!(bench.program(), program);
        assert_eq!(bench.link_ids(), links);
        assert!(!old_set.exists());
        let sets = status(&bench.pin_path).unwrap().sets;
        assert_eq!(sets.into_iter().map(|set| set.path).collect::<Vec<_>>(), [second.set_path()]);
    });
}

#[test]
fn the_same_settings_name_the_same_tables_and_others_name_others() {
    on_the_bench(|bench| {
        let path = |capacity| Kernel::open(&KernelSettings { capacity, ..bench.settings() }).unwrap().set_path();
        let base = path(CAPACITY);
        assert_eq!(path(CAPACITY), base);
        for capacity in [
            Capacity { listeners: 65, ..CAPACITY },
            Capacity { groups: 17, ..CAPACITY },
            Capacity { targets: 65, ..CAPACITY },
            Capacity { slots: 1025, ..CAPACITY },
            Capacity { half_open: 1025, ..CAPACITY },
            Capacity { flows: 200_001, ..CAPACITY },
            Capacity { datagrams: 1025, ..CAPACITY },
            Capacity { fragments: 1025, ..CAPACITY },
            Capacity { sketches: 33, ..CAPACITY },
        ] {
            assert_ne!(path(capacity), base, "{capacity:?}");
        }
    });
}

#[test]
fn the_seed_is_in_force_once_a_program_runs_with_it() {
    on_the_bench(|bench| {
        let seed = || seed_in_force(&bench.pin_path).unwrap();
        assert_eq!(seed(), None);
        let mut first = Kernel::open(&bench.settings()).unwrap();
        assert_eq!(seed(), None);
        first.activate().unwrap();
        assert_eq!(seed(), Some(7));
        drop(first);
        let mut second = Kernel::open(&KernelSettings { seed: 8, ..bench.settings() }).unwrap();
        assert_eq!(seed(), Some(7));
        second.activate().unwrap();
        assert_eq!(seed(), Some(8));
    });
}
