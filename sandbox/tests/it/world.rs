//! A deployed gate on paused time: upload, wait, look.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::rekognition;
use sandbox::stack::in_process::InProcess;
use sandbox::stack::permissions::Principal;
use sandbox::stack::{Function, Stack, StackOptions};
use serde_json::{Value, json};
use workflow::names;

use crate::support::{aws_with, sdk_config};

/// Longest that a test waits for an execution to end, in the sandbox's time: longer than any recovery takes.
const PATIENCE: Duration = Duration::from_hours(3);

/// The gate, deployed with handlers in this process.
pub(crate) struct World {
    pub(crate) aws: Aws,
    pub(crate) stack: Stack,
    pub(crate) steps: InProcess,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sfn: aws_sdk_sfn::Client,
}

/// One uploaded version.
#[derive(Debug, Clone)]
pub(crate) struct Uploaded {
    pub(crate) key: String,
    pub(crate) version_id: String,
    pub(crate) execution: String,
    pub(crate) execution_arn: String,
}

impl World {
    /// A gate with default options.
    pub(crate) async fn new() -> Self {
        Self::with(&AwsConfig::default(), StackOptions::default()).await
    }

    pub(crate) async fn with(config: &AwsConfig, options: StackOptions) -> Self {
        Self::on(aws_with(config), options).await
    }

    /// A gate with one slot, whose jobs take that long.
    pub(crate) async fn with_one_slot(job_duration: Duration) -> Self {
        let config = jobs_lasting(job_duration);
        let options = StackOptions {
            max_jobs: 1,
            ..StackOptions::default()
        };
        Self::with(&config, options).await
    }

    /// The gate in an AWS with nothing in it.
    pub(crate) async fn on(aws: Aws, options: StackOptions) -> Self {
        let stack = Stack::new(&aws.account, options);
        let steps = InProcess::new(&aws, &stack).unwrap();
        stack
            .deploy(&aws, |function| steps.code(function))
            .await
            .unwrap();
        let sdk = sdk_config(&aws);
        Self {
            s3: aws_sdk_s3::Client::new(&sdk),
            sfn: aws_sdk_sfn::Client::new(&sdk),
            aws,
            stack,
            steps,
        }
    }

    /// Uploads bytes with labels in the short form (`Violence:97.5@1.2-4.0, …`).
    pub(crate) async fn upload(&self, key: &str, bytes: Vec<u8>, labels: Option<&str>) -> Uploaded {
        let mut put = self
            .s3
            .put_object()
            .bucket(&self.stack.raw_bucket)
            .key(key)
            .body(ByteStream::from(bytes));
        if let Some(labels) = labels {
            put = put.metadata("labels", labels);
        }
        let version_id = put.send().await.unwrap().version_id.unwrap();
        self.uploaded(key, &version_id)
    }

    pub(crate) fn uploaded(&self, key: &str, version_id: &str) -> Uploaded {
        let execution = names::execution_name(&self.stack.raw_bucket, key, version_id);
        Uploaded {
            key: key.to_owned(),
            version_id: version_id.to_owned(),
            execution_arn: self.stack.execution_arn(&execution),
            execution,
        }
    }

    /// Describes an execution; None if there is none (yet).
    pub(crate) async fn describe(&self, uploaded: &Uploaded) -> Option<DescribeExecutionOutput> {
        self.sfn
            .describe_execution()
            .execution_arn(&uploaded.execution_arn)
            .send()
            .await
            .ok()
    }

    /// Waits until Rekognition looks at a video.
    pub(crate) async fn job_open(&self) {
        let waiting = async {
            while self.aws.rekognition.open_jobs().0 == 0 {
                self.pass(1).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "no job is started");
    }

    /// Waits until an execution has ended.
    pub(crate) async fn ended(&self, uploaded: &Uploaded) -> DescribeExecutionOutput {
        self.ended_within(uploaded, PATIENCE).await
    }

    /// As [`Self::ended`], for another time at most.
    pub(crate) async fn ended_within(
        &self,
        uploaded: &Uploaded,
        patience: Duration,
    ) -> DescribeExecutionOutput {
        let waiting = async {
            loop {
                self.assert_nothing_was_refused();
                match self.describe(uploaded).await {
                    Some(described) if described.status != ExecutionStatus::Running => {
                        return described;
                    }
                    _ => self.pass(5).await,
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(described) => described,
            Err(elapsed) => panic!(
                "{uploaded:?} has not ended ({elapsed}); the ledger holds {:?}",
                self.keys(&self.stack.ledger_bucket).await
            ),
        }
    }

    /// Stops the execution of a version.
    pub(crate) async fn stop(&self, uploaded: &Uploaded) {
        let stop = self.sfn.stop_execution();
        stop.execution_arn(&uploaded.execution_arn)
            .send()
            .await
            .unwrap();
    }

    /// Redrives the execution of a version.
    pub(crate) async fn redrive(&self, uploaded: &Uploaded) {
        let redrive = self.sfn.redrive_execution();
        redrive
            .execution_arn(&uploaded.execution_arn)
            .send()
            .await
            .unwrap();
    }

    /// Asks for a sweep, as the operator and the schedule do.
    pub(crate) fn sweep(&self) {
        self.sweep_with(&json!({}));
    }

    /// Asks for a sweep of certain versions.
    pub(crate) fn sweep_with(&self, command: &Value) {
        let reconciler = self.stack.function_arn(Function::Reconciler);
        let command = json!({"sweep": command}).to_string();
        self.aws
            .lambda
            .invoke_async(&reconciler, command.into())
            .unwrap();
    }

    /// Lets the jobs of these numbers fail, whatever their video.
    pub(crate) fn fail_jobs(&self, jobs: &[u64]) {
        self.aws.rekognition.set_faults(rekognition::Faults {
            fail_jobs: jobs.iter().copied().collect(),
            ..rekognition::Faults::default()
        });
    }

    /// Deploys all functions anew, as those of `stack`.
    pub(crate) fn deploy_functions(&self, stack: &Stack, steps: &InProcess) {
        stack
            .deploy_functions(&self.aws, |function| steps.code(function))
            .unwrap();
    }

    /// Replaces the operator's policy.
    pub(crate) async fn put_policy(&self, policy: &str) {
        self.put_ledger(workflow::gate::POLICY_KEY, policy).await;
    }

    /// Replaces a document of the ledger by hand.
    pub(crate) async fn put_ledger(&self, key: &str, document: &str) {
        let put = self.s3.put_object().bucket(&self.stack.ledger_bucket);
        put.key(key)
            .body(document.as_bytes().to_vec().into())
            .send()
            .await
            .unwrap();
    }

    /// A document of the ledger, if there is one.
    pub(crate) async fn ledger_json(&self, key: &str) -> Option<Value> {
        let got = self.s3.get_object().bucket(&self.stack.ledger_bucket);
        let got = got.key(key).send().await.ok()?;
        serde_json::from_slice(&got.body.collect().await.unwrap().to_vec()).ok()
    }

    /// Lets the sandbox's time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.aws.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// The approved object of a key, if there is one.
    pub(crate) async fn approved(&self, key: &str) -> Option<Vec<u8>> {
        let got = self
            .s3
            .get_object()
            .bucket(&self.stack.approved_bucket)
            .key(key)
            .send()
            .await
            .ok()?;
        Some(got.body.collect().await.unwrap().to_vec())
    }

    /// The verdict that the raw version is tagged with.
    pub(crate) async fn verdict_tag(&self, uploaded: &Uploaded) -> Option<String> {
        let tags = self
            .s3
            .get_object_tagging()
            .bucket(&self.stack.raw_bucket)
            .key(&uploaded.key)
            .version_id(&uploaded.version_id);
        let tags = tags.send().await.unwrap().tag_set;
        let verdict = tags.into_iter().find(|tag| tag.key == "reelgate:verdict");
        verdict.map(|tag| tag.value)
    }

    /// The report of an execution, if there is one.
    pub(crate) async fn report(&self, uploaded: &Uploaded) -> Option<Value> {
        self.ledger_json(&names::report_key(&uploaded.execution))
            .await
    }

    /// The keys of a bucket.
    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        let listed = self
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .send()
            .await
            .unwrap();
        listed
            .contents()
            .iter()
            .filter_map(|object| object.key().map(str::to_owned))
            .collect()
    }

    /// No principal was denied a call: what is retried is not to hide it.
    fn assert_nothing_was_refused(&self) {
        for principal in Principal::ALL {
            let role = self.aws.iam.role(&self.stack.role_arn(principal));
            let refused = role.unwrap().refused();
            assert!(refused.is_empty(), "{principal:?} was refused: {refused:?}");
        }
    }

    /// Slots and records that the ledger holds: none once all is settled.
    pub(crate) async fn open_work(&self) -> Vec<String> {
        let keys = self.keys(&self.stack.ledger_bucket).await;
        keys.into_iter()
            .filter(|key| key.starts_with("slots/") || key.starts_with("jobs/"))
            .collect()
    }

    /// Waits until nothing is left to do for anything.
    pub(crate) async fn quiet(&self) {
        for _ in 0..400 {
            self.assert_nothing_was_refused();
            if self.open_work().await.is_empty() {
                return;
            }
            self.pass(30).await;
        }
        panic!("left over: {:?}", self.open_work().await);
    }
}

/// An AWS whose jobs take that long, whatever the video.
pub(crate) fn jobs_lasting(job_duration: Duration) -> AwsConfig {
    AwsConfig {
        rekognition: rekognition::Config {
            job_duration: Some(job_duration),
            ..rekognition::Config::default()
        },
        ..AwsConfig::default()
    }
}

/// A sample video of the repository.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// A video that says that it lasts so many minutes: a sample whose headers were changed.
pub(crate) fn lasting(minutes: u32) -> Vec<u8> {
    let mut bytes = sample("clean-bars.mp4");
    for kind in [b"mvhd", b"mdhd"] {
        for at in 0..bytes.len() - 24 {
            // Version 0: kind, version and flags, two times, time scale, duration (ISO/IEC 14496-12, 8.2.2 and 8.4.2).
            if &bytes[at..at + 4] == kind && bytes[at + 4] == 0 {
                let scale = u32::from_be_bytes(bytes[at + 16..at + 20].try_into().unwrap());
                let duration = scale * 60 * minutes;
                bytes[at + 20..at + 24].copy_from_slice(&duration.to_be_bytes());
            }
        }
    }
    bytes
}
