//! How one video ended, as its execution, its report and the approved bucket tell.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_sfn::types::ExecutionStatus;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use workflow::contract::ErrorName;
use workflow::names;
use workflow::report::{self, Report};

use super::session::Session;
use super::videos::Video;

/// How a video ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Verdict {
    /// It is in the approved bucket.
    Approved,
    /// The policy rejected it.
    Rejected,
    /// It is nothing that can be moderated.
    Unsupported,
    /// It asked for nothing: an empty object, or a folder marker.
    Ignored,
    /// An operational failure; a redrive would try again.
    #[serde(skip)]
    Failed,
    /// It did not end.
    #[serde(skip)]
    Unsettled,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How one video ended, and why.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// How.
    pub(super) verdict: Verdict,
    /// Why, for people.
    pub(super) why: String,
    /// Labels that were found, each with its highest confidence, the most certain first.
    pub(super) labels: Vec<(String, f32)>,
    /// Labels for which it was rejected.
    pub(super) rejected_for: Vec<(String, f32)>,
    /// Real time from the end of the upload until it was settled.
    pub(super) elapsed: Duration,
    /// Real time that its moderation jobs took; None if there was none.
    pub(super) scanned: Option<Duration>,
    /// Copy of its report.
    pub(super) report: Option<PathBuf>,
    /// What contradicts the verdict: such an outcome is never the expected one.
    pub(super) contradictions: Vec<String>,
}

impl Outcome {
    /// An outcome about which nothing else is known.
    pub(super) fn of(verdict: Verdict, why: String) -> Self {
        Self {
            verdict,
            why,
            labels: Vec::new(),
            rejected_for: Vec::new(),
            elapsed: Duration::ZERO,
            scanned: None,
            report: None,
            contradictions: Vec::new(),
        }
    }
}

/// The outcome of a closed execution; None as long as its report is not written. Copies the report into `reports`.
///
/// # Errors
/// When the sandbox or the folder of reports does not answer as it should.
pub(super) async fn of_execution(
    session: &Session,
    video: &Video,
    execution: &str,
    reports: &Path,
) -> anyhow::Result<Option<Outcome>> {
    let Some((report, path)) = fetch_report(session, video, execution, reports).await? else {
        return Ok(None);
    };
    let described = session
        .operator
        .sfn
        .describe_execution()
        .execution_arn(session.stack.execution_arn(execution))
        .send()
        .await
        .with_context(|| format!("DescribeExecution of {execution}"))?;
    let verdict = match (described.status(), described.error()) {
        (ExecutionStatus::Succeeded, _) => Verdict::Approved,
        (ExecutionStatus::Failed, Some(error)) if error == ErrorName::ContentRejected.as_str() => {
            Verdict::Rejected
        }
        (ExecutionStatus::Failed, Some(error)) if error == ErrorName::UnsupportedVideo.as_str() => {
            Verdict::Unsupported
        }
        _ => Verdict::Failed,
    };
    let cause = report
        .cause
        .as_deref()
        .or(described.cause())
        .unwrap_or_default();
    let mut outcome = Outcome {
        labels: highest(&report),
        rejected_for: report
            .findings
            .iter()
            .map(|finding| (finding.label.clone(), finding.max_confidence_percent))
            .collect(),
        scanned: scanned(&report),
        report: Some(path),
        ..Outcome::of(verdict, cause.to_owned())
    };
    if verdict == Verdict::Failed {
        let status = described.error().unwrap_or(described.status().as_str());
        outcome.why = format!("{status}: {cause}");
    }
    if let Some(said) = contradiction(verdict, report.outcome) {
        outcome.contradictions.push(said);
    }
    outcome
        .contradictions
        .extend(check_approved(session, video, verdict).await?);
    Ok(Some(outcome))
}

/// What the report says differently from the execution.
fn contradiction(verdict: Verdict, reported: report::Outcome) -> Option<String> {
    let expected = match verdict {
        Verdict::Approved => report::Outcome::Approved,
        Verdict::Rejected => report::Outcome::Rejected,
        Verdict::Unsupported => report::Outcome::Unsupported,
        Verdict::Ignored | Verdict::Failed | Verdict::Unsettled => report::Outcome::Failed,
    };
    (reported != expected).then(|| format!("the report says {reported:?}"))
}

/// Compares the approved bucket with the verdict: the uploaded bytes if approved, else nothing.
///
/// # Errors
/// When the sandbox does not answer as it should, or the video's file cannot be read.
pub(super) async fn check_approved(
    session: &Session,
    video: &Video,
    verdict: Verdict,
) -> anyhow::Result<Option<String>> {
    let answer = session
        .operator
        .s3
        .get_object()
        .bucket(&session.stack.approved_bucket)
        .key(&video.key)
        .send()
        .await;
    let object = match answer {
        Ok(object) => object,
        Err(error) if error.code() == Some("NoSuchKey") => {
            return Ok((verdict == Verdict::Approved)
                .then(|| "the approved bucket does not have it".to_owned()));
        }
        Err(error) => {
            return Err(error).with_context(|| format!("GetObject of approved {}", video.key));
        }
    };
    if verdict != Verdict::Approved {
        return Ok(Some("the approved bucket has it all the same".to_owned()));
    }
    let same = same_bytes(object.body.into_async_read(), &video.path)
        .await
        .with_context(|| {
            format!(
                "comparing approved {} with {}",
                video.key,
                video.path.display()
            )
        })?;
    Ok((!same).then(|| "the approved object is not what was uploaded".to_owned()))
}

async fn same_bytes(object: impl tokio::io::AsyncRead, path: &Path) -> std::io::Result<bool> {
    const CHUNK_BYTES: u64 = 1 << 20;
    let mut object = std::pin::pin!(object);
    let mut file = tokio::fs::File::open(path).await?;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        (&mut object)
            .take(CHUNK_BYTES)
            .read_to_end(&mut left)
            .await?;
        (&mut file)
            .take(CHUNK_BYTES)
            .read_to_end(&mut right)
            .await?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// Reads the report and copies it and its cues, named after the video; None if there is none yet.
async fn fetch_report(
    session: &Session,
    video: &Video,
    execution: &str,
    reports: &Path,
) -> anyhow::Result<Option<(Report, PathBuf)>> {
    let Some(json) = session.ledger_object(&names::report_key(execution)).await? else {
        return Ok(None);
    };
    let report = Report::parse(&json)
        .with_context(|| format!("the report of {execution} cannot be read"))?;
    let path = reports.join(format!("{}.json", video.key));
    let write = |path: PathBuf, bytes: Vec<u8>| async move {
        tokio::fs::write(&path, bytes).await.with_context(|| {
            format!(
                "{} cannot be written: choose another folder with --reports",
                path.display()
            )
        })
    };
    write(path.clone(), json).await?;
    if let Some(cues) = session.ledger_object(&names::webvtt_key(execution)).await? {
        write(reports.join(format!("{}.vtt", video.key)), cues).await?;
    }
    Ok(Some((report, path)))
}

/// Each label with its highest confidence, the most certain first.
fn highest(report: &Report) -> Vec<(String, f32)> {
    let mut labels: Vec<(String, f32)> = report
        .segments
        .iter()
        .map(|label| {
            let highest = label
                .segments
                .iter()
                .map(|segment| segment.2)
                .fold(0.0, f32::max);
            (label.label.clone(), highest)
        })
        .collect();
    labels.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    labels
}

fn scanned(report: &Report) -> Option<Duration> {
    report
        .analyses
        .iter()
        .filter_map(|analysis| {
            let ms = analysis.ended_at?.ms() - analysis.started_at?.ms();
            u64::try_from(ms).ok().map(Duration::from_millis)
        })
        .reduce(|sum, next| sum + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_and_execution_must_agree() {
        use report::Outcome::{Approved, Failed};
        assert_eq!(contradiction(Verdict::Approved, Approved), None);
        assert_eq!(contradiction(Verdict::Failed, Failed), None);
        assert_eq!(
            contradiction(Verdict::Rejected, Approved).unwrap(),
            "the report says Approved"
        );
        assert!(contradiction(Verdict::Failed, Approved).is_some());
    }

    #[tokio::test]
    async fn bytes_are_compared_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let bytes = vec![7_u8; (1 << 20) + 5];
        std::fs::write(&path, &bytes).unwrap();
        assert!(same_bytes(&bytes[..], &path).await.unwrap());
        assert!(!same_bytes(&bytes[..bytes.len() - 1], &path).await.unwrap());
        let longer = [&bytes[..], b"x"].concat();
        assert!(!same_bytes(&longer[..], &path).await.unwrap());
    }
}
