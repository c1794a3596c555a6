//! From a definition's text to its types, noting every problem on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::choice::{Rule, timestamp};
use super::data_flow::{DataFlow, ResultPath, Selector, Template};
use super::fields::{Fields, Problems};
use super::task;
use super::{Definition, Kind, Problem, Seconds, State, Text, Transition, Until};

/// No duration is longer (Developer Guide, TimeoutSeconds).
pub(super) const MAX_SECONDS: u64 = 99_999_999;

pub(super) fn definition(text: &str) -> Result<Definition, Vec<Problem>> {
    let problems = Problems::default();
    let parsed = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map)) => machine(Fields::new(map, "", &problems), &problems),
        Ok(_) => {
            problems.add("/".to_owned(), "The definition must be an object");
            None
        }
        Err(error) => {
            problems.add("/".to_owned(), format!("INVALID_JSON_DESCRIPTION: {error}"));
            None
        }
    };
    match (parsed, problems.into_vec()) {
        (Some(definition), problems) if problems.is_empty() => Ok(definition),
        (_, problems) => Err(problems),
    }
}

fn machine(mut fields: Fields<'_>, problems: &Problems) -> Option<Definition> {
    fields.string("Comment");
    let version = fields.string("Version");
    if version.is_some_and(|version| version != "1.0") {
        fields.problem_at("Version", "The value must be \"1.0\"");
    }
    query_language(&mut fields);
    let timeout_s = fields.integer("TimeoutSeconds", 1, MAX_SECONDS);
    let start_at = fields.required_string("StartAt");
    let states = fields.value("States");
    let mut parsed = BTreeMap::new();
    let mut names = BTreeSet::new();
    match states {
        Some(Value::Object(states)) if !states.is_empty() => {
            for (name, value) in states {
                names.insert(name.clone());
                let location = format!("/States/{name}");
                let Value::Object(map) = value else {
                    problems.add(location, "The value must be an object");
                    continue;
                };
                let name: Arc<str> = name.into();
                if let Some(state) = state(&name, Fields::new(map, &location, problems)) {
                    parsed.insert(name, state);
                }
            }
        }
        Some(_) => fields.problem_at(
            "States",
            "The value must be an object with at least one state",
        ),
        None => fields.problem("These fields are required: [States]"),
    }
    fields.finish();
    let start_at: Arc<str> = start_at?.into();
    // States that have problems of their own exist all the same; without any, that is the problem.
    let is_state = |name: &str| names.is_empty() || names.contains(name);
    let definition = Definition {
        start_at,
        timeout_s,
        states: parsed,
    };
    check_transitions(&definition, is_state, problems);
    Some(definition)
}

fn query_language(fields: &mut Fields<'_>) {
    let language = fields.string("QueryLanguage");
    if language.is_some_and(|language| language != "JSONPath") {
        fields.problem_at("QueryLanguage", "Only JSONPath is implemented");
    }
}

fn state(name: &Arc<str>, mut fields: Fields<'_>) -> Option<State> {
    if name.chars().count() > 80 {
        fields.problem("The name of a state must have at most 80 characters");
    }
    fields.string("Comment");
    query_language(&mut fields);
    let kind = fields.required_string("Type")?;
    let mut flow = DataFlow::default();
    if kind != "Fail" {
        flow.input_path = Selector::parse(&mut fields, "InputPath");
        flow.output_path = Selector::parse(&mut fields, "OutputPath");
    }
    if matches!(kind.as_str(), "Task" | "Pass") {
        flow.result_path = ResultPath::parse(&mut fields, "ResultPath");
        flow.parameters = template(&mut fields, "Parameters");
    }
    if kind == "Task" {
        flow.result_selector = template(&mut fields, "ResultSelector");
    }
    let kind = match kind.as_str() {
        "Task" => task::task(&mut fields, flow.parameters.as_ref()).map(Kind::Task),
        "Choice" => choice(&mut fields),
        "Pass" => Some(Kind::Pass {
            result: fields.value("Result"),
            transition: transition(&mut fields),
        }),
        "Wait" => wait(&mut fields),
        "Succeed" => Some(Kind::Succeed),
        "Fail" => Some(Kind::Fail {
            error: text(&mut fields, "Error", "ErrorPath"),
            cause: text(&mut fields, "Cause", "CausePath"),
        }),
        other => {
            fields.problem_at(
                "Type",
                format!("States of type {other} are not implemented"),
            );
            return None; // without the other fields' problems: they are the type's
        }
    };
    fields.finish();
    Some(State {
        name: Arc::clone(name),
        flow,
        kind: kind?,
    })
}

fn template(fields: &mut Fields<'_>, name: &str) -> Option<Template> {
    let value = fields.value(name)?;
    Some(Template::parse(value, fields, name))
}

pub(super) fn transition(fields: &mut Fields<'_>) -> Transition {
    let end = fields.boolean("End").unwrap_or(false);
    match (fields.string("Next"), end) {
        (Some(next), false) => Transition::Next(next.into()),
        (None, true) => Transition::End,
        _ => {
            fields.problem("A state needs either Next, or End with the value true");
            Transition::End
        }
    }
}

fn choice(fields: &mut Fields<'_>) -> Option<Kind> {
    let default = fields.string("Default").map(Into::into);
    if !fields.has("Choices") {
        fields.problem("These fields are required: [Choices]");
    }
    let rules = fields.objects("Choices")?;
    if rules.is_empty() {
        fields.problem_at("Choices", "The array must not be empty");
    }
    let mut choices = Vec::new();
    for mut rule_fields in rules {
        rule_fields.string("Comment");
        let next = rule_fields.required_string("Next");
        let rule = Rule::parse(&mut rule_fields);
        if rule.is_none() {
            rule_fields.problem("A choice rule needs And, Or, Not, or Variable and a comparison");
        }
        rule_fields.finish();
        choices.extend(rule.zip(next.map(Into::into)));
    }
    Some(Kind::Choice { choices, default })
}

fn wait(fields: &mut Fields<'_>) -> Option<Kind> {
    let given: Vec<Until> = [
        seconds(fields, "Seconds", "SecondsPath", 0).map(Until::Seconds),
        fields.value("Timestamp").and_then(|value| {
            let at = timestamp(&value);
            if at.is_none() {
                fields.problem_at("Timestamp", "The value must be an RFC 3339 timestamp");
            }
            at.map(Until::Timestamp)
        }),
        fields.reference("TimestampPath").map(Until::TimestampPath),
    ]
    .into_iter()
    .flatten()
    .collect();
    let transition = transition(fields);
    let Ok([until]) = <[Until; 1]>::try_from(given) else {
        fields.problem(
            "A Wait state needs exactly one of Seconds, SecondsPath, Timestamp, TimestampPath",
        );
        return None;
    };
    Some(Kind::Wait { until, transition })
}

/// A number of seconds from one of two fields.
pub(super) fn seconds(
    fields: &mut Fields<'_>,
    literal: &str,
    path: &str,
    at_least: u64,
) -> Option<Seconds> {
    if fields.has(literal) && fields.has(path) {
        fields.problem(format!("{literal} and {path} exclude each other"));
    }
    let from_path = fields.reference(path).map(Seconds::Path);
    fields
        .integer(literal, at_least, MAX_SECONDS)
        .map(Seconds::Literal)
        .or(from_path)
}

fn text(fields: &mut Fields<'_>, literal: &str, path: &str) -> Option<Text> {
    if fields.has(literal) && fields.has(path) {
        fields.problem(format!("{literal} and {path} exclude each other"));
    }
    let from_path = fields.expression(path).map(Text::Path);
    fields.string(literal).map(Text::Literal).or(from_path)
}

/// Every state that is named must exist.
fn check_transitions(
    definition: &Definition,
    is_state: impl Fn(&str) -> bool,
    problems: &Problems,
) {
    let check = |location: String, target: &Arc<str>| {
        if !is_state(target) {
            problems.add(
                location,
                format!("MISSING_TRANSITION_TARGET: Missing 'Next' target: {target}"),
            );
        }
    };
    check("/StartAt".to_owned(), &definition.start_at);
    for (name, state) in &definition.states {
        let at = |field: &str| format!("/States/{name}/{field}");
        match &state.kind {
            Kind::Task(task) => {
                for (index, catcher) in task.catchers.iter().enumerate() {
                    check(at(&format!("Catch/{index}/Next")), &catcher.next);
                }
                if let Transition::Next(next) = &task.transition {
                    check(at("Next"), next);
                }
            }
            Kind::Pass { transition, .. } | Kind::Wait { transition, .. } => {
                if let Transition::Next(next) = transition {
                    check(at("Next"), next);
                }
            }
            Kind::Choice { choices, default } => {
                for (index, (_, next)) in choices.iter().enumerate() {
                    check(at(&format!("Choices/{index}/Next")), next);
                }
                if let Some(default) = default {
                    check(at("Default"), default);
                }
            }
            Kind::Succeed | Kind::Fail { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let problems: Vec<String> = match definition(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(problems, expect);
    }

    fn with_state(state: &str) -> String {
        format!(r#"{{"StartAt": "S", "States": {{"S": {state}, "T": {{"Type": "Succeed"}}}}}}"#)
    }

    #[test]
    fn missing_states_are_named_as_aws_names_them() {
        check(
            r#"{"StartAt": "S"}"#,
            &["These fields are required: [States] at /"],
        );
        check(
            r#"{"StartAt": "S", "States": {"T": {"Type": "Pass", "Next": "U"}}}"#,
            &[
                "MISSING_TRANSITION_TARGET: Missing 'Next' target: S at /StartAt",
                "MISSING_TRANSITION_TARGET: Missing 'Next' target: U at /States/T/Next",
            ],
        );
    }

    #[test]
    fn all_problems_are_found_at_once_each_with_its_path() {
        check(
            &with_state(
                r#"{"Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:f", "Tries": 1, "Next": "U",
                    "Retry": [{"ErrorEquals": ["States.ALL", "X"], "Max": 1}, {"ErrorEquals": []}], "TimeoutSeconds": 5, "HeartbeatSeconds": 5,
                    "Parameters": {"a": [{"b.$": "c"}]}}"#,
            ),
            &[
                "'c' is not a JSONPath at /States/S/Parameters/a/0/b.$",
                "The resource arn:aws:lambda:us-east-1:1:function:f is not implemented at /States/S/Resource",
                "HeartbeatSeconds must be smaller than TimeoutSeconds at /States/S",
                "States.ALL must appear alone at /States/S/Retry/0/ErrorEquals",
                "Field is not supported at /States/S/Retry/0/Max",
                "The array must not be empty at /States/S/Retry/1/ErrorEquals",
                "States.ALL must be in the last retrier or catcher at /States/S/Retry/0/ErrorEquals",
                "Field is not supported at /States/S/Tries",
            ],
        );
    }

    #[test]
    fn what_is_not_implemented_is_refused_by_its_path() {
        check(
            &with_state(r#"{"Type": "Map"}"#),
            &["States of type Map are not implemented at /States/S/Type"],
        );
        let jsonata =
            r#"{"StartAt": "S", "QueryLanguage": "JSONata", "States": {"S": {"Type": "Succeed"}}}"#;
        check(jsonata, &["Only JSONPath is implemented at /QueryLanguage"]);
        check(
            &with_state(r#"{"Type": "Succeed", "QueryLanguage": "JSONata"}"#),
            &["Only JSONPath is implemented at /States/S/QueryLanguage"],
        );
        check(
            &with_state(r#"{"Type": "Pass", "Next": "T", "Assign": {}}"#),
            &["Field is not supported at /States/S/Assign"],
        );
        check(
            &with_state(r#"{"Type": "Pass", "Next": "T", "InputPath": "$$.Task.Token"}"#),
            &[
                "'$$.Task.Token': task tokens in the context object are not implemented at /States/S/InputPath",
            ],
        );
    }

    #[test]
    fn sns_publish_takes_only_the_parameters_that_are_implemented() {
        let task = r#"{"Type": "Task", "Resource": "arn:aws-cn:states:::sns:publish", "End": true, "Parameters": {"TopicArn": "t", "Message": "m",
            "PhoneNumber": "1", "MessageAttributes": {"n": {"DataType": "Binary", "BinaryValue": "AA"}}}}"#;
        check(
            &with_state(task),
            &[
                "The message attribute field is not implemented at /States/S/Parameters/MessageAttributes/n/BinaryValue",
                "Only the data type String is implemented at /States/S/Parameters/MessageAttributes/n/DataType",
                "The parameter is not implemented at /States/S/Parameters/PhoneNumber",
            ],
        );
    }

    #[test]
    fn a_fail_state_takes_a_text_or_a_path_but_not_both() {
        check(
            &with_state(
                r#"{"Type": "Fail", "ErrorPath": "$.e", "CausePath": "States.Format('{}', $.c)"}"#,
            ),
            &[],
        );
        check(
            &with_state(r#"{"Type": "Fail", "Error": "E", "ErrorPath": "$.e"}"#),
            &["Error and ErrorPath exclude each other at /States/S"],
        );
    }

    #[test]
    fn a_wait_state_waits_for_one_thing() {
        check(
            &with_state(r#"{"Type": "Wait", "Seconds": 1, "Next": "T"}"#),
            &[],
        );
        check(
            &with_state(r#"{"Type": "Wait", "Next": "T"}"#),
            &[
                "A Wait state needs exactly one of Seconds, SecondsPath, Timestamp, TimestampPath at /States/S",
            ],
        );
    }
}
