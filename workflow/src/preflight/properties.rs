//! Whatever the bytes: it ends, within its reads, inside the file; and boxes that do not matter do not matter.

use proptest::collection::vec;
use proptest::prelude::*;

use super::build::*;
use super::*;

/// Drives a pre-flight as dispatch does, and checks every read.
fn drive(file: &[u8]) -> Finding {
    let mut preflight = Preflight::new(file.len() as u64);
    let mut last = None;
    for _ in 0..=READS_MAX {
        match preflight.next() {
            Step::Done(finding) => return finding,
            Step::Read { offset, len } => {
                assert!((1..=READ_LEN_MAX).contains(&len));
                assert!(last < Some(offset), "the walk moves forward only");
                last = Some(offset);
                let start = usize::try_from(offset).unwrap();
                preflight.feed(offset, &file[start..start + len]);
            }
        }
    }
    panic!("more than {READS_MAX} reads");
}

const KINDS: &[&[u8; 4]] = &[
    b"ftyp", b"moov", b"mvhd", b"mvex", b"mehd", b"trak", b"mdia", b"mdhd", b"hdlr", b"minf",
    b"dinf", b"dref", b"stbl", b"stsd", b"stts", b"free", b"mdat", b"uuid", b"rmra", b"cmov",
];

/// A tree of known boxes with contents of any kind, some of them with sizes that lie.
fn tree() -> impl Strategy<Value = Vec<u8>> {
    let leaf = (prop::sample::select(KINDS), vec(any::<u8>(), 0..120))
        .prop_map(|(kind, body)| mp4_box(kind, &body));
    leaf.prop_recursive(6, 60, 6, |inner| {
        (
            prop::sample::select(KINDS),
            vec(inner, 0..6),
            0..4u8,
            any::<u32>(),
        )
            .prop_map(|(kind, children, form, lie)| {
                let body = children.concat();
                match form {
                    0 => large_box(kind, &body),
                    1 => open_box(kind, &body),
                    2 if lie % 4 == 0 => {
                        let mut lying = mp4_box(kind, &body);
                        lying[..4].copy_from_slice(&lie.to_be_bytes());
                        lying
                    }
                    _ => mp4_box(kind, &body),
                }
            })
    })
}

/// Boxes that mean nothing anywhere.
fn padding() -> impl Strategy<Value = Vec<u8>> {
    let kinds: &[&[u8; 4]] = &[b"free", b"skip", b"udta", b"uuid", b"zzzz"];
    let one = (
        prop::sample::select(kinds),
        vec(any::<u8>(), 0..3000),
        any::<bool>(),
    )
        .prop_map(|(kind, body, large)| {
            if large {
                large_box(kind, &body)
            } else {
                mp4_box(kind, &body)
            }
        });
    vec(one, 0..4).prop_map(|boxes| boxes.concat())
}

proptest! {
    #[test]
    fn any_bytes_end(file in vec(any::<u8>(), 0..2000)) {
        drive(&file);
    }

    #[test]
    fn any_boxes_end(boxes in vec(tree(), 0..5)) {
        drive(&[ftyp(b"isom"), boxes.concat()].concat());
    }

    #[test]
    fn a_damaged_file_ends(at in 0usize..4000, with in any::<[u8; 4]>(), cut in 0usize..4000) {
        let mut file = file(&[h264(), aac()]);
        let at = at % (file.len() - 4);
        file[at..at + 4].copy_from_slice(&with);
        drive(&file);
        file.truncate(cut);
        drive(&file);
    }

    #[test]
    fn padding_changes_nothing(
        [outer, before, after] in [padding(), padding(), padding()],
        extra in padding(),
        gap in 0usize..200_000,
        index_first: bool,
    ) {
        let track = TrackSpec { extra, ..h264() };
        let body = [timing(b"mvhd", 1000, 2000), before, track.build(), after, aac().build()].concat();
        let moov = mp4_box(b"moov", &body);
        let mdat = mp4_box(b"mdat", &vec![0; gap]);
        let rest = if index_first { [moov, outer, mdat] } else { [mdat, outer, moov] };
        let file = [ftyp(b"isom"), rest.concat()].concat();
        let Finding::Acceptable(media) = drive(&file) else {
            return Err(TestCaseError::fail(format!("{:?}", drive(&file))));
        };
        prop_assert_eq!(media.duration_ms, Some(2000));
        prop_assert_eq!(media.tracks, 2);
    }

    #[test]
    fn tracks_are_counted(video in 0u32..5, sound in 0u32..5) {
        let tracks: Vec<_> = (0..video).map(|_| h264()).chain((0..sound).map(|_| aac())).collect();
        let finding = drive(&file(&tracks));
        let reason = match (video, sound) {
            (1, _) => {
                prop_assert!(matches!(finding, Finding::Acceptable(_)), "{:?}", finding);
                return Ok(());
            }
            (0, 0) => {
                let unknown = matches!(finding, Finding::Unknown { .. });
                prop_assert!(unknown, "{:?}", finding);
                return Ok(());
            }
            (0, _) => Unsupported::NoVideoTrack,
            (count, _) => Unsupported::SeveralVideoTracks { count },
        };
        prop_assert_eq!(finding, Finding::Unsupported { reason });
    }
}
