//! Commands that look at the disk.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt::Write;

use ipc::file::{Entry, Kind, Opened, Status};
use sha2::{Digest, Sha256};

use super::{Fail, Result};
use crate::console::Console;
use crate::shell::Shell;
use crate::text::{Lines, Plain};
use crate::volume::Volume;

/// Bytes of a file that are read at once.
const PIECE: usize = 64 * 1024;
/// Names of a directory that are sorted together, in bytes: a directory of any length is shown with this much memory.
const SORTED: usize = 32 * 1024;

/// Opens the root once, so that the volume is mounted.
///
/// # Errors
/// Why there is none.
pub fn mount(volume: &mut Volume) -> core::result::Result<(), ipc::Error<Status>> {
    let root = volume.open("/")?;
    volume.close(root.handle);
    Ok(())
}

/// `ls [PATH]`
pub fn ls(shell: &mut Shell, arguments: &[String]) -> Result {
    let typed = arguments.first().map_or(".", String::as_str);
    with_open(shell, typed, |shell, opened| match opened.kind {
        Kind::Directory => list(shell, typed, opened.handle),
        Kind::File => show_entry(&mut shell.console, opened.size, opened.kind, typed),
    })
}

fn list(shell: &mut Shell, typed: &str, handle: u32) -> Result {
    let mut cursor = 0;
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let end = loop {
            shell.console.check_interrupt()?;
            match shell.volume.entry(handle, cursor).map_err(|error| Fail::about(typed, error))? {
                Some(Entry { next, size, kind, name }) => {
                    cursor = next;
                    bytes += name.len() + size_of::<(String, u64, Kind)>();
                    batch.push((String::from(name.as_str()), size, kind));
                }
                None => break true,
            }
            if bytes >= SORTED {
                break false;
            }
        };
        batch.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        for (name, size, kind) in &batch {
            show_entry(&mut shell.console, *size, *kind, name)?;
        }
        if end {
            return Ok(());
        }
    }
}

fn show_entry(console: &mut Console, size: u64, kind: Kind, name: &str) -> Result {
    let name = Plain(name);
    Ok(match kind {
        Kind::File => console.print(format_args!("{size:>12}  {name}\n")),
        Kind::Directory => console.print(format_args!("{:>12}  {name}/\n", "")),
    }?)
}

/// `cd [PATH]`
pub fn cd(shell: &mut Shell, arguments: &[String]) -> Result {
    let typed = arguments.first().map_or("/", String::as_str);
    with_open(shell, typed, |shell, opened| {
        if opened.kind == Kind::File {
            return Err(Fail::about(typed, Status::NotDirectory));
        }
        shell.directory = shell.resolve(typed);
        Ok(())
    })
}

/// `pwd`
pub fn pwd(shell: &mut Shell, _: &[String]) -> Result {
    let directory = shell.directory.clone();
    Ok(shell.console.print(format_args!("{}\n", Plain(&directory)))?)
}

/// `cat FILE…`
pub fn cat(shell: &mut Shell, arguments: &[String]) -> Result {
    for typed in arguments {
        let mut lines = Lines::default();
        let mut last = '\n';
        read_file(shell, typed, |console, piece| {
            lines.feed(piece, |character| {
                last = character;
                console.put(character)
            })?;
            Ok(())
        })?;
        if last != '\n' {
            shell.console.put('\n')?;
        }
    }
    Ok(())
}

/// `hexdump FILE`: sixteen bytes a line, in the manner of `hexdump -C`.
pub fn hexdump(shell: &mut Shell, arguments: &[String]) -> Result {
    let Some(typed) = arguments.first() else { return Ok(()) };
    let mut position = 0u64;
    // Pieces of a file need not be multiples of a line.
    let mut row = Vec::with_capacity(16);
    read_file(shell, typed, |console, piece| {
        for &byte in piece {
            row.push(byte);
            if row.len() == 16 {
                show_row(console, position, &row)?;
                position += 16;
                row.clear();
            }
        }
        Ok(())
    })?;
    if !row.is_empty() {
        show_row(&mut shell.console, position, &row)?;
        position += row.len() as u64;
    }
    Ok(shell.console.print(format_args!("{position:08x}\n"))?)
}

fn show_row(console: &mut Console, position: u64, row: &[u8]) -> Result {
    let (mut numbers, mut text) = (String::new(), String::new());
    for index in 0..16 {
        let gap = if index == 8 { "  " } else { " " };
        let _ = match row.get(index) {
            Some(byte) => write!(numbers, "{gap}{byte:02x}"),
            None => write!(numbers, "{gap}  "),
        };
        text.extend(row.get(index).map(|&byte| if (0x20..0x7f).contains(&byte) { byte as char } else { '.' }));
    }
    Ok(console.print(format_args!("{position:08x} {numbers}  |{text}|\n"))?)
}

/// `sha256 FILE…`: as `sha256sum` prints it.
pub fn sha256(shell: &mut Shell, arguments: &[String]) -> Result {
    for typed in arguments {
        let mut hash = Sha256::new();
        read_file(shell, typed, |_, piece| {
            hash.update(piece);
            Ok(())
        })?;
        for byte in hash.finalize() {
            shell.console.print(format_args!("{byte:02x}"))?;
        }
        shell.console.print(format_args!("  {}\n", Plain(typed)))?;
        shell.console.flush()?;
    }
    Ok(())
}

/// Calls `with` for each piece of a file, in order.
fn read_file(shell: &mut Shell, typed: &str, mut with: impl FnMut(&mut Console, &[u8]) -> Result) -> Result {
    with_open(shell, typed, |shell, opened| {
        if opened.kind == Kind::Directory {
            return Err(Fail::about(typed, Status::IsDirectory));
        }
        let mut piece = vec![0; PIECE];
        let mut position = 0u64;
        loop {
            shell.console.check_interrupt()?;
            let read = shell.volume.read(opened.handle, position, &mut piece);
            match read.map_err(|error| Fail::about(typed, error))? {
                0 => return Ok(()),
                count => {
                    with(&mut shell.console, piece.get(..count).unwrap_or_default())?;
                    position = position.saturating_add(count as u64);
                }
            }
        }
    })
}

/// Calls `with` for what is at a path, and closes it whatever happens.
fn with_open(shell: &mut Shell, typed: &str, with: impl FnOnce(&mut Shell, Opened) -> Result) -> Result {
    let path = shell.resolve(typed);
    let opened = shell.volume.open(&path).map_err(|error| Fail::about(typed, error))?;
    let result = with(shell, opened);
    shell.volume.close(opened.handle);
    result
}

/// A number of bytes for people: in KiB, rounded up.
pub fn kibibytes(bytes: u64) -> String {
    format!("{}K", bytes.div_ceil(1024))
}
