//! Four-character codes, and what sample entry types say about a codec.

use std::fmt;

/// A box type, brand, handler or sample entry type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FourCc(pub(super) [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{}", byte.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{self}'")
    }
}

/// What a video track's sample entry type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// H.264 as everybody writes it.
    H264,
    /// Protected: the codec is hidden.
    Encrypted,
    /// Certainly another codec, by this name.
    Other(&'static str),
    /// H.264 under a vendor's type, or a type unknown here.
    Unclear,
}

/// Classifies a sample entry type: the registered ones (the MP4 registration authority's list of codecs, and QuickTime's
/// video media types). Types that vendors use for H.264 (`ai12`, `dva1`, `avc2` …) stay unclear on purpose.
pub(super) fn codec_of(entry: FourCc) -> Codec {
    match &entry.0 {
        b"avc1" | b"avc3" => Codec::H264,
        b"encv" | b"drmi" => Codec::Encrypted,
        b"hvc1" | b"hev1" | b"hvc2" | b"hev2" | b"dvh1" | b"dvhe" => Codec::Other("HEVC (H.265)"),
        b"vvc1" | b"vvi1" => Codec::Other("VVC (H.266)"),
        b"av01" => Codec::Other("AV1"),
        b"vp08" => Codec::Other("VP8"),
        b"vp09" => Codec::Other("VP9"),
        b"mp4v" => Codec::Other("MPEG-4 Visual"),
        b"s263" | b"h263" => Codec::Other("H.263"),
        b"mjpa" | b"mjpb" | b"mjp2" => Codec::Other("Motion JPEG"),
        b"jpeg" => Codec::Other("JPEG pictures"),
        b"png " => Codec::Other("PNG pictures"),
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => Codec::Other("Apple ProRes"),
        b"AVdn" | b"AVdh" => Codec::Other("Avid DNx"),
        b"CFHD" => Codec::Other("CineForm"),
        b"SVQ1" | b"SVQ3" => Codec::Other("Sorenson Video"),
        b"cvid" => Codec::Other("Cinepak"),
        b"rle " => Codec::Other("QuickTime Animation"),
        b"dvc " | b"dvcp" | b"dvpp" | b"dv5n" | b"dv5p" => Codec::Other("DV"),
        b"2vuy" | b"v210" | b"raw " => Codec::Other("uncompressed video"),
        _ => Codec::Unclear,
    }
}

/// Whether an audio track's sample entry type says that it is protected.
pub(super) fn audio_is_encrypted(entry: FourCc) -> bool {
    matches!(&entry.0, b"enca" | b"drms")
}
