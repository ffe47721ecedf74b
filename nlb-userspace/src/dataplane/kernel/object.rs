//! The programs' objects: the shapes of their maps, and loading a program over a set of them.

use std::fmt::Write as _;
use std::path::Path;

use aya::maps::MapInfo;
use aya::programs::{Program, ProgramError, ProgramFd};
use aya::{Ebpf, EbpfError, EbpfLoader};
use nlb_common::active::LEVELS;
use nlb_common::hash::HashKeys;
use nlb_common::layout::{LAYOUT_VERSION, edge, target};
use nlb_common::listener::{entries_for, shift_of};
use xxhash_rust::xxh3::xxh3_64;

use super::{KernelError, pins};
use crate::model::Capacity;
use crate::programs::{EDGE, TARGET};

/// What a pinned map must be to be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    name: &'static str,
    kind: u32,
    key_size: u32,
    value_size: u32,
    entries: u32,
    flags: u32,
}

/// A program and the maps that it wants.
#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    bytes: &'static [u8],
    program: &'static str,
    shapes: Vec<Shape>,
}

/// A program that the verifier has accepted. What is left in `object` is what was not taken.
pub(super) struct Loaded {
    pub(super) object: Ebpf,
    pub(super) program: ProgramFd,
}

impl Blueprint {
    /// The edge's, at a capacity.
    pub(super) fn edge(capacity: Capacity) -> Result<Self, KernelError> {
        Self::new(EDGE, edge::PROGRAM, edge::PINNED, |name| entries(name, capacity))
    }

    /// The target host's.
    pub(super) fn target() -> Result<Self, KernelError> {
        Self::new(TARGET, target::PROGRAM, target::PINNED, |_| None)
    }

    fn new(
        bytes: &'static [u8],
        program: &'static str,
        maps: &[&'static str],
        entries: impl Fn(&str) -> Option<u32>,
    ) -> Result<Self, KernelError> {
        let object = aya_obj::Object::parse(bytes).map_err(|error| load_error(program, error.into()))?;
        let shape = |&name: &&'static str| {
            let map = object.maps.get(name).ok_or(KernelError::NotInObject { name })?;
            Ok::<_, KernelError>(Shape {
                name,
                kind: map.map_type(),
                key_size: map.key_size(),
                value_size: map.value_size(),
                entries: entries(name).unwrap_or(map.max_entries()),
                flags: map.map_flags(),
            })
        };
        Ok(Self { bytes, program, shapes: maps.iter().map(shape).collect::<Result<_, _>>()? })
    }

    /// Name of the set's directory: the same for the same layout and capacity, another for any other.
    pub(super) fn name(&self) -> String {
        let mut text = String::new();
        for Shape { name, kind, key_size, value_size, entries, flags } in &self.shapes {
            write!(text, "{name} {kind} {key_size} {value_size} {entries} {flags};").ok();
        }
        format!("v{LAYOUT_VERSION}-{:08x}", xxh3_64(text.as_bytes()) >> 32)
    }

    /// Whether all maps are pinned in `set`, each of the shape that is wanted.
    pub(super) fn is_complete(&self, set: &Path) -> bool {
        self.shapes.iter().all(|shape| {
            MapInfo::from_pin(set.join(shape.name)).is_ok_and(|found| {
                // The kernel's numbers of kinds are the object's.
                found.map_type().is_ok_and(|kind| kind as u32 == shape.kind)
                    && found.key_size() == shape.key_size
                    && found.value_size() == shape.value_size
                    && found.max_entries() == shape.entries
                    && found.map_flags() == shape.flags
            })
        })
    }

    /// As [`load`](Self::load), with the edge's constants.
    pub(super) fn load_edge(&self, set: &Path, keys: &HashKeys, trace: bool) -> Result<Loaded, KernelError> {
        let trace = u8::from(trace);
        let entries = |name| {
            let table = self.shapes.iter().find(|shape| shape.name == name);
            table.map(|shape| shape.entries).ok_or(KernelError::NotInObject { name })
        };
        let shift = shift_of(entries(edge::LISTENERS)?);
        let (listener_sketches, target_sketches) =
            (entries(edge::LISTENER_FLOWS)? / LEVELS, entries(edge::TARGET_FLOWS)? / LEVELS);
        let mut loader = EbpfLoader::new();
        loader
            .override_global(edge::HASH_KEYS, keys, true)
            .override_global(edge::LISTENER_SHIFT, &shift, true)
            .override_global(edge::LISTENER_SKETCHES, &listener_sketches, true)
            .override_global(edge::TARGET_SKETCHES, &target_sketches, true)
            .override_global(edge::TRACE, &trace, true);
        self.load(set, loader)
    }

    /// Loads the edge's program for captures, with so many bytes of room for packets, over the maps in `set`.
    pub(super) fn load_capture(&self, set: &Path, room: u32) -> Result<Loaded, KernelError> {
        let mut loader = EbpfLoader::new();
        loader.map_max_entries(edge::CAPTURED, room);
        self.load_program(edge::CAPTURE, set, loader)
    }

    /// Adopts the maps in `set`, or makes and pins them, and loads the program over them.
    pub(super) fn load(&self, set: &Path, loader: EbpfLoader<'_>) -> Result<Loaded, KernelError> {
        self.load_program(self.program, set, loader)
    }

    fn load_program(&self, name: &'static str, set: &Path, mut loader: EbpfLoader<'_>) -> Result<Loaded, KernelError> {
        if !self.is_complete(set) {
            pins::remove_directory(set)?;
            pins::make_directory(set)?;
        }
        for shape in &self.shapes {
            loader.map_max_entries(shape.name, shape.entries).map_pin_path(shape.name, set.join(shape.name));
        }
        let mut object = loader.load(self.bytes).map_err(|error| load_error(name, error))?;
        let program = load(&mut object, name)?;
        Ok(Loaded { object, program })
    }
}

/// How many entries a table has at a capacity; `None` for those of fixed size.
fn entries(name: &str, capacity: Capacity) -> Option<u32> {
    match name {
        edge::LISTENERS => Some(entries_for(capacity.listeners)),
        edge::LISTENER_COUNTERS
        | edge::LISTENER_REFUSED
        | edge::GUARDS
        | edge::RANGES
        | edge::VIPS
        | edge::GATEWAYS => Some(capacity.listeners),
        edge::QUIC_SERVERS => Some(capacity.quic_servers()),
        edge::GROUPS => Some(capacity.groups),
        edge::SHIELDED => Some(capacity.listeners.saturating_add(capacity.targets)),
        // Entry 0 is never used.
        edge::TARGETS | edge::TARGET_COUNTERS => Some(capacity.targets.saturating_add(1)),
        edge::LISTENER_FLOWS => Some(capacity.sketches.saturating_mul(LEVELS)),
        edge::TARGET_FLOWS => Some(capacity.sketches.saturating_add(1).saturating_mul(LEVELS)),
        edge::SLOTS => Some(capacity.slots),
        edge::HALF_OPEN => Some(capacity.half_open),
        edge::ESTABLISHED => Some(capacity.flows),
        edge::DATAGRAMS => Some(capacity.datagrams),
        edge::FRAGMENTS => Some(capacity.fragments),
        // A list that changes is there twice for a moment.
        edge::ACCESS => Some(capacity.networks.saturating_mul(2)),
        edge::SOURCES => Some(capacity.sources),
        // A translated flow has two entries.
        edge::NAT_NEW => Some(capacity.half_open.saturating_mul(2)),
        edge::NAT_FLOWS => Some(capacity.flows.saturating_mul(2)),
        _ => None,
    }
}

/// Loads the XDP program of that name, which `object` may have beside others.
pub(super) fn load(object: &mut Ebpf, name: &'static str) -> Result<ProgramFd, KernelError> {
    let Some(Program::Xdp(program)) = object.program_mut(name) else {
        return Err(KernelError::NotInObject { name });
    };
    let loaded = program.load().and_then(|()| program.fd()?.try_clone().map_err(ProgramError::IOError));
    loaded.map_err(|error| load_error(name, error.into()))
}

fn load_error(program: &'static str, error: EbpfError) -> KernelError {
    const LAST_LINES: usize = 12;
    match error {
        EbpfError::ProgramError(ProgramError::LoadError { io_error, verifier_log }) => {
            let log = verifier_log.to_string();
            let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
            if lines.is_empty() && io_error.raw_os_error() == Some(libc::EPERM) {
                return KernelError::Denied { action: format!("loading `{program}`"), source: io_error };
            }
            let log = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            KernelError::Rejected { program, source: io_error, log }
        }
        error => KernelError::Load { program, source: Box::new(error) },
    }
}
