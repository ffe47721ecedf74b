//! What the kernel wants of programs and can't be seen on a machine whose verifier doesn't walk where another version's does.

use aya_obj::Object;
use aya_obj::generated::bpf_insn;

use super::{EDGE, GENERATOR, MEASURE, TARGET};

/// The register that holds the end of the stack.
const FRAME: u8 = 10;

/// Offset from the end of the stack and width, in bytes, of what an instruction reads or writes there by the frame register. The
/// compiler reaches all there by it whose place is known, which is whatever it keeps there by itself.
fn stack_access(instruction: &bpf_insn) -> Option<(i16, i16)> {
    // RFC 9669, sections 3 and 5: the class is the lowest three bits, the width of loads and stores the next two.
    let base = match instruction.code & 0b111 {
        // Into a register.
        0b001 => instruction.src_reg(),
        // Of a constant, of a register; atomic operations, too.
        0b010 | 0b011 => instruction.dst_reg(),
        _ => return None,
    };
    let width = match instruction.code & 0b11000 {
        0b00000 => 4,
        0b01000 => 2,
        0b10000 => 1,
        _ => 8,
    };
    (base == FRAME).then_some((instruction.off, width))
}

/// Those among the accesses that are not aligned to their width.
fn misaligned(instructions: &[bpf_insn]) -> Vec<String> {
    let numbered = instructions.iter().enumerate();
    let accesses = numbered.filter_map(|(number, instruction)| Some((number, stack_access(instruction)?)));
    let wrong = accesses.filter(|(_, (offset, width))| offset % width != 0);
    wrong.map(|(number, (offset, width))| format!("{number}: {width} bytes at r10{offset:+}")).collect()
}

/// The verifier refuses others (`check_ptr_alignment`), on each path that it walks; which those are differs with its version.
#[test]
fn what_programs_keep_on_the_stack_is_aligned_to_its_width() {
    for (file, bytes) in [("edge", EDGE), ("target", TARGET), ("generator", GENERATOR), ("measure", MEASURE)] {
        let object = Object::parse(bytes).unwrap();
        assert!(!object.functions.is_empty(), "{file}");
        for function in object.functions.values() {
            let wrong = misaligned(&function.instructions);
            assert!(wrong.is_empty(), "{file}, {}: {wrong:#?}", function.name);
        }
    }
}

#[test]
fn a_word_across_two_words_of_the_stack_is_found() {
    let instruction = |code, registers: u8, off| {
        let registers = bpf_insn::new_bitfield_1(registers & 0xf, registers >> 4);
        bpf_insn { code, _bitfield_align_1: [], _bitfield_1: registers, off, imm: 0 }
    };
    for (what, code, registers, offset, found) in [
        ("*(u64 *)(r10 - 16) = r1", 0x7b, 0x1a, -16, None),
        ("*(u64 *)(r10 - 12) = r1", 0x7b, 0x1a, -12, Some("0: 8 bytes at r10-12")),
        ("*(u32 *)(r10 - 12) = r1", 0x63, 0x1a, -12, None),
        ("*(u32 *)(r10 - 10) = r1", 0x63, 0x1a, -10, Some("0: 4 bytes at r10-10")),
        ("*(u16 *)(r10 - 9) = 7", 0x6a, 0x0a, -9, Some("0: 2 bytes at r10-9")),
        ("*(u8 *)(r10 - 9) = 7", 0x72, 0x0a, -9, None),
        ("r1 = *(u64 *)(r10 - 12)", 0x79, 0xa1, -12, Some("0: 8 bytes at r10-12")),
        ("r10's like in a packet", 0x79, 0x12, 14, None),
        ("r10 stored elsewhere", 0x7b, 0xa1, 4, None),
        ("r1 += r2", 0x0f, 0x21, 0, None),
    ] {
        assert_eq!(misaligned(&[instruction(code, registers, offset)]), Vec::from_iter(found), "{what}");
    }
}
