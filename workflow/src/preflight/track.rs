//! What is known of the file so far, and what follows from it.

use super::codec::{Codec, FourCc, audio_is_encrypted, codec_of};
use super::leaf::{SampleEntry, Timing};
use super::{Container, DURATION_MS_MAX, Finding, Media, Unsupported};

/// One track while it is being read.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) handler: Option<FourCc>,
    pub(super) timing: Timing,
    pub(super) entries: Vec<SampleEntry>,
    pub(super) entries_complete: bool,
    pub(super) external: Vec<bool>,
    pub(super) first_sample_delta: Option<u32>,
}

impl Track {
    /// Whether it shows pictures: video, auxiliary video (depth, alpha) or an image sequence.
    ///
    /// Switched-off tracks and thumbnail or chapter pictures count too: a player may show them, and nobody would have
    /// scanned them.
    fn has_pictures(&self) -> bool {
        self.handler
            .is_some_and(|handler| matches!(&handler.0, b"vide" | b"auxv" | b"pict"))
    }

    fn is_audio(&self) -> bool {
        self.handler.is_some_and(|handler| &handler.0 == b"soun")
    }

    /// Whether any of its samples are in another file.
    fn is_external(&self) -> bool {
        self.entries.iter().any(|entry| {
            usize::from(entry.data_reference)
                .checked_sub(1)
                .and_then(|index| self.external.get(index))
                .is_some_and(|external| *external)
        })
    }
}

/// What an index may hold instead of tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandIn {
    /// The tracks, compressed (`cmov`).
    Compressed,
    /// References to other files (`rmra`).
    References,
}

/// What the index says, as far as it was read. Bounded: one video track and a few counters.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) container: Option<Container>,
    pub(super) movie: Timing,
    pub(super) fragmented: bool,
    pub(super) fragment_duration: Option<u64>,
    pub(super) stand_in: Option<StandIn>,
    tracks: u32,
    video_tracks: u32,
    unnamed_tracks: u32,
    encrypted: bool,
    external: bool,
    other_codec: Option<(FourCc, &'static str)>,
    video: Option<Track>,
}

impl Facts {
    /// Takes in a track that was read to its end.
    pub(super) fn add(&mut self, track: Track) {
        self.tracks += 1;
        if track.handler.is_none() {
            self.unnamed_tracks += 1;
        }
        if track.is_audio() {
            self.encrypted |= track.entries.iter().any(|e| audio_is_encrypted(e.kind));
        }
        if !track.has_pictures() {
            return;
        }
        self.video_tracks += 1;
        // Only the pictures' whereabouts matter: sound is not moderated.
        self.external |= track.is_external();
        for entry in &track.entries {
            match codec_of(entry.kind) {
                Codec::Encrypted => self.encrypted = true,
                Codec::Other(name) => {
                    self.other_codec.get_or_insert((entry.kind, name));
                }
                Codec::H264 | Codec::Unclear => {}
            }
        }
        self.video.get_or_insert(track);
    }

    /// A fault that stays one, whatever the unread rest of the file says.
    pub(super) fn fault(&self) -> Option<Unsupported> {
        if self.encrypted {
            Some(Unsupported::Encrypted)
        } else if self.video_tracks > 1 {
            Some(Unsupported::SeveralVideoTracks {
                count: self.video_tracks,
            })
        } else if let Some(other) = self.other_codec {
            Some(other.into())
        } else if self.external {
            Some(Unsupported::ExternalData)
        } else {
            None
        }
    }

    /// The finding once the whole index was read.
    pub(super) fn judge(&self) -> Finding {
        let reason = self.fault().or_else(|| self.too_long());
        match (&self.video, reason) {
            (_, Some(reason)) => Finding::Unsupported { reason },
            (Some(video), None) => self.judge_video(video),
            (None, None) => self.judge_without_video(),
        }
    }

    fn judge_video(&self, video: &Track) -> Finding {
        if let Some(entry) = video
            .entries
            .iter()
            .find(|entry| codec_of(entry.kind) != Codec::H264)
        {
            return self.unknown(format!("its video has the sample entry '{}'", entry.kind));
        }
        let Some(entry) = video.entries.first().filter(|_| video.entries_complete) else {
            return self.unknown("its list of sample entries is not whole".to_owned());
        };
        Finding::Acceptable(Media {
            container: self.container(),
            codec: entry.kind.to_string(),
            duration_ms: self.durations_ms().into_iter().flatten().next(),
            width: entry.width,
            height: entry.height,
            frames_per_second: video
                .first_sample_delta
                .filter(|_| video.timing.timescale > 0)
                .map(|delta| f64::from(video.timing.timescale) / f64::from(delta)),
            tracks: self.tracks,
            fragmented: self.fragmented,
        })
    }

    fn judge_without_video(&self) -> Finding {
        match self.stand_in {
            Some(StandIn::Compressed) => self.unknown("its index is compressed".to_owned()),
            Some(StandIn::References) => Finding::Unsupported {
                reason: Unsupported::ExternalData,
            },
            None if self.tracks > 0 && self.unnamed_tracks == 0 => Finding::Unsupported {
                reason: Unsupported::NoVideoTrack,
            },
            None => self.unknown("its index names no video track".to_owned()),
        }
    }

    /// Not decided, as far as was read.
    pub(super) fn unknown(&self, why: String) -> Finding {
        Finding::Unknown {
            why,
            container: self.container,
        }
    }

    /// A file without `ftyp` is older than that box, and so QuickTime.
    fn container(&self) -> Container {
        self.container.unwrap_or(Container::QuickTime)
    }

    /// What the file says about its duration, the video track's own statement first.
    fn durations_ms(&self) -> [Option<u64>; 3] {
        [
            self.video.as_ref().and_then(|v| v.timing.duration_ms()),
            self.fragment_duration.and_then(|d| self.movie.to_ms(d)),
            self.movie.duration_ms(),
        ]
    }

    /// Too long only if every statement says so: an edit list shortens the one, a careless writer lengthens the other.
    fn too_long(&self) -> Option<Unsupported> {
        let duration_ms = self.durations_ms().into_iter().flatten().min()?;
        (duration_ms > DURATION_MS_MAX).then_some(Unsupported::TooLong { duration_ms })
    }
}
