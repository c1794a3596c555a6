//! What waits: executions that run, and the records of those whose task was taken.

use std::collections::BTreeSet;

use aws_sdk_sfn::types::ExecutionStatus;
use futures::StreamExt as _;

use crate::errors::CallError;
use crate::gate::{Gate, StepError, chain};
use crate::ledger::{Phase, Record, Stored};
use crate::names;

/// Records that are read side by side.
const READS_AT_ONCE: usize = 16;

/// Executions that run, as far as the pages read so far tell.
pub(crate) struct Running {
    pub(crate) names: BTreeSet<String>,
    next_token: Option<String>,
}

/// The first page of running executions; None if the listing is throttled, which the next tick makes up for.
pub(crate) async fn first_running(gate: &Gate) -> Result<Option<Running>, StepError> {
    match running_page(gate, None).await {
        Ok(running) => Ok(Some(running)),
        Err(error) if error.is_throttled() => {
            metrics::counter!("Throttles").increment(1);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn running_page(gate: &Gate, token: Option<String>) -> Result<Running, CallError> {
    let status = Some(ExecutionStatus::Running);
    let output = gate.list_executions(status, token).await?;
    Ok(Running {
        names: output
            .executions
            .into_iter()
            .map(|execution| execution.name)
            .collect(),
        next_token: output.next_token,
    })
}

/// How many executions wait for a poll, counted up to `enough`: those that run and have no record, or one that waits for a task. The task
/// of one whose record is left alone would come to nobody who can take it up.
pub(crate) async fn waiting(
    gate: &Gate,
    first: Running,
    records: &Records,
    enough: usize,
) -> Result<usize, StepError> {
    let attached: BTreeSet<&str> = records
        .readable
        .iter()
        .filter(|stored| !waits_for_task(gate, &stored.value))
        .map(|stored| stored.value.execution.as_str())
        .chain(records.left_alone.iter().map(String::as_str))
        .collect();
    let mut page = first;
    let mut count = 0;
    loop {
        count += page
            .names
            .iter()
            .filter(|name| !attached.contains(name.as_str()))
            .count();
        let Some(token) = page.next_token.take() else {
            return Ok(count.min(enough));
        };
        if count >= enough {
            return Ok(enough);
        }
        page = match running_page(gate, Some(token)).await {
            Ok(page) => page,
            Err(error) if error.is_throttled() => return Ok(count.min(enough)),
            Err(error) => return Err(error.into()),
        };
    }
}

/// The records of the executions whose task was taken.
pub(crate) struct Records {
    pub(crate) readable: Vec<Stored<Record>>,
    /// Executions whose record a later release wrote, or nobody that is known: nothing is done about them here.
    pub(crate) left_alone: BTreeSet<String>,
}

/// Reads all records. One that is not readable is logged and left alone; the rest goes on.
pub(crate) async fn read_records(gate: &Gate) -> Result<Records, StepError> {
    let keys = gate.ledger.list(names::RECORDS_PREFIX).await?;
    let reads: Vec<_> = keys
        .iter()
        .map(|key| gate.ledger.get::<Record>(key))
        .collect();
    let results: Vec<_> = futures::stream::iter(reads)
        .buffered(READS_AT_ONCE)
        .collect()
        .await;
    let mut records = Records {
        readable: Vec::new(),
        left_alone: BTreeSet::new(),
    };
    for (key, result) in keys.iter().zip(results) {
        match result {
            Ok(stored) => records.readable.extend(stored),
            Err(error) if error.leaves_alone() => {
                tracing::error!(error = chain(&error), "record left alone");
                let execution = names::parse_record_key(key);
                records.left_alone.extend(execution.map(str::to_owned));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(records)
}

/// Whether the execution of a record, if it runs, waits for its task to be polled. One whose task was answered ends within seconds, and
/// listings lag as long; if it runs a tick later it was redriven, before its record was dropped.
fn waits_for_task(gate: &Gate, record: &Record) -> bool {
    let answered_before_ms = gate.now_ms() - gate.config.tick_ms;
    let was_answered = record.phase == Phase::Sent
        && record.token.is_none()
        && record
            .times
            .sent_ms
            .is_none_or(|sent_ms| sent_ms < answered_before_ms);
    was_answered || record.is_detached()
}

/// Whether a record would start its job, had it a slot.
pub(crate) fn waits_for_slot(gate: &Gate, record: &Record) -> bool {
    record.phase == Phase::Queued
        && record.slot.is_none()
        && record.token.is_some()
        && !record.is_leased(gate.now_ms())
}
