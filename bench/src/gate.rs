//! Sandboxes with the gate deployed, and the events that they would invoke the functions with.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_s3::primitives::ByteStream;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use sandbox::account::Account;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::clock::Clock;
use sandbox::connector::sdk_config;
use sandbox::lambda::{Code, FunctionError, Handler, Invocation};
use sandbox::rng::SharedRng;
use sandbox::server::Server;
use sandbox::stack::in_process::InProcess;
use sandbox::stack::{Function, Stack, StackOptions};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long the sandbox may take to do what is asked of it.
const PATIENCE: Duration = Duration::from_mins(2);
/// A sample of the repository, small and clean.
const VIDEO: &[u8] = include_bytes!("../../samples/clean-bars.mp4");

/// A gate in a sandbox of its own, so that no function's events make work for another.
pub(crate) struct Gate {
    aws: Aws,
    stack: Stack,
    /// What one function would have been invoked with.
    events: UnboundedReceiver<Value>,
    /// Listens for as long as this lives.
    _server: Server,
}

/// Stands in for the function that is measured: it only notes its events.
struct Note(UnboundedSender<Value>);

impl Handler for Note {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Value, FunctionError>> {
        // Whoever was interested has left.
        drop(self.0.send(invocation.payload));
        async { Ok(Value::Null) }.boxed()
    }
}

impl Gate {
    /// Deploys a gate in which the functions of `working` run in this process, `noted` only has its events noted, and the others
    /// do nothing.
    pub(crate) async fn deploy(
        noted: Function,
        working: &[Function],
        labels_dir: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let mut config = AwsConfig::default();
        config.rekognition.labels_dir = labels_dir;
        config.rekognition.job_duration = Some(Duration::from_secs(1));
        let clock = Clock::new(OffsetDateTime::now_utc(), 1.0);
        let aws = Aws::new(Account::default(), clock, SharedRng::seeded(1), &config);
        let server = Server::start(aws.clone(), 0).await?;
        let options = StackOptions {
            endpoint_url: Some(server.endpoint_url()),
            ..StackOptions::default()
        };
        let stack = Stack::new(&aws.account, options);
        let in_process = InProcess::new(&aws, &stack)?;
        let (sender, events) = unbounded_channel();
        let (ignored, _) = unbounded_channel();
        let code = |function| {
            if working.contains(&function) {
                in_process.code(function)
            } else if function == noted {
                Code::Handler(std::sync::Arc::new(Note(sender.clone())))
            } else {
                Code::Handler(std::sync::Arc::new(Note(ignored.clone())))
            }
        };
        stack.deploy(&aws, code).await?;
        Ok(Self {
            aws,
            stack,
            events,
            _server: server,
        })
    }

    /// The variables of a function.
    pub(crate) fn environment(&self, function: Function) -> BTreeMap<String, String> {
        self.stack.environment(function, 1.0)
    }

    /// A tick of the schedule (EventBridge user guide, "Creating a rule that runs on a schedule").
    pub(crate) fn tick(&self) -> String {
        json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.aws.account.id,
            "time": "2026-11-01T12:00:00Z",
            "region": self.aws.account.region,
            "resources": [self.aws.account.arn("events", "rule/reelgate-every-minute")],
            "detail": {},
        })
        .to_string()
    }

    /// Uploads videos and returns what ingest would be invoked with, one event a video.
    pub(crate) async fn uploads(&mut self, count: usize) -> anyhow::Result<Vec<String>> {
        self.upload(count).await?;
        let mut events = Vec::new();
        while events.len() < count {
            let event = self.event().await?;
            // S3 announces that notifications were configured, which is no upload.
            if !event.to_string().contains("s3:TestEvent") {
                events.push(event.to_string());
            }
        }
        Ok(events)
    }

    /// What the callback would be invoked with when a completion message comes once more, after its job was settled.
    pub(crate) async fn repeated_completion(&mut self) -> anyhow::Result<String> {
        let message = json!({
            "JobId": "5f0f1dfe3f1e0d0a6a5b6bd3a1b4c7c0b3e7f5a2d1c09e8f7a6b5c4d3e2f1a0b",
            "Status": "SUCCEEDED",
            "API": "StartContentModeration",
            "JobTag": "clip-mp4-0123456789abcdef0123456789abcdef",
            "Timestamp": 1_793_534_400_000_i64,
            "Video": {"S3ObjectName": "clip.mp4", "S3Bucket": self.stack.raw_bucket},
        });
        aws_sdk_sns::Client::new(&sdk_config(&self.aws, "operator"))
            .publish()
            .topic_arn(&self.stack.moderation_results_topic_arn)
            .message(message.to_string())
            .send()
            .await?;
        Ok(self.event().await?.to_string())
    }

    /// Uploads videos and waits until each has a task that waits for the worker.
    pub(crate) async fn tasks(&mut self, count: usize) -> anyhow::Result<()> {
        self.upload(count).await?;
        let sfn = aws_sdk_sfn::Client::new(&sdk_config(&self.aws, "operator"));
        let scheduled = async || {
            let listed = sfn
                .list_executions()
                .state_machine_arn(&self.stack.state_machine_arn)
                .send()
                .await?;
            Ok(listed.executions().len() == count)
        };
        until("every video has its execution", scheduled).await
    }

    /// Uploads a video whose labels lie in the labels folder, and returns the completion event of its job and how many rows the
    /// job's result has.
    pub(crate) async fn completion(&mut self) -> anyhow::Result<(String, usize)> {
        self.upload(1).await?;
        let event = self.event().await?;
        let message = event
            .pointer("/Records/0/Sns/Message")
            .and_then(Value::as_str);
        let message: Value = serde_json::from_str(message.context("no SNS event")?)?;
        let job_id = message["JobId"].as_str().context("no JobId")?;
        let rekognition = aws_sdk_rekognition::Client::new(&sdk_config(&self.aws, "operator"));
        let (mut rows, mut token) = (0, None);
        loop {
            let page = rekognition
                .get_content_moderation()
                .job_id(job_id)
                .aggregate_by(aws_sdk_rekognition::types::ContentModerationAggregateBy::Segments)
                .set_next_token(token)
                .send()
                .await?;
            rows += page.moderation_labels().len();
            token = page.next_token;
            if token.is_none() {
                return Ok((event.to_string(), rows));
            }
        }
    }

    async fn upload(&self, count: usize) -> anyhow::Result<()> {
        let s3 = aws_sdk_s3::Client::new(&sdk_config(&self.aws, "operator"));
        for index in 0..count {
            s3.put_object()
                .bucket(&self.stack.raw_bucket)
                .key(format!("clip-{index}.mp4"))
                .body(ByteStream::from_static(VIDEO))
                .send()
                .await?;
        }
        Ok(())
    }

    async fn event(&mut self) -> anyhow::Result<Value> {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event
            .context("no event was delivered")?
            .context("the function is gone")
    }
}

/// Waits for a condition.
async fn until<F>(what: &str, condition: impl Fn() -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<bool>>,
{
    let begun = tokio::time::Instant::now();
    while !condition().await? {
        ensure!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
