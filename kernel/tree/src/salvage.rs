//! What can be found in a tree that is broken: a console on which to say so.

const BEGIN_NODE: [u8; 4] = 1u32.to_be_bytes();
/// Longer names of nodes are noise.
const MAX_NAME: usize = 64;

/// The unit address of the node that says it is `compatible`, whatever else is wrong with these bytes.
///
/// Nothing of the tree's structure is trusted or needed: the text is looked for, and then the beginning of the node
/// before it. Buses between are not known, so the address is one for a last word before a halt and for nothing else.
pub fn salvage_unit_address(bytes: &[u8], compatible: &str) -> Option<u64> {
    let text = compatible.as_bytes();
    let ends = |at: usize| bytes.get(at + text.len()) == Some(&0);
    let at = (0..bytes.len()).step_by(4).find(|&at| bytes.get(at..at + text.len()) == Some(text) && ends(at))?;
    let name = (0..at).step_by(4).rev().find_map(|at| name_of_node(bytes.get(at..)?))?;
    unit_address(name)
}

/// What follows the beginning of a node, if one is here: the number 1 also stands in many properties, a letter never
/// follows it there.
fn name_of_node(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(&BEGIN_NODE).filter(|name| name.first().is_some_and(u8::is_ascii_alphabetic))
}

/// The number behind the `@` of a name. Where that is broken too, another node's would be a wrong one.
fn unit_address(name: &[u8]) -> Option<u64> {
    let length = name.iter().take(MAX_NAME).position(|&byte| byte == 0)?;
    let (_, unit) = core::str::from_utf8(name.get(..length)?).ok()?.split_once('@')?;
    u64::from_str_radix(unit, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::QEMU;

    #[test]
    fn the_uart_of_virt_is_found_without_its_strings_and_header() {
        for (name, bytes) in QEMU.iter().filter(|(name, _)| name.starts_with("virt")) {
            assert_eq!(salvage_unit_address(bytes, "arm,pl011"), Some(0x900_0000), "{name}");
            let broken = &bytes[40..bytes.len() - 400];
            assert_eq!(salvage_unit_address(broken, "arm,pl011"), Some(0x900_0000), "{name}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert_eq!(salvage_unit_address(&[], "arm,pl011"), None);
        assert_eq!(salvage_unit_address(b"arm,pl011\0", "arm,pl011"), None);
        assert_eq!(salvage_unit_address(b"\0\0\0\x01uart@\0\0arm,pl011\0", "arm,pl011"), None);
        assert_eq!(salvage_unit_address(b"\0\0\0\x01uart@12\0arm,pl01", "arm,pl011"), None);
        assert_eq!(salvage_unit_address(b"\0\0\0\x01uart@12\0arm,pl011\0", "arm,pl011"), Some(0x12));
        let broken = b"\0\0\0\x01rtc@120\0\0\0\0\x01uart@\xff2\0arm,pl011\0";
        assert_eq!(salvage_unit_address(broken, "arm,pl011"), None);
        let number = b"\0\0\0\x01uart@12\0\0\0\0\x01\0\0\0\x09arm,pl011\0";
        assert_eq!(salvage_unit_address(number, "arm,pl011"), Some(0x12));
    }
}
