//! What a pre-flight can find, in words that the uploader understands.

use std::fmt;

use super::codec::FourCc;

/// What a pre-flight found.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// One H.264 video track within the limits: nothing speaks against it.
    Acceptable(Media),
    /// Rekognition would certainly refuse it, or scan only a part of it.
    Unsupported {
        /// Why, for people.
        reason: Unsupported,
    },
    /// Not decided here: Rekognition decides.
    Unknown {
        /// What could not be read, for logs.
        why: String,
        /// The container, where that much was seen.
        container: Option<Container>,
    },
}

/// What a file says about its one video track.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// MP4 or QuickTime.
    pub container: Container,
    /// Sample entry type, for example `avc1`.
    pub codec: String,
    /// Duration of the video track, else of the whole; None if the file does not say (a live fragmented file).
    pub duration_ms: Option<u64>,
    /// Coded width in pixels.
    pub width: u16,
    /// Coded height in pixels.
    pub height: u16,
    /// Frame rate of the first stretch of the video; None if the file does not say (a fragmented file).
    pub frames_per_second: Option<f64>,
    /// Tracks of every kind: one of them is the video.
    pub tracks: u32,
    /// The video is in fragments (`moof`) after the index.
    pub fragmented: bool,
}

/// The two containers that Rekognition reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// ISO base media: `.mp4`, `.m4v`.
    Mp4,
    /// QuickTime: `.mov`.
    QuickTime,
}

impl Container {
    /// The media type to serve such a file with (RFC 4337; `video/quicktime` by IANA registration).
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
        }
    }
}

/// Why a file certainly cannot be moderated. `Display` is a sentence for the uploader, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsupported {
    /// No bytes at all.
    Empty,
    /// Over [`SIZE_BYTES_MAX`](super::SIZE_BYTES_MAX).
    TooLarge {
        /// Size of the file.
        size_bytes: u64,
    },
    /// Over [`DURATION_MS_MAX`](super::DURATION_MS_MAX).
    TooLong {
        /// Duration by the most modest of the file's own statements.
        duration_ms: u64,
    },
    /// Neither MP4 nor MOV, nor anything known.
    NotMedia {
        /// What its first bytes look like, with an article: `a ZIP archive`.
        looks_like: Option<&'static str>,
    },
    /// A video or sound file in a container that Rekognition does not read.
    OtherContainer {
        /// What its first bytes look like, with an article: `a Matroska or WebM file`.
        looks_like: &'static str,
    },
    /// No track has pictures.
    NoVideoTrack,
    /// More than one track has pictures. Rekognition scans one; the others would be published unseen.
    SeveralVideoTracks {
        /// How many, switched-off tracks and thumbnails included.
        count: u32,
    },
    /// Encoded otherwise than in H.264.
    OtherCodec {
        /// Sample entry type, for example `hvc1`.
        codec: String,
        /// What people call it, for example `HEVC (H.265)`.
        name: &'static str,
    },
    /// Samples are encrypted.
    Encrypted,
    /// The pictures are in another file that this one only points to.
    ExternalData,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file is empty"),
            Self::TooLarge { size_bytes } => write!(
                f,
                "the file has {size_bytes} bytes; at most 10 GB can be moderated: split it or encode it smaller"
            ),
            Self::TooLong { duration_ms } => {
                let minutes = duration_ms / 60_000;
                write!(
                    f,
                    "the video lasts {} h {} min; at most 6 h can be moderated: split it",
                    minutes / 60,
                    minutes % 60
                )
            }
            Self::NotMedia { looks_like } => {
                f.write_str("the file is not a video")?;
                if let Some(what) = looks_like {
                    write!(f, " (it looks like {what})")?;
                }
                f.write_str(": upload an MP4 or MOV file with H.264 video")
            }
            Self::OtherContainer { looks_like } => write!(
                f,
                "the file looks like {looks_like}: convert it to an MP4 or MOV file with H.264 video"
            ),
            Self::NoVideoTrack => f.write_str("the file has no video track"),
            Self::SeveralVideoTracks { count } => write!(
                f,
                "the file has {count} video tracks (thumbnail and switched-off tracks count) and only one of them would be \
                 moderated: keep one"
            ),
            Self::OtherCodec { codec, name } => write!(
                f,
                "the video is encoded in {name} ({codec}) and only H.264 can be moderated: encode it in H.264"
            ),
            Self::Encrypted => f.write_str("the file is encrypted (DRM): upload it unprotected"),
            Self::ExternalData => f.write_str(
                "the file only points to its video data in another file: export it as a self-contained file",
            ),
        }
    }
}

impl From<(FourCc, &'static str)> for Unsupported {
    fn from((codec, name): (FourCc, &'static str)) -> Self {
        Self::OtherCodec {
            codec: codec.to_string(),
            name,
        }
    }
}
