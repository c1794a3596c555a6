//! Files that real writers make, and those that people upload by mistake.

use super::build::*;
use super::*;

#[track_caller]
fn acceptable(file: &[u8]) -> Media {
    match read_all(file) {
        Finding::Acceptable(media) => media,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unsupported(file: &[u8]) -> Unsupported {
    match read_all(file) {
        Finding::Unsupported { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unknown(file: &[u8]) -> String {
    match read_all(file) {
        Finding::Unknown { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

/// Reads a file that is mostly a hole: `parts` are (offset, bytes), everything else is zero.
fn read_sparse(size_bytes: u64, parts: &[(u64, &[u8])]) -> (Finding, usize) {
    let mut preflight = Preflight::new(size_bytes);
    for reads in 0..=READS_MAX {
        match preflight.next() {
            Step::Done(finding) => return (finding, reads),
            Step::Read { offset, len } => {
                let mut bytes = vec![0; len];
                for (at, part) in parts {
                    for (index, byte) in part.iter().enumerate() {
                        let position = (at + index as u64).checked_sub(offset);
                        if let Some(slot) = position
                            .and_then(|position| bytes.get_mut(usize::try_from(position).unwrap()))
                        {
                            *slot = *byte;
                        }
                    }
                }
                preflight.feed(offset, &bytes);
            }
        }
    }
    panic!("more than {READS_MAX} reads");
}

#[test]
fn an_ordinary_file_is_acceptable() {
    let media = acceptable(&file(&[h264(), aac()]));
    assert_eq!(
        media,
        Media {
            container: Container::Mp4,
            codec: "avc1".to_owned(),
            duration_ms: Some(2000),
            width: 320,
            height: 240,
            frames_per_second: Some(25.0),
            tracks: 2,
            fragmented: false,
        }
    );
    assert_eq!(media.container.content_type(), "video/mp4");
}

#[test]
fn the_index_may_come_first_or_last_and_sizes_may_have_64_bits() {
    let moov = moov(&[h264()]);
    let mdat = mp4_box(b"mdat", &vec![0; 100_000]);
    acceptable(&[ftyp(b"mp42"), moov.clone(), mdat.clone()].concat());
    acceptable(&[ftyp(b"mp42"), mdat, moov.clone()].concat());
    acceptable(
        &[
            ftyp(b"mp42"),
            large_box(b"mdat", &vec![0; 70_000]),
            moov.clone(),
        ]
        .concat(),
    );
    acceptable(&[ftyp(b"mp42"), large_box(b"moov", &moov[8..])].concat());
    acceptable(&[ftyp(b"mp42"), open_box(b"moov", &moov[8..])].concat());
    acceptable(&[ftyp(b"mp42"), moov, open_box(b"mdat", &[0; 5000])].concat());
}

#[test]
fn a_ten_gigabyte_file_takes_two_reads() {
    let moov = moov(&[h264(), aac()]);
    let head = [ftyp(b"isom"), large_header(b"mdat", 9 << 30)].concat();
    let at = head.len() as u64 + (9 << 30);
    let size = at + moov.len() as u64;
    let (finding, reads) = read_sparse(size, &[(0, &head), (at, &moov)]);
    assert!(matches!(finding, Finding::Acceptable(_)), "{finding:?}");
    assert_eq!(reads, 2);
}

#[test]
fn megabytes_of_sample_tables_are_stepped_over() {
    let long = |spec: TrackSpec| TrackSpec {
        tables_len: 3_000_000,
        ..spec
    };
    let file = file(&[
        long(h264()),
        long(aac()),
        long(TrackSpec::new(b"tmcd", b"tmcd")),
    ]);
    let (finding, reads) = read_sparse(file.len() as u64, &[(0, &file)]);
    assert!(matches!(finding, Finding::Acceptable(_)), "{finding:?}");
    assert!(reads <= 4, "{reads} reads");
}

#[test]
fn old_quicktime_has_no_ftyp() {
    for first in [b"wide", b"free", b"skip"] {
        let file = [
            mp4_box(first, &[]),
            mp4_box(b"mdat", &[1; 10]),
            moov(&[h264()]),
        ]
        .concat();
        assert_eq!(acceptable(&file).container, Container::QuickTime);
    }
    assert_eq!(
        acceptable(&moov(&[h264()])).container.content_type(),
        "video/quicktime"
    );
    let named = [ftyp(b"qt  "), moov(&[h264()])].concat();
    assert_eq!(acceptable(&named).container, Container::QuickTime);
}

#[test]
fn the_container_is_told_even_where_nothing_else_is() {
    let file = [ftyp(b"qt  "), mp4_box(b"moov", &[])].concat();
    assert_eq!(
        read_all(&file),
        Finding::Unknown {
            why: "its index names no video track".to_owned(),
            container: Some(Container::QuickTime)
        }
    );
}

#[test]
fn another_codec_is_named() {
    let reason = unsupported(&file(&[TrackSpec::new(b"vide", b"hvc1"), aac()]));
    assert_eq!(
        reason.to_string(),
        "the video is encoded in HEVC (H.265) (hvc1) and only H.264 can be moderated: encode it in H.264"
    );
    for (entry, name) in [
        (b"hev1", "HEVC (H.265)"),
        (b"av01", "AV1"),
        (b"vp09", "VP9"),
        (b"mp4v", "MPEG-4 Visual"),
        (b"ap4h", "Apple ProRes"),
    ] {
        let reason = unsupported(&file(&[TrackSpec::new(b"vide", entry)]));
        assert!(reason.to_string().contains(name), "{reason}");
    }
}

#[test]
fn a_codec_unknown_here_is_left_to_rekognition() {
    assert!(unknown(&file(&[TrackSpec::new(b"vide", b"ai12")])).contains("'ai12'"));
    let mixed = TrackSpec {
        entries: vec![*b"avc1", *b"zzzz"],
        ..h264()
    };
    assert!(unknown(&file(&[mixed])).contains("'zzzz'"));
    acceptable(&file(&[TrackSpec::new(b"vide", b"avc3")]));
}

#[test]
fn one_sample_entry_of_another_codec_is_enough() {
    let mixed = TrackSpec {
        entries: vec![*b"avc1", *b"hvc1"],
        ..h264()
    };
    assert!(matches!(
        unsupported(&file(&[mixed])),
        Unsupported::OtherCodec { .. }
    ));
}

#[test]
fn every_track_with_pictures_counts() {
    for second in [b"vide", b"auxv", b"pict"] {
        let reason = unsupported(&file(&[h264(), aac(), TrackSpec::new(second, b"jpeg")]));
        assert_eq!(reason, Unsupported::SeveralVideoTracks { count: 2 });
    }
    for other in [b"tmcd", b"text", b"sbtl", b"meta", b"hint"] {
        acceptable(&file(&[h264(), TrackSpec::new(other, b"tmcd")]));
    }
    assert_eq!(unsupported(&file(&[aac()])), Unsupported::NoVideoTrack);
}

#[test]
fn encrypted_tracks_are_found() {
    for track in [
        TrackSpec::new(b"vide", b"encv"),
        TrackSpec::new(b"vide", b"drmi"),
    ] {
        assert_eq!(unsupported(&file(&[track])), Unsupported::Encrypted);
    }
    let sound = TrackSpec::new(b"soun", b"enca");
    assert_eq!(unsupported(&file(&[h264(), sound])), Unsupported::Encrypted);
    // A protection system's header alone encrypts nothing.
    let hint = [
        timing(b"mvhd", 1000, 2000),
        mp4_box(b"pssh", &[0; 40]),
        h264().build(),
    ]
    .concat();
    acceptable(&[ftyp(b"isom"), mp4_box(b"moov", &hint)].concat());
}

#[test]
fn data_in_another_file_is_found() {
    let elsewhere = TrackSpec {
        reference: (0, b"file:///other.mov\0"),
        ..h264()
    };
    assert_eq!(
        unsupported(&file(std::slice::from_ref(&elsewhere))),
        Unsupported::ExternalData
    );
    // Sound may be anywhere, and a reference that leads nowhere is a careless writer's.
    let sound = TrackSpec {
        handler: *b"soun",
        ..elsewhere
    };
    acceptable(&file(&[h264(), sound]));
    let careless = TrackSpec {
        reference: (0, b""),
        ..h264()
    };
    acceptable(&file(&[careless]));
    let list = mp4_box(b"moov", &mp4_box(b"rmra", &[0; 30]));
    assert_eq!(unsupported(&list), Unsupported::ExternalData);
}

#[test]
fn six_hours_are_the_limit_if_every_statement_agrees() {
    let hours = |media: u32, movie: Vec<u8>| {
        let track = TrackSpec {
            duration_ms: media * 3_600_000,
            ..h264()
        };
        [
            ftyp(b"isom"),
            mp4_box(b"moov", &[movie, track.build()].concat()),
        ]
        .concat()
    };
    let seven = 7 * 3_600_000;
    assert_eq!(
        unsupported(&hours(7, timing(b"mvhd", 1000, seven))),
        Unsupported::TooLong {
            duration_ms: u64::from(seven)
        }
    );
    acceptable(&hours(7, timing(b"mvhd", 1000, 2000)));
    acceptable(&hours(6, timing(b"mvhd", 1000, seven)));
    let unknown_movie = timing(b"mvhd", 1000, u32::MAX);
    assert!(matches!(
        unsupported(&hours(8, unknown_movie)),
        Unsupported::TooLong { .. }
    ));
    let version_1 = timing_v1(b"mvhd", 90_000, 90_000 * 3600 * 9);
    assert_eq!(
        unsupported(&hours(9, version_1)).to_string(),
        "the video lasts 9 h 0 min; at most 6 h can be moderated: split it"
    );
    let no_scale = timing(b"mvhd", 0, 5);
    assert_eq!(acceptable(&hours(1, no_scale)).duration_ms, Some(3_600_000));
}

#[test]
fn fragmented_files_tell_their_duration_in_mehd() {
    let track = TrackSpec {
        duration_ms: 0,
        ..h264()
    };
    let moov = |mehd: &[u8]| {
        let body = [
            timing(b"mvhd", 1000, 0),
            track.build(),
            mp4_box(b"mvex", mehd),
        ]
        .concat();
        [
            ftyp(b"iso5"),
            mp4_box(b"moov", &body),
            mp4_box(b"moof", &[0; 90]),
        ]
        .concat()
    };
    let mehd = mp4_box(b"mehd", &[0, 0, 0, 0, 0, 0, 0x13, 0x88]);
    let media = acceptable(&moov(&mehd));
    assert!(media.fragmented);
    assert_eq!(media.duration_ms, Some(5000));
    assert_eq!(acceptable(&moov(&[])).duration_ms, None);
    let seven_hours = [&[1, 0, 0, 0][..], &(7 * 3_600_000u64).to_be_bytes()].concat();
    assert!(matches!(
        unsupported(&moov(&mp4_box(b"mehd", &seven_hours))),
        Unsupported::TooLong { .. }
    ));
}

#[test]
fn sizes_are_judged_without_a_read() {
    let first = |size| Preflight::new(size).next();
    let done = |reason| Step::Done(Finding::Unsupported { reason });
    assert_eq!(first(0), done(Unsupported::Empty));
    let size_bytes = SIZE_BYTES_MAX + 1;
    assert_eq!(
        first(size_bytes),
        done(Unsupported::TooLarge { size_bytes })
    );
    // 10 GB either way: not certain, so it is read.
    assert!(matches!(first(10_000_000_001), Step::Read { .. }));
    assert!(matches!(
        first(SIZE_BYTES_MAX),
        Step::Read {
            offset: 0,
            len: READ_LEN_MAX
        }
    ));
    assert!(matches!(first(9), Step::Read { offset: 0, len: 9 }));
}

#[test]
fn what_is_no_video_is_named() {
    for (bytes, expected) in [
        (&b"PK\x03\x04\x14\0\0\0\x08\0"[..], "a ZIP archive"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a JPEG picture"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0", "a Matroska or WebM file"),
        (b"OggS\0\x02\0\0\0\0\0", "an Ogg file"),
        (b"\0\0\x01\xba\x44\0\x04\0\x04", "an MPEG program stream"),
        (b"\0\0\0\x01\x67\x64\0\x1e\xac", "a raw H.264 stream"),
        (b"RIFF\x24\x08\0\0WAVEfmt ", "a WAVE sound file"),
        (b"Dear diary, today I filmed nothing.\n", "a text file"),
        (b"{}", "a text file"),
        ("Über uns\n".as_bytes(), "a text file"),
    ] {
        let reason = unsupported(bytes).to_string();
        assert!(reason.contains(expected), "{reason}");
    }
    let mut stream = vec![0xff; 188 * 5];
    stream.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
    assert!(
        unsupported(&stream)
            .to_string()
            .contains("transport stream")
    );
    let nothing = Unsupported::NotMedia { looks_like: None };
    assert_eq!(unsupported(&[0; 4000]), nothing);
    assert_eq!(unsupported(&[0xfe; 5]), nothing);
    let heif = [ftyp(b"heic"), mp4_box(b"meta", &[0; 50])].concat();
    assert!(unsupported(&heif).to_string().contains("HEIF"));
}

#[test]
fn avi_is_left_to_rekognition() {
    assert!(unknown(b"RIFF\x24\x08\0\0AVI LIST\0\0\0\0").contains("AVI"));
}

#[test]
fn broken_files_are_left_to_rekognition() {
    let whole = file(&[h264()]);
    assert!(unknown(&whole[..2000]).contains("no index"));
    let cut = unknown(&whole[..whole.len() - 10]);
    assert_eq!(cut, "the box 'moov' is longer than what holds it");
    let tiny = [
        ftyp(b"isom"),
        vec![0, 0, 0, 3],
        b"free".to_vec(),
        vec![0; 20],
    ]
    .concat();
    assert!(unknown(&tiny).contains("smaller than its header"));
    let compressed = mp4_box(b"moov", &mp4_box(b"cmov", &[0; 30]));
    assert!(unknown(&compressed).contains("compressed"));
    assert!(unknown(&[0, 0, 0, 2, b'f', b't', b'y', b'p', 0, 0]).contains("smaller"));
    let none = TrackSpec {
        entries: vec![],
        ..h264()
    };
    assert!(unknown(&file(&[none])).contains("sample entries"));
}

#[test]
fn what_is_certain_stays_so_in_a_broken_file() {
    let mut broken = file(&[h264(), h264(), aac()]);
    let sound = broken.len() - aac().build().len();
    broken[sound..sound + 4].copy_from_slice(&[0, 0xff, 0xff, 0xff]);
    assert_eq!(
        unsupported(&broken),
        Unsupported::SeveralVideoTracks { count: 2 }
    );
}

#[test]
fn the_reads_run_out_in_a_file_of_many_boxes() {
    // Every top-level box begins outside the window that the one before was read in.
    let stride = 1u64 << 20;
    let header = mp4_box(b"free", &[]);
    let mut header = header;
    header[..4].copy_from_slice(&u32::try_from(stride).unwrap().to_be_bytes());
    let parts: Vec<_> = (0..100).map(|n| (n * stride, &header[..])).collect();
    let (finding, reads) = read_sparse(100 * stride, &parts);
    assert_eq!(reads, READS_MAX);
    let Finding::Unknown { why, .. } = finding else {
        panic!("{finding:?}")
    };
    assert_eq!(why, "its index needs more than 32 reads");
}

#[test]
fn a_short_answer_ends_it() {
    let file = file(&[h264()]);
    let mut preflight = Preflight::new(file.len() as u64 + 10);
    assert!(matches!(preflight.next(), Step::Read { .. }));
    assert_eq!(preflight.next(), preflight.next());
    preflight.feed(0, &file);
    assert!(matches!(
        preflight.next(),
        Step::Done(Finding::Unknown { .. })
    ));
}

#[test]
fn quicktime_lists_may_end_with_a_zero() {
    let body = [timing(b"mvhd", 1000, 2000), h264().build(), vec![0; 4]].concat();
    acceptable(&mp4_box(b"moov", &body));
    let track = TrackSpec {
        extra: mp4_box(b"uuid", &[3; 40]),
        ..h264()
    };
    acceptable(&file(&[track]));
}
