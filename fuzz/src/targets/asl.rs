//! State machines: a definition that is taken runs as it says, or fails by an error's name.

use std::time::Duration;

use sandbox::sfn::definition_problems;
use serde_json::{Value, json};

use super::wire::{Lab, in_simulated_time};
use super::{Outcome, Target, check_same};

pub(super) const TARGET: Target = Target {
    name: "asl",
    what: "state machines, their paths and intrinsic functions, and what they run on",
    folders: &["fuzz/corpus/asl"],
    words: &[
        "$",
        "$.a",
        "$.a[0]",
        "$.a[*]",
        "$..b",
        "$.a[-1:]",
        "$$",
        "$$.Execution.Input",
        "$$.State.RetryCount",
        "States.Format('{}-\\{', $.a)",
        "States.ArrayRange(0, 1000000, 1)",
        "States.ArrayPartition($.a, 0)",
        "States.ArrayGetItem($.a, -1)",
        "States.MathRandom(0, 0)",
        "States.MathAdd(9223372036854775807, 1)",
        "States.Base64Decode('%')",
        "States.Hash($.a, 'SHA-1')",
        "States.StringSplit('', '')",
        "States.JsonMerge($, $, true)",
        "States.StringToJson('[')",
        "States.UUID()",
        "States.ALL",
        "States.Timeout",
        "Next",
        "End",
        "Default",
        "ResultPath",
        "InputPath",
        "SecondsPath",
        "IsPresent",
        "StringMatches",
        "Retry",
        "Catch",
    ],
    check,
};

/// Simulated time that an execution may take: waits and timeouts are as long as 99,999,999 s.
const PATIENCE: Duration = Duration::from_hours(1);

fn check(input: &[u8]) -> Outcome {
    let Ok(Value::Object(case)) = serde_json::from_slice::<Value>(input) else {
        return Outcome::Refused;
    };
    let definition = match case.get("definition") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => return Outcome::Refused,
    };
    let definition = definition.replace(
        "${activity_arn}",
        "arn:aws:states:us-east-1:123456789012:activity:work",
    );
    let problems = definition_problems(&definition);
    for problem in &problems {
        assert!(problem.location.starts_with('/'), "{problem:?}");
        assert!(!problem.message.is_empty(), "{problem:?}");
    }
    let given = case.get("input").cloned().unwrap_or_default();
    let answer = case.get("answer").cloned().unwrap_or_default();
    let run = || in_simulated_time(run(&definition, &given, &answer));
    let history = run();
    check_same(&run(), &history, "run twice");
    match history {
        None => {
            assert!(!problems.is_empty(), "refused without a reason");
            Outcome::Refused
        }
        Some(history) => {
            assert!(problems.is_empty(), "taken with {problems:?}");
            check_end(&history);
            Outcome::Accepted
        }
    }
}

/// What came of an execution, and its last events; None if the definition was refused.
async fn run(definition: &str, input: &Value, answer: &Value) -> Option<Value> {
    let lab = Lab::new();
    let activity_arn = lab.aws.sfn.create_activity("work");
    let machine = lab.aws.sfn.create_state_machine("machine", definition);
    let machine_arn = match machine {
        Ok(arn) => arn,
        Err(error) => {
            assert_eq!(error.code, "InvalidDefinition", "{error}");
            return None;
        }
    };
    let start = json!({"stateMachineArn": machine_arn, "name": "run", "input": input.to_string()});
    let started = lab
        .json("states", "AWSStepFunctions.StartExecution", &start)
        .await;
    let arn = started["executionArn"].clone();
    // Whoever works on the activity answers twice, so that a retry is answered too.
    for _ in 0..2 {
        let poll = json!({"activityArn": activity_arn});
        let task = lab
            .json("states", "AWSStepFunctions.GetActivityTask", &poll)
            .await;
        let Some(token) = task["taskToken"].as_str() else {
            continue;
        };
        let (operation, sent) = match answer.get("error") {
            Some(error) => (
                "SendTaskFailure",
                json!({"taskToken": token, "error": error, "cause": "told to"}),
            ),
            None => (
                "SendTaskSuccess",
                json!({"taskToken": token, "output": answer.to_string()}),
            ),
        };
        lab.json("states", &format!("AWSStepFunctions.{operation}"), &sent)
            .await;
    }
    tokio::time::sleep(PATIENCE).await;
    let of_execution = json!({"executionArn": arn, "reverseOrder": true, "maxResults": 20});
    let described = lab
        .json(
            "states",
            "AWSStepFunctions.DescribeExecution",
            &json!({"executionArn": arn}),
        )
        .await;
    let history = lab
        .json(
            "states",
            "AWSStepFunctions.GetExecutionHistory",
            &of_execution,
        )
        .await;
    Some(json!({"execution": described, "events": history["events"]}))
}

/// An execution that ended says how; one that runs waits for something.
fn check_end(history: &Value) {
    let (execution, last) = (&history["execution"], &history["events"][0]["type"]);
    let last = last.as_str().unwrap_or_default();
    match execution["status"].as_str() {
        Some("SUCCEEDED") => {
            assert_eq!(last, "ExecutionSucceeded", "{history}");
            let output = execution["output"].as_str().unwrap_or_default();
            assert!(serde_json::from_str::<Value>(output).is_ok(), "{history}");
        }
        Some("FAILED") => assert_eq!(last, "ExecutionFailed", "{history}"),
        Some("TIMED_OUT") => assert_eq!(last, "ExecutionTimedOut", "{history}"),
        Some("RUNNING") => {
            let waits = ["WaitStateEntered", "ActivityScheduled", "ActivityStarted"];
            let retries = last.ends_with("Failed") || last.ends_with("TimedOut");
            assert!(waits.contains(&last) || retries, "{history}");
        }
        _ => panic!("{history}"),
    }
}
