//! Uploaders and operators: they do what the workload says, through S3 and Step Functions as people do.

use std::collections::BTreeMap;

use aws_sdk_sfn::types::ExecutionStatus;
use workflow::gate::POLICY_KEY;
use workflow::steps::sweep::CURSOR_KEY;

use super::stage::Stage;
use super::truth::{Policy, Version};
use super::uploads::Parts;
use super::workload::{Action, Release};
use crate::aws::Aws;
use crate::connector::Clients;
use crate::sns::Subscription;
use crate::stack::in_process::InProcess;
use crate::stack::{Function, Stack, StackOptions};

/// Whoever uploads and operates.
pub(super) struct People {
    pub(super) stage: Stage,
    pub(super) aws: Aws,
    pub(super) stack: Stack,
    pub(super) steps: InProcess,
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) sfn: aws_sdk_sfn::Client,
    /// Hears of every decision.
    pub(super) decisions_queue_arn: String,
    /// Uploads in parts that are not completed.
    pub(super) parts: BTreeMap<usize, Parts>,
    /// Uploads begun so far: S3 orders versions by the beginning of their uploads.
    pub(super) order: u64,
    /// Which functions are of another release than the rest.
    releases: BTreeMap<Function, Release>,
}

impl People {
    pub(super) fn new(
        stage: Stage,
        aws: &Aws,
        stack: &Stack,
        steps: &InProcess,
    ) -> anyhow::Result<Self> {
        let Clients { s3, sfn, .. } = Clients::new(aws, "operator");
        let decisions_queue_arn = aws.sqs.create_queue("decisions");
        let subscription = Subscription {
            endpoint_arn: decisions_queue_arn.clone(),
            filter_policy: None,
            dead_letter_queue_arn: None,
        };
        aws.sns
            .subscribe(&stack.decisions_topic_arn, subscription)?;
        Ok(Self {
            stage,
            s3,
            sfn,
            aws: aws.clone(),
            stack: stack.clone(),
            steps: steps.clone(),
            decisions_queue_arn,
            parts: BTreeMap::new(),
            order: 0,
            releases: BTreeMap::new(),
        })
    }

    pub(super) async fn act(&mut self, action: Action) -> anyhow::Result<()> {
        match action {
            Action::Upload {
                key,
                file,
                told: true,
            } => self.upload(&key, file)?,
            Action::Upload { key, file, .. } => self.upload_untold(&key, file)?,
            Action::BeginParts { number, key, file } => {
                self.begin_parts(number, key, file).await?;
            }
            Action::CompleteParts(number) => self.complete_parts(number).await?,
            Action::Delete(upload) => self.delete(upload).await?,
            Action::Takedown(upload) => self.take_down(upload).await?,
            Action::Stop(upload) => self.stop(upload).await,
            Action::Redrive(upload) => self.redrive(upload).await,
            Action::StartByHand => self.start_by_hand().await?,
            Action::Policy(policy) => self.put_policy(policy).await?,
            Action::ExpireResults => {
                self.stage
                    .fault("results expired", format_args!("all results expire"));
                self.stage.lock().truth.expiries += 1;
                self.aws.rekognition.expire_results();
            }
            Action::JobLimit(limit) => self.set_job_limit(limit),
            Action::MaxJobs(max_jobs) => self.set_max_jobs(max_jobs)?,
            Action::Deploy(function, release) => self.deploy(function, release)?,
            Action::Schedules(enabled) => self.set_schedules(enabled),
        }
        Ok(())
    }

    async fn delete(&self, upload: usize) -> anyhow::Result<()> {
        let now_ms = self.stage.now_ms();
        let Some((key, version_id)) = self.change(upload, |version| {
            version.deleted_ms.get_or_insert(now_ms);
            (version.key.clone(), version.id.clone())
        }) else {
            return Ok(());
        };
        self.stage.fault(
            "version deleted",
            format_args!("version {version_id} of {key:?} is deleted"),
        );
        let delete = self.s3.delete_object().bucket(&self.stack.raw_bucket);
        delete.key(key).version_id(version_id).send().await?;
        Ok(())
    }

    async fn take_down(&self, upload: usize) -> anyhow::Result<()> {
        let Some(key) = self.change(upload, |version| version.key.clone()) else {
            return Ok(());
        };
        self.stage
            .fault("takedown", format_args!("{key:?} is taken down"));
        let now_ms = self.stage.now_ms();
        let delete = self.s3.delete_object().bucket(&self.stack.approved_bucket);
        delete.key(&key).send().await?;
        self.stage.lock().truth.takedowns.push((key, now_ms));
        Ok(())
    }

    async fn stop(&self, upload: usize) {
        let Some(arn) = self.change(upload, |version| version.execution_arn.clone()) else {
            return;
        };
        let stop = self.sfn.stop_execution().execution_arn(arn);
        // There may be none yet.
        if stop.cause("stopped by the operator").send().await.is_ok() {
            let now_ms = self.stage.now_ms();
            self.change(upload, |version| version.stopped_ms.push(now_ms));
            self.stage.fault(
                "execution stopped",
                format_args!("execution of upload {upload} is stopped"),
            );
        }
    }

    async fn start_by_hand(&self) -> anyhow::Result<()> {
        let start = self.sfn.start_execution();
        let start = start.state_machine_arn(&self.stack.state_machine_arn);
        let name = {
            let by_hand = &mut self.stage.lock().truth.by_hand;
            let name = format!("by-hand-{}", by_hand.len());
            by_hand.push(name.clone());
            name
        };
        start
            .name(&name)
            .input(r#"{"clip": "a.mp4"}"#)
            .send()
            .await?;
        self.stage.fault(
            "execution started by hand",
            format_args!("execution {name} is started by hand"),
        );
        Ok(())
    }

    /// Executions that were started by hand and still run.
    pub(super) async fn running_by_hand(&self) -> anyhow::Result<Vec<String>> {
        let by_hand = self.stage.lock().truth.by_hand.clone();
        let mut running = Vec::new();
        for name in by_hand {
            let arn = self.stack.execution_arn(&name);
            let describe = self.sfn.describe_execution().execution_arn(&arn);
            if describe.send().await?.status == ExecutionStatus::Running {
                running.push(arn);
            }
        }
        Ok(running)
    }

    /// Redrives an execution, if it is redrivable now.
    pub(super) async fn redrive(&self, upload: usize) {
        let Some(arn) = self.change(upload, |version| version.execution_arn.clone()) else {
            return;
        };
        let redrive = self.sfn.redrive_execution().execution_arn(arn);
        if redrive.send().await.is_ok() {
            let now_ms = self.stage.now_ms();
            self.change(upload, |version| version.redriven_ms.push(now_ms));
            self.stage.fault(
                "execution redriven",
                format_args!("execution of upload {upload} is redriven"),
            );
        }
    }

    pub(super) async fn put_policy(&self, policy: Policy) -> anyhow::Result<()> {
        self.stage
            .fault("policy edited", format_args!("the policy is {policy:?}"));
        let now_ms = self.stage.now_ms();
        self.stage.lock().truth.policies.push((now_ms, policy));
        let put = self.s3.put_object().bucket(&self.stack.ledger_bucket);
        put.key(POLICY_KEY)
            .body(policy.text().into_bytes().into())
            .send()
            .await?;
        Ok(())
    }

    /// A sweep that was cut off before it came anywhere: the next look at leftovers goes on with it.
    pub(super) async fn leave_sweep(&self) -> anyhow::Result<()> {
        self.stage
            .note(format_args!("a sweep is cut off as it begins"));
        let cursor = r#"{"schema_version": 1, "revision": 1, "nonce": "cut off", "not_before_ms": 0, "prefix": ""}"#;
        let put = self.s3.put_object().bucket(&self.stack.ledger_bucket);
        put.key(CURSOR_KEY)
            .body(cursor.as_bytes().to_vec().into())
            .send()
            .await?;
        Ok(())
    }

    pub(super) fn set_job_limit(&self, limit: usize) {
        self.stage.fault(
            "job limit changed",
            format_args!("the account may have {limit} jobs open"),
        );
        self.aws.rekognition.set_max_open_jobs(limit);
    }

    pub(super) fn set_max_jobs(&mut self, max_jobs: u32) -> anyhow::Result<()> {
        self.stage.fault(
            "MAX_JOBS changed",
            format_args!("the functions are deployed with MAX_JOBS={max_jobs}"),
        );
        let now_ms = self.stage.now_ms();
        self.stage.lock().truth.max_jobs.push((now_ms, max_jobs));
        self.redeploy(StackOptions {
            max_jobs,
            ..self.stack.options.clone()
        })
    }

    pub(super) fn lift_cap(&mut self) -> anyhow::Result<()> {
        self.stage.note(format_args!("the spending cap is lifted"));
        let now_ms = self.stage.now_ms();
        if let Some(cap) = &mut self.stage.lock().truth.cap {
            cap.lifted_ms = now_ms;
        }
        self.redeploy(StackOptions {
            max_video_minutes_a_day: None,
            ..self.stack.options.clone()
        })
    }

    fn deploy(&mut self, function: Function, release: Release) -> anyhow::Result<()> {
        self.stage.fault(
            "function of another release",
            format_args!("{} is deployed as {release:?}", function.name()),
        );
        self.releases.insert(function, release);
        self.deploy_functions()
    }

    /// Deploys all functions with other options.
    fn redeploy(&mut self, options: StackOptions) -> anyhow::Result<()> {
        self.stack = Stack::new(&self.aws.account, options);
        self.steps = self.steps.redeployed(&self.aws, &self.stack)?;
        self.deploy_functions()
    }

    fn deploy_functions(&self) -> anyhow::Result<()> {
        self.stack.deploy_functions(&self.aws, |function| {
            let steps = self.steps.clone();
            match self.releases.get(&function) {
                None => steps,
                Some(release) => steps.with_schema(release.schema()),
            }
            .code(function)
        })?;
        Ok(())
    }

    pub(super) fn set_schedules(&self, enabled: bool) {
        let how = if enabled { "back" } else { "out" };
        self.stage
            .fault("schedule outage", format_args!("the schedules are {how}"));
        self.stack.set_schedules(&self.aws, enabled);
    }

    fn change<T>(&self, upload: usize, change: impl FnOnce(&mut Version) -> T) -> Option<T> {
        let mut inner = self.stage.lock();
        inner.truth.versions.get_mut(upload).map(change)
    }
}
