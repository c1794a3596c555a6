//! EventBridge: schedules, and rules on events of the default bus.

mod api;
mod pattern;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::account::Account;
use crate::clock::Clock;
use crate::delivery::DeliveryFaults;
use crate::journal::{Entry, Journal};
use crate::lambda::Lambda;
use crate::rng::SharedRng;
use crate::wire::{ApiError, Request, Response};
use pattern::Pattern;

/// Targets are invoked within this time of the event or of the schedule's minute, at any moment of it. (Measured on AWS for events: 148 ms in
/// the median, 387 ms for 99 of 100; bitesizedserverless.com, "Serverless Messaging: Latency Compared", update of February 2023. A schedule may
/// be several seconds late; EventBridge user guide, "Creating a rule that runs on a schedule".)
const DELIVERY_DELAY_MAX: Duration = Duration::from_millis(500);

/// EventBridge: schedules, and rules on events of the default bus.
pub struct Events {
    bus: Arc<Bus>,
    rules: Mutex<BTreeMap<String, PutRule>>,
}

/// What a delivery needs, shared with the tasks that tick.
struct Bus {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    lambda: Arc<Lambda>,
    journal: Journal,
    faults: Mutex<DeliveryFaults>,
}

/// A rule as it was put.
struct PutRule {
    rule: Rule,
    /// The parsed pattern; None for a schedule.
    pattern: Option<Pattern>,
    enabled: bool,
    /// Ends the ticking of a schedule that is enabled.
    ticking: Option<AbortHandle>,
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
    Rate(Duration),
    /// An event pattern.
    Pattern(Value),
}

/// A target of a rule.
#[derive(Debug, Clone)]
pub struct Target {
    /// The function's ARN.
    pub function_arn: String,
    /// Constant input in place of the event.
    pub input: Option<Value>,
}

impl Events {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        lambda: Arc<Lambda>,
        journal: Journal,
    ) -> Self {
        Self {
            bus: Arc::new(Bus {
                account,
                clock,
                rng,
                lambda,
                journal,
                faults: Mutex::default(),
            }),
            rules: Mutex::default(),
        }
    }

    /// Answers one request off the wire (AWS JSON 1.1, target `AWSEvents.<operation>`).
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        api::handle(&self, request).await
    }

    /// Creates or replaces a rule. A schedule starts to tick when it is put; the first tick comes one interval later.
    /// # Errors
    /// `InvalidEventPatternException` when the pattern uses an operator that is not implemented (named),
    /// `ValidationException` for a rate below a minute, the least that EventBridge takes.
    pub fn put_rule(&self, rule: Rule) -> Result<(), ApiError> {
        let pattern = match &rule.trigger {
            Trigger::Pattern(pattern) => Some(Pattern::parse(pattern).map_err(|reason| {
                let text = format!("Event pattern is not valid. Reason: {reason}");
                ApiError::client("InvalidEventPatternException", text)
            })?),
            Trigger::Rate(interval) if *interval < Duration::from_mins(1) => {
                let text = "Parameter ScheduleExpression is not valid.";
                return Err(ApiError::client("ValidationException", text));
            }
            Trigger::Rate(_) => None,
        };
        let name = rule.name.clone();
        let put = PutRule {
            ticking: self.bus.start_ticking(&rule),
            rule,
            pattern,
            enabled: true,
        };
        if let Some(replaced) = self.lock().insert(name, put) {
            replaced.stop_ticking();
        }
        Ok(())
    }

    /// Disables or enables a rule. A schedule that is enabled again ticks one interval later.
    pub fn set_enabled(&self, name: &str, enabled: bool) {
        let mut rules = self.lock();
        let Some(put) = rules.get_mut(name).filter(|put| put.enabled != enabled) else {
            return;
        };
        put.enabled = enabled;
        put.stop_ticking();
        put.ticking = enabled.then(|| self.bus.start_ticking(&put.rule)).flatten();
    }

    /// Changes what may happen to events and ticks from now on.
    pub fn set_faults(&self, faults: DeliveryFaults) {
        let mut current = self
            .bus
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = faults;
    }

    /// An event of an AWS service on the default bus. `detail` is the event detail.
    pub fn emit(&self, source: &str, detail_type: &str, resources: &[String], detail: Value) {
        let id = self.bus.rng.uuid();
        self.deliver(&self.bus.event(&id, source, detail_type, resources, detail));
    }

    /// Gives an event to every enabled rule whose pattern it matches.
    fn deliver(&self, event: &Value) {
        for put in self.lock().values().filter(|put| put.enabled) {
            if put
                .pattern
                .as_ref()
                .is_some_and(|pattern| pattern.matches(event))
            {
                for target in &put.rule.targets {
                    self.bus.invoke_soon(&put.rule.name, target, event);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, PutRule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.lock().values().for_each(PutRule::stop_ticking);
    }
}

impl PutRule {
    fn stop_ticking(&self) {
        if let Some(ticking) = &self.ticking {
            ticking.abort();
        }
    }
}

impl Bus {
    /// Ticks at whole intervals from now, so that slow deliveries do not shift the schedule. None for a pattern.
    fn start_ticking(self: &Arc<Self>, rule: &Rule) -> Option<AbortHandle> {
        let Trigger::Rate(interval) = rule.trigger else {
            return None;
        };
        let bus = Arc::clone(self);
        let rule = rule.clone();
        let ticking = tokio::spawn(async move {
            let interval = bus.clock.scaled(interval);
            let mut next = Instant::now() + interval;
            loop {
                tokio::time::sleep_until(next).await;
                bus.tick(&rule);
                next += interval;
            }
        });
        Some(ticking.abort_handle())
    }

    /// One event of a schedule (EventBridge user guide, "Creating a rule that runs on a schedule").
    fn tick(&self, rule: &Rule) {
        let resources = [self.rule_arn(&rule.name)];
        let id = self.rng.uuid();
        let event = self.event(&id, "aws.events", "Scheduled Event", &resources, json!({}));
        for target in &rule.targets {
            self.invoke_soon(&rule.name, target, &event);
        }
    }

    /// The envelope of every event (EventBridge user guide, "Event structure").
    fn event(
        &self,
        id: &str,
        source: &str,
        detail_type: &str,
        resources: &[String],
        detail: Value,
    ) -> Value {
        let mut event = json!({
            "version": "0",
            "id": id,
            "detail-type": detail_type,
            "source": source,
            "account": self.account.id,
            "time": iso_seconds(self.clock.now()),
            "region": self.account.region,
            "resources": resources,
        });
        event["detail"] = detail;
        event
    }

    /// Invokes asynchronously after a small delay. EventBridge does not retry what Lambda refuses as the client's fault
    /// (an unknown function), and no target here has a dead-letter queue: such an event is lost, and logged.
    fn invoke_soon(&self, rule: &str, target: &Target, event: &Value) {
        let faults = *self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let arrivals = faults.arrivals(&self.rng, DELIVERY_DELAY_MAX);
        self.journal.note(&Entry::Delivery {
            source: rule,
            target: &target.function_arn,
            after: &arrivals,
        });
        let payload = Bytes::from(target.input.as_ref().unwrap_or(event).to_string());
        for delay in arrivals {
            let (function_arn, payload) = (target.function_arn.clone(), payload.clone());
            let clock = self.clock.clone();
            let lambda = Arc::clone(&self.lambda);
            tokio::spawn(async move {
                clock.sleep(delay).await;
                if let Err(error) = lambda.invoke_async(&function_arn, payload) {
                    tracing::warn!(function_arn, %error, "EventBridge could not invoke a target");
                }
            });
        }
    }

    fn rule_arn(&self, name: &str) -> String {
        self.account.arn("events", &format!("rule/{name}"))
    }
}

/// The time of an event: whole seconds.
fn iso_seconds(time: time::OffsetDateTime) -> String {
    let (date, hour, minute, second) = (time.date(), time.hour(), time.minute(), time.second());
    format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
}
