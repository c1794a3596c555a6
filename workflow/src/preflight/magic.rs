//! What a file is that is no MP4 or MOV, by its first bytes.

use super::codec::FourCc;
use super::finding::Unsupported;

/// First bytes of files that are no video at all.
const NOT_MEDIA: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"%PDF-", "a PDF document"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
];

/// First bytes of sound and video in other containers.
const OTHER_CONTAINER: &[(&[u8], &str)] = &[
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (b"OggS", "an Ogg file"),
    (b"FLV\x01", "a Flash video"),
    (
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        "a Windows Media (ASF) file",
    ),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b"\x00\x00\x01\xb3", "a raw MPEG video stream"),
    (b"\x00\x00\x00\x01\x67", "a raw H.264 stream"),
    (b"\x00\x00\x00\x01\x40\x01", "a raw HEVC stream"),
    (b".RMF", "a RealMedia file"),
    (b"ID3", "an MP3 file"),
    (b"fLaC", "a FLAC file"),
];

/// Boxes that may come first in a file: those of ISO/IEC 14496-12 at the top level and of QuickTime before it.
const FIRST_BOXES: &[&[u8; 4]] = &[
    b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"uuid", b"pnot",
    b"PICT", b"junk", b"sidx", b"emsg", b"prft", b"pdin", b"meta",
];

/// Whether this box may come first.
pub(super) fn may_come_first(kind: FourCc) -> bool {
    FIRST_BOXES.contains(&&kind.0)
}

/// What a file that begins so certainly is, if that is not MP4 or MOV. `head` is as much as the first read gave.
///
/// AVI is left out: the API reference (Video) names `.avi` beside `.mp4` and `.mov`, so Rekognition decides.
pub(super) fn foreign(head: &[u8]) -> Option<Unsupported> {
    let known = |table: &[(&[u8], &'static str)]| {
        table
            .iter()
            .find_map(|(magic, what)| head.starts_with(magic).then_some(*what))
    };
    if let Some(what) = known(NOT_MEDIA) {
        return Some(Unsupported::NotMedia {
            looks_like: Some(what),
        });
    }
    if let Some(looks_like) = known(OTHER_CONTAINER)
        .or_else(|| riff(head))
        .or_else(|| ts(head))
    {
        return Some(Unsupported::OtherContainer { looks_like });
    }
    is_text(head).then_some(Unsupported::NotMedia {
        looks_like: Some("a text file"),
    })
}

/// Whether a file begins as AVI.
pub(super) fn is_avi(head: &[u8]) -> bool {
    head.starts_with(b"RIFF") && head.get(8..12) == Some(b"AVI ")
}

fn riff(head: &[u8]) -> Option<&'static str> {
    match head.starts_with(b"RIFF").then(|| head.get(8..12))?? {
        b"WAVE" => Some("a WAVE sound file"),
        b"WEBP" => Some("a WebP picture"),
        _ => None,
    }
}

/// MPEG transport streams have packets of 188 bytes (192 with a time code), each beginning with 0x47.
fn ts(head: &[u8]) -> Option<&'static str> {
    let synchronised = |start: usize, step: usize| {
        (0..4).all(|packet| head.get(start + packet * step) == Some(&0x47))
    };
    (synchronised(0, 188) || synchronised(4, 192)).then_some("an MPEG transport stream")
}

/// The first half kilobyte is text: UTF-8 without control characters. Boxes begin with a size, which has such.
fn is_text(head: &[u8]) -> bool {
    let head = &head[..head.len().min(512)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut in two at the end.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c'))
}
