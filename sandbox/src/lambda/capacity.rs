//! Concurrency: how many invocations may run at once, in the account and of each function.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The account's concurrency. A function with reserved concurrency has that much for itself and no more; all others share
/// what is not reserved (Lambda developer guide, "Configuring reserved concurrency").
pub(super) struct Capacity {
    account_limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    functions: BTreeMap<String, Usage>,
    running: usize,
    running_peak: usize,
    closed: bool,
}

/// One function's share.
#[derive(Default)]
struct Usage {
    reserved: Option<usize>,
    running: usize,
    running_peak: usize,
    /// Asynchronous events that wait for capacity, in order of arrival.
    waiting: BTreeMap<u64, oneshot::Sender<Slot>>,
}

/// The right to run one invocation; given back when dropped.
pub(super) struct Slot {
    capacity: Arc<Capacity>,
    function: String,
}

/// Why there is no capacity: the `Reason` of TooManyRequestsException (Lambda API reference, Invoke).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Throttled {
    Account,
    Function,
}

impl Capacity {
    pub(super) fn new(account_limit: usize) -> Self {
        Self {
            account_limit,
            state: Mutex::default(),
        }
    }

    /// Sets a function's reserved concurrency, from the next invocation on.
    pub(super) fn configure(self: &Arc<Self>, function: &str, reserved: Option<usize>) {
        let mut state = self.lock();
        state
            .functions
            .entry(function.to_owned())
            .or_default()
            .reserved = reserved;
        drop(state);
        self.serve_waiting();
    }

    /// Takes a slot if there is one.
    pub(super) fn try_acquire(self: &Arc<Self>, function: &str) -> Result<Slot, Throttled> {
        let mut state = self.lock();
        state.check(function, self.account_limit)?;
        Ok(state.take(self, function))
    }

    /// Waits for a slot. Whoever arrived first is served first, as soon as one is free; the receiver fails when the
    /// service shuts down, and giving up is dropping it.
    pub(super) fn wait(self: &Arc<Self>, function: &str, arrival: u64) -> oneshot::Receiver<Slot> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        if !state.closed {
            let usage = state.functions.entry(function.to_owned()).or_default();
            usage.waiting.insert(arrival, sender);
        }
        drop(state);
        self.serve_waiting();
        receiver
    }

    /// Refuses all who wait, now and later.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for usage in state.functions.values_mut() {
            usage.waiting.clear();
        }
    }

    /// Invocations running now, and the most that ever were: of the account.
    pub(super) fn running(&self) -> (usize, usize) {
        let state = self.lock();
        (state.running, state.running_peak)
    }

    /// Invocations running now, and the most that ever were: of a function.
    pub(super) fn running_of(&self, function: &str) -> (usize, usize) {
        let state = self.lock();
        let usage = state.functions.get(function);
        usage.map_or((0, 0), |usage| (usage.running, usage.running_peak))
    }

    /// Gives free slots to those who wait. A slot is sent without holding the lock: when its receiver gave up, the
    /// slot comes back by being dropped.
    fn serve_waiting(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some(function) = state.next_waiting(self.account_limit) else {
                return;
            };
            let usage = state.functions.get_mut(&function);
            let Some((_, sender)) = usage.and_then(|usage| usage.waiting.pop_first()) else {
                return;
            };
            if sender.is_closed() {
                continue;
            }
            let slot = state.take(self, &function);
            drop(state);
            drop(sender.send(slot));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self, function: &str, account_limit: usize) -> Result<(), Throttled> {
        let reserved: usize = self
            .functions
            .values()
            .filter_map(|usage| usage.reserved)
            .sum();
        let usage = self.functions.get(function);
        if let Some(limit) = usage.and_then(|usage| usage.reserved) {
            let running = usage.map_or(0, |usage| usage.running);
            return if running < limit {
                Ok(())
            } else {
                Err(Throttled::Function)
            };
        }
        let unreserved = self
            .functions
            .values()
            .filter(|usage| usage.reserved.is_none());
        let running: usize = unreserved.map(|usage| usage.running).sum();
        if running < account_limit.saturating_sub(reserved) {
            Ok(())
        } else {
            Err(Throttled::Account)
        }
    }

    fn take(&mut self, capacity: &Arc<Capacity>, function: &str) -> Slot {
        self.running += 1;
        self.running_peak = self.running_peak.max(self.running);
        let usage = self.functions.entry(function.to_owned()).or_default();
        usage.running += 1;
        usage.running_peak = usage.running_peak.max(usage.running);
        Slot {
            capacity: Arc::clone(capacity),
            function: function.to_owned(),
        }
    }

    /// The function of the earliest event that could run now.
    fn next_waiting(&self, account_limit: usize) -> Option<String> {
        let waiting = self.functions.iter().filter_map(|(function, usage)| {
            let (arrival, _) = usage.waiting.first_key_value()?;
            Some((*arrival, function))
        });
        let may_run = waiting.filter(|(_, function)| self.check(function, account_limit).is_ok());
        may_run.min().map(|(_, function)| function.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.capacity.lock();
        state.running -= 1;
        if let Some(usage) = state.functions.get_mut(&self.function) {
            usage.running -= 1;
        }
        drop(state);
        self.capacity.serve_waiting();
    }
}
