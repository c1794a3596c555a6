//! The history of a run: one line for everything that happened, and a digest of all of them.

use std::collections::VecDeque;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Lines that are kept when not all are.
const TAIL_LINES: usize = 400;

/// Everything that happened in a run, in order.
#[derive(Debug)]
pub struct History {
    digest: Sha256,
    lines: VecDeque<String>,
    keep_all: bool,
    count: u64,
    line: String,
}

impl History {
    /// An empty one, of which all lines are kept or only the last ones.
    #[must_use]
    pub fn new(keep_all: bool) -> Self {
        Self {
            digest: Sha256::new(),
            lines: VecDeque::new(),
            keep_all,
            count: 0,
            line: String::new(),
        }
    }

    /// Adds a line: the time since the beginning, and what happened.
    pub(super) fn note(&mut self, elapsed_ms: u64, what: std::fmt::Arguments<'_>) {
        let (seconds, ms) = (elapsed_ms / 1000, elapsed_ms % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        self.line.clear();
        // A String takes everything.
        let _ = writeln!(
            self.line,
            "{hours:>3}:{minutes:02}:{seconds:02}.{ms:03} {what}"
        );
        self.digest.update(self.line.as_bytes());
        self.count += 1;
        if !self.keep_all && self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(self.line.clone());
    }

    /// Number of lines.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A digest of all lines, in hex.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(self.digest.clone().finalize())
    }

    /// The lines that were kept.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_covers_lines_that_are_not_kept() {
        let [mut one, mut other] = [History::new(false), History::new(true)];
        for number in 0..1000_u64 {
            one.note(number, format_args!("call {number}"));
            other.note(number, format_args!("call {number}"));
        }
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.lines().count(), TAIL_LINES);
        assert_eq!(other.lines().next(), Some("  0:00:00.000 call 0\n"));
        other.note(0, format_args!("one more"));
        assert_ne!(one.digest(), other.digest());
    }
}
