//! One start of a function's program: spawned, invoked, measured, ended.
//!
//! The Runtime API is the bench's own, one listener for one start, so that its clock is read where a request arrives.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a start with all its invocations may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_mins(2);

/// A program to start.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The executable.
    pub(crate) path: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// The function's own variables; those that the Lambda service sets are added.
    pub(crate) environment: BTreeMap<String, String>,
}

/// What was measured at one start.
#[derive(Debug)]
pub(crate) struct Started {
    /// From before the spawn until the first `GET next` arrived.
    pub(crate) next: Duration,
    /// From before the spawn until the response to the first event had arrived.
    pub(crate) first: Duration,
    /// From an event's being sent to its response's having arrived, for every event after the first.
    pub(crate) warm: Vec<Duration>,
    /// Peak resident memory in bytes, read after the last event; None where the system does not tell.
    pub(crate) peak_bytes: Option<u64>,
    /// The responses.
    pub(crate) answers: Vec<String>,
}

/// What a program asks of the Runtime API.
enum Call {
    Next {
        at: Instant,
        event: oneshot::Sender<String>,
    },
    Answer {
        at: Instant,
        text: Bytes,
        is_error: bool,
    },
}

/// Starts a program, has it answer the events one after the other, and ends it. What it writes goes to the end of `log`.
///
/// # Errors
/// When it ends early, answers with an error, or takes minutes.
pub(crate) async fn start(
    program: &Program,
    events: &[String],
    log: &Path,
) -> anyhow::Result<Started> {
    let measured = tokio::time::timeout(PATIENCE, measure(program, events, log)).await;
    measured
        .unwrap_or_else(|_| bail!("no answer within {PATIENCE:?}"))
        .with_context(|| format!("{} (it wrote to {})", program.path.display(), log.display()))
}

async fn measure(program: &Program, events: &[String], log: &Path) -> anyhow::Result<Started> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?.to_string();
    let (sender, mut calls) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(listen(listener, sender));
    let mut command = command(program, &address, log)?;

    let spawned = Instant::now();
    let mut child = command.spawn().context("cannot be started")?;
    let (asked, mut event) = next(&mut calls, &mut child).await?;
    let mut started = Started {
        next: asked - spawned,
        first: Duration::ZERO,
        warm: Vec::new(),
        peak_bytes: None,
        answers: Vec::new(),
    };
    for (index, text) in events.iter().enumerate() {
        let sent = Instant::now();
        drop(event.send(text.clone()));
        let (answered, answer) = answer(&mut calls, &mut child).await?;
        if index == 0 {
            started.first = answered - spawned;
        } else {
            started.warm.push(answered - sent);
        }
        started.answers.push(answer);
        // What a function does after its response counts too.
        event = next(&mut calls, &mut child).await?.1;
    }
    started.peak_bytes = child.id().and_then(peak_bytes);
    child.kill().await?;
    Ok(started)
}

/// The command with the environment that the Lambda service documents (Lambda developer guide, "Defined runtime
/// environment variables").
fn command(program: &Program, address: &str, log: &Path) -> anyhow::Result<Command> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin")
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/function")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "[$LATEST]bench")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "ASIABENCH")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_SESSION_TOKEN", "bench")
        .env("_HANDLER", "bootstrap")
        .envs(&program.environment)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

async fn next(
    calls: &mut mpsc::UnboundedReceiver<Call>,
    child: &mut Child,
) -> anyhow::Result<(Instant, oneshot::Sender<String>)> {
    match call(calls, child).await? {
        Call::Next { at, event } => Ok((at, event)),
        Call::Answer { text, .. } => bail!("an answer without an event: {text:?}"),
    }
}

async fn answer(
    calls: &mut mpsc::UnboundedReceiver<Call>,
    child: &mut Child,
) -> anyhow::Result<(Instant, String)> {
    match call(calls, child).await? {
        Call::Answer {
            at,
            text,
            is_error: false,
        } => Ok((at, String::from_utf8_lossy(&text).into_owned())),
        Call::Answer { text, .. } => bail!("the function failed: {text:?}"),
        Call::Next { .. } => bail!("an event was not answered"),
    }
}

async fn call(
    calls: &mut mpsc::UnboundedReceiver<Call>,
    child: &mut Child,
) -> anyhow::Result<Call> {
    tokio::select! {
        biased;
        call = calls.recv() => call.context("the Runtime API ended"),
        status = child.wait() => bail!("ended early, {}", status?),
    }
}

async fn listen(listener: TcpListener, calls: mpsc::UnboundedSender<Call>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // It fails for broken connections alone, and those fail at once anyway.
        drop(stream.set_nodelay(true));
        let calls = calls.clone();
        let service = service_fn(move |request| handle(request, calls.clone()));
        let http = hyper::server::conn::http1::Builder::new();
        connections.spawn(http.serve_connection(TokioIo::new(stream), service));
    }
}

/// The Runtime API's three operations (Lambda developer guide, "Using the Lambda runtime API for custom runtimes").
async fn handle(
    request: Request<Incoming>,
    calls: mpsc::UnboundedSender<Call>,
) -> Result<Response<Full<Bytes>>, anyhow::Error> {
    if request.method() == Method::GET {
        let at = Instant::now();
        let (event, given) = oneshot::channel();
        calls.send(Call::Next { at, event })?;
        let response = Response::builder()
            .header("content-type", "application/json")
            .header(
                "lambda-runtime-aws-request-id",
                "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            )
            .header("lambda-runtime-deadline-ms", deadline_ms().to_string())
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:123456789012:function:function",
            );
        return Ok(response.body(given.await?.into())?);
    }
    let is_error = request.uri().path().ends_with("/error");
    let text = request.into_body().collect().await?.to_bytes();
    let at = Instant::now();
    calls.send(Call::Answer { at, text, is_error })?;
    let accepted = Response::builder().status(StatusCode::ACCEPTED);
    Ok(accepted.body(Full::default())?)
}

/// The longest timeout of a function from now.
fn deadline_ms() -> i128 {
    time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000 + 900_000
}

/// Peak resident memory of a process (proc(5), VmHWM).
fn peak_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
