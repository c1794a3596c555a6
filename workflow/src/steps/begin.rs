//! The record that a drive of an execution begins with.

use super::report::says_published;
use super::start::frozen;
use crate::contract::{TaskInput, TaskToken};
use crate::gate::{Gate, StepError};
use crate::ledger::{Outcome, Record};

/// The record of a task that has none: `queued`, without a slot. A redrive whose video was published before, by a record that is gone,
/// succeeds, and nothing is scanned again.
pub(crate) async fn begin(
    gate: &Gate,
    task: &TaskInput,
    token: Option<TaskToken>,
    min_confidence_percent: f32,
) -> Result<Record, StepError> {
    let now_ms = gate.now_ms();
    let analysis = frozen(gate, task.redrive_count, min_confidence_percent);
    let mut record = Record::new(task, token, analysis, now_ms);
    if task.redrive_count > 0 && says_published(gate, &task.execution_name).await? {
        judge_published(&mut record, now_ms);
    }
    Ok(record)
}

/// The verdict on a video that was published by a record that is gone. Nothing is scanned for it.
pub(crate) fn judge_published(record: &mut Record, now_ms: i64) {
    record.copying.own_noted_ms = Some(now_ms);
    record.analyses.retain(|analysis| analysis.job_id.is_some());
    record.judge(
        Outcome::Approved,
        "published before the execution was redriven".to_owned(),
        None,
        now_ms,
    );
}
