//! Frames onto an interface, as they are.

use std::ffi::CString;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// A packet socket (packet(7)).
pub(crate) struct Wire {
    socket: OwnedFd,
    to: libc::sockaddr_ll,
}

impl Wire {
    /// Opens an interface of this thread's namespace.
    pub(crate) fn on(interface: &str) -> Self {
        let name = CString::new(interface).unwrap();
        // SAFETY: the name ends with its zero and lives until the call returns.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        assert_ne!(index, 0, "no interface {interface}");
        // SAFETY: no pointers.
        let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        assert!(socket >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the kernel has just made this descriptor for us.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: made of integers: all zeros is a value.
        let mut to = unsafe { std::mem::zeroed::<libc::sockaddr_ll>() };
        to.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
        to.sll_ifindex = i32::try_from(index).unwrap();
        Self { socket, to }
    }

    /// Sends a frame.
    pub(crate) fn send(&self, frame: &[u8]) {
        let socket = self.socket.as_raw_fd();
        let length = u32::try_from(size_of_val(&self.to)).unwrap();
        // SAFETY: frame and address live until the call returns, and are of the lengths that are named.
        let sent =
            unsafe { libc::sendto(socket, frame.as_ptr().cast(), frame.len(), 0, (&raw const self.to).cast(), length) };
        assert_eq!(usize::try_from(sent), Ok(frame.len()), "{}", std::io::Error::last_os_error());
    }
}
