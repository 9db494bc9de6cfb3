//! Reed–Solomon codes over GF(2^8) as Linux' lib/reed_solomon makes them for ramoops: x^8 + x^4 + x^3 + x^2 + 1, and a generator whose
//! roots are the powers of x from the 0th on. Only made here, not used: that is Linux' work.

/// Most bytes of a code: with 128 of data it must stay within 255.
pub const MOST: usize = 64;
const POLYNOMIAL: u8 = 0x1d;

/// What makes codes of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    bytes: u8,
    /// The generator's coefficients, that of the lowest power first; the highest is 1 and left out.
    generator: [u8; MOST],
}

impl Encoder {
    /// For codes of so many bytes; `None`: there are none so long.
    pub fn new(bytes: u32) -> Option<Self> {
        let count = usize::try_from(bytes).ok().filter(|count| (1..=MOST).contains(count))?;
        let mut generator = [0; MOST];
        let mut root = 1;
        for length in 0..count {
            // Times x + root.
            let mut carry = if length == 0 { 1 } else { 0 };
            for coefficient in &mut generator[..length] {
                let product = multiply(*coefficient, root);
                (carry, *coefficient) = (*coefficient, carry ^ product);
            }
            generator[length] = if length == 0 { root } else { carry ^ root };
            root = multiply(root, 2);
        }
        Some(Self { bytes: count as u8, generator })
    }

    /// Bytes of a code.
    pub const fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// The code of some bytes; what is behind its length is 0.
    pub fn code(&self, data: impl Iterator<Item = u8>) -> [u8; MOST] {
        let (count, mut code) = (self.bytes(), [0; MOST]);
        for byte in data {
            let feedback = byte ^ code[0];
            for place in 0..count {
                let next = if place + 1 < count { code[place + 1] } else { 0 };
                code[place] = next ^ multiply(feedback, self.generator[count - 1 - place]);
            }
        }
        code
    }
}

/// The product of two elements.
fn multiply(mut one: u8, mut other: u8) -> u8 {
    let mut product = 0;
    while other != 0 {
        product ^= if other & 1 != 0 { one } else { 0 };
        one = (one << 1) ^ if one & 0x80 != 0 { POLYNOMIAL } else { 0 };
        other >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Another's encoder makes the same codes, and another's decoder mends what was broken.
    #[test]
    fn codes_are_those_that_others_make_and_mend_by() {
        for count in [2, 8, 16, 32, 64] {
            let encoder = Encoder::new(count).unwrap();
            let other = ::reed_solomon::Encoder::new(count as usize);
            for length in [1, 12, 100, 128] {
                let data: Vec<u8> = (0..length).map(|index: u32| (index * index * 7 + count) as u8).collect();
                let code = &encoder.code(data.iter().copied())[..count as usize];
                assert_eq!(code, other.encode(&data).ecc(), "{count} for {length}");
                let mut whole = [data.as_slice(), code].concat();
                for index in 0..count as usize / 2 {
                    let at = index * 31 % whole.len();
                    whole[at] ^= 0x5a;
                }
                let mended = ::reed_solomon::Decoder::new(count as usize).correct(&whole, None).unwrap();
                assert_eq!(mended.data(), data, "{count} for {length}");
            }
        }
        assert!(Encoder::new(0).is_none() && Encoder::new(65).is_none());
    }
}
