//! Takes videos through the gate once: the samples, or the user's own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use super::arguments::{Arguments, Options};
use super::follow::follow;
use super::labels;
use super::logs::LogFolder;
use super::outcome::{Outcome, Verdict};
use super::session::{Session, interrupted};
use super::table::{Row, table};
use super::videos::{Video, videos};

/// Speed at which the samples are through within a minute, and a feature film within minutes.
const SPEED: f64 = 60.0;

/// Real time without any change after which something is stuck, whatever the speed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Longest time, in the sandbox's own, in which nothing need change: the longest job that the gate takes, and its retries.
const LONGEST_JOB: Duration = Duration::from_hours(8);

/// What came of taking videos through the gate.
struct Passage {
    rows: Vec<Row>,
    /// Real time from the first upload until the last video was settled.
    elapsed: Duration,
    /// The most moderation jobs that were open at once.
    jobs_peak: usize,
    ledger_bucket: String,
}

/// Uploads the videos, waits for their outcomes and tells them. Returns whether all were as expected.
///
/// # Errors
/// When the videos cannot be read, or the sandbox cannot run.
pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let options = &arguments.options;
    options.refuse_waiting()?;
    let videos = videos(&arguments.files)?;
    let reports = reports_folder(arguments.reports.as_deref())?;
    let labels = labels::gather(&videos, options.labels.as_deref())?;
    let logs = LogFolder::new(options.log_dir.as_deref())?;
    let speed = options.speed.unwrap_or(SPEED);
    let result = through(
        options,
        &videos,
        speed,
        labels.path(),
        logs.path(),
        &reports,
    )
    .await;
    let passage = match result {
        Ok(passage) => passage,
        // Before the first function has run there is nothing to look at.
        Err(error) if logs.is_empty() => return Err(error),
        Err(error) => {
            let folder = logs.keep();
            bail!("{error:#}; the functions' logs are in {}", folder.display());
        }
    };
    let as_expected = passage.rows.iter().all(|row| row.problems.is_empty());
    let mut text = table(&passage.rows);
    let _ = writeln!(text, "\n{}", summary(&passage.rows));
    let _ = writeln!(text, "{}", pace(&passage, speed, options.max_jobs));
    let _ = writeln!(
        text,
        "Reports, and cues for players (.vtt), were copied from s3://{}/reports/ to {}",
        passage.ledger_bucket,
        reports.display()
    );
    if !as_expected || options.log_dir.is_some() {
        let _ = writeln!(
            text,
            "The functions' logs are in {}.",
            logs.keep().display()
        );
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the outcomes cannot be written")?;
    Ok(as_expected)
}

async fn through(
    options: &Options,
    videos: &[Video],
    speed: f64,
    labels: &Path,
    logs: &Path,
    reports: &Path,
) -> anyhow::Result<Passage> {
    let session = Session::start(options, speed, 0, labels, logs).await?;
    let started = Instant::now();
    let patience = PATIENCE + LONGEST_JOB.div_f64(speed);
    let outcomes = tokio::select! {
        outcomes = follow(&session, videos, reports, patience) => outcomes,
        signal = interrupted() => match signal {
            Ok(()) => Err(anyhow::anyhow!("interrupted before all videos were settled")),
            Err(error) => Err(error).context("signals cannot be waited for"),
        },
    };
    let elapsed = started.elapsed();
    let (_, jobs_peak) = session.aws.rekognition.open_jobs();
    let ledger_bucket = session.stack.ledger_bucket.clone();
    session.shut_down().await;
    let rows = videos
        .iter()
        .zip(outcomes?)
        .map(|(video, outcome)| row(video, outcome))
        .collect();
    Ok(Passage {
        rows,
        elapsed,
        jobs_peak,
        ledger_bucket,
    })
}

fn row(video: &Video, outcome: Outcome) -> Row {
    let mut problems = outcome.contradictions.clone();
    match &video.expected {
        Some(expected) => problems.extend(expected.difference(&outcome)),
        None if outcome.verdict == Verdict::Unsettled => problems.push("not settled".to_owned()),
        None => {}
    }
    Row {
        key: video.key.clone(),
        outcome,
        problems,
    }
}

fn summary(rows: &[Row]) -> String {
    let bad = rows.iter().filter(|row| !row.problems.is_empty()).count();
    let videos = if rows.len() == 1 {
        "1 video".to_owned()
    } else {
        format!("{} videos", rows.len())
    };
    if bad == 0 {
        format!("{videos}, every outcome as it should be.")
    } else {
        format!("{videos}, {bad} not as it should be: see the rows marked ✗.")
    }
}

/// How long it took, and how many jobs it took at once.
fn pace(passage: &Passage, speed: f64, max_jobs: u32) -> String {
    let seconds = passage.elapsed.as_secs_f64();
    let sandbox_seconds = seconds * speed;
    format!(
        "It took {seconds:.1} s: {sandbox_seconds:.0} s of the sandbox's time at speed {speed}, with at most {} of {max_jobs} \
         moderation jobs open at once.",
        passage.jobs_peak
    )
}

fn reports_folder(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = named.map_or_else(
        || std::env::temp_dir().join("reelgate-reports"),
        Path::to_owned,
    );
    std::fs::create_dir_all(&folder).with_context(|| {
        format!(
            "{} cannot be made: choose another folder with --reports",
            folder.display()
        )
    })?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::expected::Expected;

    fn video(expected: Option<&str>) -> Video {
        Video {
            key: "a.mp4".to_owned(),
            path: PathBuf::from("a.mp4"),
            size_bytes: 1,
            expected: expected.map(|text| serde_json::from_str::<Expected>(text).unwrap()),
        }
    }

    #[test]
    fn own_videos_need_only_settle() {
        for verdict in [
            Verdict::Approved,
            Verdict::Rejected,
            Verdict::Failed,
            Verdict::Ignored,
        ] {
            assert!(
                row(&video(None), Outcome::of(verdict, String::new()))
                    .problems
                    .is_empty()
            );
        }
        let row = row(&video(None), Outcome::of(Verdict::Unsettled, String::new()));
        assert_eq!(row.problems, ["not settled"]);
        assert_eq!(
            summary(&[row]),
            "1 video, 1 not as it should be: see the rows marked ✗."
        );
    }

    #[test]
    fn the_pace_is_told_in_both_times() {
        let passage = Passage {
            rows: Vec::new(),
            elapsed: Duration::from_millis(1500),
            jobs_peak: 3,
            ledger_bucket: String::new(),
        };
        assert_eq!(
            pace(&passage, 60.0, 20),
            "It took 1.5 s: 90 s of the sandbox's time at speed 60, with at most 3 of 20 moderation jobs open at once."
        );
    }

    #[test]
    fn samples_need_their_verdict_and_no_contradiction() {
        let sample = video(Some(r#"{"verdict": "Rejected"}"#));
        let rejected = Outcome::of(Verdict::Rejected, String::new());
        assert!(row(&sample, rejected.clone()).problems.is_empty());
        let contradicted = Outcome {
            contradictions: vec!["the approved bucket has it all the same".to_owned()],
            ..rejected
        };
        assert_eq!(row(&sample, contradicted).problems.len(), 1);
        assert_eq!(
            row(&sample, Outcome::of(Verdict::Failed, String::new())).problems,
            ["expected Rejected"]
        );
    }
}
