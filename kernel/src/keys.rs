//! Keys out of the boot's seed: SipHash-2-4 of a number (Aumasson and Bernstein, "SipHash: a fast short-input PRF").

/// A key of 128 bits.
pub type Key = [u64; 2];

/// The key with a number.
pub fn key(seed: [u64; 4], number: u64) -> Key {
    let [a, b, c, d] = seed;
    [siphash([a, b], &[number, c, d]), siphash([c, d], &[!number, a, b])]
}

fn siphash(key: Key, message: &[u64]) -> u64 {
    let mut v = [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573u64];
    (v[0], v[1], v[2], v[3]) = (v[0] ^ key[0], v[1] ^ key[1], v[2] ^ key[0], v[3] ^ key[1]);
    // Behind whole words stands the length in bytes, in the highest byte.
    let last = (message.len() as u64 * 8) << 56;
    for &word in message.iter().chain([&last]) {
        v[3] ^= word;
        (0..2).for_each(|_| round(&mut v));
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The authors' test vectors: key 00 01 … 0f, message 00 01 … of 0 and of 8 bytes.
    #[test]
    fn the_hash_is_the_authors() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(siphash(key, &[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(siphash(key, &[0x0706_0504_0302_0100]), 0x93f5_f579_9a93_2462);
    }

    #[test]
    fn keys_differ_by_number_and_seed() {
        let seeds = [[0; 4], [1, 0, 0, 0], [0, 0, 0, 1]];
        let all: Vec<u64> = seeds.iter().flat_map(|&seed| (0..9).flat_map(move |number| key(seed, number))).collect();
        for (index, word) in all.iter().enumerate() {
            assert!(!all[..index].contains(word), "{index}");
        }
    }
}
