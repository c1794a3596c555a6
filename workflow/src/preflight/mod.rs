//! What a file says about itself, read from a few ranges: enough to know that Rekognition would refuse it.
//!
//! A reader of the box structure that MP4 (ISO/IEC 14496-12) and QuickTime files share. It asks for byte ranges and is
//! fed their contents, so it knows no client, no clock and no file: the dispatch step drives it with ranged GETs, the
//! sandbox with slices.
//!
//! Invariants:
//! - Only what is *certain* is [`Finding::Unsupported`]; whatever cannot be read or decided is [`Finding::Unknown`], and
//!   Rekognition decides. A wrong refusal would cost the uploader a good video, a wrong pass costs one FAILED job.
//! - At most [`READS_MAX`] reads of [`READ_LEN_MAX`] bytes, for any bytes whatever; one window is held in memory.
//! - Every read lies within the file, and every read is used: the walk moves forward only.

mod boxes;
mod codec;
mod finding;
mod leaf;
mod magic;
mod track;
mod walk;

#[cfg(test)]
mod build;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use finding::{Container, Finding, Media, Unsupported};

use walk::{Stop, Walk};

/// Reads that one pre-flight may ask for.
pub const READS_MAX: usize = 32;

/// Bytes that one read may ask for.
pub const READ_LEN_MAX: usize = 64 << 10;

/// Above this many bytes a file is certainly too large.
///
/// "10 GB" (Rekognition developer guide, Guidelines and quotas) may mean 10^10 or 10 * 2^30 bytes. Only the larger is
/// certain; between the two StartContentModeration decides (VideoTooLargeException).
pub const SIZE_BYTES_MAX: u64 = 10 << 30;

/// Above this length a video is certainly too long: 6 hours (Rekognition developer guide, Guidelines and quotas).
pub const DURATION_MS_MAX: u64 = 6 * 60 * 60 * 1000;

/// What the reader wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// These bytes, by [`Preflight::feed`].
    Read {
        /// Of the first byte.
        offset: u64,
        /// Number of bytes, at least 1 and at most [`READ_LEN_MAX`]; never beyond the end of the file.
        len: usize,
    },
    /// Nothing: this is what was found.
    Done(Finding),
}

/// The pre-flight of one file: call [`next`](Self::next), feed what it asks for, repeat until it is done.
#[derive(Debug)]
pub struct Preflight {
    walk: Walk,
    window: Window,
    reads: usize,
    step: Option<Step>,
}

/// The bytes last read.
#[derive(Debug, Default)]
struct Window {
    offset: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// `len` bytes from `offset`, if all of them were read.
    fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(start..start.checked_add(len)?)
    }
}

impl Preflight {
    /// A pre-flight of a file of so many bytes.
    #[must_use]
    pub fn new(size_bytes: u64) -> Self {
        let fault = if size_bytes == 0 {
            Some(Unsupported::Empty)
        } else if size_bytes > SIZE_BYTES_MAX {
            Some(Unsupported::TooLarge { size_bytes })
        } else {
            None
        };
        Self {
            walk: Walk::new(size_bytes),
            window: Window::default(),
            reads: 0,
            step: fault.map(|reason| Step::Done(Finding::Unsupported { reason })),
        }
    }

    /// What to do next. Asking again without feeding gives the same answer.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator would promise to go on without being fed"
    )]
    pub fn next(&mut self) -> Step {
        if let Some(step) = &self.step {
            return step.clone();
        }
        let step = match self.walk.advance(&self.window) {
            Stop::Found(finding) => Step::Done(finding),
            Stop::Wants(_) if self.reads == READS_MAX => Step::Done(
                self.walk
                    .give_up(format!("its index needs more than {READS_MAX} reads")),
            ),
            Stop::Wants(offset) => {
                self.reads += 1;
                let rest = self.walk.size_bytes().saturating_sub(offset);
                let len = usize::try_from(rest).map_or(READ_LEN_MAX, |rest| rest.min(READ_LEN_MAX));
                Step::Read { offset, len }
            }
        };
        self.step = Some(step.clone());
        step
    }

    /// The bytes that were asked for. Fewer than asked, or from elsewhere, end the pre-flight as unknown: the file is
    /// then not what its size promised.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let Some(Step::Read { offset: asked, len }) = self.step else {
            return;
        };
        self.step = if asked == offset && bytes.len() >= len {
            self.window.offset = offset;
            self.window.bytes.clear();
            self.window.bytes.extend_from_slice(&bytes[..len]);
            None
        } else {
            let why = format!(
                "{len} bytes at {asked} were asked for and {} at {offset} came",
                bytes.len()
            );
            Some(Step::Done(self.walk.give_up(why)))
        };
    }
}

/// The finding for a file that is all in memory.
#[must_use]
pub fn read_all(file: &[u8]) -> Finding {
    let mut preflight = Preflight::new(file.len() as u64);
    loop {
        match preflight.next() {
            Step::Done(finding) => return finding,
            Step::Read { offset, len } => {
                let start = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(file.len());
                let end = start.saturating_add(len).min(file.len());
                preflight.feed(offset, &file[start..end]);
            }
        }
    }
}
