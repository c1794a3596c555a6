//! EventBridge: schedules, and rules on events of the default bus.

use std::sync::Arc;

use crate::account::Account;
use crate::clock::Clock;
use crate::lambda::Lambda;
use crate::rng::SharedRng;
use crate::wire::{Request, Response};
/// EventBridge: schedules, and rules on events of the default bus.
pub struct Events {}

impl Events {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(account: Account, clock: Clock, rng: SharedRng, lambda: Arc<Lambda>) -> Self {
        todo!()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// Creates or replaces a rule. A schedule starts to tick when it is put; the first tick comes one interval later.
    /// # Errors
    /// When the pattern uses an operator that is not implemented (named).
    pub fn put_rule(&self, rule: Rule) -> Result<(), crate::wire::ApiError> {
        todo!()
    }

    /// Disables or enables a rule.
    pub fn set_enabled(&self, name: &str, enabled: bool) {
        todo!()
    }

    /// An event of an AWS service on the default bus. `detail` is the event detail.
    pub fn emit(
        &self,
        source: &str,
        detail_type: &str,
        resources: &[String],
        detail: serde_json::Value,
    ) {
        todo!()
    }
}

/// A rule of the default bus.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The rule's name.
    pub name: String,
    /// What triggers it.
    pub trigger: Trigger,
    /// ARNs of the functions that it invokes, each with an optional constant input instead of the event.
    pub targets: Vec<Target>,
}

/// What triggers a rule.
#[derive(Debug, Clone)]
pub enum Trigger {
    /// `rate(…)`: every so often (divided by the speed).
    Rate(std::time::Duration),
    /// An event pattern.
    Pattern(serde_json::Value),
}

/// A target of a rule.
#[derive(Debug, Clone)]
pub struct Target {
    /// The function's ARN.
    pub function_arn: String,
    /// Constant input in place of the event.
    pub input: Option<serde_json::Value>,
}
