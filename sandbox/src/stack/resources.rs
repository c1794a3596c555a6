//! Creates what a stack consists of, in an order in which nothing refers to what is not there yet.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;
use workflow::contract::STATE_MACHINE_TEMPLATE;
use workflow::gate::POLICY_KEY;

use super::durations::Durations;
use super::permissions::Principal;
use super::{Function, Stack, StackError, TemplateError, render};
use crate::aws::Aws;
use crate::connector::Clients;
use crate::events::{Rule, Target, Trigger};
use crate::lambda::{Code, FunctionConfig};
use crate::sns::Subscription;
use crate::wire::ApiError;

/// Memory of each function in MB.
pub const MEMORY_MB: u32 = 256;

impl Stack {
    /// Creates everything in an AWS that has none of it. `code` says what each function runs.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn deploy(
        &self,
        aws: &Aws,
        code: impl Fn(Function) -> Code,
    ) -> Result<(), StackError> {
        let durations = Durations::new(aws.clock.speed());
        self.create_topics_and_queues(aws)?;
        self.put_roles(aws)?;
        same(
            &self.activity_arn,
            aws.sfn.create_activity(resource_name(&self.activity_arn)),
        )?;
        let definition = self.definition(&durations)?;
        let machine = aws
            .sfn
            .create_state_machine(resource_name(&self.state_machine_arn), &definition)
            .map_err(refused(&self.state_machine_arn))?;
        same(&self.state_machine_arn, machine)?;
        self.deploy_functions(aws, code)?;
        self.subscribe(aws)?;
        aws.s3.create_bucket(&self.ledger_bucket, false, None);
        aws.s3.create_bucket(&self.approved_bucket, true, None);
        aws.s3
            .create_bucket(&self.raw_bucket, true, Some(&self.raw_uploads_topic_arn));
        self.put_policy(aws).await?;
        for rule in self.rules(&durations) {
            let name = rule.name.clone();
            aws.events.put_rule(rule).map_err(refused(&name))?;
        }
        Ok(())
    }

    /// Creates the functions, or replaces them, as a deployment of another version or configuration does.
    ///
    /// # Errors
    /// [`StackError::Arn`].
    pub fn deploy_functions(
        &self,
        aws: &Aws,
        code: impl Fn(Function) -> Code,
    ) -> Result<(), StackError> {
        let durations = Durations::new(aws.clock.speed());
        for function in Function::ALL {
            let config = self.function(function, code(function), aws.clock.speed(), &durations);
            same(
                &self.function_arn(function),
                aws.lambda.create_function(config),
            )?;
        }
        Ok(())
    }

    /// The state machine's definition, filled in.
    ///
    /// # Errors
    /// [`TemplateError`] when the template and its values differ.
    pub fn definition(&self, durations: &Durations) -> Result<String, TemplateError> {
        let seconds = |duration: Duration| duration.as_secs().to_string();
        let values = BTreeMap::from([
            ("activity_arn", self.activity_arn.clone()),
            ("decisions_topic_arn", self.decisions_topic_arn.clone()),
            ("partition", "aws".to_owned()),
            (
                "machine_timeout_s",
                seconds(
                    self.options
                        .machine_timeout
                        .unwrap_or(durations.machine_timeout),
                ),
            ),
            ("task_timeout_s", seconds(durations.task_timeout)),
            ("heartbeat_s", seconds(durations.heartbeat)),
        ]);
        render(STATE_MACHINE_TEMPLATE, &values)
    }

    fn create_topics_and_queues(&self, aws: &Aws) -> Result<(), StackError> {
        for arn in [
            &self.ingest_failures_queue_arn,
            &self.callback_failures_queue_arn,
            &self.undelivered_results_queue_arn,
        ] {
            same(arn, aws.sqs.create_queue(resource_name(arn)))?;
        }
        for arn in [
            &self.raw_uploads_topic_arn,
            &self.moderation_results_topic_arn,
            &self.decisions_topic_arn,
        ] {
            same(arn, aws.sns.create_topic(resource_name(arn)))?;
        }
        Ok(())
    }

    pub(super) fn function(
        &self,
        function: Function,
        code: Code,
        speed: f64,
        durations: &Durations,
    ) -> FunctionConfig {
        let (timeout, max_retries, max_event_age, on_failure_arn) = match function {
            Function::IngestTrigger => (
                durations.ingest_timeout,
                2,
                durations.event_age,
                Some(self.ingest_failures_queue_arn.clone()),
            ),
            Function::ActivityWorker => (durations.worker_timeout, 0, durations.tick_age, None),
            Function::ModerationCallback => (
                durations.settle_timeout,
                2,
                durations.event_age,
                Some(self.callback_failures_queue_arn.clone()),
            ),
            Function::Reconciler => (durations.settle_timeout, 0, durations.tick_age, None),
        };
        FunctionConfig {
            name: self.function_name(function),
            timeout,
            memory_mb: MEMORY_MB,
            role_arn: Some(self.role_arn(Principal::Function(function))),
            environment: self.environment(function, speed),
            code,
            reserved_concurrency: None,
            max_retries,
            max_event_age,
            on_failure_arn,
        }
    }

    fn subscribe(&self, aws: &Aws) -> Result<(), StackError> {
        for (topic_arn, subscription) in self.subscriptions() {
            aws.sns
                .subscribe(topic_arn, subscription)
                .map_err(refused(topic_arn))?;
        }
        Ok(())
    }

    /// Each subscription with its topic.
    pub(super) fn subscriptions(&self) -> [(&str, Subscription); 2] {
        let subscription = |function, queue_arn: &String| Subscription {
            endpoint_arn: self.function_arn(function),
            filter_policy: None,
            dead_letter_queue_arn: Some(queue_arn.clone()),
        };
        [
            (
                &self.raw_uploads_topic_arn,
                subscription(Function::IngestTrigger, &self.ingest_failures_queue_arn),
            ),
            (
                &self.moderation_results_topic_arn,
                subscription(
                    Function::ModerationCallback,
                    &self.undelivered_results_queue_arn,
                ),
            ),
        ]
    }

    /// The policy goes in as an operator puts it in: by S3's own protocol.
    async fn put_policy(&self, aws: &Aws) -> Result<(), StackError> {
        Clients::new(aws, "operator")
            .s3
            .put_object()
            .bucket(&self.ledger_bucket)
            .key(POLICY_KEY)
            .content_type("application/json")
            .body(ByteStream::from(self.options.policy.clone().into_bytes()))
            .send()
            .await
            .map_err(|error| StackError::Policy(DisplayErrorContext(&error).to_string()))?;
        Ok(())
    }

    pub(super) fn rules(&self, durations: &Durations) -> [Rule; 4] {
        let target = |function| Target {
            function_arn: self.function_arn(function),
            input: None,
        };
        let statuses = |statuses: &[&str]| {
            Trigger::Pattern(json!({
                "source": ["aws.states"],
                "detail-type": ["Step Functions Execution Status Change"],
                "detail": {"stateMachineArn": [self.state_machine_arn], "status": statuses},
            }))
        };
        let rule = |name: &str, trigger, targets| Rule {
            name: format!("{}-{name}", self.options.name),
            trigger,
            targets,
        };
        [
            rule(
                "executions",
                statuses(&["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]),
                vec![target(Function::ActivityWorker)],
            ),
            rule(
                "closed-executions",
                statuses(&["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]),
                vec![target(Function::Reconciler)],
            ),
            rule(
                "every-minute",
                Trigger::Rate(durations.tick),
                vec![
                    target(Function::ActivityWorker),
                    target(Function::Reconciler),
                ],
            ),
            rule(
                "sweep",
                Trigger::Rate(durations.sweep),
                vec![Target {
                    input: Some(json!({"sweep": {}})),
                    ..target(Function::Reconciler)
                }],
            ),
        ]
    }
}

/// The last part of an ARN.
pub(super) fn resource_name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

fn same(expected: &str, actual: String) -> Result<(), StackError> {
    if actual == expected {
        Ok(())
    } else {
        Err(StackError::Arn {
            expected: expected.to_owned(),
            actual,
        })
    }
}

fn refused(resource: &str) -> impl Fn(ApiError) -> StackError {
    let resource = resource.to_owned();
    move |source| StackError::Refused {
        resource: resource.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::stack::StackOptions;

    #[test]
    fn the_definition_is_filled_in_completely() {
        let stack = Stack::new(&Account::default(), StackOptions::default());
        let definition = stack.definition(&Durations::new(1.0)).unwrap();
        let definition: serde_json::Value = serde_json::from_str(&definition).unwrap();
        let moderate = &definition["States"]["Moderate"];
        assert_eq!(moderate["Resource"], stack.activity_arn);
        assert_eq!(moderate["HeartbeatSeconds"], 300);
        assert_eq!(definition["TimeoutSeconds"], 2_592_000);
    }

    #[test]
    fn arns_end_in_names() {
        assert_eq!(
            resource_name("arn:aws:states:us-east-1:1:activity:x-moderate"),
            "x-moderate"
        );
    }
}
