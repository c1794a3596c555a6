//! Slots beyond one record's: claimed for polls, given back unused, and collected when their claimer is gone.

use crate::clock::Deadline;
use crate::gate::{Gate, StepError, chain};
use crate::ledger::{Record, Slot, SlotClaim, Swap};
use crate::names;

/// Claims up to `count` of the free slots, for polls that this invocation makes.
pub(crate) async fn claim(
    gate: &Gate,
    deadline: Deadline,
    free: &mut Vec<u32>,
    count: usize,
) -> Result<Vec<SlotClaim>, StepError> {
    let stale_ms = deadline.at_ms + gate.config.lease_margin_ms;
    let mut claims = Vec::new();
    while claims.len() < count {
        match gate.ledger.claim_slot(free, stale_ms).await {
            Ok(Some(claim)) => claims.push(claim),
            Ok(None) => break,
            Err(error) => {
                give_back(gate, &claims).await;
                return Err(error.into());
            }
        }
    }
    Ok(claims)
}

/// Gives claims back. One that cannot be given back now goes stale and is collected by the reconciler.
pub(crate) async fn give_back(gate: &Gate, claims: &[SlotClaim]) {
    for claim in claims {
        if let Err(error) = gate.ledger.release_slot(claim).await {
            tracing::warn!(
                slot = claim.number,
                error = chain(&error),
                "slot not given back"
            );
        }
    }
}

/// Gives back slots whose claimer is gone: unbound ones, and bound ones that no record names.
pub(crate) async fn free_stale_slots(gate: &Gate) -> Result<usize, StepError> {
    let mut freed = 0;
    for number in gate.ledger.held_slots().await? {
        let stored = match gate.ledger.get::<Slot>(&names::slot_key(number)).await {
            Ok(Some(stored)) => stored,
            Ok(None) => continue,
            Err(error) if error.leaves_alone() => {
                tracing::error!(error = chain(&error), "slot left alone");
                metrics::histogram!("DocumentsLeftAlone").record(1.0);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if stored.value.stale_ms > gate.now_ms() {
            continue;
        }
        let claim = SlotClaim {
            number,
            claim: stored.value.claim.clone(),
        };
        // The record is read after the slot: one that binds a slot names it before.
        if let Some(execution) = &stored.value.execution {
            let record = match gate
                .ledger
                .get::<Record>(&names::record_key(execution))
                .await
            {
                Ok(record) => record,
                // It may name the slot: whoever can read it gives the slot back.
                Err(error) if error.leaves_alone() => continue,
                Err(error) => return Err(error.into()),
            };
            if record.is_some_and(|record| record.value.slot.as_ref() == Some(&claim)) {
                continue;
            }
        }
        if let Swap::Done(()) = gate.ledger.delete(&stored.key, &stored.etag).await? {
            tracing::warn!(slot = number, "stale slot given back");
            freed += 1;
        }
    }
    Ok(freed)
}
