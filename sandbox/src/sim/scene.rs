//! Workloads written by hand: the same each time, so that something can go wrong at each of their calls in turn.

use std::time::Duration;

use super::footage::{File, Footage};
use super::truth::Policy;
use super::workload::{Action, Workload};
use crate::rekognition;

const GIB: u64 = 1 << 30;

/// A workload written by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scene {
    /// Everything that may become of a video, and that people do, once.
    Standard,
    /// One video that is approved and one that is rejected, which share a slot.
    Small,
}

impl Scene {
    /// What is done when.
    #[must_use]
    pub fn workload(self) -> Workload {
        match self {
            Self::Standard => standard(),
            Self::Small => small(),
        }
    }
}

fn small() -> Workload {
    let mut script = Script::default();
    script.upload(0, "clean.mp4", Footage::Clean, 20);
    script.upload(1, "fight.mp4", Footage::Violent, 20);
    script.workload(1, rekognition::Faults::default())
}

fn standard() -> Workload {
    let mut script = Script {
        // Never reached: its counting is what matters.
        cap_minutes: Some(10_000),
        ..Script::default()
    };
    // Every end, and more jobs than slots.
    script.upload(0, "clean.mp4", Footage::Clean, 60);
    script.upload(0, "fight.mp4", Footage::Violent, 60);
    script.upload(1, "hevc.mp4", Footage::Hevc, 60);
    script.upload(1, "cut.mp4", Footage::Broken, 60);
    script.upload(2, "empty.mp4", Footage::Empty, 0);
    // Over 5 GB: copied in parts.
    script.put(
        2,
        "large.mp4",
        file(Footage::Clean, 6 * GIB, 60, script.number()),
        true,
    );
    // The newer version is published first.
    script.upload(3, "again.mp4", Footage::Clean, 400);
    script.upload(4, "again.mp4", Footage::Clean, 30);
    script.put(
        5,
        "untold.mp4",
        file(Footage::Clean, 1 << 20, 30, script.number()),
        false,
    );
    let file_in_parts = file(Footage::Clean, 10_000, 30, script.number());
    script.parts(6, 700, "again.mp4", file_in_parts);
    let gone = script.upload(6, "gone.mp4", Footage::Clean, 30);
    script.act(7, Action::Delete(gone));
    let stopped = script.upload(8, "stopped.mp4", Footage::Clean, 300);
    script.act(200, Action::Stop(stopped));
    script.act(500, Action::Redrive(stopped));
    script.act(600, Action::StartByHand);
    // A policy that is stricter than the scan under way.
    script.upload(1200, "faint.mp4", Footage::Faint, 200);
    script.act(1260, Action::Policy(Policy::Strict));
    script.act(1900, Action::Policy(Policy::Default));
    // Taken down, and uploaded again.
    script.act(2000, Action::Takedown(0));
    script.upload(2100, "clean.mp4", Footage::Borderline, 60);
    script.upload(2200, "clean.mp4", Footage::Clean, 60);
    // Results that expire before anybody asks for them.
    script.upload(2600, "late.mp4", Footage::Violent, 60);
    script.act(2760, Action::ExpireResults);
    let jobs = rekognition::Faults {
        lose_notifications: [2, 14].into(),
        repeat_notifications: [1].into(),
        ..rekognition::Faults::default()
    };
    script.workload(3, jobs)
}

/// What is done, in the order of its times.
#[derive(Default)]
struct Script {
    actions: Vec<(Duration, Action)>,
    uploads: usize,
    cap_minutes: Option<u32>,
}

impl Script {
    /// The number of the next upload.
    fn number(&self) -> usize {
        self.uploads
    }

    fn act(&mut self, at_s: u64, action: Action) {
        self.actions.push((Duration::from_secs(at_s), action));
    }

    fn put(&mut self, at_s: u64, key: &str, file: File, told: bool) -> usize {
        let key = key.to_owned();
        self.act(at_s, Action::Upload { key, file, told });
        self.uploads += 1;
        self.uploads - 1
    }

    /// Uploads a file in parts: no number is returned, since uploads are numbered as they come to be.
    fn parts(&mut self, from_s: u64, to_s: u64, key: &str, file: File) {
        let (number, key) = (0, key.to_owned());
        self.act(from_s, Action::BeginParts { number, key, file });
        self.act(to_s, Action::CompleteParts(number));
    }

    /// Uploads a small file that lasts so many seconds; returns the upload's number.
    fn upload(&mut self, at_s: u64, key: &str, footage: Footage, lasts_s: u64) -> usize {
        let file = file(footage, 1 << 20, lasts_s, self.uploads);
        self.put(at_s, key, file, true)
    }

    fn workload(mut self, max_jobs: u32, job_faults: rekognition::Faults) -> Workload {
        // Stable: what was written first happens first at the same time.
        self.actions.sort_by_key(|(at, _)| *at);
        Workload {
            max_video_minutes_a_day: self.cap_minutes,
            job_faults,
            lasts: self.actions.last().map_or(Duration::ZERO, |(at, _)| *at),
            actions: self.actions,
            ..Workload::nothing(max_jobs)
        }
    }
}

fn file(footage: Footage, size_bytes: u64, lasts_s: u64, number: usize) -> File {
    let empty = matches!(footage, Footage::Empty | Footage::Folder);
    File {
        footage,
        size_bytes: if empty { 0 } else { size_bytes },
        duration_ms: lasts_s * 1000,
        mark: number as u64,
    }
}
