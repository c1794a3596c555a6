//! Work on one record under its lease.

use crate::clock::Deadline;
use crate::errors::Disposition;
use crate::gate::{Gate, StepError, chain};
use crate::ledger::{Edit, LastError, LeaseTerm, LedgerError, Record, Stored, Unknown};
use crate::scan::Scan;

/// A record, and the right to start, publish and send for it until the lease runs out.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) deadline: Deadline,
    /// What the current job found, once its pages were read in this invocation.
    pub(crate) scan: Option<Scan>,
    stored: Stored<Record>,
    holder: String,
    copy_answered: bool,
}

impl<'a> Work<'a> {
    /// Takes the lease, which counts an attempt; None if somebody else holds it or the record is gone.
    pub(crate) async fn take(
        gate: &'a Gate,
        deadline: Deadline,
        stored: Stored<Record>,
    ) -> Result<Option<Self>, StepError> {
        let holder = gate.ledger.nonce();
        // It outlasts the holder's invocation, so that it never runs out under a living holder, and is never renewed.
        let until_ms = deadline.at_ms + gate.config.lease_margin_ms;
        let mut taken = false;
        let stored = gate
            .ledger
            .edit(stored, &mut |record| {
                taken = !record.is_leased(gate.now_ms());
                if !taken {
                    return Edit::Leave;
                }
                record.lease = Some(LeaseTerm {
                    holder: holder.clone(),
                    until_ms,
                    unknown: Unknown::new(),
                });
                record.attempts += 1;
                record.lease_count += 1;
                // The holder before is gone, and with it the answer to a copy that it may have sent.
                record.copying.give_up_pending();
                Edit::Write
            })
            .await?;
        Ok(stored.filter(|_| taken).map(|stored| Self {
            gate,
            deadline,
            scan: None,
            stored,
            holder,
            copy_answered: false,
        }))
    }

    /// Goes on with a record whose lease this invocation wrote itself.
    pub(crate) fn holding(
        gate: &'a Gate,
        deadline: Deadline,
        stored: Stored<Record>,
        holder: String,
    ) -> Self {
        Self {
            gate,
            deadline,
            scan: None,
            stored,
            holder,
            copy_answered: false,
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.stored.value
    }

    /// Milliseconds until the Lambda service ends this invocation.
    pub(crate) fn left_ms(&self) -> i64 {
        self.deadline.left_ms(&*self.gate.clock)
    }

    /// Changes the record, as long as the lease is one's own.
    pub(crate) async fn write(
        &mut self,
        edit: &mut (dyn FnMut(&mut Record) + Send),
    ) -> Result<(), StepError> {
        let mut lost = false;
        let stored = self
            .gate
            .ledger
            .edit(self.stored.clone(), &mut |record| {
                lost = record
                    .lease
                    .as_ref()
                    .is_none_or(|lease| lease.holder != self.holder);
                if lost {
                    return Edit::Leave;
                }
                if self.copy_answered {
                    record.copying.answered();
                }
                edit(record);
                Edit::Write
            })
            .await?;
        match stored {
            Some(stored) if !lost => {
                self.stored = stored;
                self.copy_answered = false;
                Ok(())
            }
            _ => Err(self.lease_lost()),
        }
    }

    /// Reads the record again: others may have attached a token meanwhile.
    pub(crate) async fn refresh(&mut self) -> Result<(), StepError> {
        let stored = self.gate.ledger.get::<Record>(&self.stored.key).await?;
        match stored {
            Some(stored)
                if stored
                    .value
                    .lease
                    .as_ref()
                    .is_some_and(|lease| lease.holder == self.holder) =>
            {
                self.stored = stored;
                Ok(())
            }
            _ => Err(self.lease_lost()),
        }
    }

    /// The copy that was noted last has been answered; written with the next change of the record, since until then it
    /// is merely looked after for longer than it need be.
    pub(crate) fn copy_answered(&mut self) {
        self.copy_answered = true;
    }

    /// Gives the slot back: the record drops its name first, so that no record ever names a slot that is not its own.
    pub(crate) async fn give_slot_back(&mut self) -> Result<(), StepError> {
        let Some(claim) = self.record().slot.clone() else {
            return Ok(());
        };
        self.write(&mut |record| record.slot = None).await?;
        Ok(self.gate.ledger.release_slot(&claim).await?)
    }

    /// Changes the record and gives the lease back with it.
    pub(crate) async fn finish(
        mut self,
        edit: &mut (dyn FnMut(&mut Record) + Send),
    ) -> Result<(), StepError> {
        self.write(&mut |record| {
            record.lease = None;
            edit(record);
        })
        .await
    }

    /// Gives the lease back after an error, which the record keeps. What was throttled was no attempt, nor is what waits for the
    /// operator: to mend the policy, or to finish the deployment of a release whose documents this one cannot read.
    pub(crate) async fn fail(self, error: &StepError) -> Result<(), StepError> {
        let disposition = error.call().map(|call| call.disposition);
        let last_error = LastError {
            message: chain(error),
            denied: disposition == Some(Disposition::Denied),
            unknown: Unknown::new(),
        };
        let waits = disposition == Some(Disposition::Throttled)
            || matches!(
                error,
                StepError::Policy(_)
                    | StepError::PolicyMissing
                    | StepError::Ledger(LedgerError::Newer { .. })
            );
        self.finish(&mut |record| {
            if waits {
                record.attempts = record.attempts.saturating_sub(1);
            }
            record.last_error = Some(last_error.clone());
        })
        .await
    }

    /// Deletes the record: nothing is left to do for its execution. False if it changed meanwhile.
    pub(crate) async fn delete(mut self) -> Result<bool, StepError> {
        if self.copy_answered {
            self.write(&mut |_| ()).await?;
        }
        let swap = self
            .gate
            .ledger
            .delete(&self.stored.key, &self.stored.etag)
            .await?;
        Ok(matches!(swap, crate::ledger::Swap::Done(())))
    }

    fn lease_lost(&self) -> StepError {
        StepError::LeaseLost {
            execution: self.record().execution.clone(),
        }
    }
}
