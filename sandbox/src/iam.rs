//! IAM: roles with a policy each, asked before a role's call reaches its service, and once more when it found nothing.
//!
//! What a call needs is in a [`Table`], whose rows name their sources; the services know nothing of it. Callers without a role (an
//! operator's clients, tests) may do everything. Trust policies and resource policies are not emulated.

mod call;
mod denied;
mod policy;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use sha2::{Digest as _, Sha256};

use crate::account::Account;

pub use call::Call;
pub use denied::Denied;
pub use policy::{Condition, Grant, Operator, Policy};
pub use table::{Row, Table, TableError};

/// The roles of the account.
pub struct Iam {
    account: Account,
    /// By the access key id of their credentials.
    roles: Mutex<BTreeMap<String, Arc<Role>>>,
}

/// A role: what it may do, and what it needed so far.
#[derive(Debug)]
pub struct Role {
    name: String,
    account_id: String,
    policy: Policy,
    table: Arc<Table>,
    used: Mutex<Used>,
}

/// What the calls of a role came to.
#[derive(Debug, Default)]
struct Used {
    /// Numbers of the table's rows that applied to a call.
    rows: BTreeSet<usize>,
    /// Calls that no row covers, and so were refused.
    uncovered: BTreeSet<String>,
    /// Calls that the policy does not allow, and so were refused.
    denied: BTreeSet<String>,
}

impl Iam {
    /// No roles.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self {
            account,
            roles: Mutex::default(),
        }
    }

    /// Creates a role with a policy, or replaces it, and returns its ARN. `table` says what its calls need.
    pub fn put_role(&self, name: &str, policy: Policy, table: Arc<Table>) -> String {
        let arn = role_arn(&self.account, name);
        let role = Role {
            name: name.to_owned(),
            account_id: self.account.id.clone(),
            policy,
            table,
            used: Mutex::default(),
        };
        self.roles().insert(access_key_id(&arn), Arc::new(role));
        arn
    }

    /// The role of that ARN.
    #[must_use]
    pub fn role(&self, arn: &str) -> Option<Arc<Role>> {
        self.role_of_key(&access_key_id(arn))
    }

    /// The role whose credentials have that access key id.
    #[must_use]
    pub fn role_of_key(&self, access_key_id: &str) -> Option<Arc<Role>> {
        self.roles().get(access_key_id).cloned()
    }

    fn roles(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Role>>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Role {
    /// Whether the role may make a call.
    ///
    /// # Errors
    /// [`Denied`], for a call that no row of the table covers too.
    pub fn check(&self, call: &Call) -> Result<(), Denied> {
        if let Some(uncovered) = self.table.uncovered(call) {
            tracing::error!(
                role = self.name,
                uncovered,
                "no row says what this call needs"
            );
            self.used().uncovered.insert(uncovered.clone());
            return Err(self.denied("an unknown permission", &uncovered));
        }
        self.check_rows(call, None)
    }

    /// Whether the role may be told this status, which says that there is no such thing.
    ///
    /// # Errors
    /// [`Denied`]: the caller must not learn more than that.
    pub fn check_answer(&self, call: &Call, status: StatusCode) -> Result<(), Denied> {
        self.check_rows(call, Some(status.as_u16()))
    }

    /// What its calls needed so far.
    #[must_use]
    pub fn needed(&self) -> BTreeSet<Grant> {
        let used = self.used();
        let rows = used.rows.iter().map(|number| self.table.row(*number));
        rows.flat_map(Row::grants).collect()
    }

    /// What its policy grants.
    #[must_use]
    pub fn granted(&self) -> BTreeSet<Grant> {
        self.policy.grants()
    }

    /// Numbers of the table's rows that applied to its calls so far.
    #[must_use]
    pub fn rows(&self) -> BTreeSet<usize> {
        self.used().rows.clone()
    }

    /// Its calls so far that were refused: because no row covers them, or because the policy does not allow them.
    #[must_use]
    pub fn refused(&self) -> BTreeSet<String> {
        let used = self.used();
        used.uncovered.union(&used.denied).cloned().collect()
    }

    fn check_rows(&self, call: &Call, answer: Option<u16>) -> Result<(), Denied> {
        let mut refused = None;
        for (number, row) in self.table.applying(call, answer) {
            self.used().rows.insert(number);
            let resource = row.resource_of(call);
            for action in &row.actions {
                if !self.policy.allows(action, resource, call.context()) {
                    refused.get_or_insert_with(|| self.denied(action, resource));
                }
            }
        }
        match refused {
            None => Ok(()),
            Some(denied) => {
                tracing::warn!(role = self.name, call = call.name(), %denied, "refused");
                self.used()
                    .denied
                    .insert(format!("{}: {denied}", call.name()));
                Err(denied)
            }
        }
    }

    fn denied(&self, action: &str, resource: &str) -> Denied {
        Denied {
            session_arn: format!(
                "arn:aws:sts::{}:assumed-role/{name}/{name}",
                self.account_id,
                name = self.name
            ),
            action: action.to_owned(),
            resource: resource.to_owned(),
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ARN of a role. IAM is not regional: its ARNs name no region.
#[must_use]
pub fn role_arn(account: &Account, name: &str) -> String {
    format!("arn:aws:iam::{}:role/{name}", account.id)
}

/// The access key id of a role's temporary credentials, as the Lambda service gives them to its functions. They begin with ASIA (IAM
/// User Guide, "IAM identifiers") and never change here.
#[must_use]
pub fn access_key_id(role_arn: &str) -> String {
    let digest = hex::encode_upper(Sha256::digest(role_arn));
    format!("ASIA{}", &digest[..16])
}
