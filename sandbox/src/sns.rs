//! SNS: topics, filter policies, fan-out to functions and queues.

mod api;
mod filter;
mod message;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::account::Account;
use crate::clock::{Clock, iso_ms};
use crate::delivery::DeliveryFaults;
use crate::iam::{Call, Iam};
use crate::journal::{Entry, Journal};
use crate::lambda::Lambda;
use crate::rng::SharedRng;
use crate::sqs::{MessageAttribute, Sqs, text_attributes};
use crate::wire::{ApiError, Request, Response};
use filter::FilterPolicy;
use message::Notification;

/// The most bytes of one message, attributes included (SNS API reference, Publish: 256 KiB unless the topic says more).
const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Deliveries leave within this time of the publish, at any moment of it. (Measured on AWS: 73 ms in the median from publish to function,
/// 225 ms for 99 of 100; bitesizedserverless.com, "Serverless Messaging: Latency Compared", 2022.)
const DELIVERY_DELAY_MAX: Duration = Duration::from_millis(200);

/// SNS: topics, filter policies, fan-out to functions and queues.
pub struct Sns {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    iam: Arc<Iam>,
    lambda: Arc<Lambda>,
    sqs: Arc<Sqs>,
    journal: Journal,
    topics: Mutex<BTreeMap<String, Topic>>,
    faults: Mutex<DeliveryFaults>,
    published: AtomicU64,
}

/// One topic, by its ARN.
#[derive(Default)]
struct Topic {
    /// By subscription ARN.
    subscriptions: BTreeMap<String, Arc<Subscribed>>,
    deleted_subscriptions: usize,
}

/// A subscription as the topic keeps it.
struct Subscribed {
    arn: String,
    topic_arn: String,
    wanted: Subscription,
    filter: Option<FilterPolicy>,
    raw_message_delivery: bool,
}

/// Where a topic's messages go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subscription {
    /// ARN of a function or of a queue.
    pub endpoint_arn: String,
    /// Filter policy on message attributes, as JSON.
    pub filter_policy: Option<serde_json::Value>,
    /// ARN of the queue that gets what cannot be delivered.
    pub dead_letter_queue_arn: Option<String>,
}

impl Sns {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        iam: Arc<Iam>,
        lambda: Arc<Lambda>,
        sqs: Arc<Sqs>,
        journal: Journal,
    ) -> Self {
        Self {
            account,
            clock,
            rng,
            iam,
            lambda,
            sqs,
            journal,
            topics: Mutex::default(),
            faults: Mutex::default(),
            published: AtomicU64::new(0),
        }
    }

    /// How many messages were published so far.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Answers one request off the wire (query protocol: a form in, XML out).
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        api::handle(&self, request).await
    }

    /// Creates a topic and returns its ARN; an existing one is kept.
    pub fn create_topic(&self, name: &str) -> String {
        let arn = self.account.arn("sns", name);
        self.lock().entry(arn.clone()).or_default();
        arn
    }

    /// Subscribes a function (by ARN) or a queue (by ARN) to a topic; returns the subscription ARN. The same
    /// subscription again is the existing one.
    /// # Errors
    /// `NotFound` when the topic is unknown, `InvalidParameter` when the filter policy uses an operator that is not
    /// implemented (named), or the endpoint is subscribed with other attributes.
    pub fn subscribe(
        &self,
        topic_arn: &str,
        subscription: Subscription,
    ) -> Result<String, ApiError> {
        self.subscribe_with(topic_arn, subscription, false)
    }

    /// As [`Self::subscribe`]; `raw_message_delivery` gives a queue the bare message instead of the notification.
    ///
    /// # Errors
    /// As [`Self::subscribe`]; raw delivery is refused for functions, as by SNS.
    pub fn subscribe_with(
        &self,
        topic_arn: &str,
        subscription: Subscription,
        raw_message_delivery: bool,
    ) -> Result<String, ApiError> {
        let protocol = protocol(&subscription.endpoint_arn).ok_or_else(|| {
            invalid(format!(
                "Endpoint Reason: {:?} is neither a function's nor a queue's ARN",
                subscription.endpoint_arn
            ))
        })?;
        if raw_message_delivery && protocol == "lambda" {
            let text = "Attributes Reason: Delivery protocol [lambda] does not support raw message delivery.";
            return Err(invalid(text));
        }
        let policy = subscription.filter_policy.as_ref();
        let filter = policy
            .map(FilterPolicy::parse)
            .transpose()
            .map_err(|reason| invalid(format!("FilterPolicy: {reason}")))?;
        let mut topics = self.lock();
        let topic = topics.get_mut(topic_arn).ok_or_else(no_topic)?;
        let same_endpoint =
            |known: &&Arc<Subscribed>| known.wanted.endpoint_arn == subscription.endpoint_arn;
        if let Some(known) = topic.subscriptions.values().find(same_endpoint) {
            if known.wanted == subscription && known.raw_message_delivery == raw_message_delivery {
                return Ok(known.arn.clone());
            }
            let text = "Attributes Reason: Subscription already exists with different attributes";
            return Err(invalid(text));
        }
        let arn = format!("{topic_arn}:{}", self.rng.uuid());
        let subscribed = Subscribed {
            arn: arn.clone(),
            topic_arn: topic_arn.to_owned(),
            wanted: subscription,
            filter,
            raw_message_delivery,
        };
        topic
            .subscriptions
            .insert(arn.clone(), Arc::new(subscribed));
        Ok(arn)
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
        attributes: &BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        self.publish_with(topic_arn, subject, message, text_attributes(attributes))
    }

    /// As [`Self::publish`], by another service that has assumed a role for it. A role that IAM does not know may do everything.
    ///
    /// # Errors
    /// As [`Self::publish`]; `AuthorizationError` when the role may not.
    pub fn publish_as(
        &self,
        role_arn: &str,
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        if let Some(role) = self.iam.role(role_arn) {
            role.check(&Call::publish(topic_arn))
                .map_err(|denied| denied.of_publish())?;
        }
        self.publish(topic_arn, subject, message, attributes)
    }

    /// As [`Self::publish`], with attributes of any type.
    fn publish_with(
        &self,
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
        attributes: BTreeMap<String, MessageAttribute>,
    ) -> Result<String, ApiError> {
        check_message(subject, message, &attributes)?;
        let subscriptions = {
            let topics = self.lock();
            let topic = topics.get(topic_arn).ok_or_else(no_topic)?;
            let matching = topic.subscriptions.values().filter(|subscribed| {
                let filter = subscribed.filter.as_ref();
                filter.is_none_or(|filter| filter.matches(&attributes))
            });
            matching.cloned().collect::<Vec<_>>()
        };
        let notification = Arc::new(Notification {
            message_id: self.rng.uuid(),
            topic_arn: topic_arn.to_owned(),
            subject: subject.map(str::to_owned),
            message: message.to_owned(),
            attributes,
            timestamp: iso_ms(self.clock.now()),
            region: self.account.region.clone(),
        });
        self.published.fetch_add(1, Ordering::Relaxed);
        for subscribed in &subscriptions {
            self.deliver_soon(subscribed, &notification);
        }
        Ok(notification.message_id.clone())
    }

    /// Changes what may happen to messages from now on.
    pub fn set_faults(&self, faults: DeliveryFaults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// What may happen to messages.
    #[must_use]
    pub fn faults(&self) -> DeliveryFaults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver_soon(&self, subscribed: &Arc<Subscribed>, notification: &Arc<Notification>) {
        let arrivals = self.faults().arrivals(&self.rng, DELIVERY_DELAY_MAX);
        self.journal.note(&Entry::Delivery {
            source: &subscribed.topic_arn,
            target: &subscribed.wanted.endpoint_arn,
            after: &arrivals,
        });
        for delay in arrivals {
            let clock = self.clock.clone();
            let lambda = Arc::clone(&self.lambda);
            let sqs = Arc::clone(&self.sqs);
            let rng = self.rng.clone();
            let (subscribed, notification) = (Arc::clone(subscribed), Arc::clone(notification));
            tokio::spawn(async move {
                clock.sleep(delay).await;
                if let Err(error) = deliver(&lambda, &sqs, &subscribed, &notification) {
                    bury(&sqs, &rng, &subscribed, &notification, &error);
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands a message to its endpoint. Functions are invoked asynchronously: once Lambda has queued the event SNS is done,
/// and what the function makes of it is Lambda's to retry (Lambda developer guide, "Invoking Lambda functions with
/// Amazon SNS notifications").
fn deliver(
    lambda: &Arc<Lambda>,
    sqs: &Sqs,
    subscribed: &Subscribed,
    notification: &Notification,
) -> Result<(), ApiError> {
    let endpoint = &subscribed.wanted.endpoint_arn;
    if protocol(endpoint) == Some("lambda") {
        let event = notification.lambda_event(&subscribed.arn).to_string();
        lambda.invoke_async(endpoint, event.into())?;
    } else if subscribed.raw_message_delivery {
        sqs.send_with(
            endpoint,
            &notification.message,
            notification.attributes.clone(),
        )?;
    } else {
        let envelope = notification.envelope(&subscribed.arn).to_string();
        sqs.send(endpoint, &envelope, &BTreeMap::new())?;
    }
    Ok(())
}

/// What the endpoint refuses is not retried (a client-side error, as a deleted function is) but goes to the
/// subscription's dead-letter queue, with the error in attributes (SNS developer guide, "Amazon SNS dead-letter queues").
fn bury(
    sqs: &Sqs,
    rng: &SharedRng,
    subscribed: &Subscribed,
    notification: &Notification,
    error: &ApiError,
) {
    let Some(queue_arn) = &subscribed.wanted.dead_letter_queue_arn else {
        tracing::warn!(subscription = subscribed.arn, %error, "SNS dropped a message without a dead-letter queue");
        return;
    };
    let attributes = BTreeMap::from([
        ("RequestID".to_owned(), rng.uuid()),
        ("ErrorCode".to_owned(), error.status.as_str().to_owned()),
        ("ErrorMessage".to_owned(), error.message.clone()),
    ]);
    let envelope = notification.envelope(&subscribed.arn).to_string();
    if let Err(error) = sqs.send(queue_arn, &envelope, &attributes) {
        tracing::warn!(subscription = subscribed.arn, %error, "SNS could not reach a dead-letter queue");
    }
}

fn check_message(
    subject: Option<&str>,
    message: &str,
    attributes: &BTreeMap<String, MessageAttribute>,
) -> Result<(), ApiError> {
    if message.is_empty() {
        return Err(invalid("Empty message"));
    }
    // At most 100 characters, without line breaks or control characters (SNS API reference, Publish).
    if subject
        .is_some_and(|s| s.is_empty() || s.chars().count() > 100 || s.contains(char::is_control))
    {
        return Err(invalid("Subject"));
    }
    let attribute_bytes = attributes
        .iter()
        .map(crate::sqs::attribute_bytes)
        .sum::<usize>();
    if message.len() + attribute_bytes > MESSAGE_BYTES_MAX {
        return Err(invalid("Message too long"));
    }
    Ok(())
}

/// The subscription protocol that an endpoint's ARN stands for.
fn protocol(endpoint_arn: &str) -> Option<&'static str> {
    match endpoint_arn.split(':').nth(2) {
        Some("lambda") => Some("lambda"),
        Some("sqs") => Some("sqs"),
        _ => None,
    }
}

fn no_topic() -> ApiError {
    ApiError {
        status: StatusCode::NOT_FOUND,
        code: "NotFound".to_owned(),
        message: "Topic does not exist".to_owned(),
    }
}

fn invalid(what: impl AsRef<str>) -> ApiError {
    ApiError::client(
        "InvalidParameter",
        format!("Invalid parameter: {}", what.as_ref()),
    )
}
