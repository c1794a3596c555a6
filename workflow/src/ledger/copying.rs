//! The copies of a record: what may still land in the approved bucket.

use serde::{Deserialize, Serialize};

use super::Unknown;

/// Copies into the approved bucket: noted before each is sent, and again when it was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copying {
    /// When a copy of this record's own version was first noted: from then on it counts as published.
    #[serde(default)]
    pub own_noted_ms: Option<i64>,
    /// When the copy that is under way was sent; None once it was answered.
    #[serde(default)]
    pub pending_ms: Option<i64>,
    /// When the last copy that was never answered was sent: it may land late. A later answered one does not clear it.
    #[serde(default)]
    pub unanswered_ms: Option<i64>,
    /// As [`Record::unknown`](super::Record::unknown).
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Copying {
    /// Notes a copy that is about to be sent.
    pub fn note(&mut self, own: bool, now_ms: i64) {
        self.give_up_pending();
        self.pending_ms = Some(now_ms);
        if own {
            self.own_noted_ms.get_or_insert(now_ms);
        }
    }

    /// Notes that the copy under way was answered, one way or the other.
    pub fn answered(&mut self) {
        self.pending_ms = None;
    }

    /// A copy still under way when another is noted, or when nobody works on the record, was never answered.
    pub fn give_up_pending(&mut self) {
        if let Some(sent_ms) = self.pending_ms.take() {
            self.unanswered_ms = self.unanswered_ms.max(Some(sent_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unanswered_copy_outlives_a_later_answered_one() {
        let mut copying = Copying::default();
        copying.note(true, 1);
        copying.note(false, 2);
        copying.answered();
        assert_eq!(copying.unanswered_ms, Some(1));
        assert_eq!(copying.own_noted_ms, Some(1));
        copying.note(false, 3);
        copying.give_up_pending();
        assert_eq!(copying.unanswered_ms, Some(3));
    }
}
