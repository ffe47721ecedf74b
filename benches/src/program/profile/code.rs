//! A loaded program's machine code, line by line of its source: what the kernel tells of it by `BPF_OBJ_GET_INFO_BY_FD`.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, ensure};
use aya_obj::generated::{bpf_attr, bpf_btf_info, bpf_cmd, bpf_line_info, bpf_prog_info};

/// The machine code of a piece of a line. Lines that were inlined in several places have several.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Name of the source file.
    pub(super) file: String,
    /// The project's file that it belongs to: for a library's line, that of the code before it.
    pub(super) stage: String,
    /// Line in it.
    pub(super) line: u32,
    /// Instructions of BPF, after the verifier.
    pub(super) instructions: u32,
    /// Where the machine code begins.
    pub(super) begin: u64,
    /// Where it ends.
    pub(super) end: u64,
}

/// All pieces, in the order of their addresses.
pub(super) fn pieces(program: BorrowedFd<'_>) -> Result<Vec<Piece>> {
    let mut known: bpf_prog_info = zeroed();
    info(program, &mut known).context("ask for the program")?;
    let mut lines = vec![zeroed::<bpf_line_info>(); known.nr_line_info as usize];
    let mut addresses = vec![0_u64; known.nr_jited_line_info as usize];
    let mut functions = vec![0_u64; known.nr_jited_ksyms as usize];
    let mut lengths = vec![0_u32; known.nr_jited_func_lens as usize];
    let mut asked = bpf_prog_info {
        nr_line_info: known.nr_line_info,
        line_info_rec_size: known.line_info_rec_size,
        line_info: lines.as_mut_ptr() as u64,
        nr_jited_line_info: known.nr_jited_line_info,
        jited_line_info_rec_size: known.jited_line_info_rec_size,
        jited_line_info: addresses.as_mut_ptr() as u64,
        nr_jited_ksyms: known.nr_jited_ksyms,
        jited_ksyms: functions.as_mut_ptr() as u64,
        nr_jited_func_lens: known.nr_jited_func_lens,
        jited_func_lens: lengths.as_mut_ptr() as u64,
        ..zeroed()
    };
    ensure!(known.line_info_rec_size as usize == size_of::<bpf_line_info>(), "the kernel's lines are of another kind");
    ensure!(known.jited_line_info_rec_size as usize == size_of::<u64>(), "the kernel's addresses are of another kind");
    info(program, &mut asked).context("ask for the program's lines")?;
    ensure!(addresses.iter().all(|address| *address != 0), "the kernel hides addresses: kernel.kptr_restrict");
    let names = strings(known.btf_id)?;
    let total = known.xlated_prog_len / 8;
    let nexts = lines.iter().skip(1).map(|line| line.insn_off).chain([total]);
    let mut pieces: Vec<Piece> = lines
        .iter()
        .zip(nexts)
        .zip(&addresses)
        .map(|((line, next), &begin)| Piece {
            file: path(&names, line.file_name_off),
            stage: String::new(),
            line: line.line_col >> 10,
            instructions: next.saturating_sub(line.insn_off),
            begin,
            end: begin,
        })
        .collect();
    pieces.sort_by_key(|piece| piece.begin);
    let mut ends: Vec<u64> = functions.iter().zip(&lengths).map(|(begin, length)| begin + u64::from(*length)).collect();
    ends.extend(&addresses);
    ends.sort_unstable();
    let mut stage = "entry".to_owned();
    for piece in &mut pieces {
        if !["/library/", "/aya-ebpf"].iter().any(|library| piece.file.contains(library)) {
            stage = short(&piece.file);
        }
        piece.stage.clone_from(&stage);
        piece.file = short(&piece.file);
        piece.end = ends.get(ends.partition_point(|end| *end <= piece.begin)).copied().unwrap_or(piece.begin);
    }
    Ok(pieces)
}

fn path(names: &[u8], offset: u32) -> String {
    let path = names.get(offset as usize..).and_then(|rest| CStr::from_bytes_until_nul(rest).ok());
    path.map(CStr::to_string_lossy).unwrap_or_default().into_owned()
}

/// The file with the folder that it is in.
fn short(path: &str) -> String {
    let mut parts = path.rsplit('/').filter(|part| *part != ".");
    let (file, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{folder}/{file}")
}

/// The strings of a BTF object.
fn strings(id: u32) -> Result<Vec<u8>> {
    let mut attr: bpf_attr = zeroed();
    attr.__bindgen_anon_6.__bindgen_anon_1.btf_id = id;
    let fd = bpf(bpf_cmd::BPF_BTF_GET_FD_BY_ID, &mut attr).context("open the program's BTF")?;
    // SAFETY: the system call has just given this descriptor, and nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) };
    let mut known: bpf_btf_info = zeroed();
    let borrowed = std::os::fd::AsFd::as_fd(&fd);
    info(borrowed, &mut known).context("ask for the program's BTF")?;
    let mut bytes = vec![0_u8; known.btf_size as usize];
    let mut asked = bpf_btf_info { btf: bytes.as_mut_ptr() as u64, btf_size: known.btf_size, ..zeroed() };
    info(borrowed, &mut asked).context("read the program's BTF")?;
    // The header: magic, version, flags, its own length, offset and length of types and of strings.
    let word = |at: usize| -> Result<usize> {
        let bytes = bytes.get(at..at + 4).context("BTF is cut off")?;
        Ok(u32::from_ne_bytes(bytes.try_into()?) as usize)
    };
    let begin = word(4)? + word(16)?;
    Ok(bytes.get(begin..begin + word(20)?).context("BTF is cut off")?.to_vec())
}

/// Fills in what the kernel knows of a descriptor's object. `I` is the structure that belongs to its kind; the buffers that it
/// names are as long as it says.
fn info<I: Plain>(fd: BorrowedFd<'_>, info: &mut I) -> io::Result<()> {
    let mut attr: bpf_attr = zeroed();
    attr.info.bpf_fd = fd.as_raw_fd().cast_unsigned();
    attr.info.info_len = u32::try_from(size_of::<I>()).unwrap_or_default();
    attr.info.info = std::ptr::from_mut(info) as u64;
    bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

/// What the kernel reads and writes: structures and unions of integers, for which all zeros is a value.
///
/// # Safety
/// The type is one of those.
unsafe trait Plain {}

// SAFETY: integers, bit fields in integers, and unions and arrays of them.
unsafe impl Plain for bpf_attr {}
// SAFETY: as above.
unsafe impl Plain for bpf_prog_info {}
// SAFETY: as above.
unsafe impl Plain for bpf_btf_info {}
// SAFETY: as above.
unsafe impl Plain for bpf_line_info {}

/// All zeros: what the kernel wants for fields that aren't used.
fn zeroed<T: Plain>() -> T {
    // SAFETY: a `Plain` type's value.
    unsafe { std::mem::zeroed() }
}

fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: `attr` is a whole `bpf_attr` of the size that is named. What it points to, the callers keep alive, and give as
    // long as they say.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_long, attr, size_of::<bpf_attr>()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}
