//! What is pinned, seen and removed without an agent.

use std::path::{Path, PathBuf};

use aya::maps::{Array, Map, MapData, MapError};
use nlb_common::layout::edge;

use super::{KernelError, bpffs, links, pins, preflight};
use crate::dataplane::{Attachment, DataplaneError};

/// What is pinned below a pin path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether a process, usually an agent, holds the pin path.
    pub held: bool,
    /// Interfaces that run the program.
    pub attachments: Vec<Attachment>,
    /// Sets of maps. More than one: a change of layout or capacity has not been completed.
    pub sets: Vec<PinnedSet>,
}

/// A set of maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedSet {
    /// Its directory; the name begins with the layout version.
    pub path: PathBuf,
    /// Names of its maps.
    pub maps: Vec<String>,
    /// The seed that its rings were made for, once a program ran over it.
    pub seed: Option<u64>,
}

/// What [`detach`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detached {
    /// Interfaces that no longer run the program.
    pub interfaces: Vec<String>,
    /// Pins of links and maps.
    pub pins: Vec<PathBuf>,
}

impl Detached {
    /// Whether there was nothing to remove.
    pub const fn is_nothing(&self) -> bool {
        self.interfaces.is_empty() && self.pins.is_empty()
    }
}

/// Looks at what is pinned below `pin_path`; changes nothing, and works beside an agent.
pub fn status(pin_path: &Path) -> Result<Status, DataplaneError> {
    // Without the capabilities the pins can't be seen: that is not the same as that there are none.
    preflight::check()?;
    if !bpffs::holds(pin_path) || !pin_path.exists() {
        return Ok(Status::default());
    }
    let set = |path: PathBuf| {
        let maps = pins::entries(&path)?;
        let name = |map: &PathBuf| map.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(PinnedSet { seed: seed_of(&path)?, maps: maps.iter().map(name).collect(), path })
    };
    Ok(Status {
        held: pins::is_held(pin_path),
        attachments: links::attachments(&pins::links(pin_path))?,
        sets: pins::sets(pin_path)?.into_iter().map(set).collect::<Result<_, KernelError>>()?,
    })
}

/// The seed of the program that runs, or ran last, below `pin_path`: an agent without a seed of its own goes on with it,
/// so that no flow moves.
pub fn seed_in_force(pin_path: &Path) -> Result<Option<u64>, DataplaneError> {
    preflight::check()?;
    if !bpffs::holds(pin_path) {
        return Ok(None);
    }
    for set in pins::sets(pin_path)? {
        if let Some(seed) = seed_of(&set)? {
            return Ok(Some(seed));
        }
    }
    Ok(None)
}

/// Detaches the program from every interface and removes all pins below `pin_path`, of every layout version. Refused
/// while an agent runs: it would write into tables that nobody reads.
pub fn detach(pin_path: &Path) -> Result<Detached, DataplaneError> {
    preflight::check()?;
    if !bpffs::holds(pin_path) || !pin_path.exists() {
        return Ok(Detached::default());
    }
    let root = pins::Root::take_existing(pin_path)?;
    let directory = pins::links(pin_path);
    let interfaces = links::attachments(&directory)?.into_iter().map(|attachment| attachment.interface).collect();
    let mut removed = links::remove_all(&directory)?;
    removed.extend(root.remove_sets_but(None)?);
    root.remove()?;
    Ok(Detached { interfaces, pins: removed })
}

/// The seed noted in a set; 0, what a new map holds, is none.
fn seed_of(set: &Path) -> Result<Option<u64>, KernelError> {
    let pin = set.join(edge::SEED);
    if !pin.exists() {
        return Ok(None);
    }
    let read =
        || -> Result<u64, MapError> { Array::<_, u64>::try_from(Map::Array(MapData::from_pin(&pin)?))?.get(&0, 0) };
    let seed = read().map_err(|source| KernelError::Table { action: "read", table: edge::SEED, source })?;
    Ok((seed != 0).then_some(seed))
}
