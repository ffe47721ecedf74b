//! The programs that rare packets are handed to.

use aya::Ebpf;
use aya::maps::{MapData, ProgramArray};
use aya::programs::ProgramFd;
use nlb_common::layout::edge;
use nlb_common::way::Way;

use super::KernelError;
use super::object;

/// The ways' programs of this build, and the array in which packets find them. An earlier build's stand there until
/// [`open`](Self::open); they are for the same tables.
pub(super) struct Ways {
    array: ProgramArray<MapData>,
    programs: Vec<(Way, ProgramFd)>,
}

impl Ways {
    /// Takes the array out of a loaded object, and loads the programs.
    pub(super) fn take(object: &mut Ebpf) -> Result<Self, KernelError> {
        let programs = Way::ALL.iter().map(|&way| Ok((way, object::load(object, way.program())?)));
        let programs = programs.collect::<Result<_, KernelError>>()?;
        let array = object.take_map(edge::WAYS).ok_or(KernelError::NotInObject { name: edge::WAYS })?;
        let array = ProgramArray::try_from(array);
        let array = array.map_err(|source| KernelError::Table { action: "open", table: edge::WAYS, source })?;
        Ok(Self { array, programs })
    }

    /// From now on packets are handed to these programs.
    pub(super) fn open(&mut self) -> Result<(), KernelError> {
        self.programs.iter().try_for_each(|(way, program)| set(&mut self.array, u32::from(*way as u8), program))
    }

    /// From now on `program` is the one that balances, to whoever stands before it.
    pub(super) fn set_balancer(&mut self, program: &ProgramFd) -> Result<(), KernelError> {
        set(&mut self.array, Way::BALANCER, program)
    }
}

fn set(array: &mut ProgramArray<MapData>, index: u32, program: &ProgramFd) -> Result<(), KernelError> {
    array.set(index, program, 0).map_err(|source| KernelError::Table { action: "write", table: edge::WAYS, source })
}
