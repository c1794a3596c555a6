//! SQS, as far as dead letters and reading them need it: standard queues with visibility timeouts and long polls.

mod api;
mod message;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::account::Account;
use crate::clock::Clock;
use crate::rng::SharedRng;
use crate::wire::{ApiError, Request, Response};
use message::Message;
pub use message::MessageAttribute;
use message::Received;
pub(crate) use message::{attribute_bytes, text_attributes};

/// A new queue's visibility timeout.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a queue keeps a message: the most that SQS allows, 14 days.
const RETENTION: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The most bytes of one message, attributes included (SQS API reference, SendMessage).
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// SQS, as far as dead letters and reading them need it.
pub struct Sqs {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    queues: Mutex<BTreeMap<String, Arc<Queue>>>,
}

/// One queue.
struct Queue {
    arn: String,
    visibility_timeout: Duration,
    retention: Duration,
    created_s: i64,
    /// Told whenever a message becomes receivable by being sent or by its visibility timeout being changed.
    arrived: Notify,
    messages: Mutex<Messages>,
}

#[derive(Default)]
struct Messages {
    next_sequence: u64,
    /// In order of arrival.
    by_sequence: BTreeMap<u64, Message>,
}

/// How many messages a queue holds, by state.
struct Counts {
    visible: usize,
    in_flight: usize,
    delayed: usize,
}

/// What one ReceiveMessage asks for.
struct Receive {
    max_messages: usize,
    wait: Duration,
    visibility_timeout: Option<Duration>,
}

impl Sqs {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(account: Account, clock: Clock, rng: SharedRng) -> Self {
        Self {
            account,
            clock,
            rng,
            queues: Mutex::default(),
        }
    }

    /// Answers one request off the wire (AWS JSON 1.0, target `AmazonSQS.<operation>`).
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        api::handle(&self, request).await
    }

    /// Creates a queue (visibility timeout 30 s, retention 14 days) and returns its ARN; an existing one is kept.
    pub fn create_queue(&self, name: &str) -> String {
        self.create(name, VISIBILITY_TIMEOUT, RETENTION)
    }

    /// Puts a message in a queue, at once visible. `attributes` are string message attributes.
    /// # Errors
    /// `AWS.SimpleQueueService.NonExistentQueue`, `InvalidParameterValue` over 1 MiB, `MissingParameter` for an empty body.
    pub fn send(
        &self,
        queue_arn: &str,
        body: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        let attributes = text_attributes(attributes);
        Ok(self
            .put(&*self.by_arn(queue_arn)?, body, attributes, Duration::ZERO)?
            .id)
    }

    /// As [`Self::send`], with attributes of any type.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_with(
        &self,
        queue_arn: &str,
        body: &str,
        attributes: BTreeMap<String, MessageAttribute>,
    ) -> Result<String, ApiError> {
        Ok(self
            .put(&*self.by_arn(queue_arn)?, body, attributes, Duration::ZERO)?
            .id)
    }

    /// The bodies in a queue, oldest first, without receiving them. An unknown queue has none.
    pub fn bodies(&self, queue_arn: &str) -> Vec<String> {
        let Ok(queue) = self.by_arn(queue_arn) else {
            return Vec::new();
        };
        self.drop_expired(&queue);
        let messages = queue.lock();
        let bodies = messages.by_sequence.values();
        bodies.map(|message| message.body.clone()).collect()
    }

    fn create(&self, name: &str, visibility_timeout: Duration, retention: Duration) -> String {
        let arn = self.account.arn("sqs", name);
        self.lock().entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Queue {
                arn: arn.clone(),
                visibility_timeout,
                retention,
                created_s: self.clock.now().unix_timestamp(),
                arrived: Notify::new(),
                messages: Mutex::default(),
            })
        });
        arn
    }

    fn by_arn(&self, arn: &str) -> Result<Arc<Queue>, ApiError> {
        let name = arn.rsplit(':').next().unwrap_or_default();
        self.by_name(name)
            .filter(|queue| queue.arn == arn)
            .ok_or_else(no_queue)
    }

    fn by_name(&self, name: &str) -> Option<Arc<Queue>> {
        self.lock().get(name).cloned()
    }

    fn put(
        &self,
        queue: &Queue,
        body: &str,
        attributes: BTreeMap<String, MessageAttribute>,
        delay: Duration,
    ) -> Result<Message, ApiError> {
        if body.is_empty() {
            let text = "The request must contain the parameter MessageBody.";
            return Err(ApiError::client("MissingParameter", text));
        }
        let size = body.len() + attributes.iter().map(attribute_bytes).sum::<usize>();
        if size > MESSAGE_BYTES_MAX {
            return Err(ApiError::client(
                "InvalidParameterValue",
                format!(
                    "One or more parameters are invalid. Reason: Message must be shorter than {MESSAGE_BYTES_MAX} bytes."
                ),
            ));
        }
        let message = Message {
            id: self.rng.uuid(),
            body: body.to_owned(),
            attributes,
            sent_ms: self.clock.now_ms(),
            expires_at: Instant::now() + self.clock.scaled(queue.retention),
            visible_at: Instant::now() + self.clock.scaled(delay),
            receipt: None,
            receive_count: 0,
            first_received_ms: None,
        };
        let mut messages = queue.lock();
        let sequence = messages.next_sequence;
        messages.next_sequence += 1;
        messages.by_sequence.insert(sequence, message.clone());
        drop(messages);
        queue.arrived.notify_waiters();
        Ok(message)
    }

    /// Receives as SQS does: at most ten messages, oldest first, each hidden for the visibility timeout; waits for the
    /// first one as long as the request says.
    async fn receive(&self, queue: &Queue, receive: &Receive) -> Vec<Received> {
        let until = Instant::now() + self.clock.scaled(receive.wait);
        loop {
            let arrived = queue.arrived.notified();
            let taken = self.take_visible(queue, receive);
            let now = Instant::now();
            if !taken.is_empty() || now >= until {
                return taken;
            }
            let reappears = queue.next_visible_at().filter(|at| *at > now);
            let wake = reappears.map_or(until, |at| at.min(until));
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn take_visible(&self, queue: &Queue, receive: &Receive) -> Vec<Received> {
        self.drop_expired(queue);
        let now = Instant::now();
        let hidden_for = receive
            .visibility_timeout
            .unwrap_or(queue.visibility_timeout);
        let mut messages = queue.lock();
        let visible = messages
            .by_sequence
            .values_mut()
            .filter(|message| message.visible_at <= now);
        visible
            .take(receive.max_messages)
            .map(|message| {
                message.receive_count += 1;
                message.first_received_ms.get_or_insert(self.clock.now_ms());
                message.visible_at = now + self.clock.scaled(hidden_for);
                let receipt = self.rng.hex(32);
                message.receipt = Some(receipt.clone());
                Received {
                    receipt,
                    message: message.clone(),
                }
            })
            .collect()
    }

    fn drop_expired(&self, queue: &Queue) {
        let now = Instant::now();
        queue
            .lock()
            .by_sequence
            .retain(|_, message| message.expires_at > now);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_visible_at(&self) -> Option<Instant> {
        let messages = self.lock();
        messages
            .by_sequence
            .values()
            .map(|message| message.visible_at)
            .min()
    }

    /// Deletes the message that a receipt handle stands for. An old or unknown handle deletes nothing, which SQS
    /// answers with success.
    fn delete(&self, receipt: &str) {
        let is_received = |message: &Message| message.receipt.as_deref() == Some(receipt);
        self.lock()
            .by_sequence
            .retain(|_, message| !is_received(message));
    }

    fn purge(&self) {
        self.lock().by_sequence.clear();
    }

    fn counts(&self) -> Counts {
        let now = Instant::now();
        let mut counts = Counts {
            visible: 0,
            in_flight: 0,
            delayed: 0,
        };
        for message in self.lock().by_sequence.values() {
            if message.visible_at <= now {
                counts.visible += 1;
            } else if message.receipt.is_some() {
                counts.in_flight += 1;
            } else {
                counts.delayed += 1;
            }
        }
        counts
    }
}

/// The code is the one of the query protocol, which SDKs of that time and boto3 still match on.
fn no_queue() -> ApiError {
    ApiError::client(
        "AWS.SimpleQueueService.NonExistentQueue",
        "The specified queue does not exist.",
    )
}
