//! The bpf(2) calls that aya does not offer, or not with the kernel's own answer: aya attaches XDP by netlink, without a
//! link that could be pinned, when the kernel refuses a link; and it has no way to a link's interface.
//!
//! The only place here with raw system calls but for the memory mapping of [`super::mapped`].

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya::Pod;
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_link_info, bpf_link_type, bpf_map_type};
use nlb_common::hash::Flow;

/// What the kernel says about an XDP link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkInfo {
    /// The program that runs now.
    pub(super) program_id: u32,
    /// The interface; 0 once it is gone.
    pub(super) interface: u32,
}

/// Opens what is pinned at `path`.
pub(super) fn object_get(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = zeroed();
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    // SAFETY: the path is a string with its zero that lives until the call returns.
    unsafe { bpf_fd(bpf_cmd::BPF_OBJ_GET, &mut attr) }
}

/// Pins `object` at `path`, where nothing may be yet.
pub(super) fn object_pin(object: impl AsFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = zeroed();
    attr.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    attr.__bindgen_anon_4.bpf_fd = number(object.as_fd());
    // SAFETY: the path is a string with its zero that lives until the call returns.
    unsafe { bpf(bpf_cmd::BPF_OBJ_PIN, &mut attr) }.map(drop)
}

/// What the kernel knows about an XDP link; `None` for a link of another kind.
pub(super) fn xdp_link_info(link: impl AsFd) -> io::Result<Option<LinkInfo>> {
    // SAFETY: made of integers and unions of them: all zeros is a value.
    let mut info = unsafe { std::mem::zeroed::<bpf_link_info>() };
    let mut attr = zeroed();
    attr.info.bpf_fd = number(link.as_fd());
    attr.info.info_len = u32::try_from(size_of_val(&info)).unwrap_or(u32::MAX);
    attr.info.info = (&raw mut info) as u64;
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, which lives until the call returns.
    unsafe { bpf(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attr) }?;
    if info.type_ != bpf_link_type::BPF_LINK_TYPE_XDP as u32 {
        return Ok(None);
    }
    // SAFETY: an integer in zeroed memory: every bit pattern is a value. For XDP links the kernel fills in this member.
    let interface = unsafe { info.__bindgen_anon_1.xdp.ifindex };
    Ok(Some(LinkInfo { program_id: info.prog_id, interface }))
}

/// Attaches an XDP program to an interface. The link lasts as long as a descriptor or a pin of it.
pub(super) fn xdp_link_create(program: impl AsFd, interface: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    attr.link_create.__bindgen_anon_1.prog_fd = number(program.as_fd());
    attr.link_create.__bindgen_anon_2.target_ifindex = interface;
    attr.link_create.attach_type = bpf_attach_type::BPF_XDP as u32;
    attr.link_create.flags = flags;
    // SAFETY: no pointers; the descriptor is open.
    unsafe { bpf_fd(bpf_cmd::BPF_LINK_CREATE, &mut attr) }
}

/// Puts another program in place of the link's, between one packet and the next.
pub(super) fn link_update(link: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let mut attr = zeroed();
    attr.link_update.link_fd = number(link.as_fd());
    attr.link_update.__bindgen_anon_1.new_prog_fd = number(program.as_fd());
    // SAFETY: no pointers; both descriptors are open.
    unsafe { bpf(bpf_cmd::BPF_LINK_UPDATE, &mut attr) }.map(drop)
}

/// Detaches a link now, whoever else holds it. Without this it goes some time after its last pin and descriptor: the
/// kernel frees a pin's inode only after a grace period.
pub(super) fn link_detach(link: impl AsFd) -> io::Result<()> {
    let mut attr = zeroed();
    attr.link_detach.link_fd = number(link.as_fd());
    // SAFETY: no pointers; the descriptor is open.
    unsafe { bpf(bpf_cmd::BPF_LINK_DETACH, &mut attr) }.map(drop)
}

/// Runs an XDP program on `frame` as if it had come in by `interface`, and does what the program says. From a thread in the
/// interface's network namespace.
pub(super) fn run_live(program: impl AsFd, frame: &[u8], interface: u32) -> io::Result<()> {
    /// `struct xdp_md` of linux/bpf.h.
    #[repr(C)]
    #[derive(Default)]
    struct Context {
        data: u32,
        data_end: u32,
        data_meta: u32,
        ingress_ifindex: u32,
        rx_queue_index: u32,
        egress_ifindex: u32,
    }
    /// Of linux/bpf.h.
    const BPF_F_TEST_XDP_LIVE_FRAMES: u32 = 2;
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let length = u32::try_from(frame.len()).map_err(too_long)?;
    let context = Context { data_end: length, ingress_ifindex: interface, ..Context::default() };
    let mut attr = zeroed();
    attr.test.prog_fd = number(program.as_fd());
    attr.test.data_in = frame.as_ptr() as u64;
    attr.test.data_size_in = length;
    attr.test.ctx_in = (&raw const context) as u64;
    attr.test.ctx_size_in = u32::try_from(size_of_val(&context)).map_err(too_long)?;
    attr.test.repeat = 1;
    attr.test.batch_size = 1;
    attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    // SAFETY: the kernel reads as much of the frame and the context as is named; both live until the call returns.
    unsafe { bpf(bpf_cmd::BPF_PROG_TEST_RUN, &mut attr) }.map(drop)
}

/// Makes an array of one map.
pub(super) fn array_of_one_map(template: impl AsFd) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    attr.__bindgen_anon_1.map_type = bpf_map_type::BPF_MAP_TYPE_ARRAY_OF_MAPS as u32;
    attr.__bindgen_anon_1.key_size = 4;
    attr.__bindgen_anon_1.value_size = 4;
    attr.__bindgen_anon_1.max_entries = 1;
    attr.__bindgen_anon_1.inner_map_fd = number(template.as_fd());
    // SAFETY: no pointers; the descriptor is open.
    unsafe { bpf_fd(bpf_cmd::BPF_MAP_CREATE, &mut attr) }
}

/// Puts `inner` at index 0 of an array of maps.
pub(super) fn set_only_map(outer: impl AsFd, inner: impl AsFd) -> io::Result<()> {
    let (key, value) = (0_u32, number(inner.as_fd()));
    let mut attr = zeroed();
    attr.__bindgen_anon_2.map_fd = number(outer.as_fd());
    attr.__bindgen_anon_2.key = (&raw const key) as u64;
    attr.__bindgen_anon_2.__bindgen_anon_1.value = (&raw const value) as u64;
    // SAFETY: key and value are of the sizes that the map was made with and live until the call returns.
    unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// Reads one entry of a flow table.
pub(super) fn lookup<V: Pod + Default>(table: impl AsFd, flow: &Flow) -> io::Result<Option<V>> {
    let mut value = V::default();
    let mut attr = zeroed();
    attr.__bindgen_anon_2.map_fd = number(table.as_fd());
    attr.__bindgen_anon_2.key = std::ptr::from_ref(flow) as u64;
    attr.__bindgen_anon_2.__bindgen_anon_1.value = (&raw mut value) as u64;
    // SAFETY: key and value are of the sizes that the flow tables were made with and live until the call returns.
    match unsafe { bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr) } {
        Ok(_) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a batch of look-ups gave.
pub(super) struct Batch {
    /// How many entries were filled in.
    pub(super) count: usize,
    /// The bucket to go on with; `None` when there are no more.
    pub(super) next: Option<u32>,
}

/// Reads whole buckets of a flow table, from `bucket` or the first one on, into buffers of one length.
///
/// ENOSPC: the buffers can't hold the first bucket.
pub(super) fn lookup_batch<V: Pod>(
    table: impl AsFd,
    bucket: Option<u32>,
    flows: &mut [Flow],
    values: &mut [V],
) -> io::Result<Batch> {
    let mut next = 0_u32;
    let mut attr = zeroed();
    attr.batch.in_batch = bucket.as_ref().map_or(0, |bucket| std::ptr::from_ref(bucket) as u64);
    attr.batch.out_batch = (&raw mut next) as u64;
    attr.batch.keys = flows.as_mut_ptr() as u64;
    attr.batch.values = values.as_mut_ptr() as u64;
    attr.batch.count = u32::try_from(flows.len().min(values.len())).unwrap_or(u32::MAX);
    attr.batch.map_fd = number(table.as_fd());
    // SAFETY: the kernel writes at most `count` keys and values, of the sizes that the flow tables were made with, into
    // buffers that hold as many; they and both bucket numbers live until the call returns.
    let answer = unsafe { bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) };
    // SAFETY: integers in memory that was zeroed: every bit pattern is a value.
    let count = unsafe { attr.batch.count } as usize;
    match answer {
        Ok(_) => Ok(Batch { count, next: Some(next) }),
        // The last bucket has been read.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Batch { count, next: None }),
        Err(error) => Err(error),
    }
}

/// Removes entries of a flow table, up to the first that can't be: then how many were removed before it, and why.
pub(super) fn delete_batch(table: impl AsFd, flows: &[Flow]) -> Result<(), (usize, io::Error)> {
    let mut attr = zeroed();
    attr.batch.keys = flows.as_ptr() as u64;
    attr.batch.count = u32::try_from(flows.len()).unwrap_or(u32::MAX);
    attr.batch.map_fd = number(table.as_fd());
    // SAFETY: the kernel reads `count` keys of the size that the flow tables were made with.
    unsafe { bpf(bpf_cmd::BPF_MAP_DELETE_BATCH, &mut attr) }.map(drop).map_err(|error| {
        // SAFETY: as above.
        (unsafe { attr.batch.count } as usize, error)
    })
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of structures of integers: all zeros is a value, and what the kernel wants for unused fields.
    unsafe { std::mem::zeroed() }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// # Safety
/// Pointers in `attr` must be valid for what `command` reads and writes.
unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: `attr` is a whole `bpf_attr` of the size that is named; the caller vouches for its pointers.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_long, attr, size_of::<bpf_attr>()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// # Safety
/// As for [`bpf`]; and `command` answers with a new descriptor.
unsafe fn bpf_fd(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller's.
    let answer = unsafe { bpf(command, attr) }?;
    let fd = i32::try_from(answer).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
