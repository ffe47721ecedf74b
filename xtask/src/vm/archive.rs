//! The archive that the kernel unpacks as its first file system: cpio, "new ASCII format"
//! (the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;
use std::path::Path;

const FOLDER: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;

/// An archive in the making. Folders come by themselves.
#[derive(Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a file with these permissions.
    pub(super) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.parents(path);
        self.entry(path, FILE | permissions, content);
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, to: &str) {
        self.parents(path);
        self.entry(path, LINK, to.as_bytes());
    }

    /// Adds an empty folder.
    pub(super) fn folder(&mut self, path: &str) {
        self.parents(path);
        if self.folders.insert(relative(path).to_owned()) {
            self.entry(path, FOLDER, &[]);
        }
    }

    /// The finished archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        let parent = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
        if !relative(parent).is_empty() {
            self.folder(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let name = relative(path);
        let (number, links, size) = (self.entries, 1, content.len());
        let (owner, group, time, device) = (0, 0, 0, 0);
        let header = format!(
            "070701{number:08x}{mode:08x}{owner:08x}{group:08x}{links:08x}{time:08x}{size:08x}{device:08x}{device:08x}\
             {device:08x}{device:08x}{:08x}{:08x}",
            name.len() + 1,
            0,
        );
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode and content of each entry, read as the format's description says.
    fn read(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let number = |field: usize| {
                let digits = std::str::from_utf8(&bytes[6 + 8 * field..14 + 8 * field]).expect("digits");
                u32::from_str_radix(digits, 16).expect("a number")
            };
            assert_eq!(&bytes[..6], b"070701");
            let (mode, size, name_size) = (number(1), number(6) as usize, number(11) as usize);
            let name = String::from_utf8(bytes[110..110 + name_size - 1].to_vec()).expect("a name");
            let start = (110 + name_size).next_multiple_of(4);
            entries.push((name, mode, bytes[start..start + size].to_vec()));
            bytes = &bytes[(start + size).next_multiple_of(4)..];
        }
        entries
    }

    #[test]
    fn what_is_put_in_is_read_back_and_folders_come_before_what_is_in_them() {
        let mut archive = Archive::default();
        archive.file("/usr/bin/tool", 0o755, b"12345");
        archive.file("usr/bin/other", 0o644, b"");
        archive.link("/sbin", "usr/bin");
        let names = ["usr", "usr/bin", "usr/bin/tool", "usr/bin/other", "sbin", "TRAILER!!!"];
        let modes = [0o040_755, 0o040_755, 0o100_755, 0o100_644, 0o120_777, 0];
        let contents: [&[u8]; 6] = [b"", b"", b"12345", b"", b"usr/bin", b""];
        let wanted = names.iter().zip(modes).zip(contents);
        let wanted: Vec<_> =
            wanted.map(|((name, mode), content)| ((*name).to_owned(), mode, content.to_vec())).collect();
        assert_eq!(read(&archive.finish()), wanted);
    }
}
