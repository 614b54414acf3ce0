//! `Range` headers (RFC 9110 §14): one range of bytes; anything else is answered with the whole.

use std::ops::Range;

/// What a `Range` header asks for, given the length of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no header, several ranges, or one that cannot be read.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// None that there are.
    Nothing,
}

impl Wanted {
    pub(crate) fn of(header: Option<&str>, total: u64) -> Self {
        let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
            return Self::Whole;
        };
        let Some((first, last)) = spec.trim().split_once('-') else { return Self::Whole };
        let range = match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1),
            (Some(first), None) if last.is_empty() => first..u64::MAX,
            (None, Some(length)) if first.is_empty() => total.saturating_sub(length)..u64::MAX,
            _ => return Self::Whole,
        };
        let range = range.start..range.end.min(total);
        let suffix_of_nothing = first.is_empty() && number(last) == Some(0);
        if range.is_empty() || suffix_of_nothing { Self::Nothing } else { Self::Part(range) }
    }
}

/// Digits only: no sign, no space, no second range after a comma.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than fit are a number beyond the end of any file.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_to_what_there_is() {
        for (header, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=2-100", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-100", 0..10),
            ("bytes=9-99999999999999999999999", 9..10),
        ] {
            assert_eq!(Wanted::of(Some(header), 10), Wanted::Part(range), "{header}");
        }
    }

    #[test]
    fn a_range_beyond_the_end_is_nothing() {
        for header in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(Wanted::of(Some(header), 10), Wanted::Nothing, "{header}");
        }
        assert_eq!(Wanted::of(Some("bytes=0-"), 0), Wanted::Nothing);
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for header in ["bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,3-4"]
        {
            assert_eq!(Wanted::of(Some(header), 10), Wanted::Whole, "{header}");
        }
        assert_eq!(Wanted::of(None, 10), Wanted::Whole);
    }
}
