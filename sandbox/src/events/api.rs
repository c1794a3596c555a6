//! The wire side of EventBridge: AWS JSON 1.1.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Events, PutRule, Trigger, iso_seconds};
use crate::params::{json_operation, parse};
use crate::wire::{ApiError, Request, Response, json_response};

pub(super) async fn handle(events: &Events, request: Request) -> Response {
    let result = match json_operation("AWSEvents", request).await {
        Ok((operation, body)) => answer(events, &operation, &body),
        Err(error) => Err(error),
    };
    json_response("application/x-amz-json-1.1", &events.bus.rng.uuid(), result)
}

fn answer(events: &Events, operation: &str, body: &[u8]) -> Result<Value, ApiError> {
    match operation {
        "ListRules" => list_rules(events, &parse(operation, body)?),
        "DescribeRule" => {
            let request: RuleName = parse(operation, body)?;
            request.on_rule(events, |put| rule_json(events, put))
        }
        "EnableRule" => set_enabled(events, &parse(operation, body)?, true),
        "DisableRule" => set_enabled(events, &parse(operation, body)?, false),
        "ListTargetsByRule" => list_targets(events, parse(operation, body)?),
        "PutEvents" => put_events(events, parse(operation, body)?),
        _ => Err(ApiError::not_implemented(&format!(
            "EventBridge {operation}"
        ))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ListRules {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
}

fn list_rules(events: &Events, request: &ListRules) -> Result<Value, ApiError> {
    default_bus(request.event_bus_name.as_deref())?;
    let prefix = request.name_prefix.as_deref().unwrap_or_default();
    let rules = events.lock();
    let listed = rules
        .values()
        .filter(|put| put.rule.name.starts_with(prefix));
    let listed: Vec<Value> = listed.map(|put| rule_json(events, put)).collect();
    Ok(json!({"Rules": listed}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleName {
    name: String,
    event_bus_name: Option<String>,
}

impl RuleName {
    fn on_rule(
        &self,
        events: &Events,
        answer: impl FnOnce(&PutRule) -> Value,
    ) -> Result<Value, ApiError> {
        default_bus(self.event_bus_name.as_deref())?;
        events
            .lock()
            .get(&self.name)
            .map(answer)
            .ok_or_else(|| no_rule(&self.name))
    }
}

fn set_enabled(events: &Events, request: &RuleName, enabled: bool) -> Result<Value, ApiError> {
    request.on_rule(events, |_| json!({}))?;
    events.set_enabled(&request.name, enabled);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ListTargets {
    rule: String,
    event_bus_name: Option<String>,
}

fn list_targets(events: &Events, request: ListTargets) -> Result<Value, ApiError> {
    let request = RuleName {
        name: request.rule,
        event_bus_name: request.event_bus_name,
    };
    request.on_rule(events, |put| {
        let targets = put.rule.targets.iter().enumerate().map(|(index, target)| {
            let mut entry = json!({"Id": format!("target-{index}"), "Arn": target.function_arn});
            if let Some(input) = &target.input {
                entry["Input"] = input.to_string().into();
            }
            entry
        });
        json!({"Targets": targets.collect::<Vec<_>>()})
    })
}

fn rule_json(events: &Events, put: &PutRule) -> Value {
    let mut rule = Map::new();
    rule.insert("Name".to_owned(), put.rule.name.clone().into());
    rule.insert("Arn".to_owned(), events.bus.rule_arn(&put.rule.name).into());
    let state = if put.enabled { "ENABLED" } else { "DISABLED" };
    rule.insert("State".to_owned(), state.into());
    rule.insert("EventBusName".to_owned(), "default".into());
    match &put.rule.trigger {
        Trigger::Pattern(pattern) => {
            rule.insert("EventPattern".to_owned(), pattern.to_string().into());
        }
        Trigger::Rate(interval) => {
            let expression = rate_expression(interval.as_secs() / 60);
            rule.insert("ScheduleExpression".to_owned(), expression.into());
        }
    }
    Value::Object(rule)
}

/// The largest unit that fits, singular for one (EventBridge user guide, "Rate expressions").
fn rate_expression(minutes: u64) -> String {
    let (value, unit) = match minutes {
        m if m % 1440 == 0 => (m / 1440, "day"),
        m if m % 60 == 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    let plural = if value == 1 { "" } else { "s" };
    format!("rate({value} {unit}{plural})")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    /// Seconds since 1970.
    time: Option<f64>,
    event_bus_name: Option<String>,
}

fn put_events(events: &Events, request: PutEvents) -> Result<Value, ApiError> {
    if !(1..=10).contains(&request.entries.len()) {
        let count = request.entries.len();
        return Err(ApiError::client(
            "ValidationException",
            format!(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have \
                 length between 1 and 10, not {count}"
            ),
        ));
    }
    let mut failed = 0;
    let mut answers = Vec::new();
    for entry in request.entries {
        answers.push(match put_event(events, entry)? {
            Ok(id) => json!({"EventId": id}),
            Err(error) => {
                failed += 1;
                json!({"ErrorCode": error.code, "ErrorMessage": error.message})
            }
        });
    }
    Ok(json!({"FailedEntryCount": failed, "Entries": answers}))
}

/// Puts one event. An entry that is wrong fails alone, inside the answer; only what the sandbox does not implement
/// refuses the request.
fn put_event(events: &Events, entry: Entry) -> Result<Result<String, ApiError>, ApiError> {
    default_bus(entry.event_bus_name.as_deref())?;
    let missing = |name: &str| {
        let text = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        Ok(Err(ApiError::client("InvalidArgument", text)))
    };
    let Some(source) = entry.source else {
        return missing("Source");
    };
    let Some(detail_type) = entry.detail_type else {
        return missing("DetailType");
    };
    let Some(detail) = entry.detail else {
        return missing("Detail");
    };
    if source.starts_with("aws.") {
        let text = "Not authorized for the source.";
        return Ok(Err(ApiError::client(
            "NotAuthorizedForSourceException",
            text,
        )));
    }
    let detail = match serde_json::from_str::<Value>(&detail) {
        Ok(detail) if detail.is_object() => detail,
        _ => {
            return Ok(Err(ApiError::client(
                "MalformedDetail",
                "Detail is malformed.",
            )));
        }
    };
    let id = events.bus.rng.uuid();
    let mut event = events
        .bus
        .event(&id, &source, &detail_type, &entry.resources, detail);
    if let Some(seconds) = entry.time {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an event's time is in whole seconds"
        )]
        let time = time::OffsetDateTime::from_unix_timestamp(seconds as i64);
        let Ok(time) = time else {
            return missing("Time");
        };
        event["time"] = iso_seconds(time).into();
    }
    events.deliver(&event);
    Ok(Ok(id))
}

fn default_bus(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        None | Some("default") => Ok(()),
        Some(name) if name.ends_with(":event-bus/default") => Ok(()),
        Some(name) => Err(ApiError::client(
            "ResourceNotFoundException",
            format!("Event bus {name} does not exist."),
        )),
    }
}

fn no_rule(name: &str) -> ApiError {
    ApiError::client(
        "ResourceNotFoundException",
        format!("Rule {name} does not exist on EventBus default."),
    )
}
