//! Uploaders and operators: they do what the workload says, through S3 and Step Functions as people do.

use workflow::gate::POLICY_KEY;
use workflow::names;
use workflow::steps::sweep::CURSOR_KEY;

use super::stage::Stage;
use super::truth::{Policy, Version};
use super::workload::Action;
use crate::aws::Aws;
use crate::connector::Clients;
use crate::sns::Subscription;
use crate::stack::in_process::InProcess;
use crate::stack::{Stack, StackOptions};

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
        })
    }

    pub(super) async fn act(&mut self, action: Action) -> anyhow::Result<()> {
        match action {
            Action::Upload { key, file } => self.upload(&key, file)?,
            Action::Delete(upload) => self.delete(upload).await?,
            Action::Takedown(upload) => self.take_down(upload).await?,
            Action::Stop(upload) => self.stop(upload).await,
            Action::Redrive(upload) => self.redrive(upload).await,
            Action::Policy(policy) => self.put_policy(policy).await?,
            Action::ExpireResults => {
                self.stage
                    .fault("results expired", format_args!("all results expire"));
                self.stage.lock().truth.expiries += 1;
                self.aws.rekognition.expire_results();
            }
            Action::JobLimit(limit) => self.set_job_limit(limit),
            Action::MaxJobs(max_jobs) => self.set_max_jobs(max_jobs)?,
            Action::Schedules(enabled) => self.set_schedules(enabled),
        }
        Ok(())
    }

    fn upload(&self, key: &str, file: super::footage::File) -> anyhow::Result<()> {
        let bucket = &self.stack.raw_bucket;
        let version_id = self
            .aws
            .s3
            .put_synthetic(bucket, key, file.head(), file.size_bytes, file.metadata())?
            .unwrap_or_default();
        let execution = names::execution_name(bucket, key, &version_id);
        self.stage.note(format_args!(
            "upload of {key:?} as {version_id}: {:?}, {} bytes, {} ms, execution {execution}",
            file.footage, file.size_bytes, file.duration_ms
        ));
        let version = Version {
            key: key.to_owned(),
            digest: self.aws.s3.digest(bucket, key, Some(&version_id))?,
            id: version_id,
            file,
            deleted_ms: None,
            execution_arn: self.stack.execution_arn(&execution),
            execution,
            stopped_ms: Vec::new(),
            redriven_ms: Vec::new(),
            jobs: Vec::new(),
            copied_ms: Vec::new(),
            statuses: Vec::new(),
        };
        let (id, tags) = (Some(version.id.as_str()), version.user_tags());
        self.aws.s3.set_tags(bucket, key, id, tags)?;
        self.stage.lock().truth.add(version);
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
        self.stack = Stack::new(
            &self.aws.account,
            StackOptions {
                max_jobs,
                ..self.stack.options.clone()
            },
        );
        let steps = self.steps.redeployed(&self.aws, &self.stack)?;
        self.stack
            .deploy_functions(&self.aws, |function| steps.code(function))?;
        self.steps = steps;
        Ok(())
    }

    pub(super) fn set_schedules(&self, enabled: bool) {
        let name = &self.stack.options.name;
        let how = if enabled { "back" } else { "out" };
        self.stage
            .fault("schedule outage", format_args!("the schedules are {how}"));
        for rule in ["every-minute", "sweep"] {
            self.aws
                .events
                .set_enabled(&format!("{name}-{rule}"), enabled);
        }
    }

    fn change<T>(&self, upload: usize, change: impl FnOnce(&mut Version) -> T) -> Option<T> {
        let mut inner = self.stage.lock();
        inner.truth.versions.get_mut(upload).map(change)
    }
}
