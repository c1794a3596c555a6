//! The Lambda service with functions in this process. Expectations are from the Lambda developer guide ("How Lambda
//! handles errors and retries with asynchronous invocation", "Capturing records of Lambda asynchronous invocations") and
//! API reference.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::lambda::{Code, FunctionConfig, FunctionError, FunctionStats};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::call::{Answer, call, function, handler, pass};
use crate::support::{aws, aws_with};

fn aws_with_concurrency(account_concurrency: usize) -> Aws {
    aws_with(&AwsConfig {
        account_concurrency,
        ..AwsConfig::default()
    })
}

fn failing(times: Arc<Mutex<Vec<(u64, String)>>>) -> Code {
    let started = Instant::now();
    handler(move |invocation| {
        let at = started.elapsed().as_secs();
        times.lock().unwrap().push((at, invocation.request_id));
        async {
            Err(FunctionError {
                error_type: "Broken".to_owned(),
                message: "as ever".to_owned(),
            })
        }
    })
}

fn taking(duration: Duration) -> Code {
    handler(move |_| async move {
        tokio::time::sleep(duration).await;
        Ok(json!("done"))
    })
}

fn stats(aws: &Aws, name: &str) -> FunctionStats {
    aws.lambda.stats().functions[name].clone()
}

async fn invoke(aws: &Aws, name: &str, invocation_type: &str, payload: &'static str) -> Answer {
    let path = format!("/2015-03-31/functions/{name}/invocations");
    let headers = [("x-amz-invocation-type", invocation_type)];
    call(aws, "lambda", ("POST", &path), &headers, payload).await
}

/// Fails an event of `config` for good, and returns its record and when its invocations were.
async fn record_of(config: impl FnOnce(FunctionConfig) -> FunctionConfig) -> (Value, Vec<u64>) {
    let aws = aws();
    let queue_arn = aws.sqs.create_queue("failed");
    let calls = Arc::default();
    let function = function("f", failing(Arc::clone(&calls)));
    let arn = aws.lambda.create_function(config(FunctionConfig {
        on_failure_arn: Some(queue_arn.clone()),
        ..function
    }));
    let request_id = aws.lambda.invoke_async(&arn, "{\"n\": 1}".into()).unwrap();
    pass(600).await;
    let calls = calls.lock().unwrap().clone();
    assert!(
        calls.iter().all(|(_, id)| *id == request_id),
        "a retry has the same request id"
    );
    let bodies = aws.sqs.bodies(&queue_arn);
    assert_eq!(bodies.len(), 1);
    let mut record: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(
        record["requestContext"]["requestId"].take(),
        request_id.as_str()
    );
    assert_eq!(stats(&aws, "f").queued, 0);
    (record, calls.into_iter().map(|(at, _)| at).collect())
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_retried_after_one_and_two_minutes_then_recorded() {
    let (record, times) = record_of(|config| config).await;
    assert_eq!(times, [0, 60, 180]);
    assert_eq!(
        record,
        json!({
            "version": "1.0",
            "timestamp": "2026-11-01T12:03:00.000Z",
            "requestContext": {
                "requestId": null,
                "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": {"n": 1},
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "responsePayload": {"errorType": "Broken", "errorMessage": "as ever"},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn without_retries_one_failure_is_enough() {
    let (record, times) = record_of(|config| FunctionConfig {
        max_retries: 0,
        ..config
    })
    .await;
    assert_eq!(times, [0]);
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_beyond_the_maximum_age_is_not_made() {
    let (record, times) = record_of(|config| FunctionConfig {
        max_event_age: Duration::from_secs(100),
        ..config
    })
    .await;
    assert_eq!(times, [0, 60]);
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(record["responsePayload"]["errorType"], "Broken");
}

#[tokio::test(start_paused = true)]
async fn reserved_concurrency_zero_sends_events_straight_to_the_destination() {
    let (record, times) = record_of(|config| FunctionConfig {
        reserved_concurrency: Some(0),
        ..config
    })
    .await;
    assert_eq!(times, [0; 0]);
    assert_eq!(record["timestamp"], "2026-11-01T12:00:00.000Z");
    assert_eq!(
        record["requestContext"]["condition"],
        "ZeroReservedConcurrency"
    );
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
    assert!(record.get("responseContext").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_event_waits_until_its_maximum_age() {
    let aws = aws_with_concurrency(1);
    let queue_arn = aws.sqs.create_queue("failed");
    let arn = aws.lambda.create_function(FunctionConfig {
        timeout: Duration::from_secs(900),
        max_event_age: Duration::from_secs(60),
        on_failure_arn: Some(queue_arn.clone()),
        ..function("f", taking(Duration::from_secs(600)))
    });
    aws.lambda.invoke_async(&arn, "1".into()).unwrap();
    aws.lambda.invoke_async(&arn, "2".into()).unwrap();
    pass(59).await;
    assert_eq!(aws.sqs.bodies(&queue_arn).len(), 0);
    // Tried at 0 s, then after 1, 2, 4, 8, 16 more.
    assert_eq!(stats(&aws, "f").throttles, 6);
    pass(2).await;
    let record: Value = serde_json::from_str(&aws.sqs.bodies(&queue_arn)[0]).unwrap();
    assert_eq!(record["timestamp"], "2026-11-01T12:01:00.000Z");
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(record["requestPayload"], 2);
    assert_eq!(stats(&aws, "f").running, 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_events_with_ten_at_once_are_done_in_order_and_without_pause() {
    let aws = aws_with_concurrency(10);
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let started = Instant::now();
    let code = handler(move |invocation| {
        seen.lock()
            .unwrap()
            .push(invocation.payload.as_u64().unwrap());
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Value::Null)
        }
    });
    let arn = aws.lambda.create_function(function("f", code));
    for n in 0..1000_u64 {
        aws.lambda.invoke_async(&arn, n.to_string().into()).unwrap();
    }
    while stats(&aws, "f").queued > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(started.elapsed().as_secs(), 100);
    assert_eq!(*order.lock().unwrap(), (0..1000).collect::<Vec<u64>>());
    let stats = aws.lambda.stats();
    assert_eq!((stats.running, stats.running_peak), (0, 10));
    assert_eq!(stats.functions["f"].invocations, 1000);
    assert_eq!(stats.functions["f"].running_peak, 10);
}

#[tokio::test(start_paused = true)]
async fn reserved_concurrency_is_both_a_limit_and_a_right() {
    let aws = aws_with_concurrency(5);
    let reserved = aws.lambda.create_function(FunctionConfig {
        reserved_concurrency: Some(2),
        ..function("reserved", taking(Duration::from_secs(1)))
    });
    let open = aws
        .lambda
        .create_function(function("open", taking(Duration::from_secs(1))));
    for _ in 0..6 {
        aws.lambda.invoke_async(&open, "{}".into()).unwrap();
        aws.lambda.invoke_async(&reserved, "{}".into()).unwrap();
    }
    pass(10).await;
    assert_eq!(stats(&aws, "reserved").running_peak, 2);
    assert_eq!(stats(&aws, "open").running_peak, 3);
    assert_eq!(stats(&aws, "reserved").invocations, 6);
    assert_eq!(aws.lambda.stats().running_peak, 5);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_replaced_runs_its_new_code_at_the_retry() {
    let aws = aws();
    let arn = aws
        .lambda
        .create_function(function("f", failing(Arc::default())));
    aws.lambda.invoke_async(&arn, "{}".into()).unwrap();
    pass(1).await;
    let done = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&done);
    let code = handler(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(Value::Null) }
    });
    assert_eq!(aws.lambda.create_function(function("f", code)), arn);
    pass(600).await;
    assert_eq!(done.load(Ordering::Relaxed), 1);
    assert_eq!(
        (stats(&aws, "f").invocations, stats(&aws, "f").errors),
        (2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_drops_the_handler_and_says_so() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let aws = aws();
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&drops);
    let code = handler(move |_| {
        let guard = Dropped(Arc::clone(&counted));
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    aws.lambda.create_function(function("f", code));
    let started = Instant::now();
    let answer = invoke(&aws, "f", "RequestResponse", "{}").await;
    assert_eq!(started.elapsed().as_secs(), 3);
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("x-amz-function-error"), "Unhandled");
    let error = answer.json();
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("RequestId: "), "{message}");
    assert!(
        message.ends_with(" Error: Task timed out after 3.00 seconds"),
        "{message}"
    );
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(aws.lambda.stats().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_has_crashed_and_its_slot_is_free() {
    let aws = aws_with_concurrency(1);
    let code = handler(|invocation| async move {
        assert_ne!(invocation.payload, json!("die"), "this test's crash");
        Ok(json!("alive"))
    });
    aws.lambda.create_function(function("f", code));
    let answer = invoke(&aws, "f", "RequestResponse", "\"die\"").await;
    assert_eq!(answer.json()["errorType"], "Runtime.ExitError");
    let answer = invoke(&aws, "f", "RequestResponse", "1").await;
    assert_eq!(
        (answer.json(), answer.header("x-amz-function-error")),
        (json!("alive"), "")
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_knows_its_deadline_and_function() {
    let aws = aws();
    let code = handler(|call| async move { Ok(json!([call.deadline_ms, call.function_arn])) });
    let arn = aws.lambda.create_function(function("f", code));
    let answer = invoke(&aws, "f", "RequestResponse", "{}").await;
    assert_eq!(answer.json(), json!([aws.clock.now_ms() + 3000, arn]));
}

#[tokio::test(start_paused = true)]
async fn invocation_types_answer_as_documented() {
    let aws = aws_with_concurrency(1);
    let arn = aws
        .lambda
        .create_function(function("f", taking(Duration::from_secs(1))));
    let dry = invoke(&aws, "f", "DryRun", "{}").await;
    assert_eq!(dry.status, StatusCode::NO_CONTENT);
    let sync = invoke(&aws, &arn, "RequestResponse", "{}").await;
    assert_eq!((sync.status, sync.json()), (StatusCode::OK, json!("done")));
    assert_eq!(sync.header("x-amz-executed-version"), "$LATEST");
    let event = invoke(&aws, "f", "Event", "{}").await;
    assert_eq!(
        (event.status, event.text.as_str()),
        (StatusCode::ACCEPTED, "")
    );
    tokio::task::yield_now().await;
    let throttled = invoke(&aws, "f", "RequestResponse", "{}").await;
    assert_eq!(throttled.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        throttled.header("x-amzn-errortype"),
        "TooManyRequestsException"
    );
    pass(2).await;
    assert_eq!(stats(&aws, "f").invocations, 2);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_outlives_the_caller_that_hangs_up() {
    let aws = aws();
    aws.lambda
        .create_function(function("f", taking(Duration::from_secs(2))));
    let caller = invoke(&aws, "f", "RequestResponse", "{}");
    assert!(
        tokio::time::timeout(Duration::from_secs(1), caller)
            .await
            .is_err()
    );
    assert_eq!(stats(&aws, "f").running, 1);
    pass(2).await;
    assert_eq!((stats(&aws, "f").running, stats(&aws, "f").errors), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn errors_have_the_documented_codes() {
    let aws = aws();
    aws.lambda
        .create_function(function("f", taking(Duration::ZERO)));
    let missing = invoke(&aws, "none", "Event", "{}").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(
        missing.header("x-amzn-errortype"),
        "ResourceNotFoundException"
    );
    assert_eq!(
        missing.json()["Message"],
        "Function not found: arn:aws:lambda:us-east-1:123456789012:function:none"
    );
    let broken = invoke(&aws, "f", "Event", "{").await;
    assert_eq!(
        broken.header("x-amzn-errortype"),
        "InvalidRequestContentException"
    );
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let full = format!("\"{}\"", "x".repeat((1 << 20) - 2));
    aws.lambda.invoke_async(arn, full.into()).unwrap();
    let over = format!("\"{}\"", "x".repeat((1 << 20) - 1));
    let error = aws.lambda.invoke_async(arn, over.into()).unwrap_err();
    assert_eq!(
        (error.status.as_u16(), error.code.as_str()),
        (413, "RequestTooLargeException")
    );
}

#[tokio::test(start_paused = true)]
async fn functions_are_told_over_the_wire() {
    let aws = aws();
    for n in 0..51 {
        aws.lambda
            .create_function(function(&format!("f{n:02}"), taking(Duration::ZERO)));
    }
    let get = async |path: &str| {
        let path = format!("/2015-03-31/functions{path}");
        call(&aws, "lambda", ("GET", &path), &[], "").await
    };
    let page = get("/").await.json();
    assert_eq!(page["Functions"].as_array().unwrap().len(), 50);
    let last = get(&format!(
        "/?Marker={}",
        page["NextMarker"].as_str().unwrap()
    ))
    .await
    .json();
    assert_eq!(last["Functions"][0]["FunctionName"], "f50");
    assert!(last.get("NextMarker").is_none());
    let one = get("/f07").await.json();
    assert_eq!(one["Configuration"]["Timeout"], 3);
    assert_eq!(get("/f07/configuration").await.json(), one["Configuration"]);
    let refused = get("/f07/policy").await;
    assert_eq!(refused.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(
        refused.json()["Message"],
        "the sandbox does not implement Lambda GET /2015-03-31/functions/f07/policy"
    );
}
