//! EventBridge: schedules, and rules on events of the default bus.
//!
//! Sources: EventBridge user guide, "Creating a rule that runs on a schedule" and "Events from AWS services". Delivery is at least once,
//! in no order, and asynchronous. The wire (AWS JSON 1.1, `X-Amz-Target: AWSEvents.<Operation>`) offers what `answer` lists.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::account::Account;
use crate::clock::Clock;
use crate::lambda::Lambda;
use crate::pattern;
use crate::rng::SharedRng;
use crate::wire::{ApiError, Request, Response, collect, json_response};

/// Longest time between an event and its delivery here.
const DELIVERY_MS_MAX: f64 = 200.0;

/// The rules of the default bus.
pub struct Events {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    lambda: Arc<Lambda>,
    rules: Mutex<BTreeMap<String, Live>>,
}

struct Live {
    rule: Rule,
    enabled: bool,
    /// Ends the schedule of the rule's predecessor when it is replaced.
    schedule: Option<tokio::task::AbortHandle>,
}

/// A rule of the default bus.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The rule's name.
    pub name: String,
    /// What triggers it.
    pub trigger: Trigger,
    /// Functions that it invokes.
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
    /// The service with no rule in it.
    #[must_use]
    pub fn new(account: Account, clock: Clock, rng: SharedRng, lambda: Arc<Lambda>) -> Self {
        Self {
            account,
            clock,
            rng,
            lambda,
            rules: Mutex::new(BTreeMap::new()),
        }
    }

    /// Creates or replaces a rule. A schedule starts to tick when it is put; the first tick comes one interval later.
    ///
    /// # Errors
    /// `NotImplemented` when the pattern uses an operator that is not implemented (named).
    pub fn put_rule(self: &Arc<Self>, rule: Rule) -> Result<(), ApiError> {
        let schedule = match &rule.trigger {
            Trigger::Pattern(pattern) => {
                pattern::check(pattern, "$")?;
                None
            }
            Trigger::Rate(interval) => Some(self.spawn_schedule(rule.name.clone(), *interval)),
        };
        let live = Live {
            rule: rule.clone(),
            enabled: true,
            schedule,
        };
        if let Some(Live {
            schedule: Some(before),
            ..
        }) = self.lock().insert(rule.name, live)
        {
            before.abort();
        }
        Ok(())
    }

    fn spawn_schedule(
        self: &Arc<Self>,
        name: String,
        interval: Duration,
    ) -> tokio::task::AbortHandle {
        let events = Arc::downgrade(self);
        let interval = self.clock.scaled(interval);
        let ticks = tokio::spawn(async move {
            let mut next = tokio::time::Instant::now();
            loop {
                next += interval;
                tokio::time::sleep_until(next).await;
                let Some(events) = events.upgrade() else {
                    return;
                };
                events.tick(&name);
            }
        });
        ticks.abort_handle()
    }

    fn tick(&self, name: &str) {
        let targets = match self.lock().get(name) {
            Some(live) if live.enabled => live.rule.targets.clone(),
            _ => return,
        };
        let resources = [self.account.arn("events", &format!("rule/{name}"))];
        let event = self.event("aws.events", "Scheduled Event", &resources, json!({}));
        for target in targets {
            self.deliver(&target, &event);
        }
    }

    /// Disables or enables a rule. A schedule keeps its beat.
    pub fn set_enabled(&self, name: &str, enabled: bool) {
        if let Some(live) = self.lock().get_mut(name) {
            live.enabled = enabled;
        }
    }

    /// An event of an AWS service on the default bus.
    pub fn emit(&self, source: &str, detail_type: &str, resources: &[String], detail: Value) {
        let event = self.event(source, detail_type, resources, detail);
        let mut targets = Vec::new();
        for live in self.lock().values().filter(|live| live.enabled) {
            if matches!(&live.rule.trigger, Trigger::Pattern(pattern) if pattern::matches(pattern, &event))
            {
                targets.extend(live.rule.targets.iter().cloned());
            }
        }
        for target in targets {
            let lambda = Arc::clone(&self.lambda);
            let payload = payload(&target, &event);
            let delay = self.clock.scaled(Duration::from_secs_f64(
                self.rng.fraction() * DELIVERY_MS_MAX / 1000.0,
            ));
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                invoke(&lambda, &target, payload);
            });
        }
    }

    fn deliver(&self, target: &Target, event: &Value) {
        invoke(&self.lambda, target, payload(target, event));
    }

    fn event(&self, source: &str, detail_type: &str, resources: &[String], detail: Value) -> Value {
        let now = self
            .clock
            .now()
            .replace_nanosecond(0)
            .unwrap_or_else(|_| self.clock.now());
        json!({
            "version": "0",
            "id": self.rng.uuid(),
            "detail-type": detail_type,
            "source": source,
            "account": self.account.id,
            "time": now.format(&Rfc3339).unwrap_or_default(),
            "region": self.account.region,
            "resources": resources,
            "detail": detail,
        })
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        let result = self.answer(request).await;
        json_response("application/x-amz-json-1.1", &self.rng.uuid(), result)
    }

    async fn answer(&self, request: Request) -> Result<Value, ApiError> {
        let target = request
            .headers()
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok());
        let operation = target
            .and_then(|target| target.strip_prefix("AWSEvents."))
            .unwrap_or_default()
            .to_owned();
        let body = collect(request.into_body())
            .await
            .map_err(|error| ApiError::client("SerializationException", error.to_string()))?;
        let input: Value = serde_json::from_slice(&body)
            .map_err(|error| ApiError::client("SerializationException", error.to_string()))?;
        let name = |member: &str| input[member].as_str().unwrap_or_default().to_owned();
        match operation.as_str() {
            "ListRules" => {
                let rules = self.lock();
                Ok(
                    json!({"Rules": rules.values().map(|live| self.describe(live)).collect::<Vec<_>>()}),
                )
            }
            "DescribeRule" => self.find(&name("Name"), |live| self.describe(live)),
            "EnableRule" | "DisableRule" => {
                self.find(&name("Name"), |_| json!({}))?;
                self.set_enabled(&name("Name"), operation == "EnableRule");
                Ok(json!({}))
            }
            "ListTargetsByRule" => self.find(&name("Rule"), |live| {
                let targets = live.rule.targets.iter().enumerate();
                json!({"Targets": targets.map(|(index, target)| json!({
                    "Id": index.to_string(),
                    "Arn": target.function_arn,
                    "Input": target.input.as_ref().map(Value::to_string),
                })).collect::<Vec<_>>()})
            }),
            other => Err(ApiError::not_implemented(&format!(
                "the operation AWSEvents.{other}"
            ))),
        }
    }

    fn find(&self, name: &str, read: impl Fn(&Live) -> Value) -> Result<Value, ApiError> {
        let rules = self.lock();
        let live = rules.get(name);
        live.map(read).ok_or_else(|| {
            ApiError::client(
                "ResourceNotFoundException",
                format!("Rule {name} does not exist on EventBus default."),
            )
        })
    }

    fn describe(&self, live: &Live) -> Value {
        let (schedule, pattern) = match &live.rule.trigger {
            Trigger::Rate(interval) => {
                (Some(format!("rate({} seconds)", interval.as_secs())), None)
            }
            Trigger::Pattern(pattern) => (None, Some(pattern.to_string())),
        };
        json!({
            "Name": live.rule.name,
            "Arn": self.account.arn("events", &format!("rule/{}", live.rule.name)),
            "EventBusName": "default",
            "State": if live.enabled { "ENABLED" } else { "DISABLED" },
            "ScheduleExpression": schedule,
            "EventPattern": pattern,
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Live>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn payload(target: &Target, event: &Value) -> bytes::Bytes {
    target.input.as_ref().unwrap_or(event).to_string().into()
}

fn invoke(lambda: &Arc<Lambda>, target: &Target, payload: bytes::Bytes) {
    if let Err(error) = lambda.invoke_async(&target.function_arn, payload) {
        tracing::warn!(function_arn = target.function_arn, %error, "event not delivered");
    }
}
