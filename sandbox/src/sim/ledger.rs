//! The ledger as it is, followed write by write, and what must hold at each write.
//!
//! What is *true* is never taken from here: the ledger is what the gate believes. But its documents are changed by
//! compare-and-swap only, a lease has one holder, and a slot is held for as long as its job is open, whatever goes wrong.

use std::collections::BTreeMap;

use serde::Deserialize;
use workflow::ledger::{Head, Outcome, Phase, Record, Slot};
use workflow::names;

use super::truth::Truth;

/// A function's clock may be that far from the services' (`plan.rs`).
pub(super) const SKEW_MS: i64 = 2_000;

/// How far descriptions of executions lag behind at most (`plan.rs`).
const DESCRIBE_LAG_MS: i64 = 2_000;

/// How long an unanswered copy may still land: `LATE_COPY_MS` as it deploys.
const LATE_COPY_MS: i64 = 15 * 60_000;

/// How long a function that was deployed before may still be at work: Lambda's longest timeout, and a request on its way.
const OLD_FUNCTION_MS: i64 = 16 * 60_000;

/// Every document of the ledger that the gate works with, as it was written last.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Revisions by key.
    revisions: BTreeMap<String, u64>,
    /// Slots that are held, and since when each is bound.
    slots: BTreeMap<u32, Slot>,
    bound_ms: BTreeMap<u32, i64>,
    /// Records by execution.
    records: BTreeMap<String, Record>,
    /// Which invocation took the lease of an execution, and when.
    holders: BTreeMap<String, (u64, i64)>,
    /// Versions that the head of a key named, and since when.
    heads: BTreeMap<String, Vec<(i64, String)>>,
    /// Redrive count and revision of reports by key, and whether they say that the video is published.
    reports: BTreeMap<String, ReportHead>,
    /// Slots that an invocation claimed and has not polled with.
    unpolled: BTreeMap<u64, u32>,
}

/// What a report says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct ReportHead {
    redrive_count: u32,
    revision: u64,
    published: bool,
}

/// A write of a document that was done.
pub(super) struct Written<'a> {
    pub(super) key: &'a str,
    /// What is there now; None if it was deleted.
    pub(super) bytes: Option<&'a [u8]>,
    /// Who wrote it.
    pub(super) invocation: u64,
    /// When that began.
    pub(super) began_ms: i64,
    pub(super) now_ms: i64,
}

impl Ledger {
    /// Takes a write in. Returns what does not hold.
    pub(super) fn follow(
        &mut self,
        truth: &Truth,
        written: &Written<'_>,
        is_live: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let kind = written.key.split('/').next().unwrap_or_default();
        let is_document = matches!(kind, "slots" | "jobs" | "heads" | "budget" | "sweep.json");
        let mut problems = Vec::new();
        if is_document {
            problems.extend(self.follow_revision(written));
        }
        match kind {
            "slots" => problems.extend(self.follow_slot(truth, written)),
            "jobs" => problems.extend(self.follow_record(truth, written, is_live)),
            "heads" => problems.extend(self.follow_head(truth, written)),
            "reports" => problems.extend(self.follow_report(written)),
            _ => {}
        }
        problems
    }

    /// Each state is the successor of the one that it replaces. (A sweep that begins anew replaces one that is under way.)
    fn follow_revision(&mut self, written: &Written<'_>) -> Option<String> {
        #[derive(Deserialize)]
        struct Revised {
            revision: u64,
        }
        let key = written.key;
        let Some(Revised { revision }) = parse(written.bytes) else {
            self.revisions.remove(key);
            return None;
        };
        let before = self.revisions.insert(key.to_owned(), revision);
        let begins_anew = key == "sweep.json" && revision == 1;
        (revision != before.unwrap_or(0) + 1 && !begins_anew)
            .then(|| format!("{key}: a state was lost, revision {revision} replaces {before:?}"))
    }

    /// Promise 5: as many slots as allowed, and each held until the job of its execution has ended.
    fn follow_slot(&mut self, truth: &Truth, written: &Written<'_>) -> Option<String> {
        let number = names::parse_slot_key(written.key)?;
        let Some(slot) = parse::<Slot>(written.bytes) else {
            self.bound_ms.remove(&number);
            let execution = self.slots.remove(&number)?.execution?;
            let uncovered = truth.has_open_job(&execution) && !self.binds(&execution);
            return uncovered.then(|| {
                format!("slot {number} was given back while the job of {execution} is open")
            });
        };
        if slot.execution.is_some() {
            self.bound_ms.entry(number).or_insert(written.now_ms);
        }
        if self.slots.insert(number, slot).is_none() {
            *self.unpolled.entry(written.invocation).or_default() += 1;
            let (held, allowed) = (
                self.slots.len(),
                truth.max_jobs_since(written.now_ms - OLD_FUNCTION_MS),
            );
            return (held > allowed as usize)
                .then(|| format!("{held} slots are held, MAX_JOBS is {allowed}"));
        }
        None
    }

    fn follow_record(
        &mut self,
        truth: &Truth,
        written: &Written<'_>,
        is_live: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let Some(execution) = names::parse_record_key(written.key) else {
            return Vec::new();
        };
        let record = parse::<Record>(written.bytes);
        let before = self.records.remove(execution);
        let mut problems = Vec::new();
        let held_token = |record: &Record| {
            let token = record.token.as_ref()?;
            Some(token.secret.expose().to_owned())
        };
        let token = record.as_ref().and_then(held_token);
        if let Some(old) = before.as_ref().and_then(held_token)
            && token.is_none()
            && is_live(&old)
        {
            problems.push(format!("{execution}: the token of a live task was dropped"));
        }
        match (&before, &record) {
            (Some(old), Some(new)) => {
                problems.extend(succeeds(old, new, written.now_ms));
                let was_visible = |ended_ms: i64| ended_ms + DESCRIBE_LAG_MS < written.began_ms;
                let has_ended = truth.closed_since(execution).is_some_and(was_visible);
                let notes = new.is_published() && !old.is_published();
                // Promise 1: whoever began after the end was visible looked at it before the copy.
                if notes && has_ended {
                    problems.push(format!(
                        "{execution}: a copy is noted although it has ended"
                    ));
                }
            }
            (Some(old), None) => problems.extend(may_be_dropped(old, written.now_ms)),
            (None, _) => {}
        }
        let holder = |record: &Record| record.lease.as_ref().map(|lease| lease.holder.clone());
        let new_holder = record.as_ref().and_then(holder);
        if new_holder.is_none() {
            self.holders.remove(execution);
        } else if new_holder != before.as_ref().and_then(holder) {
            self.holders
                .insert(execution.to_owned(), (written.invocation, written.now_ms));
        }
        if let Some(record) = record {
            self.records.insert(execution.to_owned(), record);
        }
        problems
    }

    /// Promise 4: a head names what was copied, and never an older version than before.
    fn follow_head(&mut self, truth: &Truth, written: &Written<'_>) -> Option<String> {
        let head: Head = parse(written.bytes)?;
        let (key, id) = (head.object_key, head.version_id);
        let raised = self.heads.entry(key.clone()).or_default();
        let before = raised.last().map(|(_, before)| before.clone());
        raised.push((written.now_ms, id.clone()));
        if truth
            .version(&id)
            .is_none_or(|version| version.copied_ms.is_empty())
        {
            return Some(format!(
                "{key}: the head names {id}, which was never copied"
            ));
        }
        let went_back = before.is_some_and(|before| truth.is_newer(&before, &id));
        went_back.then(|| format!("{key}: the head went back to {id}"))
    }

    /// Promise 6: no report replaces one of a later state, nor forgets that the video was published.
    fn follow_report(&mut self, written: &Written<'_>) -> Option<String> {
        let key = written.key;
        // Tracks for players are no JSON.
        let head: ReportHead = parse(written.bytes)?;
        let before = self.reports.insert(key.to_owned(), head)?;
        let rank = |head: ReportHead| (head.redrive_count, head.revision);
        if rank(before) > rank(head) {
            return Some(format!("{key}: a report of a later state was replaced"));
        }
        (before.published && !head.published)
            .then(|| format!("{key}: the report no longer says that the video was published"))
    }

    /// An invocation polls with a slot that it claimed.
    pub(super) fn poll(&mut self, invocation: u64) -> Option<String> {
        let left = self.unpolled.entry(invocation).or_default();
        if *left == 0 {
            return Some(format!("#{invocation} polls without a slot"));
        }
        *left -= 1;
        None
    }

    /// Whether a slot is bound to an execution.
    pub(super) fn binds(&self, execution: &str) -> bool {
        self.slot_of(execution).is_some()
    }

    /// The number of the slot that is bound to an execution.
    fn slot_of(&self, execution: &str) -> Option<u32> {
        let mut slots = self.slots.iter();
        let (number, _) = slots.find(|(_, slot)| slot.execution.as_deref() == Some(execution))?;
        Some(*number)
    }

    /// Since when the lease of an execution is held, if its slot was bound under it: then its holder knows that no start was sent before.
    pub(super) fn begun_under_lease(&self, execution: &str) -> Option<i64> {
        let (_, taken_ms) = self.holders.get(execution)?;
        let bound_ms = self.bound_ms.get(&self.slot_of(execution)?)?;
        (bound_ms >= taken_ms).then_some(*taken_ms)
    }

    /// Whether an invocation holds the lease of an execution.
    pub(super) fn is_held_by(&self, execution: &str, invocation: u64, now_ms: i64) -> bool {
        let lease = self
            .records
            .get(execution)
            .and_then(|record| record.lease.as_ref());
        let holder = self.holders.get(execution);
        holder.is_some_and(|(holder, _)| *holder == invocation)
            && lease.is_some_and(|lease| lease.until_ms > now_ms - SKEW_MS)
    }

    /// Records of versions of a key.
    pub(super) fn records_of_key(&self, key: &str) -> impl Iterator<Item = &Record> {
        let records = self.records.values();
        records.filter(move |record| record.video.key == key)
    }

    /// The record of an execution.
    pub(super) fn record(&self, execution: &str) -> Option<&Record> {
        self.records.get(execution)
    }

    /// The record that holds a token.
    pub(super) fn record_of_token(&self, token: &str) -> Option<&Record> {
        let holds = |record: &&Record| {
            let held = record.token.as_ref();
            held.is_some_and(|held| held.secret.expose() == token)
        };
        self.records.values().find(holds)
    }

    /// The version that the head of a key named at a time.
    pub(super) fn head_at(&self, key: &str, at_ms: i64) -> Option<&str> {
        let raised = self.heads.get(key)?.iter().rev();
        let mut raised = raised.skip_while(|(since_ms, _)| *since_ms > at_ms);
        raised.next().map(|(_, id)| id.as_str())
    }

    /// Whether the head of a key ever named a version.
    pub(super) fn head_named(&self, key: &str, version_id: &str) -> bool {
        let mut raised = self.heads.get(key).into_iter().flatten();
        raised.any(|(_, id)| id == version_id)
    }

    /// Tokens whose task waits for heartbeats.
    pub(super) fn attached(&self) -> impl Iterator<Item = &str> {
        let records = self.records.values();
        records
            .filter(|record| record.phase != Phase::Sent)
            .filter_map(|record| Some(record.token.as_ref()?.secret.expose()))
    }
}

/// What must hold between two states of a record.
fn succeeds(old: &Record, new: &Record, now_ms: i64) -> Vec<String> {
    let mut problems = Vec::new();
    let mut broken = |what: &str| problems.push(format!("{}: {what}", new.execution));
    if let (Some(old), Some(new)) = (&old.lease, &new.lease)
        && old.holder != new.holder
        && old.until_ms > now_ms + SKEW_MS
    {
        broken("the lease was taken from its holder");
    }
    if let (Some(old), Some(new)) = (&old.token, &new.token)
        && old.secret != new.secret
        && old.rank >= new.rank
    {
        broken("a token replaced one of the same or a higher rank");
    }
    if let (Some(old), Some(new)) = (&old.judged, &new.judged) {
        // What cannot be published any more is unsupported, and what fails too often is given up.
        let gives_up = matches!(new.outcome, Outcome::Unsupported | Outcome::Failed(_));
        if old.redrive_count == new.redrive_count && old.outcome != new.outcome && !gives_up {
            broken("another verdict replaced the one that was fixed");
        }
    }
    if new.copying.unanswered_ms < old.copying.unanswered_ms {
        broken("a copy that was never answered was forgotten");
    }
    for old in &old.analyses {
        let frozen = |of: &workflow::ledger::Analysis| {
            (
                of.min_confidence_percent.to_bits(),
                of.results_topic_arn.clone(),
                of.results_role_arn.clone(),
            )
        };
        let same = |new: &&workflow::ledger::Analysis| {
            (new.redrive_count, new.number) == (old.redrive_count, old.number)
        };
        if new
            .analyses
            .iter()
            .find(same)
            .is_some_and(|new| frozen(new) != frozen(old))
        {
            broken("the frozen parameters of a scan changed");
        }
    }
    problems
}

/// What must be over before a record is dropped.
fn may_be_dropped(record: &Record, now_ms: i64) -> Vec<String> {
    let mut problems = Vec::new();
    let mut broken = |what: &str| problems.push(format!("{}: dropped {what}", record.execution));
    if record.slot.is_some() {
        broken("while it names a slot");
    }
    let copying = &record.copying;
    let may_land = |sent_ms: i64| sent_ms + LATE_COPY_MS > now_ms + SKEW_MS;
    if copying.pending_ms.is_some() || copying.unanswered_ms.is_some_and(may_land) {
        broken("while a copy may land late");
    }
    problems
}

fn parse<T: serde::de::DeserializeOwned>(bytes: Option<&[u8]>) -> Option<T> {
    serde_json::from_slice(bytes?).ok()
}
