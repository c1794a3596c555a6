//! SQS, as far as dead letters and reading them need it: AWS JSON 1.0, `X-Amz-Target: AmazonSQS.<Operation>`.
//!
//! Source: SQS API reference. Standard queues only; what is not listed in `answer` is refused by name.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::wire::{ApiError, Request, Response, collect, json_response};

/// How long a received message stays hidden unless the request says otherwise (the service's default).
const VISIBILITY_S: u64 = 30;

/// Longest that ReceiveMessage waits for a message.
const WAIT_S_MAX: u64 = 20;

/// The queues.
pub struct Sqs {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    queues: Mutex<BTreeMap<String, VecDeque<Message>>>,
    arrived: tokio::sync::Notify,
}

#[derive(Clone)]
struct Message {
    id: String,
    body: String,
    attributes: BTreeMap<String, String>,
    sent_ms: i64,
    receive_count: u32,
    receipt: Option<String>,
    visible_ms: i64,
}

impl Sqs {
    /// The service with no queue in it.
    #[must_use]
    pub fn new(account: Account, clock: Clock, rng: SharedRng) -> Self {
        Self {
            account,
            clock,
            rng,
            queues: Mutex::new(BTreeMap::new()),
            arrived: tokio::sync::Notify::new(),
        }
    }

    /// Creates a queue and returns its ARN; an existing one is kept.
    pub fn create_queue(&self, name: &str) -> String {
        self.lock().entry(name.to_owned()).or_default();
        self.account.arn("sqs", name)
    }

    /// Puts a message in a queue, at once visible, and returns its id. `attributes` are string message attributes.
    ///
    /// # Errors
    /// `QueueDoesNotExist`.
    pub fn send(
        &self,
        queue_arn: &str,
        body: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        let id = self.rng.uuid();
        let message = Message {
            id: id.clone(),
            body: body.to_owned(),
            attributes: attributes.clone(),
            sent_ms: self.clock.now_ms(),
            receive_count: 0,
            receipt: None,
            visible_ms: 0,
        };
        let mut queues = self.lock();
        let queue = queues.get_mut(name_in(queue_arn)).ok_or_else(no_queue)?;
        queue.push_back(message);
        drop(queues);
        self.arrived.notify_waiters();
        Ok(id)
    }

    /// The bodies in a queue, oldest first, without receiving them.
    #[must_use]
    pub fn bodies(&self, queue_arn: &str) -> Vec<String> {
        let queues = self.lock();
        let queue = queues.get(name_in(queue_arn));
        queue
            .into_iter()
            .flatten()
            .map(|message| message.body.clone())
            .collect()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        let result = self.answer(request).await;
        json_response("application/x-amz-json-1.0", &self.rng.uuid(), result)
    }

    async fn answer(&self, request: Request) -> Result<Value, ApiError> {
        let target = request
            .headers()
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok());
        let operation = target
            .and_then(|target| target.strip_prefix("AmazonSQS."))
            .unwrap_or_default()
            .to_owned();
        let body = collect(request.into_body())
            .await
            .map_err(|error| ApiError::client("SerializationException", error.to_string()))?;
        let input: Value = serde_json::from_slice(&body)
            .map_err(|error| ApiError::client("SerializationException", error.to_string()))?;
        match operation.as_str() {
            "CreateQueue" => {
                self.create_queue(text(&input, "QueueName")?);
                Ok(json!({"QueueUrl": self.url(text(&input, "QueueName")?)}))
            }
            "GetQueueUrl" => {
                let name = text(&input, "QueueName")?;
                self.lock().get(name).ok_or_else(no_queue)?;
                Ok(json!({"QueueUrl": self.url(name)}))
            }
            "ListQueues" => {
                let prefix = input["QueueNamePrefix"].as_str().unwrap_or_default();
                let queues = self.lock();
                let names = queues.keys().filter(|name| name.starts_with(prefix));
                Ok(json!({"QueueUrls": names.map(|name| self.url(name)).collect::<Vec<_>>()}))
            }
            "GetQueueAttributes" => self.attributes(queue_name(&input)?),
            "SendMessage" => self.send_message(&input),
            "ReceiveMessage" => self.receive(&input).await,
            "DeleteMessage" => self.delete(&input),
            "PurgeQueue" => {
                self.lock()
                    .get_mut(queue_name(&input)?)
                    .ok_or_else(no_queue)?
                    .clear();
                Ok(json!({}))
            }
            other => Err(ApiError::not_implemented(&format!(
                "the operation AmazonSQS.{other}"
            ))),
        }
    }

    fn attributes(&self, name: &str) -> Result<Value, ApiError> {
        let now_ms = self.clock.now_ms();
        let queues = self.lock();
        let queue = queues.get(name).ok_or_else(no_queue)?;
        let hidden = queue
            .iter()
            .filter(|message| message.visible_ms > now_ms)
            .count();
        Ok(json!({"Attributes": {
            "QueueArn": self.account.arn("sqs", name),
            "ApproximateNumberOfMessages": (queue.len() - hidden).to_string(),
            "ApproximateNumberOfMessagesNotVisible": hidden.to_string(),
            "VisibilityTimeout": VISIBILITY_S.to_string(),
        }}))
    }

    fn send_message(&self, input: &Value) -> Result<Value, ApiError> {
        let body = text(input, "MessageBody")?;
        let mut attributes = BTreeMap::new();
        for (name, attribute) in input["MessageAttributes"].as_object().into_iter().flatten() {
            let value = attribute["StringValue"].as_str();
            let value = value.ok_or_else(|| {
                ApiError::not_implemented(&format!(
                    "message attribute {name} without a StringValue"
                ))
            })?;
            attributes.insert(name.clone(), value.to_owned());
        }
        let id = self.send(
            &self.account.arn("sqs", queue_name(input)?),
            body,
            &attributes,
        )?;
        Ok(json!({"MessageId": id, "MD5OfMessageBody": md5_hex(body)}))
    }

    async fn receive(&self, input: &Value) -> Result<Value, ApiError> {
        let name = queue_name(input)?;
        let wait = Duration::from_secs(
            input["WaitTimeSeconds"]
                .as_u64()
                .unwrap_or(0)
                .min(WAIT_S_MAX),
        );
        let deadline = tokio::time::Instant::now() + self.clock.scaled(wait);
        loop {
            let arrived = self.arrived.notified();
            let messages = self.take_visible(name, input)?;
            if !messages.is_empty() {
                return Ok(json!({"Messages": messages}));
            }
            if tokio::time::timeout_at(deadline, arrived).await.is_err() {
                return Ok(json!({}));
            }
        }
    }

    fn take_visible(&self, name: &str, input: &Value) -> Result<Vec<Value>, ApiError> {
        let most = input["MaxNumberOfMessages"]
            .as_u64()
            .unwrap_or(1)
            .clamp(1, 10);
        let visibility =
            Duration::from_secs(input["VisibilityTimeout"].as_u64().unwrap_or(VISIBILITY_S));
        let now_ms = self.clock.now_ms();
        let hidden_ms =
            i64::try_from(self.clock.scaled(visibility).as_millis()).unwrap_or(i64::MAX);
        let mut queues = self.lock();
        let queue = queues.get_mut(name).ok_or_else(no_queue)?;
        let visible = queue
            .iter_mut()
            .filter(|message| message.visible_ms <= now_ms);
        let mut taken = Vec::new();
        for message in visible.take(usize::try_from(most).unwrap_or(1)) {
            let receipt = self.rng.hex(16);
            message.visible_ms = now_ms.saturating_add(hidden_ms);
            message.receive_count += 1;
            message.receipt = Some(receipt.clone());
            taken.push(json!({
                "MessageId": message.id,
                "ReceiptHandle": receipt,
                "Body": message.body,
                "MD5OfBody": md5_hex(&message.body),
                "Attributes": {
                    "SentTimestamp": message.sent_ms.to_string(),
                    "ApproximateReceiveCount": message.receive_count.to_string(),
                },
                "MessageAttributes": message.attributes.iter().map(|(name, value)| {
                    (name.clone(), json!({"DataType": "String", "StringValue": value}))
                }).collect::<serde_json::Map<_, _>>(),
            }));
        }
        Ok(taken)
    }

    fn delete(&self, input: &Value) -> Result<Value, ApiError> {
        let receipt = text(input, "ReceiptHandle")?;
        let mut queues = self.lock();
        let queue = queues.get_mut(queue_name(input)?).ok_or_else(no_queue)?;
        queue.retain(|message| message.receipt.as_deref() != Some(receipt));
        Ok(json!({}))
    }

    fn url(&self, name: &str) -> String {
        format!(
            "https://sqs.{}.amazonaws.com/{}/{name}",
            self.account.region, self.account.id
        )
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Message>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_in(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

fn queue_name(input: &Value) -> Result<&str, ApiError> {
    Ok(text(input, "QueueUrl")?
        .rsplit('/')
        .next()
        .unwrap_or_default())
}

fn text<'a>(input: &'a Value, member: &str) -> Result<&'a str, ApiError> {
    input[member].as_str().ok_or_else(|| {
        ApiError::client(
            "MissingParameter",
            format!("The request must contain the parameter {member}."),
        )
    })
}

fn no_queue() -> ApiError {
    ApiError {
        status: StatusCode::BAD_REQUEST,
        code: "com.amazonaws.sqs#QueueDoesNotExist".to_owned(),
        message: "The specified queue does not exist.".to_owned(),
    }
}

fn md5_hex(text: &str) -> String {
    hex::encode(Md5::digest(text))
}
