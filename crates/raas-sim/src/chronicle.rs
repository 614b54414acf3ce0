//! The log of a seed: hashed as it is written, so that two runs can be compared by one number; kept in
//! words only where a story is asked for.

use std::fmt::{self, Write as _};

use raas_types::ChainEpoch;
use sha2::{Digest, Sha256};

/// So many lines a story keeps at the least; a long world has more, and the last ones tell how it ended.
const LONGEST: usize = 5_000;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chronicle {
    hash: Sha256,
    line: String,
    focus: Option<usize>,
    story: Vec<String>,
    explained: String,
}

impl Chronicle {
    /// One that keeps in words what concerns this piece of data, and everybody.
    pub(crate) fn about(datum: usize) -> Self {
        Self { focus: Some(datum), ..Self::default() }
    }

    /// Tells what happened to one piece of data.
    pub(crate) fn tell(&mut self, at: ChainEpoch, datum: usize, what: fmt::Arguments<'_>) {
        self.write(at, Some(datum), what);
        if self.focus == Some(datum) {
            self.keep();
        }
    }

    /// Adds to a story about one piece of data what nobody told but explains the rest, unless it is what was
    /// added last. It is no part of the digest.
    pub(crate) fn explain(&mut self, at: ChainEpoch, datum: usize, why: impl FnOnce() -> String) {
        if self.focus != Some(datum) {
            return;
        }
        let why = why();
        if self.explained != why {
            self.line.clear();
            // Writing into memory does not fail.
            let _ = write!(self.line, "{at} data {datum}: {why}");
            self.keep();
            self.explained = why;
        }
    }

    /// Which piece of data the story is about.
    pub(crate) fn focus(&self) -> Option<usize> {
        self.focus
    }

    /// Tells what no story needs.
    pub(crate) fn note(&mut self, at: ChainEpoch, what: fmt::Arguments<'_>) {
        self.write(at, None, what);
    }

    /// Tells what happened to everybody.
    pub(crate) fn tell_all(&mut self, at: ChainEpoch, what: fmt::Arguments<'_>) {
        self.write(at, None, what);
        if self.focus.is_some() {
            self.keep();
        }
    }

    /// The digest of all that was told so far.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// What was kept in words.
    pub(crate) fn story(&self) -> &[String] {
        &self.story
    }

    fn write(&mut self, at: ChainEpoch, datum: Option<usize>, what: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing into memory does not fail.
        let _ = match datum {
            Some(datum) => write!(self.line, "{at} data {datum}: {what}"),
            None => write!(self.line, "{at} {what}"),
        };
        self.hash.update(self.line.as_bytes());
        self.hash.update(b"\n");
    }

    fn keep(&mut self) {
        if self.story.len() >= 2 * LONGEST {
            self.story.drain(..LONGEST);
        }
        self.story.push(self.line.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_keeps_what_it_is_about_and_the_digest_everything() {
        let at = ChainEpoch::new(5);
        let tell = |mut chronicle: Chronicle| {
            chronicle.tell(at, 1, format_args!("one"));
            chronicle.tell(at, 2, format_args!("two"));
            chronicle.tell_all(at, format_args!("three"));
            chronicle
        };
        let (silent, about) = (tell(Chronicle::default()), tell(Chronicle::about(2)));
        assert_eq!(silent.digest(), about.digest());
        assert_eq!(silent.story(), [] as [String; 0]);
        assert_eq!(about.story(), ["5 data 2: two", "5 three"]);
        let mut longer = silent.clone();
        longer.tell_all(at, format_args!("four"));
        assert_ne!(longer.digest(), silent.digest());
    }
}
