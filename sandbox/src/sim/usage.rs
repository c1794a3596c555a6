//! What a simulated stack used of AWS, in the units in which it is paid for.

use std::time::Duration;

use crate::aws::Aws;
use crate::calls::CallCounts;
use crate::stack::invocation::{Bill, Bills};
use crate::stack::{Function, MEMORY_MB};

/// What a function used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    /// Its name.
    pub name: &'static str,
    /// Its memory.
    pub memory_mb: u32,
    /// Its invocations and their duration.
    pub bill: Bill,
}

impl Metered {
    /// Its memory times its duration.
    #[must_use]
    pub fn gb_seconds(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52 ms")]
        let seconds = self.bill.duration_ms as f64 / 1000.0;
        seconds * f64::from(self.memory_mb) / 1024.0
    }
}

/// What a stack used.
#[derive(Debug, Clone)]
pub struct Usage {
    /// By function.
    pub functions: Vec<Metered>,
    /// Calls of each operation of each service.
    pub calls: CallCounts,
    /// State transitions.
    pub transitions: u64,
    /// Messages that were published to topics.
    pub published: u64,
    /// Length of the videos that were scanned, each as often as it was.
    pub scanned: Duration,
}

impl Usage {
    /// What the gate used so far. Its people's calls, of which there are few, are among the calls.
    pub(super) fn of_gate(aws: &Aws, bills: &Bills, scanned: Duration) -> Self {
        let functions = Function::ALL
            .iter()
            .map(|function| Metered {
                name: function.name(),
                memory_mb: MEMORY_MB,
                bill: bills.of(*function),
            })
            .collect();
        Self::of(aws, functions, scanned)
    }

    pub(super) fn of(aws: &Aws, functions: Vec<Metered>, scanned: Duration) -> Self {
        Self {
            functions,
            calls: aws.calls(),
            transitions: aws.sfn.transitions(),
            published: aws.sns.published(),
            scanned,
        }
    }

    /// Memory times duration of all functions.
    #[must_use]
    pub fn gb_seconds(&self) -> f64 {
        self.functions.iter().map(Metered::gb_seconds).sum()
    }

    /// Invocations of all functions.
    #[must_use]
    pub fn invocations(&self) -> u64 {
        self.functions
            .iter()
            .map(|function| function.bill.invocations)
            .sum()
    }

    /// Calls of one operation of a service.
    #[must_use]
    pub fn calls_of(&self, service: &str, operation: &str) -> u64 {
        let call = (service.to_owned(), operation.to_owned());
        self.calls.get(&call).copied().unwrap_or(0)
    }
}
