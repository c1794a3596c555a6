//! Functions that are real processes, started by the service, against the Runtime API behind its real socket.
//!
//! The processes are this very test program: started with `processes::as_a_function` as its only test, it is a function
//! built on the `lambda_runtime` crate, as the deployed ones are. Time is real here; every wait is for a condition.

use std::time::Duration;

use http::StatusCode;
use lambda_runtime::{LambdaEvent, service_fn};
use sandbox::account::Account;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::clock::Clock;
use sandbox::lambda::{Code, FunctionConfig, LogLine, LogSink};
use sandbox::rng::SharedRng;
use sandbox::server::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::call::{Answer, call, function};

/// In the test run itself there is no Runtime API, and nothing to do.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the configuration of a function's process"
)]
async fn as_a_function() {
    match std::env::var("MODE").as_deref() {
        Ok("serve") => lambda_runtime::run(service_fn(serve)).await.unwrap(),
        Ok("exit") => std::process::exit(7),
        Ok("wait") => std::future::pending().await,
        _ => assert!(std::env::var("AWS_LAMBDA_RUNTIME_API").is_err()),
    }
}

async fn serve(event: LambdaEvent<Value>) -> Result<Value, std::io::Error> {
    match event.payload["do"].as_str() {
        Some("fail") => Err(std::io::Error::other("told to fail")),
        Some("exit") => std::process::exit(3),
        Some("hang") => std::future::pending().await,
        _ => {
            eprintln!("echoing {}", event.payload);
            let environment: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
            Ok(json!({
                "event": event.payload,
                "request_id": event.context.request_id,
                "arn": event.context.invoked_function_arn,
                "deadline_ms": event.context.deadline,
                "memory_mb": event.context.env_config.memory,
                "environment": environment,
                "process": std::process::id(),
            }))
        }
    }
}

struct Running {
    server: Server,
    aws: Aws,
    log: UnboundedReceiver<LogLine>,
}

async fn running() -> Running {
    let clock = Clock::new(time::OffsetDateTime::now_utc(), 1.0);
    let account = Account::default();
    let aws = Aws::new(account, clock, SharedRng::seeded(1), &AwsConfig::default());
    let (sender, log) = tokio::sync::mpsc::unbounded_channel();
    aws.lambda.set_log_sink(LogSink::Channel(sender));
    let server = Server::start(aws.clone(), 0).await.unwrap();
    Running { server, aws, log }
}

impl Running {
    fn create(&self, mode: &str, timeout: Duration) {
        let code = Code::Program {
            program: std::env::current_exe().unwrap(),
            arguments: ["processes::as_a_function", "--exact", "--nocapture"]
                .map(str::to_owned)
                .to_vec(),
        };
        self.aws.lambda.create_function(FunctionConfig {
            timeout,
            environment: [("MODE".to_owned(), mode.to_owned())].into(),
            ..function("f", code)
        });
    }

    async fn invoke(&self, payload: &'static str) -> Answer {
        let path = ("POST", "/2015-03-31/functions/f/invocations");
        call(&self.aws, "lambda", path, &[], payload).await
    }

    fn environments(&self) -> usize {
        self.aws.lambda.stats().functions["f"].environments
    }

    fn cold_starts(&self) -> u64 {
        self.aws.lambda.stats().functions["f"].cold_starts
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_process_gets_its_event_and_is_used_again() {
    let mut running = running().await;
    running.create("serve", LONG);
    let before_ms = running.aws.clock.now_ms();
    let first = running.invoke("{\"a\": [1, \"é\"]}").await;
    let answer = first.json();
    assert_eq!(answer["event"], json!({"a": [1, "é"]}));
    assert_eq!(
        answer["arn"],
        "arn:aws:lambda:us-east-1:123456789012:function:f"
    );
    assert_eq!(answer["memory_mb"], 128);
    let deadline_ms = answer["deadline_ms"].as_i64().unwrap();
    assert!((before_ms + 60_000..=running.aws.clock.now_ms() + 60_000).contains(&deadline_ms));
    let second = running.invoke("{}").await.json();
    assert_eq!(second["process"], answer["process"]);
    assert_ne!(second["request_id"], answer["request_id"]);
    assert_eq!(running.cold_starts(), 1);
    let mut lines = Vec::new();
    while !lines.iter().any(|line: &String| line == "echoing {}") {
        let line = running.log.recv().await.unwrap();
        assert_eq!(line.function, "f");
        lines.push(line.text);
    }
    assert!(
        lines.contains(&"echoing {\"a\":[1,\"é\"]}".to_owned()),
        "{lines:?}"
    );
    running.server.shut_down().await;
}

#[tokio::test]
async fn a_process_sees_the_environment_that_lambda_documents_and_nothing_else() {
    let running = running().await;
    running.create("serve", LONG);
    let answer = running.invoke("{}").await.json();
    let names: Vec<_> = answer["environment"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_str().unwrap())
        .collect();
    let mut names: Vec<_> = names
        .into_iter()
        .filter(|name| *name != "_X_AMZN_TRACE_ID")
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_DEFAULT_REGION",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "LAMBDA_RUNTIME_DIR",
            "LAMBDA_TASK_ROOT",
            "LANG",
            "MODE",
            "PATH",
            "TZ",
            "_HANDLER",
        ]
    );
    running.server.shut_down().await;
}

#[tokio::test]
async fn an_error_of_the_function_keeps_its_environment() {
    let running = running().await;
    running.create("serve", LONG);
    let failed = running.invoke("{\"do\": \"fail\"}").await;
    assert_eq!(failed.status, StatusCode::OK);
    assert_eq!(failed.header("x-amz-function-error"), "Unhandled");
    assert_eq!(failed.json()["errorMessage"], "told to fail");
    assert!(running.invoke("{}").await.json()["process"].is_u64());
    assert_eq!(running.cold_starts(), 1);
    running.server.shut_down().await;
}

#[tokio::test]
async fn a_process_that_exits_or_outlives_its_timeout_is_replaced() {
    let running = running().await;
    running.create("serve", LONG);
    let exited = running.invoke("{\"do\": \"exit\"}").await.json();
    assert_eq!(exited["errorType"], "Runtime.ExitError");
    let message = exited["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Error: Runtime exited with error: exit status 3"),
        "{message}"
    );
    assert!(running.invoke("{}").await.json()["process"].is_u64());
    assert_eq!(running.cold_starts(), 2);

    running.create("serve", Duration::from_millis(500));
    let hung = running.invoke("{\"do\": \"hang\"}").await.json();
    assert_eq!(hung["errorType"], "Sandbox.Timedout");
    let message = hung["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Error: Task timed out after 0.50 seconds"),
        "{message}"
    );
    running.server.shut_down().await;
}

#[tokio::test]
async fn a_process_that_ends_before_its_first_event_fails_the_invocation() {
    let running = running().await;
    running.create("exit", LONG);
    let exited = running.invoke("{}").await.json();
    let message = exited["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Error: Runtime exited with error: exit status 7"),
        "{message}"
    );
    assert_eq!(running.environments(), 0);
    let mut missing = function(
        "missing",
        Code::Program {
            program: "/nowhere/bootstrap".into(),
            arguments: vec![],
        },
    );
    missing.timeout = LONG;
    running.aws.lambda.create_function(missing);
    let path = ("POST", "/2015-03-31/functions/missing/invocations");
    let answer = call(&running.aws, "lambda", path, &[], "{}").await.json();
    assert_eq!(answer["errorType"], "Runtime.InvalidEntrypoint");
    running.server.shut_down().await;
}

#[tokio::test]
async fn shutting_down_ends_all_processes() {
    let running = running().await;
    running.create("serve", LONG);
    let both = tokio::join!(running.invoke("{}"), running.invoke("{}"));
    assert!(both.0.json()["process"].is_u64() && both.1.json()["process"].is_u64());
    assert!(running.environments() >= 1);
    let aws = running.aws.clone();
    running.server.shut_down().await;
    assert_eq!(aws.lambda.stats().functions["f"].environments, 0);
}

/// Speaks HTTP to the Runtime API with nothing in between.
async fn raw(api: &str, method: &str, path: &str, content: &str) -> String {
    let (address, prefix) = api.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = content.len();
    let request = format!(
        "{method} /{prefix}/2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{content}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The process only waits, and this test speaks in its place: statuses and headers of the Runtime API reference.
#[tokio::test]
async fn the_runtime_api_answers_as_documented() {
    let running = running().await;
    running.create("wait", LONG);
    let invoked = tokio::spawn({
        let aws = running.aws.clone();
        let path = ("POST", "/2015-03-31/functions/f/invocations");
        async move { call(&aws, "lambda", path, &[], "{\"n\": 1}").await }
    });
    let api = loop {
        if let Some(id) = running.aws.lambda.environment_ids().first() {
            break format!("{}/{id}", running.server.runtime_api_address());
        }
        tokio::task::yield_now().await;
    };
    let next = raw(&api, "GET", "invocation/next", "").await;
    assert!(next.starts_with("HTTP/1.1 200 OK\r\n"), "{next}");
    assert!(next.ends_with("\r\n\r\n{\"n\": 1}"), "{next}");
    let header = |name: &str| {
        let line = next
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name} is missing in {next}"))
            .to_owned()
    };
    let request_id = header("lambda-runtime-aws-request-id");
    assert_eq!(
        header("lambda-runtime-invoked-function-arn"),
        "arn:aws:lambda:us-east-1:123456789012:function:f"
    );
    assert!(
        header("lambda-runtime-deadline-ms").parse::<i64>().unwrap() > running.aws.clock.now_ms()
    );
    assert!(header("lambda-runtime-trace-id").starts_with("Root=1-"));

    let unknown = raw(&api, "POST", "invocation/other/response", "1").await;
    assert!(unknown.starts_with("HTTP/1.1 400 "), "{unknown}");
    let refused = raw(&api, "GET", "restore/next", "").await;
    assert!(refused.contains("does not implement GET"), "{refused}");
    let foreign = raw(
        &format!("{}/none", api.split('/').next().unwrap()),
        "GET",
        "invocation/next",
        "",
    )
    .await;
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    let accepted = raw(
        &api,
        "POST",
        &format!("invocation/{request_id}/response"),
        "\"done\"",
    )
    .await;
    assert!(accepted.starts_with("HTTP/1.1 202 "), "{accepted}");
    let twice = raw(
        &api,
        "POST",
        &format!("invocation/{request_id}/response"),
        "\"again\"",
    )
    .await;
    assert!(twice.starts_with("HTTP/1.1 400 "), "{twice}");
    // The invocation is over once the runtime asks for the next one.
    let asking = tokio::spawn(async move { raw(&api, "GET", "invocation/next", "").await });
    assert_eq!(invoked.await.unwrap().json(), json!("done"));
    asking.abort();
    running.server.shut_down().await;
}

#[tokio::test]
async fn an_initialisation_error_is_the_answer() {
    let running = running().await;
    running.create("wait", LONG);
    let aws = running.aws.clone();
    let path = ("POST", "/2015-03-31/functions/f/invocations");
    let invoked = tokio::spawn(async move { call(&aws, "lambda", path, &[], "{}").await });
    let api = loop {
        if let Some(id) = running.aws.lambda.environment_ids().first() {
            break format!("{}/{id}", running.server.runtime_api_address());
        }
        tokio::task::yield_now().await;
    };
    let document = json!({"errorType": "Config", "errorMessage": "RAW_BUCKET is not set"});
    let accepted = raw(&api, "POST", "init/error", &document.to_string()).await;
    assert!(accepted.starts_with("HTTP/1.1 202 "), "{accepted}");
    assert_eq!(invoked.await.unwrap().json(), document);
    assert_eq!(running.environments(), 0);
    running.server.shut_down().await;
}
