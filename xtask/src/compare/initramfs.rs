//! An initial ramdisk of Linux: a cpio archive in the format `newc` (`Documentation/driver-api/early-userspace/
//! buffer-format.rst`).

const FOLDER: u32 = 0o04_0755;
const REGULAR: u32 = 0o10_0000;
const CHARACTER_DEVICE: u32 = 0o02_0600;

/// An archive that grows.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn folder(&mut self, name: &str) {
        self.entry(name, FOLDER, (0, 0), &[]);
    }

    /// The device from which the first process gets its output.
    pub fn console(&mut self, name: &str) {
        self.entry(name, CHARACTER_DEVICE, (5, 1), &[]);
    }

    pub fn file(&mut self, name: &str, permissions: u32, bytes: &[u8]) {
        self.entry(name, REGULAR | permissions, (0, 0), bytes);
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    /// Fields of eight hexadecimal digits: number, mode, owner, group, links, time, size, device, device file, length of
    /// the name with its zero, checksum.
    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), bytes: &[u8]) {
        self.entries += 1;
        let (size, length) = (bytes.len() as u32, name.len() as u32 + 1);
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, length, 0];
        let fields: String = fields.iter().map(|field| format!("{field:08x}")).collect();
        self.bytes.extend_from_slice(format!("070701{fields}{name}\0").as_bytes());
        self.pad();
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_as_the_format_says() {
        let mut archive = Archive::new();
        archive.file("ab", 0o755, b"x");
        let bytes = archive.finish();
        let head =
            b"070701000000010000 81ed00000000000000000000000100000000000000010000000000000000000000000000000000000003\
                     00000000ab\0";
        let head: Vec<u8> = head.iter().copied().filter(|byte| *byte != b' ').collect();
        assert_eq!(bytes[..head.len()], head);
        assert_eq!(bytes[head.len()..116], *b"\0\0\0", "the name ends at a multiple of four");
        assert_eq!(bytes[116..120], *b"x\0\0\0");
        assert!(bytes[120..].starts_with(b"07070100000002") && bytes.ends_with(b"TRAILER!!!\0\0\0\0"));
    }
}
