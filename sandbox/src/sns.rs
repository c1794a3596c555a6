//! SNS: topics, filter policies, fan-out to functions and queues.

use std::sync::Arc;

use crate::account::Account;
use crate::clock::Clock;
use crate::lambda::Lambda;
use crate::rng::SharedRng;
use crate::sqs::Sqs;
use crate::wire::{Request, Response};
/// SNS: topics, filter policies, fan-out to functions and queues.
pub struct Sns {}

impl Sns {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        lambda: Arc<Lambda>,
        sqs: Arc<Sqs>,
    ) -> Self {
        todo!()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// Creates a topic and returns its ARN; an existing one is kept.
    pub fn create_topic(&self, name: &str) -> String {
        todo!()
    }

    /// Subscribes a function (by ARN) or a queue (by ARN) to a topic; returns the subscription ARN.
    /// # Errors
    /// When the topic is unknown, or the filter policy uses an operator that is not implemented (named).
    pub fn subscribe(
        &self,
        topic_arn: &str,
        subscription: Subscription,
    ) -> Result<String, crate::wire::ApiError> {
        todo!()
    }

    /// Publishes to every subscription whose filter matches; returns the message id once deliveries are queued.
    /// `attributes` are string message attributes.
    /// # Errors
    /// `NotFound` for an unknown topic, `InvalidParameter` over 256 KiB.
    pub fn publish(
        &self,
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
        attributes: &std::collections::BTreeMap<String, String>,
    ) -> Result<String, crate::wire::ApiError> {
        todo!()
    }
}

/// Where a topic's messages go.
#[derive(Debug, Clone, Default)]
pub struct Subscription {
    /// ARN of a function or of a queue.
    pub endpoint_arn: String,
    /// Filter policy on message attributes, as JSON.
    pub filter_policy: Option<serde_json::Value>,
    /// ARN of the queue that gets what cannot be delivered.
    pub dead_letter_queue_arn: Option<String>,
}
