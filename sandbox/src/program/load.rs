//! Many videos at once: whether the gate settles all of them right, how long it takes, and what that costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sfn::types::ExecutionStatus as Listed;
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior};
use workflow::contract::ErrorName;
use workflow::names;

use super::arguments::{Load, Options};
use super::expected;
use super::logs::LogFolder;
use super::session::{Session, interrupted};
use crate::sfn::ExecutionStatus;

/// The sample that is uploaded under every key.
const SAMPLE: &str = "clean-bars.mp4";

/// One video of so many carries labels that the default policy rejects.
const REJECTED_EVERY: usize = 4;
const REJECTED_LABELS: &str = "Physical Violence:97.5@0.5-1.5";

/// Uploads side by side.
const UPLOADS_AT_ONCE: usize = 64;

/// With these 200 videos take 50 seconds in 20 slots.
const SPEED: f64 = 60.0;
const JOB: Duration = Duration::from_mins(5);

/// How often the services are looked at, in real time: in this very process, so it costs next to nothing.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Real time that may pass without any execution ending, besides two jobs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Real time in which no slot and no record must be left, once all executions have ended.
const TIDY_MAX: Duration = Duration::from_secs(30);

/// What was measured, in real time.
struct Measured {
    videos: usize,
    max_jobs: u32,
    /// Makespan of a gate that takes no time between two jobs.
    ideal: Duration,
    /// From the first upload until all are uploaded.
    uploaded: Duration,
    /// From the first upload until the first job is open.
    first_job: Duration,
    /// From the first upload until the last execution has ended.
    makespan: Duration,
    jobs_peak: usize,
    jobs_started: u64,
    /// Moments at which a slot had no job although some video had none yet, added up over the slots.
    unused: Duration,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.makespan.as_secs_f64() / self.ideal.as_secs_f64()
    }
}

/// Uploads the videos, waits until all are settled, and tells what came of them. Returns whether all was as it should be.
///
/// # Errors
/// When the sandbox cannot run.
pub(super) async fn load(options: &mut Options, load: &Load) -> anyhow::Result<bool> {
    options.refuse_waiting()?;
    let speed = options.speed.unwrap_or(SPEED);
    let job = options.job_seconds.get_or_insert(JOB).div_f64(speed);
    let labels = tempfile::tempdir().context("no folder for labels can be made")?;
    let logs = LogFolder::new(options.log_dir.as_deref())?;
    let session = Session::start(options, speed, 0, labels.path(), logs.path()).await?;
    let result = tokio::select! {
        result = carry(&session, load.videos, options.max_jobs, job) => result,
        signal = interrupted() => match signal {
            Ok(()) => Err(anyhow::anyhow!("interrupted before all videos were settled")),
            Err(error) => Err(error).context("signals cannot be waited for"),
        },
    };
    let stats = tables(&session);
    session.shut_down().await;
    let mut problems = Vec::new();
    let mut text = stats;
    match result {
        Ok((measured, found)) => {
            problems = found;
            problems.extend(over_limits(&measured, load.max_ratio));
            let _ = writeln!(text, "\n{}", summary(&measured));
        }
        Err(error) => problems.push(format!("{error:#}")),
    }
    for problem in &problems {
        let _ = writeln!(text, "✗ {problem}");
    }
    if !problems.is_empty() || options.log_dir.is_some() {
        let kept = logs.keep();
        let _ = writeln!(text, "The functions' logs are in {}.", kept.display());
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("the outcome cannot be written")?;
    Ok(problems.is_empty())
}

/// Uploads, waits, and checks. Returns what was measured, and everything that is wrong.
async fn carry(
    session: &Session,
    videos: usize,
    max_jobs: u32,
    job: Duration,
) -> anyhow::Result<(Measured, Vec<String>)> {
    let (folder, _) = expected::samples()?;
    let sample = folder.join(SAMPLE);
    let bytes =
        std::fs::read(&sample).with_context(|| format!("{} cannot be read", sample.display()))?;
    let started = Instant::now();
    let uploads = futures::stream::iter(0..videos)
        .map(|number| upload(session, number, bytes.clone()))
        .buffer_unordered(UPLOADS_AT_ONCE);
    let mut uploads = std::pin::pin!(uploads);
    // The key of every video, by the name of its execution.
    let mut keys = BTreeMap::new();
    let rounds = videos.div_ceil(usize::try_from(max_jobs)?);
    let mut watch = Watch::new(session, videos, started);
    let mut measured = Measured {
        videos,
        max_jobs,
        ideal: job * u32::try_from(rounds)?,
        uploaded: Duration::ZERO,
        first_job: Duration::ZERO,
        makespan: Duration::ZERO,
        jobs_peak: 0,
        jobs_started: 0,
        unused: Duration::ZERO,
    };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(uploaded) = uploads.next() => {
                let (execution, key) = uploaded?;
                keys.insert(execution, key);
                if keys.len() == videos {
                    measured.uploaded = started.elapsed();
                }
            }
            _ = look.tick() => if watch.look(&mut measured) {
                break;
            },
        }
        if watch.ended_at.elapsed() > PATIENCE + 2 * job {
            bail!(
                "{} of {videos} videos settled, and then nothing more",
                watch.ended
            );
        }
    }
    measured.makespan = started.elapsed();
    watch.progress.finish_and_clear();
    measured.jobs_peak = session.aws.rekognition.open_jobs().1;
    measured.jobs_started = session.aws.rekognition.started_jobs();
    let mut problems = wrong_ends(session, &keys).await?;
    problems.extend(wrongly_approved(session, &keys).await?);
    problems.extend(left_over(session).await?);
    Ok((measured, problems))
}

/// Looks at the services until all executions have ended.
struct Watch<'a> {
    session: &'a Session,
    videos: usize,
    started: Instant,
    looked: Instant,
    ended: usize,
    ended_at: Instant,
    progress: ProgressBar,
}

impl<'a> Watch<'a> {
    fn new(session: &'a Session, videos: usize, started: Instant) -> Self {
        let progress = ProgressBar::new(u64::try_from(videos).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} settled, {elapsed}");
        Self {
            session,
            videos,
            started,
            looked: started,
            ended: 0,
            ended_at: started,
            progress: progress.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
        }
    }

    /// Returns whether all have ended.
    fn look(&mut self, measured: &mut Measured) -> bool {
        let aws = &self.session.aws;
        let now = Instant::now();
        let (open, _) = aws.rekognition.open_jobs();
        let jobs_left = u64::try_from(self.videos)
            .unwrap_or(u64::MAX)
            .saturating_sub(aws.rekognition.started_jobs());
        let slots = usize::try_from(measured.max_jobs).unwrap_or(usize::MAX);
        let waiting = usize::try_from(jobs_left).unwrap_or(usize::MAX);
        let unused = slots.saturating_sub(open).min(waiting);
        measured.unused += (now - self.looked) * u32::try_from(unused).unwrap_or(u32::MAX);
        self.looked = now;
        if open > 0 && measured.first_job.is_zero() {
            measured.first_job = now - self.started;
        }
        let running = aws.sfn.execution_count(ExecutionStatus::Running);
        let ended = aws.sfn.executions_started() - running;
        if ended > self.ended {
            self.ended = ended;
            self.ended_at = now;
            self.progress
                .set_position(u64::try_from(ended).unwrap_or(u64::MAX));
        }
        ended >= self.videos && running == 0
    }
}

fn key(number: usize) -> String {
    format!("load/{number:05}.mp4")
}

fn is_rejected(number: usize) -> bool {
    number % REJECTED_EVERY == REJECTED_EVERY - 1
}

/// Uploads a video. Returns the name of its execution, and its number.
async fn upload(
    session: &Session,
    number: usize,
    bytes: Vec<u8>,
) -> anyhow::Result<(String, usize)> {
    let (bucket, key) = (&session.stack.raw_bucket, key(number));
    let mut put = session
        .operator
        .s3
        .put_object()
        .bucket(bucket)
        .key(&key)
        .body(ByteStream::from(bytes));
    if is_rejected(number) {
        put = put.metadata("labels", REJECTED_LABELS);
    }
    let put = put
        .send()
        .await
        .with_context(|| format!("uploading {key}"))?;
    let version_id = put.version_id.context("the raw bucket gave no version")?;
    Ok((names::execution_name(bucket, &key, &version_id), number))
}

/// Executions that did not end as their video should.
async fn wrong_ends(
    session: &Session,
    numbers: &BTreeMap<String, usize>,
) -> anyhow::Result<Vec<String>> {
    let statuses = session.executions().await?;
    let mut problems = Vec::new();
    for (execution, number) in numbers {
        let key = key(*number);
        match (statuses.get(execution), is_rejected(*number)) {
            (Some(Listed::Succeeded), false) => {}
            (Some(Listed::Failed), _) => {
                let described = session
                    .operator
                    .sfn
                    .describe_execution()
                    .execution_arn(session.stack.execution_arn(execution))
                    .send()
                    .await
                    .with_context(|| format!("DescribeExecution of {execution}"))?;
                let error = described.error().unwrap_or_default();
                if error != ErrorName::ContentRejected.as_str() || !is_rejected(*number) {
                    let cause = described.cause().unwrap_or_default();
                    problems.push(format!("{key} failed with {error}: {cause}"));
                }
            }
            (Some(status), _) => problems.push(format!("{key} ended {status}")),
            (None, _) => problems.push(format!("{key} has no execution")),
        }
    }
    let foreign = statuses.len().saturating_sub(numbers.len());
    if foreign > 0 {
        problems.push(format!("{foreign} executions are of no upload"));
    }
    Ok(problems)
}

/// Videos that are in the approved bucket and should not be, or the other way round.
async fn wrongly_approved(
    session: &Session,
    numbers: &BTreeMap<String, usize>,
) -> anyhow::Result<Vec<String>> {
    let approved = session.keys(&session.stack.approved_bucket, "").await?;
    let clean = numbers.values().filter(|number| !is_rejected(**number));
    let clean: BTreeSet<String> = clean.map(|number| key(*number)).collect();
    let missing = clean.difference(&approved).map(|key| (key, "is not"));
    let others = approved.difference(&clean).map(|key| (key, "is"));
    Ok(missing
        .chain(others)
        .map(|(key, is)| format!("{key} {is} in the approved bucket"))
        .collect())
}

/// Slots and records that are still there, although nothing is left to be done.
async fn left_over(session: &Session) -> anyhow::Result<Vec<String>> {
    let ended = Instant::now();
    loop {
        let bucket = &session.stack.ledger_bucket;
        let mut keys = session.keys(bucket, names::RECORDS_PREFIX).await?;
        keys.extend(session.keys(bucket, names::SLOTS_PREFIX).await?);
        if keys.is_empty() || ended.elapsed() > TIDY_MAX {
            let left = keys
                .iter()
                .map(|key| format!("{key} is left in the ledger"));
            return Ok(left.collect());
        }
        tokio::time::sleep(20 * LOOK_EVERY).await;
    }
}

/// Limits that what was measured does not keep.
fn over_limits(measured: &Measured, max_ratio: Option<f64>) -> Vec<String> {
    let mut problems = Vec::new();
    if measured.jobs_peak > usize::try_from(measured.max_jobs).unwrap_or(usize::MAX) {
        problems.push(format!(
            "{} jobs were open at once, and {} are allowed",
            measured.jobs_peak, measured.max_jobs
        ));
    }
    if let Some(max) = max_ratio.filter(|max| measured.ratio() > *max) {
        let ratio = measured.ratio();
        problems.push(format!(
            "it took {ratio:.3} times the ideal, and {max} is allowed"
        ));
    }
    problems
}

fn summary(measured: &Measured) -> String {
    format!(
        "{} videos in {:.2} s; ideal {:.2} s, ratio {:.3}.\n\
         At most {} of {} jobs open at once; {} jobs for {} videos.\n\
         Uploaded after {:.2} s, first job after {:.2} s; slots without a job while videos waited: {:.2} s each.",
        measured.videos,
        measured.makespan.as_secs_f64(),
        measured.ideal.as_secs_f64(),
        measured.ratio(),
        measured.jobs_peak,
        measured.max_jobs,
        measured.jobs_started,
        measured.videos,
        measured.uploaded.as_secs_f64(),
        measured.first_job.as_secs_f64(),
        measured
            .unused
            .div_f64(f64::from(measured.max_jobs))
            .as_secs_f64(),
    )
}

/// What the functions did, and which calls were made.
fn tables(session: &Session) -> String {
    let mut text = format!(
        "{:<32}{:>12}{:>8}{:>11}{:>10}{:>8}{:>6}\n",
        "function", "invocations", "errors", "throttles", "given up", "starts", "peak"
    );
    for (name, stats) in session.aws.lambda.stats().functions {
        let _ = writeln!(
            text,
            "{name:<32}{:>12}{:>8}{:>11}{:>10}{:>8}{:>6}",
            stats.invocations,
            stats.errors,
            stats.throttles,
            stats.given_up,
            stats.cold_starts,
            stats.running_peak
        );
    }
    let _ = writeln!(text, "\n{:<44}{:>8}", "operation", "calls");
    for ((service, operation), calls) in session.aws.calls() {
        let _ = writeln!(text, "{:<44}{calls:>8}", format!("{service} {operation}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(makespan_s: u64, jobs_peak: usize) -> Measured {
        Measured {
            videos: 200,
            max_jobs: 20,
            ideal: Duration::from_secs(50),
            uploaded: Duration::from_secs(1),
            first_job: Duration::from_millis(250),
            makespan: Duration::from_secs(makespan_s),
            jobs_peak,
            jobs_started: 200,
            unused: Duration::from_secs(10),
        }
    }

    #[test]
    fn limits_are_told_with_what_broke_them() {
        assert!(over_limits(&measured(55, 20), Some(1.1)).is_empty());
        assert!(over_limits(&measured(90, 20), None).is_empty());
        assert_eq!(
            over_limits(&measured(60, 21), Some(1.1)),
            [
                "21 jobs were open at once, and 20 are allowed",
                "it took 1.200 times the ideal, and 1.1 is allowed"
            ]
        );
    }

    #[test]
    fn the_summary_is_in_seconds() {
        assert_eq!(
            summary(&measured(55, 20)),
            "200 videos in 55.00 s; ideal 50.00 s, ratio 1.100.\n\
             At most 20 of 20 jobs open at once; 200 jobs for 200 videos.\n\
             Uploaded after 1.00 s, first job after 0.25 s; slots without a job while videos waited: 0.50 s each."
        );
    }
}
