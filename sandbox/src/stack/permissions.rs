//! What each principal of the workflow may do: the policies that Terraform deploys, and the table of what calls need.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Function, Stack, TemplateError, render};
use crate::aws::Aws;
use crate::iam::{Policy, Table, TableError};

/// What calls need, with the sources.
const OPERATIONS: &str = include_str!("../../../terraform/permissions/operations.toml");

/// Whoever acts for the workflow, each with a role of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// A function.
    Function(Function),
    /// The state machine, which announces verdicts.
    StateMachine,
    /// Rekognition, which notifies of ended jobs.
    Rekognition,
}

/// Why the permissions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PermissionsError {
    /// A placeholder has no value.
    #[error("the permissions cannot be filled in")]
    Template(#[from] TemplateError),
    /// The table is not usable.
    #[error("terraform/permissions/operations.toml is not usable")]
    Table(#[from] TableError),
    /// A policy is no policy that the sandbox understands.
    #[error("the policy of {principal} is not usable")]
    Policy {
        /// Whose.
        principal: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl Principal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Function(Function::IngestTrigger),
        Self::Function(Function::ActivityWorker),
        Self::Function(Function::ModerationCallback),
        Self::Function(Function::Reconciler),
        Self::StateMachine,
        Self::Rekognition,
    ];

    /// Name of its policy's file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Function(function) => function.name(),
            Self::StateMachine => "state-machine",
            Self::Rekognition => "rekognition",
        }
    }

    /// Its policy, with placeholders for ARNs.
    #[must_use]
    pub const fn policy_template(self) -> &'static str {
        match self {
            Self::Function(Function::IngestTrigger) => {
                include_str!("../../../terraform/permissions/ingest-trigger.json.tftpl")
            }
            Self::Function(Function::ActivityWorker) => {
                include_str!("../../../terraform/permissions/activity-worker.json.tftpl")
            }
            Self::Function(Function::ModerationCallback) => {
                include_str!("../../../terraform/permissions/moderation-callback.json.tftpl")
            }
            Self::Function(Function::Reconciler) => {
                include_str!("../../../terraform/permissions/reconciler.json.tftpl")
            }
            Self::StateMachine => {
                include_str!("../../../terraform/permissions/state-machine.json.tftpl")
            }
            Self::Rekognition => {
                include_str!("../../../terraform/permissions/rekognition.json.tftpl")
            }
        }
    }
}

impl Stack {
    /// The ARN of a principal's role.
    #[must_use]
    pub fn role_arn(&self, principal: Principal) -> String {
        let name = match principal {
            Principal::Function(function) => self.function_name(function),
            Principal::StateMachine => super::resource_name(&self.state_machine_arn).to_owned(),
            Principal::Rekognition => return self.rekognition_role_arn.clone(),
        };
        crate::iam::role_arn(&self.account, &name)
    }

    /// A principal's policy, filled in.
    ///
    /// # Errors
    /// [`PermissionsError`].
    pub fn policy(&self, principal: Principal) -> Result<Policy, PermissionsError> {
        let document = self.fill_in(principal.policy_template())?;
        Policy::parse(&document).map_err(|source| PermissionsError::Policy {
            principal: principal.name(),
            source,
        })
    }

    /// What calls need, filled in.
    ///
    /// # Errors
    /// [`PermissionsError`].
    pub fn operations(&self) -> Result<Table, PermissionsError> {
        Table::parse(OPERATIONS, |text| Ok(self.fill_in(text)?))
    }

    /// Gives every principal its role.
    pub(super) fn put_roles(&self, aws: &Aws) -> Result<(), PermissionsError> {
        let table = Arc::new(self.operations()?);
        for principal in Principal::ALL {
            let arn = self.role_arn(principal);
            let name = arn.rsplit('/').next().unwrap_or(&arn);
            aws.iam
                .put_role(name, self.policy(principal)?, Arc::clone(&table));
        }
        Ok(())
    }

    /// Fills in those of the permissions' placeholders that a text uses.
    ///
    /// # Errors
    /// [`TemplateError`] for a placeholder that has no value.
    pub fn fill_in(&self, text: &str) -> Result<String, TemplateError> {
        let bucket = |name: &str| format!("arn:aws:s3:::{name}");
        let mut values = BTreeMap::from([
            ("raw_bucket_arn", bucket(&self.raw_bucket)),
            ("approved_bucket_arn", bucket(&self.approved_bucket)),
            ("ledger_bucket_arn", bucket(&self.ledger_bucket)),
            ("activity_arn", self.activity_arn.clone()),
            ("state_machine_arn", self.state_machine_arn.clone()),
            (
                "execution_arn",
                self.state_machine_arn
                    .replace(":stateMachine:", ":execution:"),
            ),
            ("decisions_topic_arn", self.decisions_topic_arn.clone()),
            (
                "moderation_results_topic_arn",
                self.moderation_results_topic_arn.clone(),
            ),
            ("rekognition_role_arn", self.rekognition_role_arn.clone()),
        ]);
        values.retain(|name, _| text.contains(&format!("${{{name}}}")));
        render(text, &values)
    }
}
