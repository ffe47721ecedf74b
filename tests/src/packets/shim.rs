//! A little program in front of another one: it uses up the headroom that a test run gives, then hands the packet on.
//!
//! Written as instructions, because a driver with little headroom is nothing that the test run can play by itself.

use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya::programs::Xdp;

use crate::sys::{bpf, bpf_mut};

/// Length of the packets that the shim moves.
pub const PACKET: usize = 64;
/// The 64-bit words of one.
const WORDS: i16 = 8;

const LICENSE: &[u8] = b"GPL\0";

const BPF_MAP_CREATE: i64 = 0;
const BPF_MAP_UPDATE_ELEM: i64 = 2;
const BPF_PROG_LOAD: i64 = 5;
const BPF_PROG_TEST_RUN: i64 = 10;
const PROGRAM_ARRAY: u32 = 3;
const XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const TAIL_CALL: i32 = 12;
const XDP_ADJUST_HEAD: i32 = 44;

/// One instruction: operation, registers (source in the upper half), offset, immediate value.
#[repr(C)]
#[derive(Clone, Copy)]
struct Instruction(u8, u8, i16, i32);

const fn registers(destination: u8, source: u8) -> u8 {
    source << 4 | destination
}

/// A loaded shim.
pub struct Shim {
    program: OwnedFd,
    /// Holds the program that is called.
    _array: OwnedFd,
}

impl Shim {
    /// A shim that uses up `bytes` of headroom and then calls `program`.
    ///
    /// A packet is given with `bytes` more in front of it than it has: see [`run`](Self::run).
    pub fn before(program: &Xdp, bytes: u8) -> Result<Self> {
        let array = create_program_array()?;
        let called = program.fd()?.as_fd().as_raw_fd();
        let (key, value) = (0_u32, called);
        let update = [array.as_raw_fd() as u64, &raw const key as u64, &raw const value as u64, 0];
        bpf(BPF_MAP_UPDATE_ELEM, &update).context("cannot put the program into an array")?;
        let program = load(&instructions(i16::from(bytes), array.as_raw_fd()))?;
        Ok(Self { program, _array: array })
    }

    /// Runs on `packet`. The number of the action; 0 if the kernel doesn't give as much headroom as is to be used up.
    pub fn run(&self, packet: &[u8; PACKET]) -> Result<u32> {
        // prog_fd and retval; data_size_in and _out; data_in; data_out; repeat and duration; and what stays zero.
        let mut attributes = [0_u64; 10];
        attributes[0] = self.program.as_raw_fd() as u64;
        attributes[1] = PACKET as u64;
        attributes[2] = packet.as_ptr() as u64;
        attributes[4] = 1;
        bpf_mut(BPF_PROG_TEST_RUN, &mut attributes).context("test run of a shim")?;
        Ok((attributes[0] >> 32) as u32)
    }
}

fn instructions(used: i16, array: i32) -> Vec<Instruction> {
    let mut program = vec![
        Instruction(0xbf, registers(6, 1), 0, 0),                // r6 = context
        Instruction(0xb7, registers(2, 0), 0, -i32::from(used)), // r2 = -used
        Instruction(0x85, 0, 0, XDP_ADJUST_HEAD),                // r0 = adjust_head(r1, r2)
        Instruction(0x55, registers(0, 0), 10 + 2 * WORDS, 0),   // if r0 != 0: out
        Instruction(0x61, registers(2, 6), 0, 0),                // r2 = data
        Instruction(0x61, registers(3, 6), 4, 0),                // r3 = data_end
        Instruction(0xbf, registers(4, 2), 0, 0),                // r4 = r2
        Instruction(0x07, registers(4, 0), 0, i32::from(used) + 8 * i32::from(WORDS)), // r4 += used + PACKET
        Instruction(0x2d, registers(4, 3), 2 * WORDS + 5, 0),    // if r4 > r3: out
    ];
    for word in 0..WORDS {
        program.push(Instruction(0x79, registers(5, 2), used + 8 * word, 0)); // r5 = [r2 + used + 8 word]
        program.push(Instruction(0x7b, registers(2, 5), 8 * word, 0)); // [r2 + 8 word] = r5
    }
    program.extend([
        Instruction(0xbf, registers(1, 6), 0, 0),     // r1 = context
        Instruction(0x18, registers(2, 1), 0, array), // r2 = array
        Instruction(0, 0, 0, 0),
        Instruction(0xb7, registers(3, 0), 0, 0), // r3 = 0
        Instruction(0x85, 0, 0, TAIL_CALL),       // never comes back
        Instruction(0xb7, registers(0, 0), 0, 0), // out: r0 = XDP_ABORTED
        Instruction(0x95, 0, 0, 0),
    ]);
    program
}

fn create_program_array() -> Result<OwnedFd> {
    let (type_and_key, value_and_entries) = (u64::from(PROGRAM_ARRAY) | 4 << 32, 4 | 1 << 32);
    let fd = bpf(BPF_MAP_CREATE, &[type_and_key, value_and_entries, 0]).context("cannot create a program array")?;
    owned(fd)
}

fn load(program: &[Instruction]) -> Result<OwnedFd> {
    let type_and_count = u64::from(XDP) | (program.len() as u64) << 32;
    let mut attributes = [0; 9];
    attributes[..3].copy_from_slice(&[type_and_count, program.as_ptr() as u64, LICENSE.as_ptr() as u64]);
    // Newer kernels demand that programs which call each other are for the same kind of attachment.
    attributes[8] = u64::from(ATTACH_XDP) << 32;
    owned(bpf(BPF_PROG_LOAD, &attributes).context("the kernel refuses the shim")?)
}

fn owned(fd: i64) -> Result<OwnedFd> {
    // SAFETY: the system call just gave this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) })
}
