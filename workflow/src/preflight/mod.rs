//! TEMP
/// x
pub struct Preflight;
/// x
pub enum Step {
    /// x
    Read {
        /// x
        offset: u64,
        /// x
        len: usize,
    },
    /// x
    Done(Finding),
}
/// x
pub struct Media {
    /// x
    pub content_type: &'static str,
    /// x
    pub duration_ms: Option<u64>,
}
/// x
pub enum Finding {
    /// x
    Acceptable(Media),
    /// x
    Unknown {
        /// x
        why: String,
    },
    /// x
    Unsupported {
        /// x
        reason: String,
    },
}
impl Preflight {
    /// x
    #[must_use]
    pub fn new(_: u64) -> Self {
        Self
    }
    /// x
    pub fn next(&mut self) -> Step {
        Step::Done(Finding::Unknown { why: String::new() })
    }
    /// x
    pub fn feed(&mut self, _: u64, _: &[u8]) {}
}
