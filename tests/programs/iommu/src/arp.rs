//! A frame that is answered.

/// Who has 10.0.2.2? QEMU's network answers (RFC 826).
pub const QUESTION: [u8; 60] = {
    let mut frame = [0; 60];
    let parts: [(usize, &[u8]); 4] = [
        (0, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]),
        (14, &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1]),
        (28, &[10, 0, 2, 15, 0, 0, 0, 0, 0, 0]),
        (38, &[10, 0, 2, 2]),
    ];
    let mut part = 0;
    while part < parts.len() {
        let (at, bytes) = parts[part];
        let mut index = 0;
        while index < bytes.len() {
            frame[at + index] = bytes[index];
            index += 1;
        }
        part += 1;
    }
    frame
};
