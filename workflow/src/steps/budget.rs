//! The spending cap: minutes of video whose scans are started on a UTC day.
//!
//! A scan is counted before its start is sent, in the day's document and then in the record, by a name of its own: so whoever
//! comes after a crash finds it counted, and nothing counts twice within a day. Without a cap none of this makes a call.

use std::collections::BTreeSet;

use super::work::Work;
use crate::gate::{Gate, StepError, chain};
use crate::ledger::{
    Allowance, Analysis, Budget, Counted, LedgerError, Phase, Record, SlotClaim, Stored, Swap,
    Unknown, counted_minutes,
};
use crate::names;

/// For how long a day's document is kept, for people: the gate itself reads that of today only.
const KEPT_MS: i64 = 7 * 86_400_000;

/// What the cap leaves of today, and which queued records it makes wait.
#[derive(Debug, Default)]
pub(crate) struct Today {
    left: Option<Allowance>,
    waiting: BTreeSet<String>,
}

impl Today {
    /// Reads the day's document, and admits the queued records in the order of their age. The oldest comes first every day, so each has
    /// its turn; one that does not fit does not keep back those behind it that do.
    pub(crate) async fn read(gate: &Gate, records: &[Stored<Record>]) -> Result<Self, StepError> {
        let Some(cap_minutes) = gate.config.max_video_minutes_a_day else {
            return Ok(Self::default());
        };
        let day = names::day(gate.now_ms());
        let mut left = gate.ledger.allowance(&day, cap_minutes).await?;
        let mut asking: Vec<_> = records
            .iter()
            .map(|stored| &stored.value)
            .filter(|record| asks_for_minutes(record, &day))
            .collect();
        asking.sort_by_key(|record| (record.times.created_ms, &record.execution));
        let mut waiting = BTreeSet::new();
        for record in asking {
            // Before pre-flight nothing is known: it may go and find out, if there is anything left.
            let minutes = record
                .media
                .as_ref()
                .map_or(1, |media| counted_minutes(media.duration_ms));
            if left.admits(minutes) {
                left = left.after(minutes);
            } else {
                waiting.insert(record.execution.clone());
            }
        }
        Ok(Self {
            left: Some(left),
            waiting,
        })
    }

    /// Whether a record waits for the cap: there is no use in working on it today.
    pub(crate) fn holds_back(&self, record: &Record) -> bool {
        self.waiting.contains(&record.execution)
    }

    /// How many polls to make with so many free slots, when so many tasks wait. Records that wait for the cap take the place of
    /// polls, so that no more tasks are taken from the backlog than there are slots. Once the cap is spent nothing is polled but
    /// for detached `records` whose scan is under way or over: their tasks cost no minutes.
    pub(crate) fn polls(&self, tasks: usize, free: usize, records: &[Stored<Record>]) -> usize {
        let Some(left) = self.left else {
            return tasks.min(free);
        };
        let room = free.saturating_sub(self.waiting.len());
        let polls = if left.is_spent() {
            let attaching = records
                .iter()
                .filter(|stored| stored.value.is_detached() && stored.value.phase != Phase::Queued);
            tasks.min(room).min(attaching.count())
        } else {
            tasks.min(room)
        };
        if polls < tasks.min(free) || !self.waiting.is_empty() {
            metrics::histogram!("CapReached").record(1.0);
        }
        polls
    }
}

/// Whether a record's scan has yet to be counted for that day. One that names a slot may have been started already.
fn asks_for_minutes(record: &Record, day: &str) -> bool {
    let counted = record
        .analysis()
        .and_then(|analysis| analysis.counted.as_ref());
    record.phase == Phase::Queued
        && record.token.is_some()
        && record.slot.is_none()
        && counted.is_none_or(|counted| counted.day != day)
}

/// Counts the current scan, which is about to be started with a slot. False if the cap does not leave its minutes: nothing was
/// started then.
pub(crate) async fn count(work: &mut Work<'_>, slot: &SlotClaim) -> Result<bool, StepError> {
    let gate = work.gate;
    let Some(cap_minutes) = gate.config.max_video_minutes_a_day else {
        return Ok(true);
    };
    let Some(analysis) = work.record().analysis().cloned() else {
        return Ok(true);
    };
    let day = names::day(gate.now_ms());
    if analysis
        .counted
        .as_ref()
        .is_some_and(|counted| counted.day == day)
    {
        return Ok(true);
    }
    // With a bound slot its start may have been sent: on the day it was counted for, or uncounted before there was a cap.
    // Then it is counted in any case, since it may be paid already and must be repeated to learn of its job.
    let started = gate.ledger.is_slot_bound(slot).await?;
    if started && analysis.counted.is_some() {
        return Ok(true);
    }
    let minutes = minutes(work.record());
    let scan = scan_name(work.record(), &analysis);
    let cap_minutes = (!started).then_some(cap_minutes);
    match gate
        .ledger
        .count_scan(&day, &scan, minutes, cap_minutes)
        .await
    {
        Ok(true) => {}
        Ok(false) => {
            let execution_arn = &work.record().execution_arn;
            tracing::info!(execution_arn, minutes, "task waits for the spending cap");
            return Ok(false);
        }
        // Others are counted at this moment: it goes first next time.
        Err(LedgerError::Contended { .. }) if !started => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    work.write(&mut |record| {
        if let Some(analysis) = record.analysis_mut() {
            analysis.counted = Some(Counted {
                day: day.clone(),
                minutes,
                unknown: Unknown::new(),
            });
        }
    })
    .await?;
    Ok(true)
}

/// Minutes that a scan of a record's video counts for.
pub(crate) fn minutes(record: &Record) -> u32 {
    counted_minutes(record.media.as_ref().and_then(|media| media.duration_ms))
}

/// Corrects what the current scan was counted with to the length that Rekognition found: the file's own word, by which it was admitted,
/// may be missing or wrong.
pub(crate) async fn correct(work: &Work<'_>, duration_ms: Option<u64>) -> Result<(), StepError> {
    let record = work.record();
    let Some(analysis) = record.analysis() else {
        return Ok(());
    };
    let (Some(counted), true) = (&analysis.counted, duration_ms.is_some()) else {
        return Ok(());
    };
    let minutes = counted_minutes(duration_ms);
    if minutes != counted.minutes {
        let scan = scan_name(record, analysis);
        let ledger = &work.gate.ledger;
        ledger.correct_scan(&counted.day, &scan, minutes).await?;
    }
    Ok(())
}

/// Deletes the documents of days long past. Those that were left when a cap was taken away stay: they are few.
pub(crate) async fn forget_old(gate: &Gate) -> Result<(), StepError> {
    if gate.config.max_video_minutes_a_day.is_none() {
        return Ok(());
    }
    let oldest = names::day(gate.now_ms() - KEPT_MS);
    for key in gate.ledger.list(names::BUDGETS_PREFIX).await? {
        if names::parse_budget_key(&key).is_none_or(|day| *day >= *oldest) {
            continue;
        }
        match gate.ledger.get::<Budget>(&key).await {
            Ok(Some(stored)) => {
                let _: Swap<()> = gate.ledger.delete(&key, &stored.etag).await?;
            }
            Ok(None) => {}
            Err(error) if error.leaves_alone() => {
                tracing::error!(error = chain(&error), "budget left alone");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn scan_name(record: &Record, analysis: &Analysis) -> String {
    names::scan_name(&record.execution, analysis.redrive_count, analysis.number)
}
