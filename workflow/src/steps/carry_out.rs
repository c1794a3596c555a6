//! Phase `judged`: the verdict's effects, from their start: publish, report, tag, answer the task.

use aws_sdk_s3::types::{Tag, Tagging};

use super::copy::{TAG_PREFIX, TAGS_MAX, version_tags};
use super::publish::{self, Publication};
use super::report;
use super::work::Work;
use crate::contract::{TaskOutput, TaskToken, cut_cause};
use crate::errors::{CallError, Disposition, Operation};
use crate::gate::StepError;
use crate::ledger::{Judged, Outcome, Phase};
use crate::names;

/// How far the effects came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CarriedOut {
    /// The task was answered, waits for a token, or is over: what is left is the reconciler's.
    Settled,
    /// The verdict or its drive changed: look at the phase again.
    Changed,
}

pub(crate) async fn carry_out(work: &mut Work<'_>) -> Result<CarriedOut, StepError> {
    let Some(judged) = work.record().judged.clone() else {
        return Ok(CarriedOut::Settled);
    };
    if judged.outcome == Outcome::Approved {
        match publish::publish(work).await? {
            Publication::Done => {
                let now_ms = work.gate.now_ms();
                work.write(&mut |record| {
                    record.times.published_ms.get_or_insert(now_ms);
                })
                .await?;
            }
            // The execution is over and nothing was copied: the reconciler reports and drops the record.
            Publication::Stopped => return Ok(CarriedOut::Settled),
            Publication::Gone => {
                let cause =
                    "the video was deleted from the raw bucket before it could be published"
                        .to_owned();
                let now_ms = work.gate.now_ms();
                work.write(&mut |record| {
                    record.judge(Outcome::Unsupported, cause.clone(), None, now_ms);
                })
                .await?;
                return Ok(CarriedOut::Changed);
            }
        }
    }
    report::write(work, None).await?;
    let tag = match judged.outcome {
        Outcome::Approved => Some("approved"),
        Outcome::Rejected => Some("rejected"),
        Outcome::Unsupported | Outcome::Failed(_) => None,
    };
    // Best effort: nothing waits for it.
    if let Some(verdict) = tag
        && let Err(error) = tag_raw(work, verdict).await
    {
        let object_key = &work.record().video.key;
        tracing::warn!(object_key, verdict, %error, "raw version not tagged");
    }
    answer(work, &judged).await
}

/// Marks the raw version with its verdict, which the bucket's lifecycle rules go by. The user's own tags stay.
pub(crate) async fn tag_raw(work: &Work<'_>, verdict: &str) -> Result<(), CallError> {
    let (gate, video) = (work.gate, &work.record().video);
    let name = format!("{TAG_PREFIX}verdict");
    let mut tags = version_tags(gate, &video.key, &video.version_id).await?;
    tags.retain(|(other, _)| *other != name);
    if tags.len() >= TAGS_MAX {
        return Ok(());
    }
    tags.push((name, verdict.to_owned()));
    let tags = tags
        .into_iter()
        .filter_map(|(name, value)| Tag::builder().key(name).value(value).build().ok());
    let Ok(tagging) = Tagging::builder().set_tag_set(Some(tags.collect())).build() else {
        return Ok(());
    };
    gate.s3
        .put_object_tagging()
        .bucket(&gate.config.ingest.raw_bucket)
        .key(&video.key)
        .version_id(&video.version_id)
        .tagging(tagging)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| CallError::new(Operation::RawPutTagging, &error))
}

async fn answer(work: &mut Work<'_>, judged: &Judged) -> Result<CarriedOut, StepError> {
    // The token is read just before it is sent: another may have attached while the effects took their time.
    work.refresh().await?;
    let Some(token) = work.record().token.clone() else {
        return Ok(CarriedOut::Settled);
    };
    if token.rank.redrive_count > work.record().redrive_count {
        return Ok(CarriedOut::Changed);
    }
    let published = judged.outcome == Outcome::Approved && work.record().is_published();
    if judged.redrive_count != token.rank.redrive_count && !published {
        return Ok(CarriedOut::Settled);
    }
    match send(work, judged, &token.secret).await {
        Ok(()) => {
            let now_ms = work.gate.now_ms();
            work.write(&mut |record| {
                record.phase = Phase::Sent;
                record.detach(&token.secret);
                record.times.sent_ms = Some(now_ms);
            })
            .await?;
            let verdict = format!("{:?}", judged.outcome);
            metrics::counter!("SettledVideos", "Verdict" => verdict.clone()).increment(1);
            tracing::info!(
                execution_arn = work.record().execution_arn,
                verdict,
                "task answered"
            );
            Ok(CarriedOut::Settled)
        }
        Err(error) if error.disposition == Disposition::Detach => {
            // If the execution runs, the retried task attaches; if it is closed, the reconciler reports and drops the record.
            work.write(&mut |record| {
                record.detach(&token.secret);
            })
            .await?;
            Ok(CarriedOut::Settled)
        }
        Err(error) => Err(error.into()),
    }
}

async fn send(work: &Work<'_>, judged: &Judged, token: &TaskToken) -> Result<(), CallError> {
    let (gate, record) = (work.gate, work.record());
    let Some(name) = judged.outcome.error_name() else {
        let output = TaskOutput {
            verdict: "Approved".to_owned(),
            bucket: gate.config.approved_bucket.clone(),
            key: record.video.key.clone(),
            source_version_id: record.video.version_id.clone(),
            report: names::report_key(&record.execution),
        };
        let output = serde_json::to_string(&output).unwrap_or_else(|_| "{}".to_owned());
        return gate
            .sfn
            .send_task_success()
            .task_token(token.expose())
            .output(output)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CallError::new(Operation::SendTaskSuccess, &error));
    };
    gate.sfn
        .send_task_failure()
        .task_token(token.expose())
        .error(name.as_str())
        .cause(cut_cause(judged.cause.clone()))
        .send()
        .await
        .map(|_| ())
        .map_err(|error| CallError::new(Operation::SendTaskFailure, &error))
}
