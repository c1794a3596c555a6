//! Pre-flight's box reader, on files that are damaged, cut off, padded, or changed where it must not matter.

use std::ops::Range;

use workflow::preflight::{
    Finding, Preflight, READ_LEN_MAX, READS_MAX, Step, Unsupported, read_all,
};

use super::{Outcome, Target, check_line, check_same};

pub(super) const TARGET: Target = Target {
    name: "preflight",
    what: "MP4 and QuickTime boxes",
    folders: &["fuzz/corpus/preflight", "samples"],
    words: &[
        "ftyp", "moov", "mvhd", "mvex", "mehd", "trak", "mdia", "mdhd", "hdlr", "minf", "dinf",
        "dref", "stbl", "stsd", "stts", "free", "mdat", "uuid", "moof", "cmov", "rmra", "vide",
        "soun", "auxv", "pict", "avc1", "hvc1", "encv", "enca", "qt  ", "isom", "mif1", "url ",
    ],
    check,
};

fn check(file: &[u8]) -> Outcome {
    let finding = drive(file);
    check_same(&read_all(file), &finding, "all in memory");
    match &finding {
        Finding::Unsupported { reason } => check_line(&reason.to_string()),
        Finding::Unknown { why, .. } => check_line(why),
        Finding::Acceptable(media) => {
            assert!(media.tracks > 0 && !media.codec.is_empty(), "{media:?}");
            assert!(media.frames_per_second.is_none_or(f64::is_finite));
        }
    }
    check_prefix(file, &finding);
    if let Some(boxes) = whole_boxes(file) {
        check_padding(file, &boxes, &finding);
    }
    match finding {
        Finding::Acceptable(_) => Outcome::Accepted,
        Finding::Unsupported { .. } | Finding::Unknown { .. } => Outcome::Refused,
    }
}

/// Drives a pre-flight as dispatch does: few reads, each inside the file, forward only.
fn drive(file: &[u8]) -> Finding {
    let mut preflight = Preflight::new(file.len() as u64);
    let mut last = None;
    for _ in 0..=READS_MAX {
        let step = preflight.next();
        check_same(&preflight.next(), &step, "asked again");
        match step {
            Step::Done(finding) => return finding,
            Step::Read { offset, len } => {
                assert!((1..=READ_LEN_MAX).contains(&len), "{len} bytes");
                assert!(last < Some(offset), "back from {last:?} to {offset}");
                last = Some(offset);
                let range = usize::try_from(offset).ok();
                let bytes = range.and_then(|start| file.get(start..start + len));
                let Some(bytes) = bytes else {
                    panic!("{len} bytes at {offset} of {}", file.len());
                };
                preflight.feed(offset, bytes);
            }
        }
    }
    panic!("more than {READS_MAX} reads");
}

/// What a file's beginning says of its tracks is certain of the file.
fn check_prefix(file: &[u8], finding: &Finding) {
    let prefix = &file[..file.len() / 4 * 3];
    let certain = |finding: &Finding| {
        matches!(
            finding,
            Finding::Unsupported {
                reason: Unsupported::Encrypted
                    | Unsupported::SeveralVideoTracks { .. }
                    | Unsupported::OtherCodec { .. }
                    | Unsupported::ExternalData
            }
        )
    };
    let of_prefix = drive(prefix);
    assert!(
        !certain(&of_prefix) || matches!(finding, Finding::Unsupported { .. }),
        "{of_prefix:?} of the beginning, but {finding:?}"
    );
}

/// What lies in `mdat`, and boxes that mean nothing, change no finding: no sample is refused for what it is not.
fn check_padding(file: &[u8], boxes: &[(Range<usize>, &[u8])], finding: &Finding) {
    let mut noisy = file.to_vec();
    for (range, kind) in boxes {
        if *kind == b"mdat" && range.len() > 16 {
            noisy[range.start + 16..range.end].fill(0xa5);
        }
    }
    check_same(&drive(&noisy), finding, "other bytes in mdat");

    let free = |len: u32| [&len.to_be_bytes()[..], b"free", &vec![0; len as usize - 8]].concat();
    for (range, _) in boxes {
        let padded = [&file[..range.end], &free(24), &file[range.end..]].concat();
        let of_padded = drive(&padded);
        let same = match (&of_padded, finding) {
            // One read more may be one too many, and what cannot be read is told with its offset.
            (Finding::Unknown { why, .. }, _) if why.contains("reads") => true,
            (
                Finding::Unknown { container, .. },
                Finding::Unknown {
                    container: before, ..
                },
            ) => container == before,
            (padded, before) => padded == before,
        };
        assert!(
            same,
            "{of_padded:?} with a free box at {}, {finding:?} without",
            range.end
        );
    }
}

/// Extent and type of the outermost boxes of a file that begins with `ftyp` and is nothing but whole boxes with sizes of 32 bits,
/// by a reader that shares nothing with pre-flight's.
fn whole_boxes(file: &[u8]) -> Option<Vec<(Range<usize>, &[u8])>> {
    let mut boxes = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let header = file.get(at..at + 8)?;
        let size = u32::from_be_bytes(header[..4].try_into().ok()?) as usize;
        if size < 8 || at + size > file.len() {
            return None;
        }
        boxes.push((at..at + size, &header[4..]));
        at += size;
    }
    let first_is_ftyp = boxes.first().is_some_and(|(_, kind)| *kind == b"ftyp");
    first_is_ftyp.then_some(boxes)
}
