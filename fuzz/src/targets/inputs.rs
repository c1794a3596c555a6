//! What executions are started with, by whomever, and what the activity's tasks bring.

use workflow::contract::TaskInput;
use workflow::event::ExecutionInput;
use workflow::names;

use super::{Outcome, Target, check_error, check_same, must, written};

pub(super) const TARGET: Target = Target {
    name: "inputs",
    what: "inputs of executions and of activity tasks",
    folders: &["fuzz/corpus/inputs"],
    words: &[
        "null",
        "bucket",
        "key",
        "versionId",
        "etag",
        "sizeBytes",
        "\"\"",
        "retryCount",
        "video",
    ],
    check,
};

fn check(input: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(input) else {
        return Outcome::Refused;
    };
    let execution = match ExecutionInput::parse(text) {
        Ok(input) => Some(input),
        Err(error) => {
            check_error(&error);
            None
        }
    };
    if let Some(input) = &execution {
        check_input(input);
    }
    let task: Option<TaskInput> = serde_json::from_str(text).ok();
    if let Some(task) = &task {
        let read = must(serde_json::from_str::<TaskInput>(&written(task)), "a task");
        check_same(&read, task, "a task is read back");
        check_same(&read.rank(), &task.rank(), "its rank");
    }
    if execution.is_some() || task.is_some() {
        Outcome::Accepted
    } else {
        Outcome::Refused
    }
}

fn check_input(input: &ExecutionInput) {
    let canonical = input.canonical_json();
    let read = must(ExecutionInput::parse(&canonical), "canonical JSON");
    check_same(&read, input, "canonical JSON");
    assert_eq!(read.canonical_json(), canonical);
    let name = input.execution_name();
    assert!(names::is_execution_name(&name), "{name}");
    let key = names::record_key(&name);
    assert_eq!(names::parse_record_key(&key), Some(name.as_str()));
    assert!(names::head_key(&input.key).len() <= 1024);
}
