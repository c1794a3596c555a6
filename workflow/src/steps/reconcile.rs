//! Reconcile: keeps tasks alive and brings back whatever a crash, a lost message or a lost upload event left behind.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::future::BoxFuture;

use super::advance::{Progress, advance};
use super::backlog::{Records, read_records, running_page};
use super::budget::{self, Today};
use super::heartbeat::heartbeat_all;
use super::look::{JobState, job_state};
use super::retire::{Announcer, retire};
use super::slots::free_stale_slots;
use super::{orphans, report, sweep};
use crate::clock::Deadline;
use crate::gate::{Described, Gate, StepError, chain};
use crate::ledger::{Phase, Record, Stored};
use crate::names;

/// Records that are worked on side by side.
const RECORDS_AT_ONCE: usize = 8;

/// Most jobs that one tick asks after: AWS advises against polling Get operations (Rekognition developer guide).
const LOOKS_MAX: usize = 40;

/// How often a closed execution's record is looked at again while its last holder writes to it, and how many waits of
/// this many parts of a lease margin that takes.
const CLOSING_LOOKS: u32 = 5;
const CLOSING_WAIT_PARTS: i64 = 60;

/// What an invocation of the reconciler did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Tasks whose heartbeat was sent.
    pub heartbeats: usize,
    /// Records that came further.
    pub advanced: usize,
    /// Records dropped.
    pub retired: usize,
    /// Stale slots given back.
    pub slots_freed: usize,
    /// Records and slots whose work failed; the next tick goes on.
    pub failed: usize,
}

/// The reconciler's environment.
#[derive(Debug, Clone)]
pub struct Reconciler {
    /// What all steps share.
    pub gate: Gate,
    /// Where operational ends are announced.
    pub announcer: Announcer,
}

impl Reconciler {
    /// Handles one tick of the schedule.
    ///
    /// # Errors
    /// [`StepError`] when executions or records cannot be listed. What fails for one record is logged and left to the next tick.
    #[must_use = "a step does nothing until it is awaited"]
    pub fn tick(&self, deadline: Deadline) -> BoxFuture<'_, Result<Reconciled, StepError>> {
        Box::pin(self.look_after_all(deadline))
    }

    async fn look_after_all(&self, deadline: Deadline) -> Result<Reconciled, StepError> {
        let gate = &self.gate;
        let running = match running_page(gate, None).await {
            Ok(page) => page,
            Err(error) if error.is_throttled() => return Ok(Reconciled::default()),
            Err(error) => return Err(error.into()),
        };
        let leftovers = crosses(gate.now_ms(), gate.config.tick_ms, gate.config.leftovers_ms);
        if running.names.is_empty() && !leftovers {
            return Ok(Reconciled::default());
        }
        let mut done = Reconciled::default();
        let Records {
            readable: records,
            left_alone,
        } = read_records(gate).await?;
        // First, always: a task whose heartbeat is late is lost, whatever else is late.
        let alive = heartbeat_all(gate, &records).await;
        done.heartbeats = alive.len();
        measure(gate, &records, left_alone.len());
        let today = self.today(&records, &mut done).await;
        let open = [&running.names, &alive];
        let closed = self.closed(&records, open, &mut done).await;
        let looks = looks(gate, &records, &closed);
        let mut works = Vec::new();
        for stored in records {
            let described = closed.get(&stored.value.execution);
            let look = looks.contains(&stored.value.execution);
            if described.is_none() && holds_back(today.as_ref(), &stored.value) {
                continue;
            }
            works.push(async move {
                let execution_arn = stored.value.execution_arn.clone();
                (
                    execution_arn,
                    self.record(deadline, stored, described, look).await,
                )
            });
        }
        let results: Vec<_> = futures::stream::iter(works)
            .buffer_unordered(RECORDS_AT_ONCE)
            .collect()
            .await;
        for (execution_arn, result) in results {
            match result {
                Ok(Some(Worked::Retired)) => done.retired += 1,
                Ok(Some(Worked::Advanced)) => done.advanced += 1,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(
                        execution_arn,
                        error_name = error.name(),
                        error = chain(&error),
                        "record not reconciled"
                    );
                    done.failed += 1;
                }
            }
        }
        done.slots_freed = free_stale_slots(gate).await?;
        if leftovers {
            done.retired += orphans::close_unreported(self, deadline).await?;
            sweep::resume(gate, deadline).await?;
            budget::forget_old(gate).await?;
        }
        Ok(done)
    }

    /// Handles a terminal status event: the record of the execution is dropped, or its end reported and announced.
    ///
    /// # Errors
    /// [`StepError`]; the hourly look at leftovers does what is left.
    #[must_use = "a step does nothing until it is awaited"]
    pub fn closed_execution<'a>(
        &'a self,
        deadline: Deadline,
        execution_arn: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Reconciled, StepError>> {
        Box::pin(self.close(deadline, execution_arn, name))
    }

    async fn close(
        &self,
        deadline: Deadline,
        execution_arn: &str,
        name: &str,
    ) -> Result<Reconciled, StepError> {
        let gate = &self.gate;
        let mut done = Reconciled::default();
        for _ in 0..CLOSING_LOOKS {
            let stored = gate.ledger.get::<Record>(&names::record_key(name)).await?;
            let Some(described) = gate
                .describe(execution_arn)
                .await?
                .filter(Described::is_closed)
            else {
                return Ok(done);
            };
            let Some(stored) = stored else {
                if report::is_operational(&described)
                    && orphans::close(self, deadline, execution_arn, name, &described).await?
                {
                    done.retired += 1;
                }
                return Ok(done);
            };
            let is_held = stored.value.is_leased(gate.now_ms());
            if retire(gate, &self.announcer, deadline, stored, &described).await? {
                done.retired += 1;
                return Ok(done);
            }
            if !is_held {
                return Ok(done);
            }
            // The holder that answered the task is writing that down at this moment.
            let wait = u64::try_from(gate.config.lease_margin_ms / CLOSING_WAIT_PARTS).unwrap_or(0);
            tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        }
        Ok(done)
    }

    /// Which records' executions have ended. Absence from the list says nothing: it lags, and is one page long, the newest of a backlog. So who
    /// is open by any of these is not asked after, and all others are.
    async fn closed(
        &self,
        records: &[Stored<Record>],
        open: [&BTreeSet<String>; 2],
        done: &mut Reconciled,
    ) -> BTreeMap<String, Described> {
        let mut closed = BTreeMap::new();
        for stored in records {
            let record = &stored.value;
            if open.iter().any(|names| names.contains(&record.execution)) {
                continue;
            }
            match self.gate.describe(&record.execution_arn).await {
                Ok(Some(described)) if described.is_closed() => {
                    closed.insert(record.execution.clone(), described);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        execution_arn = record.execution_arn,
                        error = chain(&error),
                        "execution not described"
                    );
                    done.failed += 1;
                }
            }
        }
        closed
    }

    /// What the spending cap leaves of today, if something asks for it; None if that cannot be told.
    async fn today(&self, records: &[Stored<Record>], done: &mut Reconciled) -> Option<Today> {
        let queued = records
            .iter()
            .any(|stored| stored.value.phase == Phase::Queued);
        if !queued {
            return Some(Today::default());
        }
        match Today::read(&self.gate, records).await {
            Ok(today) => Some(today),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "spending cap not known, nothing is started"
                );
                done.failed += 1;
                None
            }
        }
    }

    async fn record(
        &self,
        deadline: Deadline,
        stored: Stored<Record>,
        closed: Option<&Described>,
        look: bool,
    ) -> Result<Option<Worked>, StepError> {
        let gate = &self.gate;
        if let Some(described) = closed {
            let retired = retire(gate, &self.announcer, deadline, stored, described).await?;
            return Ok(retired.then_some(Worked::Retired));
        }
        let record = &stored.value;
        if record.is_leased(gate.now_ms()) {
            return Ok(None);
        }
        let due = match record.phase {
            Phase::Queued => record.token.is_some() || record.slot.is_some(),
            Phase::Running => look && self.job_has_ended(record).await?,
            // A slot that it holds still is that of a start without an answer.
            Phase::Judged | Phase::Sent => record.token.is_some() || record.slot.is_some(),
        };
        if !due {
            return Ok(None);
        }
        let progress = advance(gate, deadline, stored).await?;
        Ok(
            (progress != Progress::Busy && progress != Progress::Waiting)
                .then_some(Worked::Advanced),
        )
    }

    /// Asks after a job without taking the lease: most are still open.
    async fn job_has_ended(&self, record: &Record) -> Result<bool, StepError> {
        let Some(job_id) = record.job_id() else {
            return Ok(true);
        };
        let ended = !matches!(job_state(&self.gate, job_id).await?, JobState::Open);
        if ended && !record.notified {
            metrics::counter!("RecoveredNotifications").increment(1);
            tracing::warn!(
                execution_arn = record.execution_arn,
                job_id,
                "job ended without a notification"
            );
        }
        Ok(ended)
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worked {
    Advanced,
    Retired,
}

/// Whether a record has to wait for the spending cap, or until it can be told. All others go on meanwhile.
fn holds_back(today: Option<&Today>, record: &Record) -> bool {
    record.phase == Phase::Queued && today.is_none_or(|today| today.holds_back(record))
}

/// Whether a multiple of `period_ms` lies within the last interval.
pub(super) fn crosses(now_ms: i64, interval_ms: i64, period_ms: i64) -> bool {
    now_ms.div_euclid(period_ms) != (now_ms - interval_ms).div_euclid(period_ms)
}

/// Levels that alarms watch; histograms, so that each is reported once and an idle tick reports nothing.
fn measure(gate: &Gate, records: &[Stored<Record>], left_alone: usize) {
    #[allow(clippy::cast_precision_loss, reason = "a count of records")]
    if left_alone > 0 {
        metrics::histogram!("DocumentsLeftAlone").record(left_alone as f64);
    }
    let started = records
        .iter()
        .filter(|stored| stored.value.phase == Phase::Running);
    let oldest = started
        .filter_map(|stored| stored.value.analysis()?.started_ms)
        .min();
    if let Some(started_ms) = oldest {
        #[allow(clippy::cast_precision_loss, reason = "an age in seconds")]
        let age_s = (gate.now_ms() - started_ms).max(0) as f64 / 1000.0;
        metrics::histogram!("OldestJobAge").record(age_s);
    }
    let held = records
        .iter()
        .filter(|stored| stored.value.slot.is_some())
        .count();
    let free = gate
        .config
        .max_jobs
        .saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
    metrics::histogram!("FreeSlots").record(f64::from(free));
}

/// Which running records' jobs are asked after in this tick: notified ones, then the oldest that are overdue.
fn looks(
    gate: &Gate,
    records: &[Stored<Record>],
    closed: &BTreeMap<String, Described>,
) -> BTreeSet<String> {
    let due_before_ms = gate.now_ms() - gate.config.overdue_ms;
    let mut due: Vec<(bool, i64, String)> = records
        .iter()
        .map(|stored| &stored.value)
        .filter(|record| record.phase == Phase::Running && !closed.contains_key(&record.execution))
        .filter_map(|record| {
            let started_ms = record
                .analysis()
                .and_then(|analysis| analysis.started_ms)
                .unwrap_or(0);
            (record.notified || started_ms <= due_before_ms)
                .then(|| (!record.notified, started_ms, record.execution.clone()))
        })
        .collect();
    due.sort();
    due.into_iter()
        .take(LOOKS_MAX)
        .map(|(_, _, execution)| execution)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_crossed_by_one_tick_of_sixty() {
        let ticks = (0..60)
            .filter(|minute| crosses(1_000_000_000_000 + minute * 60_000, 60_000, 3_600_000));
        assert_eq!(ticks.count(), 1);
    }
}
