//! A network namespace with veth pairs and a pin path of its own for each test; gone afterwards, also after a panic.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, unshare};
use nlb_common::address::Address;
use nlb_common::capture::Order;
use nlb_common::layout::edge;
use nlb_common::slot::Slot;
use nlb_common::tables::{Group, Listener, ListenerKey, Target};
use nlb_userspace::dataplane::{Attachment, Dataplane as _, Kernel, KernelSettings, Write, status};
use nlb_userspace::model::{Capacity, XdpMode};

/// The outer end of the first veth pair; the agent's interface.
pub(crate) const FIRST: &str = "nlbk0";
/// The same of the second pair.
pub(crate) const SECOND: &str = "nlbk1";
/// The other end of the first pair.
pub(crate) const PEER: &str = "nlbk0p";

/// Small, so that opening takes little time.
pub(crate) const CAPACITY: Capacity = Capacity {
    listeners: 64,
    groups: 16,
    targets: 64,
    slots: 1024,
    half_open: 1024,
    flows: 200_000,
    datagrams: 1024,
    fragments: 1024,
    sketches: 32,
    networks: 100_100,
    sources: 1024,
};

/// What a test works with.
pub(crate) struct Bench {
    pub(crate) pin_path: PathBuf,
}

/// Runs a test in a thread of its own with a network namespace of its own. File systems stay shared.
pub(crate) fn on_the_bench(test: impl FnOnce(&Bench) + Send) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let pin_path = PathBuf::from(format!("/sys/fs/bpf/nlbk-{}-{number}", std::process::id()));
    std::thread::scope(|scope| {
        let result = scope
            .spawn(move || {
                unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs root");
                let bench = Bench { pin_path };
                for (name, peer) in [(FIRST, PEER), (SECOND, "nlbk1p")] {
                    bench.ip(&["link", "add", name, "type", "veth", "peer", "name", peer]);
                    bench.ip(&["link", "set", name, "up"]);
                    bench.ip(&["link", "set", peer, "up"]);
                }
                test(&bench);
            })
            .join();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

impl Bench {
    /// Settings for the first interface.
    pub(crate) fn settings(&self) -> KernelSettings {
        KernelSettings {
            interfaces: vec![FIRST.to_owned()],
            mode: XdpMode::Native,
            pin_path: self.pin_path.clone(),
            capacity: CAPACITY,
            seed: 7,
        }
    }

    /// A kernel with [`contents`], active.
    pub(crate) fn active(&self, settings: &KernelSettings) -> Kernel {
        let mut kernel = Kernel::open(settings).unwrap();
        kernel.apply(&contents()).unwrap();
        kernel.activate().unwrap();
        kernel
    }

    /// Runs `ip` in this thread's namespace.
    pub(crate) fn ip(&self, arguments: &[&str]) {
        let status = Command::new("ip").args(arguments).status().unwrap();
        assert!(status.success(), "ip {}", arguments.join(" "));
    }

    /// Where programs run, seen from outside.
    pub(crate) fn attachments(&self) -> Vec<Attachment> {
        status(&self.pin_path).unwrap().attachments
    }

    /// Id of the program on the only interface that has one.
    pub(crate) fn program(&self) -> u32 {
        let [attachment] = &self.attachments()[..] else { panic!("{:?}", self.attachments()) };
        attachment.program_id
    }

    /// The kernel's ids of all links below the pin path.
    pub(crate) fn link_ids(&self) -> Vec<u32> {
        let pins = pins_in(&self.pin_path.join("links"));
        pins.iter()
            .map(|pin| {
                let link = aya::programs::links::PinnedLink::from_pin(pin).unwrap();
                aya::programs::links::FdLink::from(link).info().unwrap().id()
            })
            .collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Not by the code under test.
        if let Err(error) = std::fs::remove_dir_all(&self.pin_path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            eprintln!("cannot remove {}: {error}", self.pin_path.display());
        }
    }
}

/// The files in a directory.
pub(crate) fn pins_in(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).map(|read| read.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
}

/// The kernel's ids of the maps in a set, in the order of their names.
pub(crate) fn map_ids(set: &Path) -> Vec<u32> {
    let id = |name| aya::maps::MapInfo::from_pin(set.join(name)).unwrap().id();
    edge::PINNED.iter().map(id).collect()
}

/// One listener, one group with a ring of 8 slots, two targets.
pub(crate) fn contents() -> Vec<Write> {
    let group = Group { tag: 31, first_slot: 16, slot_mask: 7, ..Group::default() };
    let target = |tag| Target { tag, destination: Address::v4(0x0100_000a), mtu: 1500, ..Target::default() };
    vec![
        Write::Target { index: 1, value: target(11), fresh: true },
        Write::Target { index: 2, value: target(12), fresh: true },
        Write::Slots((16..24).map(|slot| (slot, Slot::closed(1 + slot % 2, 0))).collect()),
        Write::Group { index: 3, value: group },
        Write::Listener { key: key(80), value: Listener { sketch: 6, ..Listener::new(5, 3, &group) }, fresh: true },
    ]
}

/// A capture of all packets.
pub(crate) fn everything() -> Order {
    Order { chance: Order::one_in(1), keep: 256, ..Order::default() }
}

/// A listener's key that differs by port.
pub(crate) fn key(port: u16) -> ListenerKey {
    ListenerKey::new(Address::v4(0x6400_00c0), 6, port)
}
