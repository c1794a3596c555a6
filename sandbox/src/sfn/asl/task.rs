//! Parsing of Task states.

use super::data_flow::{ResultPath, Template};
use super::fields::Fields;
use super::parse::{MAX_SECONDS, seconds, transition};
use super::retry::Retrier;
use super::{Catcher, Resource, Seconds, Task};

/// MaxDelaySeconds is less than this (Developer Guide, fields of a retrier).
const MAX_DELAY_S: u64 = 31_622_400;

pub(super) fn task(fields: &mut Fields<'_>, parameters: Option<&Template>) -> Option<Task> {
    let resource = fields.required_string("Resource").and_then(|arn| {
        let resource = resource(&arn);
        if resource.is_none() {
            fields.problem_at("Resource", format!("The resource {arn} is not implemented"));
        }
        resource
    });
    if resource == Some(Resource::SnsPublish) {
        check_publish(fields, parameters);
    }
    let timeout = seconds(fields, "TimeoutSeconds", "TimeoutSecondsPath", 1);
    let heartbeat = seconds(fields, "HeartbeatSeconds", "HeartbeatSecondsPath", 1);
    if let (Some(Seconds::Literal(timeout_s)), Some(Seconds::Literal(heartbeat_s))) =
        (&timeout, &heartbeat)
        && heartbeat_s >= timeout_s
    {
        fields.problem("HeartbeatSeconds must be smaller than TimeoutSeconds");
    }
    let retriers = retriers(fields);
    let catchers = catchers(fields);
    Some(Task {
        transition: transition(fields),
        resource: resource?,
        timeout,
        heartbeat,
        retriers,
        catchers,
    })
}

/// Any partition will do: `arn:aws:`, `arn:aws-cn:`, `arn:aws-us-gov:`.
fn resource(arn: &str) -> Option<Resource> {
    match arn.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "states", "", "", "sns:publish"] => Some(Resource::SnsPublish),
        ["arn", _, "states", _, _, resource] if resource.starts_with("activity:") => {
            Some(Resource::Activity(arn.into()))
        }
        _ => None,
    }
}

fn retriers(fields: &mut Fields<'_>) -> Vec<Retrier> {
    let Some(objects) = fields.objects("Retry") else {
        return Vec::new();
    };
    let retriers: Vec<Retrier> = objects.into_iter().map(retrier).collect();
    check_order(
        fields,
        "Retry",
        retriers.iter().map(|retrier| &retrier.errors),
    );
    retriers
}

fn retrier(mut fields: Fields<'_>) -> Retrier {
    let errors = errors(&mut fields);
    let interval_s = fields.integer("IntervalSeconds", 1, MAX_SECONDS);
    let max_attempts = fields.integer("MaxAttempts", 0, MAX_SECONDS);
    let backoff_rate = fields.number("BackoffRate", 1.0);
    let max_delay_s = fields.integer("MaxDelaySeconds", 1, MAX_DELAY_S);
    let full_jitter = match fields.string("JitterStrategy").as_deref() {
        None | Some("NONE") => false,
        Some("FULL") => true,
        Some(_) => {
            fields.problem_at("JitterStrategy", "The value must be FULL or NONE");
            false
        }
    };
    fields.string("Comment");
    fields.finish();
    Retrier {
        errors,
        interval_s: interval_s.unwrap_or(1),
        max_attempts: max_attempts.unwrap_or(3),
        backoff_rate: backoff_rate.unwrap_or(2.0),
        max_delay_s,
        full_jitter,
    }
}

fn catchers(fields: &mut Fields<'_>) -> Vec<Catcher> {
    let Some(objects) = fields.objects("Catch") else {
        return Vec::new();
    };
    let catchers: Vec<Catcher> = objects.into_iter().filter_map(catcher).collect();
    check_order(
        fields,
        "Catch",
        catchers.iter().map(|catcher| &catcher.errors),
    );
    catchers
}

fn catcher(mut fields: Fields<'_>) -> Option<Catcher> {
    let errors = errors(&mut fields);
    let result_path = ResultPath::parse(&mut fields, "ResultPath");
    let next = fields.required_string("Next");
    fields.string("Comment");
    fields.finish();
    Some(Catcher {
        errors,
        result_path,
        next: next?.into(),
    })
}

fn errors(fields: &mut Fields<'_>) -> Vec<String> {
    if !fields.has("ErrorEquals") {
        fields.problem("These fields are required: [ErrorEquals]");
        return Vec::new();
    }
    let errors = fields.strings("ErrorEquals").unwrap_or_default();
    if errors.is_empty() {
        fields.problem_at("ErrorEquals", "The array must not be empty");
    }
    if errors.len() > 1 && errors.iter().any(|error| error == "States.ALL") {
        fields.problem_at("ErrorEquals", "States.ALL must appear alone");
    }
    errors
}

fn check_order<'e>(
    fields: &Fields<'_>,
    list: &str,
    entries: impl DoubleEndedIterator<Item = &'e Vec<String>> + ExactSizeIterator,
) {
    let count = entries.len();
    for (at, errors) in entries.enumerate() {
        if at + 1 < count && errors.iter().any(|error| error == "States.ALL") {
            fields.problem_at(
                &format!("{list}/{at}/ErrorEquals"),
                "States.ALL must be in the last retrier or catcher",
            );
        }
    }
}

/// Refuses what `sns:publish` takes on AWS but not here.
fn check_publish(fields: &Fields<'_>, parameters: Option<&Template>) {
    let Some(Template::Object(given)) = parameters else {
        return;
    };
    for (name, value) in given {
        match name.as_str() {
            "TopicArn" | "Message" | "Subject" => {}
            "MessageAttributes" => check_attributes(fields, value),
            other => fields.problem_at(
                &format!("Parameters/{other}"),
                "The parameter is not implemented",
            ),
        }
    }
}

fn check_attributes(fields: &Fields<'_>, attributes: &Template) {
    let Template::Object(attributes) = attributes else {
        return;
    };
    for (name, attribute) in attributes {
        let at = |field: &str| format!("Parameters/MessageAttributes/{name}/{field}");
        let Template::Object(given) = attribute else {
            continue;
        };
        for (field, value) in given {
            match (field.as_str(), value) {
                ("StringValue", _) | ("DataType", Template::Computed { .. }) => {}
                ("DataType", Template::Literal(kind)) if kind == "String" => {}
                ("DataType", _) => {
                    fields.problem_at(&at(field), "Only the data type String is implemented");
                }
                _ => {
                    fields.problem_at(&at(field), "The message attribute field is not implemented");
                }
            }
        }
    }
}
