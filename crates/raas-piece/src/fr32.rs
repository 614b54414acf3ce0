//! Fr32: 127 bytes of data as four 254-bit groups in four 32-byte leaves, least significant bit
//! first, and back.

/// Bytes of data in one unit.
pub(crate) const UNPADDED: usize = 127;
/// Bytes of leaves in one unit.
pub(crate) const PADDED: usize = 128;

/// Spreads one unit of data over four leaves.
pub(crate) fn pad(data: &[u8; UNPADDED]) -> [u8; PADDED] {
    let mut out = [0; PADDED];
    out[..32].copy_from_slice(&data[..32]);
    out[31] &= 0x3f;
    // Group g starts 2*g bits before byte 32*g of the data: 254 bits a group instead of 256.
    for (group, shift) in [(1, 2), (2, 4), (3, 6)] {
        let start = 32 * group;
        for i in start..start + 31 {
            out[i] = (data[i] << shift) | (data[i - 1] >> (8 - shift));
        }
        let last = start + 31;
        let high = if last < UNPADDED { data[last] << shift } else { 0 };
        out[last] = (high | (data[last - 1] >> (8 - shift))) & 0x3f;
    }
    out
}

/// The data of four leaves; exact where the top two bits of each leaf are clear.
pub(crate) fn unpad(leaves: &[u8; PADDED]) -> [u8; UNPADDED] {
    let mut out = [0; UNPADDED];
    for (i, byte) in out.iter_mut().enumerate() {
        // Which leaf the byte's first bit lies in: byte i begins at bit 8*i of the data.
        let group = 8 * i / 254;
        let shift = 2 * group;
        let low = leaves[i] >> shift;
        // A byte that crosses into the next leaf takes the rest from that leaf's first bits.
        let taken = (254 - (8 * i - 254 * group)).min(8);
        *byte = if taken < 8 {
            (low & ((1 << taken) - 1)) | (leaves[32 * (group + 1)] << taken)
        } else if shift > 0 {
            low | (leaves[i + 1] << (8 - shift))
        } else {
            low
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unpadding_gives_the_data_back(data in proptest::collection::vec(any::<u8>(), UNPADDED)) {
            let data: [u8; UNPADDED] = data.try_into().unwrap();
            let leaves = pad(&data);
            prop_assert_eq!(unpad(&leaves), data);
            for leaf in leaves.chunks(32) {
                prop_assert_eq!(leaf[31] & 0xc0, 0);
            }
        }
    }

    #[test]
    fn the_padded_bits_are_the_data_bits_in_groups_of_254() {
        let data: [u8; UNPADDED] = std::array::from_fn(|i| (i as u8).wrapping_mul(37) ^ 0xa5);
        let leaves = pad(&data);
        for bit in 0..UNPADDED * 8 {
            let at = bit / 254 * 256 + bit % 254;
            assert_eq!(data[bit / 8] >> (bit % 8) & 1, leaves[at / 8] >> (at % 8) & 1, "bit {bit}");
        }
    }
}
