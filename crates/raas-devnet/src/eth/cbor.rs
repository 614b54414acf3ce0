//! The little CBOR that actor calls carry: numbers, short strings, arrays of two.

use raas_types::Cid;

/// CBOR's major types, shifted into place.
mod major {
    pub(super) const UNSIGNED: u8 = 0 << 5;
    pub(super) const NEGATIVE: u8 = 1 << 5;
    pub(super) const BYTES: u8 = 2 << 5;
    pub(super) const TEXT: u8 = 3 << 5;
    pub(super) const ARRAY: u8 = 4 << 5;
    pub(super) const TAG: u8 = 6 << 5;
}

/// The tag of a CID.
const TAG_CID: u64 = 42;
/// The multibase prefix that precedes a CID's bytes under its tag.
const IDENTITY: u8 = 0;

/// Writes CBOR, one item after another.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// The bytes written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// The head of an array of `length`.
    pub(super) fn array(mut self, length: u64) -> Self {
        self.head(major::ARRAY, length);
        self
    }

    /// A number that is not negative.
    pub(super) fn unsigned(mut self, value: u64) -> Self {
        self.head(major::UNSIGNED, value);
        self
    }

    /// A number: -1 is written as the negative number 0.
    pub(super) fn signed(mut self, value: i64) -> Self {
        match u64::try_from(value) {
            Ok(value) => self.head(major::UNSIGNED, value),
            Err(_) => self.head(major::NEGATIVE, value.unsigned_abs() - 1),
        }
        self
    }

    /// A truth value.
    pub(super) fn boolean(mut self, value: bool) -> Self {
        self.0.push(if value { 0xf5 } else { 0xf4 });
        self
    }

    /// Text.
    pub(super) fn text(mut self, value: &str) -> Self {
        self.head(major::TEXT, value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
        self
    }

    /// A token amount that is not negative: sign and magnitude, nothing for zero.
    pub(super) fn amount(mut self, atto: u128) -> Self {
        let magnitude: Vec<u8> = atto.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
        if magnitude.is_empty() {
            self.head(major::BYTES, 0);
        } else {
            self.head(major::BYTES, magnitude.len() as u64 + 1);
            self.0.push(0);
            self.0.extend_from_slice(&magnitude);
        }
        self
    }

    /// A CID under its tag.
    pub(super) fn cid(mut self, cid: &Cid) -> Self {
        let bytes = cid.to_bytes();
        self.head(major::TAG, TAG_CID);
        self.head(major::BYTES, bytes.len() as u64 + 1);
        self.0.push(IDENTITY);
        self.0.extend_from_slice(&bytes);
        self
    }

    fn head(&mut self, major: u8, value: u64) {
        let bytes = value.to_be_bytes();
        let (info, tail) = match value {
            0..=23 => (value.to_le_bytes()[0], &bytes[8..]),
            24..=0xff => (24, &bytes[7..]),
            0x100..=0xffff => (25, &bytes[6..]),
            0x1_0000..=0xffff_ffff => (26, &bytes[4..]),
            _ => (27, &bytes[..]),
        };
        self.0.push(major | info);
        self.0.extend_from_slice(tail);
    }
}

/// The one unsigned number that `data` is, in its shortest form.
pub(super) fn read_unsigned(data: &[u8]) -> Option<u64> {
    let (head, tail) = data.split_first()?;
    let width = match head {
        0..=23 if tail.is_empty() => return Some(u64::from(*head)),
        24..=27 => 1_usize << (head - 24),
        _ => return None,
    };
    if tail.len() != width {
        return None;
    }
    let value = tail.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
    let shortest = Writer::default().unsigned(value).finish() == data;
    shortest.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_replies_are_written_byte_for_byte() {
        // Recorded: [3714000, -1] and [3714464, 518400].
        let activation = Writer::default().array(2).signed(3_714_000).signed(-1).finish();
        assert_eq!(hex::encode(activation), "821a0038abd020");
        let term = Writer::default().array(2).signed(3_714_464).signed(518_400).finish();
        assert_eq!(hex::encode(term), "821a0038ada01a0007e900");
    }

    #[test]
    fn a_deal_id_reads_back_in_its_shortest_form_only() {
        for id in [0, 1, 23, 24, 255, 256, 65_535, 65_536, 74_606_268, u64::MAX] {
            let bytes = Writer::default().unsigned(id).finish();
            assert_eq!(read_unsigned(&bytes), Some(id));
        }
        assert_eq!(hex::encode(Writer::default().unsigned(74_606_268).finish()), "1a047266bc");
        for bad in [&[][..], &[0x18], &[0x18, 1], &[0x01, 0x01], &[0x20], &[0x1c, 0]] {
            assert_eq!(read_unsigned(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_amount_has_a_sign_byte_unless_it_is_zero() {
        assert_eq!(Writer::default().amount(0).finish(), [0x40]);
        assert_eq!(Writer::default().amount(256).finish(), [0x43, 0, 1, 0]);
    }
}
