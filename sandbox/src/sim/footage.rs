//! What is uploaded: files whose index is real and whose pictures are simulated zeros, so that ten gigabytes cost nothing.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Labels of a crowded video, besides their ancestors.
const CROWD: usize = 6000;

/// What a file is, and what the model "sees" in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Footage {
    /// Nothing to see: every policy approves.
    Clean,
    /// A label at 40 %: only the strict policy rejects.
    Faint,
    /// A label at 65 %: only the lenient policy approves.
    Borderline,
    /// Many labels up to 97 %: every policy rejects.
    Violent,
    /// Tens of thousands of labels' rows, some of them at 97 %: every policy rejects.
    Crowded,
    /// A codec that Rekognition does not take, which the file says about itself.
    Hevc,
    /// Two video tracks: the same.
    TwoTracks,
    /// No video at all.
    Archive,
    /// Longer than six hours.
    TooLong,
    /// Larger than 10 GB.
    TooLarge,
    /// Nothing that pre-flight understands: Rekognition is asked, and fails.
    Broken,
    /// No bytes: not a video, and ignored.
    Empty,
    /// A folder marker: a key that ends in a slash, without bytes.
    Folder,
}

/// What becomes of a video in the end, as far as the file itself decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Up to the policy.
    Judged,
    /// `UnsupportedVideo`.
    Unsupported,
    /// `ModerationFailed`: Rekognition fails on it each time.
    Unscannable,
    /// No execution at all.
    Ignored,
}

impl Footage {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Clean,
        Self::Faint,
        Self::Borderline,
        Self::Violent,
        Self::Crowded,
        Self::Hevc,
        Self::TwoTracks,
        Self::Archive,
        Self::TooLong,
        Self::TooLarge,
        Self::Broken,
        Self::Empty,
        Self::Folder,
    ];

    /// What becomes of it.
    #[must_use]
    pub fn fate(self) -> Fate {
        match self {
            Self::Clean | Self::Faint | Self::Borderline | Self::Violent | Self::Crowded => {
                Fate::Judged
            }
            Self::Hevc | Self::TwoTracks | Self::Archive | Self::TooLong | Self::TooLarge => {
                Fate::Unsupported
            }
            Self::Broken => Fate::Unscannable,
            Self::Empty | Self::Folder => Fate::Ignored,
        }
    }

    /// The highest confidence of its labels, in percent; None without labels.
    #[must_use]
    pub fn confidence_percent(self) -> Option<f32> {
        match self {
            Self::Faint => Some(40.0),
            Self::Borderline => Some(65.0),
            Self::Violent | Self::Crowded => Some(97.0),
            _ => None,
        }
    }
}

/// A file to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What it is.
    pub footage: Footage,
    /// Its size.
    pub size_bytes: u64,
    /// Its length as a video.
    pub duration_ms: u64,
    /// Two files of equal descriptions and marks have equal bytes.
    pub mark: u64,
}

impl File {
    /// Its first bytes; all others are zeros.
    #[must_use]
    pub fn head(&self) -> Bytes {
        let track = |codec: [u8; 4]| track(codec, self.duration_ms);
        let tracks = match self.footage {
            Footage::Empty | Footage::Folder => return Bytes::new(),
            Footage::Archive => {
                return [b"PK\x03\x04".as_slice(), &self.mark.to_be_bytes()]
                    .concat()
                    .into();
            }
            // An index that is cut short: what it would say is anybody's guess.
            Footage::Broken => {
                let cut = part(*b"moov", &[]);
                return [ftyp(), part(*b"free", &self.mark.to_be_bytes()), cut]
                    .concat()
                    .into();
            }
            Footage::Hevc => track(*b"hvc1"),
            Footage::TwoTracks => [track(*b"avc1"), track(*b"avc1")].concat(),
            _ => track(*b"avc1"),
        };
        let index = [clock(*b"mvhd", self.duration_ms), tracks].concat();
        let mut head = [
            ftyp(),
            part(*b"free", &self.mark.to_be_bytes()),
            part(*b"moov", &index),
        ]
        .concat();
        // The pictures: a box with a 64-bit size that reaches to the end of the file.
        let rest = self.size_bytes.saturating_sub(head.len() as u64).max(16);
        head.extend_from_slice(&1_u32.to_be_bytes());
        head.extend_from_slice(b"mdat");
        head.extend_from_slice(&rest.to_be_bytes());
        head.into()
    }

    /// The user metadata by which the emulated model knows what to see.
    #[must_use]
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let Some(highest) = self.footage.confidence_percent() else {
            return BTreeMap::new();
        };
        let mut labels = vec![format!("Physical Violence:{highest}@1-2")];
        if self.footage == Footage::Violent {
            labels.extend(
                (0..20).map(|at| format!("Weapons:{}@{}-{}", 75 + at, 3 + 2 * at, 4 + 2 * at)),
            );
        }
        if self.footage == Footage::Crowded {
            labels.extend((0..CROWD).map(|at| format!("Weapons:90@{}-{}", 3 + 2 * at, 4 + 2 * at)));
        }
        BTreeMap::from([("labels".to_owned(), labels.join(", "))])
    }
}

/// A box (ISO/IEC 14496-12) with a 32-bit size.
fn part(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
    [&size.to_be_bytes(), kind.as_slice(), body].concat()
}

fn ftyp() -> Vec<u8> {
    part(*b"ftyp", b"isom\0\0\x02\0isomavc1")
}

/// `mvhd` or `mdhd`, version 1, in milliseconds.
fn clock(kind: [u8; 4], duration_ms: u64) -> Vec<u8> {
    let mut body = vec![0; 20];
    body[0] = 1;
    body.extend_from_slice(&1000_u32.to_be_bytes());
    body.extend_from_slice(&duration_ms.to_be_bytes());
    body.extend_from_slice(&[0; 80]);
    part(kind, &body)
}

fn track(codec: [u8; 4], duration_ms: u64) -> Vec<u8> {
    let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1];
    entry.extend_from_slice(&[0; 16]);
    entry.extend_from_slice(&[1, 64, 0, 240]);
    entry.extend_from_slice(&[0; 50]);
    let stsd = [&[0, 0, 0, 0, 0, 0, 0, 1], part(codec, &entry).as_slice()].concat();
    let url = part(*b"url ", &[0, 0, 0, 1]);
    let dref = [&[0, 0, 0, 0, 0, 0, 0, 1], url.as_slice()].concat();
    let minf = [
        part(*b"dinf", &part(*b"dref", &dref)),
        part(*b"stbl", &part(*b"stsd", &stsd)),
    ]
    .concat();
    let hdlr = [&[0; 8], b"vide".as_slice(), &[0; 13]].concat();
    let mdia = [
        clock(*b"mdhd", duration_ms),
        part(*b"hdlr", &hdlr),
        part(*b"minf", &minf),
    ]
    .concat();
    let trak = [part(*b"tkhd", &[0; 84]), part(*b"mdia", &mdia)].concat();
    part(*b"trak", &trak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use workflow::preflight::{Finding, Preflight, Step};

    fn finding(footage: Footage, size_bytes: u64, duration_ms: u64) -> Finding {
        let file = File {
            footage,
            size_bytes,
            duration_ms,
            mark: 7,
        };
        let head = file.head();
        let mut preflight = Preflight::new(size_bytes.max(head.len() as u64));
        loop {
            match preflight.next() {
                Step::Done(finding) => return finding,
                Step::Read { offset, len } => {
                    let bytes: Vec<u8> = (offset..offset + len as u64)
                        .map(|at| {
                            usize::try_from(at)
                                .ok()
                                .and_then(|at| head.get(at).copied())
                        })
                        .map(Option::unwrap_or_default)
                        .collect();
                    preflight.feed(offset, &bytes);
                }
            }
        }
    }

    #[test]
    fn preflight_finds_what_the_footage_is() {
        for footage in Footage::ALL {
            let size_bytes = match footage {
                Footage::TooLarge => 11 << 30,
                Footage::Empty | Footage::Folder => 0,
                _ => 6 << 30,
            };
            let duration_ms = if footage == Footage::TooLong {
                7 * 3_600_000
            } else {
                600_000
            };
            let finding = finding(footage, size_bytes, duration_ms);
            let fits = match footage.fate() {
                Fate::Judged => {
                    matches!(&finding, Finding::Acceptable(media) if media.duration_ms == Some(600_000))
                }
                Fate::Unsupported | Fate::Ignored => matches!(finding, Finding::Unsupported { .. }),
                Fate::Unscannable => matches!(finding, Finding::Unknown { .. }),
            };
            assert!(fits, "{footage:?}: {finding:?}");
        }
    }

    #[test]
    fn equal_marks_are_equal_bytes() {
        let file = |mark| File {
            footage: Footage::Clean,
            size_bytes: 1000,
            duration_ms: 5,
            mark,
        };
        assert_eq!(file(1).head(), file(1).head());
        assert_ne!(file(1).head(), file(2).head());
    }
}
