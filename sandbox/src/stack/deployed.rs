//! What Terraform must deploy: `terraform/tests/stack.json` describes the sandbox's stack at AWS's own pace, and the tests of
//! Terraform compare their plans with it. So neither can change without the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::durations::Durations;
use super::{Function, Stack, StackOptions};
use crate::account::Account;
use crate::events::{Rule, Trigger};
use crate::lambda::Code;

#[test]
fn terraform_is_told_of_every_change_of_the_stack() {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../terraform/tests/stack.json"
    ));
    let told = fs::read_to_string(&path).unwrap_or_default();
    let stack = Stack::new(&Account::default(), StackOptions::default());
    let described = format!("{:#}\n", describe(&stack));
    if told != described {
        let new = std::env::temp_dir().join("reelgate-stack.json");
        fs::write(&new, described).unwrap();
        panic!(
            "the sandbox's stack is another than terraform/tests/stack.json says. If that is meant: mv {} \
             terraform/tests/stack.json, then change terraform/ until `just tf-check` passes",
            new.display()
        );
    }
}

fn describe(stack: &Stack) -> Value {
    let durations = Durations::new(1.0);
    let definition = stack.definition(&durations).unwrap();
    let subscriptions: BTreeMap<_, _> = stack
        .subscriptions()
        .into_iter()
        .map(|(topic_arn, subscription)| {
            let described = json!({
                "function_arn": subscription.endpoint_arn,
                "dead_letter_queue_arn": subscription.dead_letter_queue_arn,
            });
            (topic_arn.to_owned(), described)
        })
        .collect();
    let functions = Function::ALL.map(|function| {
        (
            function.name(),
            describe_function(stack, function, &durations),
        )
    });
    let rules = stack
        .rules(&durations)
        .map(|rule| (rule.name.clone(), describe_rule(stack, rule)));
    json!({
        "functions": BTreeMap::from(functions),
        "rules": BTreeMap::from(rules),
        "slots_max": workflow::names::SLOTS_MAX,
        "state_machine": serde_json::from_str::<Value>(&definition).unwrap(),
        "subscriptions": subscriptions,
        "topics": [&stack.raw_uploads_topic_arn, &stack.moderation_results_topic_arn, &stack.decisions_topic_arn],
    })
}

fn describe_function(stack: &Stack, function: Function, durations: &Durations) -> Value {
    // What it runs does not matter here.
    let code = Code::Program {
        program: PathBuf::new(),
        arguments: Vec::new(),
    };
    let config = stack.function(function, code, 1.0, durations);
    json!({
        "name": config.name,
        "memory_mb": config.memory_mb,
        "timeout_s": config.timeout.as_secs(),
        "max_retries": config.max_retries,
        "max_event_age_s": config.max_event_age.as_secs(),
        "on_failure_queue_arn": config.on_failure_arn,
        "environment": config.environment,
    })
}

fn describe_rule(stack: &Stack, rule: Rule) -> Value {
    let targets: BTreeMap<_, _> = rule
        .targets
        .into_iter()
        .map(|target| {
            let function = Function::ALL
                .into_iter()
                .find(|function| stack.function_arn(*function) == target.function_arn);
            (function.unwrap().name(), target.input)
        })
        .collect();
    match rule.trigger {
        Trigger::Rate(every) => json!({"every_s": every.as_secs(), "targets": targets}),
        Trigger::Pattern(pattern) => json!({"pattern": pattern, "targets": targets}),
    }
}
