//! `budget/<day>.json`: the minutes of video that were scanned on a day, while the operator caps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Document, Edit, Ledger, LedgerError, SWAPS_MAX, Swap, Unknown};
use crate::names;
use crate::preflight::DURATION_MS_MAX;

/// Milliseconds of the minute that Rekognition's price is for (Amazon Rekognition pricing).
const MINUTE_MS: u64 = 60_000;

/// The minutes of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Schema version of this document.
    pub schema_version: u32,
    /// One more at every write.
    pub revision: u64,
    /// Who wrote this state.
    pub nonce: String,
    /// The day, in UTC: `2026-11-24`.
    pub day: String,
    /// Minutes of each scan, by [`names::scan_name`]: one that is counted again, after a crash say, is found here.
    pub scans: BTreeMap<String, u32>,
    /// Fields that a newer version of this schema added: kept as they are.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Document for Budget {
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

impl Budget {
    /// What a cap of so many minutes leaves of the day.
    #[must_use]
    pub fn allowance(&self, cap_minutes: u32) -> Allowance {
        Allowance {
            cap_minutes,
            used_minutes: self.scans.values().copied().map(u64::from).sum(),
        }
    }
}

/// What a cap leaves of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    cap_minutes: u32,
    used_minutes: u64,
}

impl Allowance {
    /// That of a day on which nothing was scanned yet.
    #[must_use]
    pub fn whole(cap_minutes: u32) -> Self {
        Self {
            cap_minutes,
            used_minutes: 0,
        }
    }

    /// Whether a scan of so many minutes may be started. The first of a day always may: a video that is longer than the
    /// whole cap would wait for ever otherwise.
    #[must_use]
    pub fn admits(self, minutes: u32) -> bool {
        self.used_minutes == 0
            || self.used_minutes + u64::from(minutes) <= u64::from(self.cap_minutes)
    }

    /// Whether nothing at all may be started any more.
    #[must_use]
    pub fn is_spent(self) -> bool {
        !self.admits(1)
    }

    /// What is left after a scan of so many minutes.
    #[must_use]
    pub fn after(self, minutes: u32) -> Self {
        Self {
            used_minutes: self.used_minutes + u64::from(minutes),
            ..self
        }
    }
}

/// Minutes that a scan of a video counts for: begun minutes, since the price is for minutes and no document says how a part of one is
/// billed. A video that does not say how long it is counts as the longest that Rekognition takes (6 h): its size bounds
/// nothing, since a still picture takes next to no bytes.
#[must_use]
pub fn counted_minutes(duration_ms: Option<u64>) -> u32 {
    let ms = duration_ms.map_or(DURATION_MS_MAX, |ms| ms.clamp(1, DURATION_MS_MAX));
    u32::try_from(ms.div_ceil(MINUTE_MS)).unwrap_or(u32::MAX)
}

impl Ledger {
    /// What a cap leaves of a day.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn allowance(&self, day: &str, cap_minutes: u32) -> Result<Allowance, LedgerError> {
        let stored = self.get::<Budget>(&names::budget_key(day)).await?;
        Ok(stored.map_or(Allowance::whole(cap_minutes), |stored| {
            stored.value.allowance(cap_minutes)
        }))
    }

    /// Counts a scan for a day, once however often it is asked to. False if the cap does not leave its minutes; without a cap it is
    /// counted in any case.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn count_scan(
        &self,
        day: &str,
        scan: &str,
        minutes: u32,
        cap_minutes: Option<u32>,
    ) -> Result<bool, LedgerError> {
        let key = names::budget_key(day);
        for _ in 0..SWAPS_MAX {
            let Some(stored) = self.get::<Budget>(&key).await? else {
                let first = Budget {
                    schema_version: 0,
                    revision: 0,
                    nonce: String::new(),
                    day: day.to_owned(),
                    scans: BTreeMap::from([(scan.to_owned(), minutes)]),
                    unknown: Unknown::new(),
                };
                match self.create(&key, first).await? {
                    Swap::Done(_) => return Ok(true),
                    Swap::Lost => continue,
                }
            };
            let mut fits = false;
            let edited = self
                .edit(stored, &mut |budget| {
                    let counted = budget.scans.contains_key(scan);
                    fits = counted
                        || cap_minutes.is_none_or(|cap| budget.allowance(cap).admits(minutes));
                    if counted || !fits {
                        return Edit::Leave;
                    }
                    budget.scans.insert(scan.to_owned(), minutes);
                    Edit::Write
                })
                .await?;
            if edited.is_some() {
                return Ok(fits);
            }
        }
        Err(LedgerError::Contended { key })
    }

    /// Corrects the minutes that a scan was counted with, once they are known. Nothing happens if it is not counted there.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn correct_scan(
        &self,
        day: &str,
        scan: &str,
        minutes: u32,
    ) -> Result<(), LedgerError> {
        let Some(stored) = self.get::<Budget>(&names::budget_key(day)).await? else {
            return Ok(());
        };
        self.edit(stored, &mut |budget| match budget.scans.get_mut(scan) {
            Some(counted) if *counted != minutes => {
                *counted = minutes;
                Edit::Write
            }
            _ => Edit::Leave,
        })
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn begun_minutes_count_and_an_unknown_length_counts_as_the_longest() {
        for (duration_ms, expected) in [
            (Some(0), 1),
            (Some(1), 1),
            (Some(60_000), 1),
            (Some(60_001), 2),
            (Some(DURATION_MS_MAX), 360),
            (Some(u64::MAX), 360),
            (None, 360),
        ] {
            assert_eq!(counted_minutes(duration_ms), expected, "{duration_ms:?}");
        }
    }

    #[test]
    fn the_last_minute_fits_and_the_next_does_not() {
        let left = Allowance::whole(10).after(9);
        assert!(left.admits(1) && !left.admits(2));
        assert!(!left.is_spent() && left.after(1).is_spent());
    }

    #[test]
    fn the_first_scan_of_a_day_may_be_longer_than_the_cap() {
        let whole = Allowance::whole(10);
        assert!(whole.admits(11) && !whole.after(11).admits(1));
    }

    proptest! {
        #[test]
        fn no_day_takes_more_than_its_cap_or_its_first_scan(
            cap in 1..1000_u32,
            wanted in prop::collection::vec(1..=360_u32, 1..50),
        ) {
            let mut left = Allowance::whole(cap);
            for minutes in &wanted {
                if left.admits(*minutes) {
                    left = left.after(*minutes);
                }
            }
            prop_assert!(left.used_minutes <= u64::from(cap.max(wanted[0])));
        }
    }
}
