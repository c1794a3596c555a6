//! `slots/<nn>`: the right to hold one Rekognition job open.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Document, Edit, Ledger, LedgerError, SlotClaim, Stored, Swap, Unknown};
use crate::names;

/// A slot that is held: claimed before a poll, bound to an execution before its job starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Schema version of this document.
    pub schema_version: u32,
    /// One more at every write.
    pub revision: u64,
    /// Who wrote this state.
    pub nonce: String,
    /// The claim's nonce: the same for as long as the slot is held.
    pub claim: String,
    /// From when on the claimer is certainly gone: its function's end plus a margin, in milliseconds since 1970.
    pub stale_ms: i64,
    /// The execution that it is bound to.
    #[serde(default)]
    pub execution: Option<String>,
    /// Fields that a newer version of this schema added: kept as they are.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Document for Slot {
    fn schema_version(&self) -> u32 {
        self.schema_version
    }

    fn stamp(&mut self, schema_version: u32, nonce: String) {
        self.schema_version = schema_version;
        self.revision += 1;
        self.nonce = nonce;
    }

    fn nonce(&self) -> &str {
        &self.nonce
    }
}

/// The numbers that may be claimed while `held` are: number n only if n + (slots held above n) < `max_jobs`, so that no
/// more than `max_jobs` are held even while a lowered `max_jobs` leaves slots above it to drain.
#[must_use]
pub fn free_numbers(held: &BTreeSet<u32>, max_jobs: u32) -> Vec<u32> {
    (0..max_jobs)
        .filter(|number| !held.contains(number))
        .filter(|number| {
            let above = held.range(number + 1..).count();
            u32::try_from(above).is_ok_and(|above| number + above < max_jobs)
        })
        .collect()
}

/// What came of binding a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// It was bound just now: no job can have been started with it.
    New,
    /// It was bound before: a job may have been started with it.
    Before,
    /// The claim is gone.
    Gone,
}

impl Ledger {
    /// Numbers of the slots that are held.
    ///
    /// # Errors
    /// [`LedgerError::Call`].
    pub async fn held_slots(&self) -> Result<BTreeSet<u32>, LedgerError> {
        let keys = self.list(names::SLOTS_PREFIX).await?;
        Ok(keys
            .iter()
            .filter_map(|key| names::parse_slot_key(key))
            .collect())
    }

    /// Claims one of the `free` numbers, trying one after the other from a place that differs between claimers.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn claim_slot(
        &self,
        free: &mut Vec<u32>,
        stale_ms: i64,
    ) -> Result<Option<SlotClaim>, LedgerError> {
        while !free.is_empty() {
            let claim = self.nonce();
            // Everybody taking the lowest would meet everybody else; higher numbers are as good.
            let place = claim.bytes().fold(0_usize, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add(byte.into())
            });
            let number = free.remove(place % free.len());
            let slot = Slot {
                schema_version: 0,
                revision: 0,
                nonce: String::new(),
                claim: claim.clone(),
                stale_ms,
                execution: None,
                unknown: Unknown::new(),
            };
            if let Swap::Done(_) = self.create(&names::slot_key(number), slot).await? {
                return Ok(Some(SlotClaim { number, claim }));
            }
        }
        Ok(None)
    }

    /// Binds a claimed slot to an execution.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn bind_slot(
        &self,
        claim: &SlotClaim,
        execution: &str,
    ) -> Result<Binding, LedgerError> {
        let Some(stored) = self.claimed(claim).await? else {
            return Ok(Binding::Gone);
        };
        let (mut lost, mut before) = (false, false);
        let bound = self
            .edit(stored, &mut |slot| {
                lost = slot.claim != claim.claim
                    || slot
                        .execution
                        .as_deref()
                        .is_some_and(|other| other != execution);
                before = slot.execution.is_some();
                if lost || before {
                    return Edit::Leave;
                }
                slot.execution = Some(execution.to_owned());
                Edit::Write
            })
            .await?;
        Ok(match bound {
            Some(_) if lost => Binding::Gone,
            Some(_) if before => Binding::Before,
            Some(_) => Binding::New,
            None => Binding::Gone,
        })
    }

    /// Whether a claimed slot is bound: before that no job can have been started with it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn is_slot_bound(&self, claim: &SlotClaim) -> Result<bool, LedgerError> {
        Ok(self
            .claimed(claim)
            .await?
            .is_some_and(|stored| stored.value.execution.is_some()))
    }

    /// Gives a slot back. Nothing happens if the claim is gone already.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn release_slot(&self, claim: &SlotClaim) -> Result<(), LedgerError> {
        while let Some(stored) = self.claimed(claim).await? {
            if let Swap::Done(()) = self.delete(&stored.key, &stored.etag).await? {
                break;
            }
        }
        Ok(())
    }

    async fn claimed(&self, claim: &SlotClaim) -> Result<Option<Stored<Slot>>, LedgerError> {
        let stored = self.get::<Slot>(&names::slot_key(claim.number)).await?;
        Ok(stored.filter(|stored| stored.value.claim == claim.claim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_claim_raises_the_held_slots_above_the_limit() {
        for max_jobs in 0..5_u32 {
            for mask in 0..1_u32 << 7 {
                let held: BTreeSet<u32> = (0..7).filter(|bit| mask & (1 << bit) != 0).collect();
                let free = free_numbers(&held, max_jobs);
                if held.len() >= max_jobs as usize {
                    assert!(free.is_empty(), "{held:?} of {max_jobs}: {free:?}");
                } else {
                    assert!(!free.is_empty(), "{held:?} of {max_jobs}");
                }
            }
        }
    }
}
