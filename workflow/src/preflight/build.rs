//! Files for the tests, box by box.
#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "a byte string literal is a reference"
)]

/// A box with a 32-bit size.
pub(super) fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 8)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(body);
    bytes
}

/// A box with a 64-bit size.
pub(super) fn large_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = 1u32.to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(&(body.len() as u64 + 16).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A box that says it reaches to the end of the file.
pub(super) fn open_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = mp4_box(kind, body);
    bytes[..4].fill(0);
    bytes
}

/// The header alone of a box with a 64-bit size and `len` bytes of body that are somewhere else.
pub(super) fn large_header(kind: &[u8; 4], len: u64) -> Vec<u8> {
    let mut bytes = large_box(kind, &[]);
    bytes[8..].copy_from_slice(&(len + 16).to_be_bytes());
    bytes
}

pub(super) fn ftyp(brand: &[u8; 4]) -> Vec<u8> {
    mp4_box(b"ftyp", &[brand, &[0, 0, 2, 0], &b"isom"[..]].concat())
}

/// `mvhd` or `mdhd`, version 0.
pub(super) fn timing(kind: &[u8; 4], timescale: u32, duration: u32) -> Vec<u8> {
    let mut body = vec![0; 12];
    body.extend_from_slice(&timescale.to_be_bytes());
    body.extend_from_slice(&duration.to_be_bytes());
    body.extend_from_slice(&[0; 80]);
    mp4_box(kind, &body)
}

/// `mvhd` or `mdhd`, version 1.
pub(super) fn timing_v1(kind: &[u8; 4], timescale: u32, duration: u64) -> Vec<u8> {
    let mut body = vec![0; 20];
    body[0] = 1;
    body.extend_from_slice(&timescale.to_be_bytes());
    body.extend_from_slice(&duration.to_be_bytes());
    body.extend_from_slice(&[0; 80]);
    mp4_box(kind, &body)
}

/// One track, described by what the tests vary.
#[derive(Debug, Clone)]
pub(super) struct TrackSpec {
    pub(super) handler: [u8; 4],
    pub(super) entries: Vec<[u8; 4]>,
    pub(super) duration_ms: u32,
    /// Flags and payload of the one data reference.
    pub(super) reference: (u8, &'static [u8]),
    /// Length of the sample size table.
    pub(super) tables_len: usize,
    /// Boxes around the known ones.
    pub(super) extra: Vec<u8>,
}

impl TrackSpec {
    pub(super) fn new(handler: &[u8; 4], entry: &[u8; 4]) -> Self {
        Self {
            handler: *handler,
            entries: vec![*entry],
            duration_ms: 2000,
            reference: (1, b""),
            tables_len: 20,
            extra: Vec::new(),
        }
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let mut stsd = u32::try_from(self.entries.len())
            .unwrap()
            .to_be_bytes()
            .to_vec();
        stsd.splice(..0, [0; 4]);
        for entry in &self.entries {
            let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
            body.extend_from_slice(&[0; 16]);
            body.extend_from_slice(&[1, 64, 0, 240]);
            body.extend_from_slice(&[0; 50]);
            stsd.extend(mp4_box(entry, &body));
        }
        let stts = [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 50], [0, 0, 0, 40]].concat();
        let stbl = [
            self.extra.clone(),
            mp4_box(b"stsd", &stsd),
            mp4_box(b"stts", &stts),
            mp4_box(b"stsz", &vec![7; self.tables_len]),
        ]
        .concat();
        let (flags, location) = self.reference;
        let url = mp4_box(b"url ", &[&[0, 0, 0, flags], location].concat());
        let dref = mp4_box(b"dref", &[vec![0, 0, 0, 0, 0, 0, 0, 1], url].concat());
        let minf = [mp4_box(b"dinf", &dref), mp4_box(b"stbl", &stbl)].concat();
        let hdlr = [&[0; 8], &self.handler[..], &[0; 13]].concat();
        let mdia = [
            timing(b"mdhd", 1000, self.duration_ms),
            self.extra.clone(),
            mp4_box(b"hdlr", &hdlr),
            mp4_box(b"minf", &minf),
        ]
        .concat();
        mp4_box(
            b"trak",
            &[
                mp4_box(b"tkhd", &[0; 84]),
                mp4_box(b"mdia", &mdia),
                self.extra.clone(),
            ]
            .concat(),
        )
    }
}

/// An index of these tracks, two seconds long.
pub(super) fn moov(tracks: &[TrackSpec]) -> Vec<u8> {
    let mut body = timing(b"mvhd", 1000, 2000);
    for track in tracks {
        body.extend(track.build());
    }
    mp4_box(b"moov", &body)
}

/// An ordinary file of these tracks, its index at the end.
pub(super) fn file(tracks: &[TrackSpec]) -> Vec<u8> {
    [
        ftyp(b"isom"),
        mp4_box(b"free", &[]),
        mp4_box(b"mdat", &[9; 3000]),
        moov(tracks),
    ]
    .concat()
}

pub(super) fn h264() -> TrackSpec {
    TrackSpec::new(b"vide", b"avc1")
}

pub(super) fn aac() -> TrackSpec {
    TrackSpec::new(b"soun", b"mp4a")
}
