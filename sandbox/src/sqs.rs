//! SQS, as far as dead letters and reading them need it.

use std::sync::Arc;

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::wire::{Request, Response};

/// SQS, as far as dead letters and reading them need it.
pub struct Sqs {}

impl Sqs {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(account: Account, clock: Clock, rng: SharedRng) -> Self {
        todo!()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// Creates a queue (visibility timeout 30 s, retention 14 days) and returns its ARN; an existing one is kept.
    pub fn create_queue(&self, name: &str) -> String {
        todo!()
    }

    /// Puts a message in a queue, at once visible. `attributes` are string message attributes.
    /// # Errors
    /// `AWS.SimpleQueueService.NonExistentQueue`.
    pub fn send(
        &self,
        queue_arn: &str,
        body: &str,
        attributes: &std::collections::BTreeMap<String, String>,
    ) -> Result<String, crate::wire::ApiError> {
        todo!()
    }

    /// The bodies in a queue, oldest first, without receiving them.
    pub fn bodies(&self, queue_arn: &str) -> Vec<String> {
        todo!()
    }
}
