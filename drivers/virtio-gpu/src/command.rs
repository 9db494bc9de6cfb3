//! Commands of the control queue and the answers to them (virtio 1.2, 5.7.6.7). All of it is words of four bytes.

use alloc::vec::Vec;

use ipc::display::Area;

const RESOURCE_CREATE_2D: u32 = 0x0101;
const RESOURCE_UNREF: u32 = 0x0102;
const SET_SCANOUT: u32 = 0x0103;
const RESOURCE_FLUSH: u32 = 0x0104;
const TRANSFER_TO_HOST_2D: u32 = 0x0105;
const RESOURCE_ATTACH_BACKING: u32 = 0x0106;
const GET_DISPLAY_INFO: u32 = 0x0100;

const OK_NODATA: u32 = 0x1100;
const OK_DISPLAY_INFO: u32 = 0x1101;

/// VIRTIO_GPU_FLAG_FENCE: the device answers when it is done, and repeats the number.
const FENCE: u32 = 1;
/// VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM: the order of the bytes.
const B8G8R8X8: u32 = 2;

/// Bytes of the header of both: type, flags, fence (8), context, ring index.
pub const HEADER: usize = 24;
/// Outputs that a device has at most.
pub const SCANOUTS: usize = 16;
/// Bytes of the longest answer: for each output a rectangle, whether it is enabled, flags.
pub const ANSWER: usize = HEADER + SCANOUTS * 24;

/// A command, and what the device answers if all is well.
#[derive(Debug)]
pub struct Command {
    kind: u32,
    body: Vec<u32>,
}

/// Rectangles are x, y, width, height.
const fn words(area: Area) -> [u32; 4] {
    [area.left, area.top, area.width, area.height]
}

/// A number of eight bytes, the low word first.
const fn split(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

impl Command {
    fn new(kind: u32, body: &[&[u32]]) -> Self {
        Self { kind, body: body.concat() }
    }

    /// Which outputs there are.
    pub fn get_display_info() -> Self {
        Self::new(GET_DISPLAY_INFO, &[])
    }

    /// Makes a picture.
    pub fn create(resource: u32, width: u32, height: u32) -> Self {
        Self::new(RESOURCE_CREATE_2D, &[&[resource, B8G8R8X8, width, height]])
    }

    /// Lets go of a picture and its memory.
    pub fn unref(resource: u32) -> Self {
        Self::new(RESOURCE_UNREF, &[&[resource, 0]])
    }

    /// Says where the pixels of a picture come from: one piece of memory.
    pub fn attach(resource: u32, bus: u64, bytes: u32) -> Self {
        Self::new(RESOURCE_ATTACH_BACKING, &[&[resource, 1], &split(bus), &[bytes, 0]])
    }

    /// Shows a picture on an output.
    pub fn set_scanout(scanout: u32, resource: u32, area: Area) -> Self {
        Self::new(SET_SCANOUT, &[&words(area), &[scanout, resource]])
    }

    /// Has the device fetch pixels, the first of which lies at `offset` in the memory.
    pub fn transfer(resource: u32, area: Area, offset: u64) -> Self {
        Self::new(TRANSFER_TO_HOST_2D, &[&words(area), &split(offset), &[resource, 0]])
    }

    /// Has what was fetched shown.
    pub fn flush(resource: u32, area: Area) -> Self {
        Self::new(RESOURCE_FLUSH, &[&words(area), &[resource, 0]])
    }

    /// As the device reads it, with the number of its fence.
    pub fn bytes(&self, fence: u64) -> Vec<u8> {
        let header = [&[self.kind, FENCE][..], &split(fence), &[0, 0], &self.body].concat();
        header.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Bytes of its answer.
    pub const fn answer_bytes(&self) -> usize {
        if self.kind == GET_DISPLAY_INFO { ANSWER } else { HEADER }
    }

    /// Whether this is its answer, and all is well.
    pub fn is_answered(&self, answer: &[u8], fence: u64) -> bool {
        let kind = if self.kind == GET_DISPLAY_INFO { OK_DISPLAY_INFO } else { OK_NODATA };
        let [low, high] = split(fence);
        answer.len() == self.answer_bytes()
            && word(answer, 0) == kind
            && word(answer, 4) & FENCE != 0
            && [word(answer, 8), word(answer, 12)] == [low, high]
    }
}

/// The word at `offset`; 0 behind the end.
fn word(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..offset + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Number, width and height of the first output that is enabled.
pub fn enabled(answer: &[u8]) -> Option<(u32, u32, u32)> {
    (0..SCANOUTS).find_map(|scanout| {
        let place = HEADER + 24 * scanout;
        let enabled = word(answer, place + 16) != 0;
        enabled.then(|| (scanout as u32, word(answer, place + 8), word(answer, place + 12)))
    })
}
