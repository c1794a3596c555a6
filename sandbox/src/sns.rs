//! SNS: topics, filter policies, fan-out to functions and queues. The query protocol: form-encoded requests, XML answers.
//!
//! Sources: SNS API reference; Lambda developer guide, "Using Lambda with Amazon SNS" (the event's shape); SNS developer guide, "Message
//! delivery retries" and "Dead-letter queues". Standard topics only; what `answer` does not list is refused by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use time::macros::format_description;

use crate::account::Account;
use crate::clock::Clock;
use crate::lambda::Lambda;
use crate::pattern;
use crate::rng::SharedRng;
use crate::sqs::Sqs;
use crate::wire::{ApiError, Request, Response, body, collect};

/// Largest message, in bytes (SNS API reference, Publish: 256 KiB by default).
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Longest time between a publication and its delivery here.
const DELIVERY_MS_MAX: f64 = 200.0;

/// The topics.
pub struct Sns {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    lambda: Arc<Lambda>,
    sqs: Arc<Sqs>,
    topics: Mutex<BTreeMap<String, Vec<Subscribed>>>,
}

#[derive(Clone)]
struct Subscribed {
    arn: String,
    subscription: Subscription,
}

/// Where a topic's messages go.
#[derive(Debug, Clone, Default)]
pub struct Subscription {
    /// ARN of a function or of a queue.
    pub endpoint_arn: String,
    /// Filter policy on message attributes, as JSON.
    pub filter_policy: Option<Value>,
    /// ARN of the queue that gets what cannot be delivered.
    pub dead_letter_queue_arn: Option<String>,
}

impl Subscription {
    fn protocol(&self) -> &str {
        self.endpoint_arn.split(':').nth(2).unwrap_or_default()
    }
}

/// One publication.
struct Message<'a> {
    id: String,
    topic_arn: &'a str,
    subject: Option<&'a str>,
    text: &'a str,
    attributes: &'a BTreeMap<String, String>,
    timestamp: String,
}

impl Sns {
    /// The service with no topic in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        lambda: Arc<Lambda>,
        sqs: Arc<Sqs>,
    ) -> Self {
        Self {
            account,
            clock,
            rng,
            lambda,
            sqs,
            topics: Mutex::new(BTreeMap::new()),
        }
    }

    /// Creates a topic and returns its ARN; an existing one is kept.
    pub fn create_topic(&self, name: &str) -> String {
        let arn = self.account.arn("sns", name);
        self.lock().entry(arn.clone()).or_default();
        arn
    }

    /// Subscribes a function or a queue to a topic; returns the subscription's ARN.
    ///
    /// # Errors
    /// `NotFound` for an unknown topic; `NotImplemented` for another protocol, or an operator of the filter policy (named).
    pub fn subscribe(
        &self,
        topic_arn: &str,
        subscription: Subscription,
    ) -> Result<String, ApiError> {
        if !matches!(subscription.protocol(), "lambda" | "sqs") {
            return Err(ApiError::not_implemented(&format!(
                "a subscription of {}",
                subscription.endpoint_arn
            )));
        }
        if let Some(policy) = &subscription.filter_policy {
            pattern::check(policy, "FilterPolicy")?;
        }
        let arn = format!("{topic_arn}:{}", self.rng.uuid());
        let mut topics = self.lock();
        let subscriptions = topics.get_mut(topic_arn).ok_or_else(no_topic)?;
        subscriptions.push(Subscribed {
            arn: arn.clone(),
            subscription,
        });
        Ok(arn)
    }

    /// Publishes to every subscription whose filter matches; returns the message's id once deliveries are on their way.
    /// `attributes` are string message attributes.
    ///
    /// # Errors
    /// `NotFound` for an unknown topic, `InvalidParameter` for a message that is empty or over 256 KiB.
    pub fn publish(
        &self,
        topic_arn: &str,
        subject: Option<&str>,
        message: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        if message.is_empty() {
            return Err(invalid("Invalid parameter: Empty message"));
        }
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(invalid("Invalid parameter: Message too long"));
        }
        let subscriptions = self.lock().get(topic_arn).ok_or_else(no_topic)?.clone();
        let message = Message {
            id: self.rng.uuid(),
            topic_arn,
            subject,
            text: message,
            attributes,
            timestamp: self.timestamp(),
        };
        let as_document = json!(attributes);
        for Subscribed { arn, subscription } in subscriptions {
            let filter = subscription.filter_policy.as_ref();
            if filter.is_none_or(|policy| pattern::matches(policy, &as_document)) {
                self.deliver(&arn, subscription, &message);
            }
        }
        Ok(message.id)
    }

    fn deliver(&self, subscription_arn: &str, subscription: Subscription, message: &Message<'_>) {
        let delay = self.clock.scaled(Duration::from_secs_f64(
            self.rng.fraction() * DELIVERY_MS_MAX / 1000.0,
        ));
        let (lambda, sqs) = (Arc::clone(&self.lambda), Arc::clone(&self.sqs));
        let payload = match subscription.protocol() {
            "lambda" => lambda_event(subscription_arn, message),
            _ => notification(message),
        }
        .to_string();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let endpoint = &subscription.endpoint_arn;
            let delivered = match subscription.protocol() {
                "lambda" => lambda
                    .invoke_async(endpoint, payload.clone().into())
                    .map(|_| ()),
                _ => sqs.send(endpoint, &payload, &BTreeMap::new()).map(|_| ()),
            };
            // The endpoint is gone: a client-side error, which SNS does not try again.
            let Err(error) = delivered else { return };
            tracing::warn!(endpoint, %error, "message not delivered");
            if let Some(queue) = &subscription.dead_letter_queue_arn
                && let Err(error) = sqs.send(queue, &payload, &BTreeMap::new())
            {
                tracing::error!(queue, %error, "message lost: not even its dead letter could be kept");
            }
        });
    }

    fn timestamp(&self) -> String {
        let format = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        self.clock.now().format(&format).unwrap_or_default()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        let request_id = self.rng.uuid();
        let (status, xml) = match self.answer(request, &request_id).await {
            Ok(xml) => (StatusCode::OK, xml),
            Err(error) => (error.status, error_xml(&error, &request_id)),
        };
        let mut response = http::Response::new(body(xml));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-amzn-requestid", id);
        }
        response
    }

    async fn answer(&self, request: Request, request_id: &str) -> Result<String, ApiError> {
        let bytes = collect(request.into_body())
            .await
            .map_err(|error| invalid(&error.to_string()))?;
        let form: BTreeMap<String, String> =
            serde_urlencoded::from_bytes(&bytes).map_err(|error| invalid(&error.to_string()))?;
        let action = form.get("Action").cloned().unwrap_or_default();
        let field = |name: &str| {
            form.get(name)
                .map(String::as_str)
                .ok_or_else(|| invalid(&format!("Invalid parameter: {name}")))
        };
        let result = match action.as_str() {
            "Publish" => {
                let attributes = message_attributes(&form)?;
                let id = self.publish(
                    field("TopicArn")?,
                    form.get("Subject").map(String::as_str),
                    field("Message")?,
                    &attributes,
                )?;
                element("MessageId", &id)
            }
            "CreateTopic" => element("TopicArn", &self.create_topic(field("Name")?)),
            "ListTopics" => {
                let topics = self.lock();
                let members = topics
                    .keys()
                    .map(|arn| format!("<member>{}</member>", element("TopicArn", arn)));
                format!("<Topics>{}</Topics>", members.collect::<String>())
            }
            "GetTopicAttributes" => self.topic_attributes(field("TopicArn")?)?,
            "Subscribe" => self.subscribe_by_form(&form, field("TopicArn")?, field("Endpoint")?)?,
            "ListSubscriptionsByTopic" => self.list_subscriptions(Some(field("TopicArn")?))?,
            "ListSubscriptions" => self.list_subscriptions(None)?,
            "Unsubscribe" => {
                let arn = field("SubscriptionArn")?;
                for subscriptions in self.lock().values_mut() {
                    subscriptions.retain(|subscribed| subscribed.arn != arn);
                }
                String::new()
            }
            other => {
                return Err(ApiError::not_implemented(&format!(
                    "the action {other} of SNS"
                )));
            }
        };
        Ok(format!(
            "<{action}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
        ))
    }

    fn topic_attributes(&self, topic_arn: &str) -> Result<String, ApiError> {
        let confirmed = self.lock().get(topic_arn).ok_or_else(no_topic)?.len();
        let entries = [
            ("TopicArn", topic_arn.to_owned()),
            ("Owner", self.account.id.clone()),
            ("SubscriptionsConfirmed", confirmed.to_string()),
        ];
        let entries = entries.iter().map(|(key, value)| {
            format!(
                "<entry>{}{}</entry>",
                element("key", key),
                element("value", value)
            )
        });
        Ok(format!(
            "<Attributes>{}</Attributes>",
            entries.collect::<String>()
        ))
    }

    fn subscribe_by_form(
        &self,
        form: &BTreeMap<String, String>,
        topic_arn: &str,
        endpoint: &str,
    ) -> Result<String, ApiError> {
        let mut subscription = Subscription {
            endpoint_arn: endpoint.to_owned(),
            ..Subscription::default()
        };
        for index in 1.. {
            let Some(name) = form.get(&format!("Attributes.entry.{index}.key")) else {
                break;
            };
            let value = form
                .get(&format!("Attributes.entry.{index}.value"))
                .cloned()
                .unwrap_or_default();
            let json = || {
                serde_json::from_str::<Value>(&value)
                    .map_err(|_| invalid(&format!("Invalid parameter: {name}")))
            };
            match name.as_str() {
                "FilterPolicy" => subscription.filter_policy = Some(json()?),
                "RedrivePolicy" => {
                    subscription.dead_letter_queue_arn =
                        json()?["deadLetterTargetArn"].as_str().map(str::to_owned);
                }
                other => {
                    return Err(ApiError::not_implemented(&format!(
                        "the subscription attribute {other}"
                    )));
                }
            }
        }
        Ok(element(
            "SubscriptionArn",
            &self.subscribe(topic_arn, subscription)?,
        ))
    }

    fn list_subscriptions(&self, topic_arn: Option<&str>) -> Result<String, ApiError> {
        let topics = self.lock();
        if topic_arn.is_some_and(|arn| !topics.contains_key(arn)) {
            return Err(no_topic());
        }
        let mut members = String::new();
        for (arn, subscriptions) in topics
            .iter()
            .filter(|(arn, _)| topic_arn.is_none_or(|topic| topic == *arn))
        {
            for subscribed in subscriptions {
                // Writing to a string cannot fail.
                let _ = write!(
                    members,
                    "<member>{}{}{}{}{}</member>",
                    element("TopicArn", arn),
                    element("Protocol", subscribed.subscription.protocol()),
                    element("SubscriptionArn", &subscribed.arn),
                    element("Owner", &self.account.id),
                    element("Endpoint", &subscribed.subscription.endpoint_arn)
                );
            }
        }
        Ok(format!("<Subscriptions>{members}</Subscriptions>"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Subscribed>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event that a subscribed function is invoked with: capitalised keys, one record.
fn lambda_event(subscription_arn: &str, message: &Message<'_>) -> Value {
    json!({"Records": [{
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "EventSource": "aws:sns",
        "Sns": notification(message),
    }]})
}

/// The notification as a queue gets it. The signature is not one: nothing here could verify it.
fn notification(message: &Message<'_>) -> Value {
    let attributes = message
        .attributes
        .iter()
        .map(|(name, value)| (name.clone(), json!({"Type": "String", "Value": value})));
    json!({
        "Type": "Notification",
        "MessageId": message.id,
        "TopicArn": message.topic_arn,
        "Subject": message.subject,
        "Message": message.text,
        "Timestamp": message.timestamp,
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertUrl": "EXAMPLE",
        "UnsubscribeUrl": "EXAMPLE",
        "MessageAttributes": attributes.collect::<serde_json::Map<_, _>>(),
    })
}

fn message_attributes(
    form: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut attributes = BTreeMap::new();
    for index in 1.. {
        let prefix = format!("MessageAttributes.entry.{index}");
        let Some(name) = form.get(&format!("{prefix}.Name")) else {
            break;
        };
        let value = form.get(&format!("{prefix}.Value.StringValue"));
        let value = value.ok_or_else(|| {
            ApiError::not_implemented(&format!("message attribute {name} without a StringValue"))
        })?;
        attributes.insert(name.clone(), value.clone());
    }
    Ok(attributes)
}

fn element(name: &str, text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!("<{name}>{escaped}</{name}>")
}

fn error_xml(error: &ApiError, request_id: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>{}{}</Error>{}</ErrorResponse>",
        element("Code", &error.code),
        element("Message", &error.message),
        element("RequestId", request_id)
    )
}

fn invalid(message: &str) -> ApiError {
    ApiError::client("InvalidParameter", message)
}

fn no_topic() -> ApiError {
    ApiError {
        status: StatusCode::NOT_FOUND,
        code: "NotFound".to_owned(),
        message: "Topic does not exist".to_owned(),
    }
}
