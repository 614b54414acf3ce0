//! As much of CBOR (RFC 8949) as a miner actor's answers use: integers, byte strings and arrays of
//! definite length. Reads lengths in any of their forms, as FVM actors do; writes the shortest.

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

// Major types.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const ARRAY: u8 = 4;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// An array of exactly `length` items, which follow.
    pub(crate) fn array(&mut self, length: u64) -> Result<(), String> {
        match self.head()? {
            (ARRAY, found) if found == length => Ok(()),
            (ARRAY, found) => Err(format!("an array of {found} items and not of {length}")),
            (major, _) => Err(unexpected(major, "an array")),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<i64, String> {
        let (major, argument) = self.head()?;
        let too_large = |_| format!("an integer beyond 64 bits: major type {major}, {argument}");
        match major {
            UNSIGNED => i64::try_from(argument).map_err(too_large),
            // Stands for -1 - argument, which is its complement.
            NEGATIVE => i64::try_from(argument).map(|argument| !argument).map_err(too_large),
            _ => Err(unexpected(major, "an integer")),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], String> {
        match self.head()? {
            (BYTES, length) => {
                let length = usize::try_from(length).map_err(|_| cut_short())?;
                self.take(length)
            }
            (major, _) => Err(unexpected(major, "a byte string")),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", self.0.len())) }
    }

    /// A major type and its argument.
    fn head(&mut self) -> Result<(u8, u64), String> {
        let initial = self.take(1)?[0];
        let (major, short) = (initial >> 5, initial & 0x1f);
        let argument = match short {
            0..=23 => u64::from(short),
            24..=27 => {
                let bytes = self.take(1 << (short - 24))?;
                bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
            _ => return Err("an item of indefinite length".to_owned()),
        };
        Ok((major, argument))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// An array of one unsigned integer.
pub(crate) fn tuple_of_one(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let mut written = vec![ARRAY << 5 | 1];
    match number {
        0..=23 => written.push(bytes[7]),
        24..=0xff => written.extend([24, bytes[7]]),
        0x100..=0xffff => written.extend([&[25], &bytes[6..]].concat()),
        0x1_0000..=0xffff_ffff => written.extend([&[26], &bytes[4..]].concat()),
        _ => written.extend([&[27], &bytes[..]].concat()),
    }
    written
}

fn cut_short() -> String {
    "CBOR that ends too early".to_owned()
}

fn unexpected(major: u8, expected: &str) -> String {
    format!("CBOR of major type {major} and not {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(bytes: &[u8]) -> Result<i64, String> {
        let mut reader = Reader::new(bytes);
        let integer = reader.integer()?;
        reader.end().map(|()| integer)
    }

    // The examples of RFC 8949, appendix A.
    #[test]
    fn integers_are_read_in_every_form() {
        for (bytes, number) in [
            (&[0x00][..], 0),
            (&[0x17], 23),
            (&[0x18, 0x18], 24),
            (&[0x19, 0x03, 0xe8], 1_000),
            (&[0x1a, 0x00, 0x0f, 0x42, 0x40], 1_000_000),
            (&[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00], 1_000_000_000_000),
            (&[0x20], -1),
            (&[0x38, 0x63], -100),
            (&[0x39, 0x03, 0xe7], -1_000),
            // Not the shortest, and read all the same.
            (&[0x1b, 0, 0, 0, 0, 0, 0, 0, 9], 9),
            (&[0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], i64::MAX),
            (&[0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], i64::MIN),
        ] {
            assert_eq!(integer(bytes), Ok(number), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        let cases: [&[u8]; 9] = [
            &[],
            &[0x18],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x41, 0x00],
            &[0x80],
            &[0xf6],
            &[0x1f],
            &[0x00, 0x00],
        ];
        for bytes in cases {
            assert!(integer(bytes).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused_without_allocating() {
        let huge = [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
        assert!(Reader::new(&huge).bytes().is_err());
        assert!(Reader::new(&[0x42, 0x00]).bytes().is_err());
        assert_eq!(Reader::new(&[0x42, 1, 2]).bytes(), Ok(&[1, 2][..]));
    }

    #[test]
    fn a_tuple_of_one_is_written_in_its_shortest_form() {
        assert_eq!(tuple_of_one(9), [0x81, 0x09]);
        assert_eq!(tuple_of_one(24), [0x81, 0x18, 0x18]);
        assert_eq!(tuple_of_one(1_000), [0x81, 0x19, 0x03, 0xe8]);
        assert_eq!(tuple_of_one(1_000_000), [0x81, 0x1a, 0x00, 0x0f, 0x42, 0x40]);
        for number in [0, 23, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 62] {
            let written = tuple_of_one(number);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.array(1), Ok(()));
            assert_eq!(reader.integer(), i64::try_from(number).map_err(|e| e.to_string()));
        }
    }
}
