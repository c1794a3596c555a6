//! The wire side of SQS: AWS JSON 1.0, as current SDKs and the CLI speak it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::message::{Message, MessageAttribute, Received, attributes_md5_hex, md5_hex};
use super::{Queue, RETENTION, Receive, Sqs, VISIBILITY_TIMEOUT, no_queue};
use crate::params::{json_operation, parse};
use crate::wire::{ApiError, Request, Response, json_response};

/// ApproximateNumberOfMessages and the other attributes that GetQueueAttributes answers with.
const QUEUE_ATTRIBUTES: [&str; 9] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "QueueArn",
    "VisibilityTimeout",
];

/// The system attributes of a received message.
const MESSAGE_ATTRIBUTES: [&str; 4] = [
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "SenderId",
    "SentTimestamp",
];

pub(super) async fn handle(sqs: &Sqs, request: Request) -> Response {
    let host = request
        .headers()
        .get("host")
        .and_then(|host| host.to_str().ok());
    let endpoint = format!("http://{}", host.unwrap_or("127.0.0.1"));
    let result = match json_operation("AmazonSQS", request).await {
        Ok((operation, body)) => answer(sqs, &endpoint, &operation, &body).await,
        Err(error) => Err(error),
    };
    respond(&sqs.rng.uuid(), result)
}

/// In the JSON protocol an error's type is its modelled shape, while its code of the query protocol stands in a header
/// (botocore's `awsQueryCompatible`).
fn respond(request_id: &str, result: Result<Value, ApiError>) -> Response {
    let query_code = result.as_ref().err().map(|error| error.code.clone());
    let result = result.map_err(|mut error| {
        if error.code == no_queue().code {
            "com.amazonaws.sqs#QueueDoesNotExist".clone_into(&mut error.code);
        }
        error
    });
    let mut response = json_response("application/x-amz-json-1.0", request_id, result);
    if let Some(code) = query_code
        && let Ok(value) = HeaderValue::from_str(&format!("{code};Sender"))
    {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

async fn answer(
    sqs: &Sqs,
    endpoint: &str,
    operation: &str,
    body: &[u8],
) -> Result<Value, ApiError> {
    match operation {
        "CreateQueue" => create_queue(sqs, endpoint, parse(operation, body)?),
        "GetQueueUrl" => get_queue_url(sqs, endpoint, &parse(operation, body)?),
        "ListQueues" => list_queues(sqs, endpoint, &parse(operation, body)?),
        "GetQueueAttributes" => get_queue_attributes(sqs, &parse(operation, body)?),
        "SendMessage" => send_message(sqs, parse(operation, body)?),
        "ReceiveMessage" => receive_message(sqs, parse(operation, body)?).await,
        "DeleteMessage" => {
            let request: DeleteMessage = parse(operation, body)?;
            by_url(sqs, &request.queue_url)?.delete(&request.receipt_handle);
            Ok(json!({}))
        }
        "PurgeQueue" => {
            let request: QueueUrl = parse(operation, body)?;
            by_url(sqs, &request.queue_url)?.purge();
            Ok(json!({}))
        }
        _ => Err(ApiError::not_implemented(&format!("SQS {operation}"))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateQueue {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

fn create_queue(sqs: &Sqs, endpoint: &str, request: CreateQueue) -> Result<Value, ApiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(1..=80).contains(&request.queue_name.len()) || !request.queue_name.chars().all(legal) {
        return Err(ApiError::client(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ));
    }
    let mut visibility_timeout = VISIBILITY_TIMEOUT;
    let mut retention = RETENTION;
    for (name, value) in &request.attributes {
        match name.as_str() {
            "VisibilityTimeout" => visibility_timeout = seconds(name, value, 0..=43_200)?,
            "MessageRetentionPeriod" => retention = seconds(name, value, 60..=1_209_600)?,
            _ => {
                let what = format!("attribute {name} of SQS CreateQueue");
                return Err(ApiError::not_implemented(&what));
            }
        }
    }
    sqs.create(&request.queue_name, visibility_timeout, retention);
    Ok(json!({"QueueUrl": url(sqs, endpoint, &request.queue_name)}))
}

fn seconds(
    name: &str,
    value: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Duration, ApiError> {
    let parsed = value.parse().ok().filter(|seconds| range.contains(seconds));
    parsed.map(Duration::from_secs).ok_or_else(|| {
        let text = format!("Invalid value for the parameter {name}.");
        ApiError::client("InvalidAttributeValue", text)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetQueueUrl {
    queue_name: String,
}

fn get_queue_url(sqs: &Sqs, endpoint: &str, request: &GetQueueUrl) -> Result<Value, ApiError> {
    sqs.by_name(&request.queue_name).ok_or_else(no_queue)?;
    Ok(json!({"QueueUrl": url(sqs, endpoint, &request.queue_name)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ListQueues {
    queue_name_prefix: Option<String>,
}

fn list_queues(sqs: &Sqs, endpoint: &str, request: &ListQueues) -> Result<Value, ApiError> {
    let prefix = request.queue_name_prefix.as_deref().unwrap_or_default();
    let queues = sqs.lock();
    let names = queues.keys().filter(|name| name.starts_with(prefix));
    let urls: Vec<String> = names.map(|name| url(sqs, endpoint, name)).collect();
    // SQS leaves the list out when there is nothing in it.
    Ok(if urls.is_empty() {
        json!({})
    } else {
        json!({"QueueUrls": urls})
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetQueueAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

fn get_queue_attributes(sqs: &Sqs, request: &GetQueueAttributes) -> Result<Value, ApiError> {
    let queue = by_url(sqs, &request.queue_url)?;
    sqs.drop_expired(&queue);
    let counts = queue.counts();
    let mut attributes = Map::new();
    for name in wanted(
        &request.attribute_names,
        &QUEUE_ATTRIBUTES,
        "SQS GetQueueAttributes",
    )? {
        let value = match name {
            "ApproximateNumberOfMessages" => counts.visible.to_string(),
            "ApproximateNumberOfMessagesDelayed" => counts.delayed.to_string(),
            "ApproximateNumberOfMessagesNotVisible" => counts.in_flight.to_string(),
            "MaximumMessageSize" => super::MESSAGE_BYTES_MAX.to_string(),
            "MessageRetentionPeriod" => queue.retention.as_secs().to_string(),
            "QueueArn" => queue.arn.clone(),
            "VisibilityTimeout" => queue.visibility_timeout.as_secs().to_string(),
            _ => queue.created_s.to_string(),
        };
        attributes.insert(name.to_owned(), Value::String(value));
    }
    Ok(json!({"Attributes": attributes}))
}

/// The attributes that a list of names asks for, where `All` is every one.
fn wanted(
    names: &[String],
    known: &[&'static str],
    operation: &str,
) -> Result<Vec<&'static str>, ApiError> {
    if names.iter().any(|name| name == "All") {
        return Ok(known.to_vec());
    }
    let find = |name: &String| {
        let found = known.iter().copied().find(|known| known == name);
        found.ok_or_else(|| ApiError::not_implemented(&format!("attribute {name} of {operation}")))
    };
    names.iter().map(find).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    queue_url: String,
    message_body: String,
    #[serde(default)]
    delay_seconds: u64,
    #[serde(default)]
    message_attributes: BTreeMap<String, WireAttribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct WireAttribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

impl WireAttribute {
    fn typed(self, name: &str) -> Result<MessageAttribute, ApiError> {
        let base = self.data_type.split('.').next();
        let value = match base {
            Some("String" | "Number") => self.string_value.filter(|text| !text.is_empty()),
            Some("Binary") => self.binary_value.filter(|text| BASE64.decode(text).is_ok()),
            _ => None,
        };
        let value = value.ok_or_else(|| {
            ApiError::client(
                "InvalidParameterValue",
                format!(
                    "The message attribute '{name}' of type '{}' must have a non-empty value of that type.",
                    self.data_type
                ),
            )
        })?;
        Ok(MessageAttribute {
            data_type: self.data_type,
            value,
        })
    }
}

fn send_message(sqs: &Sqs, request: SendMessage) -> Result<Value, ApiError> {
    let queue = by_url(sqs, &request.queue_url)?;
    let attributes = request
        .message_attributes
        .into_iter()
        .map(|(name, attribute)| {
            let typed = attribute.typed(&name)?;
            Ok((name, typed))
        });
    let attributes = attributes.collect::<Result<BTreeMap<_, _>, ApiError>>()?;
    if request.delay_seconds > 900 {
        let text = "Value for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.";
        return Err(ApiError::client("InvalidParameterValue", text));
    }
    let delay = Duration::from_secs(request.delay_seconds);
    let message = sqs.put(&queue, &request.message_body, attributes, delay)?;
    let mut answer = json!({
        "MessageId": message.id,
        "MD5OfMessageBody": md5_hex(&message.body),
    });
    if !message.attributes.is_empty() {
        answer["MD5OfMessageAttributes"] = attributes_md5_hex(&message.attributes).into();
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u64>,
    #[serde(default)]
    wait_time_seconds: u64,
    /// The older name of `message_system_attribute_names`.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

async fn receive_message(sqs: &Sqs, request: ReceiveMessage) -> Result<Value, ApiError> {
    let queue = by_url(sqs, &request.queue_url)?;
    let max_messages = request.max_number_of_messages.unwrap_or(1);
    if !(1..=10).contains(&max_messages) || request.wait_time_seconds > 20 {
        let text =
            "MaxNumberOfMessages must be between 1 and 10, and WaitTimeSeconds between 0 and 20.";
        return Err(ApiError::client("InvalidParameterValue", text));
    }
    let names = [
        request.attribute_names,
        request.message_system_attribute_names,
    ]
    .concat();
    let system = wanted(&names, &MESSAGE_ATTRIBUTES, "SQS ReceiveMessage")?;
    let receive = Receive {
        max_messages,
        wait: Duration::from_secs(request.wait_time_seconds),
        visibility_timeout: request.visibility_timeout.map(Duration::from_secs),
    };
    let received = sqs.receive(&queue, &receive).await;
    if received.is_empty() {
        return Ok(json!({}));
    }
    let entry = |received: &Received| {
        received_json(sqs, received, &system, &request.message_attribute_names)
    };
    Ok(json!({"Messages": received.iter().map(entry).collect::<Vec<_>>()}))
}

fn received_json(sqs: &Sqs, received: &Received, system: &[&str], wanted: &[String]) -> Value {
    let message = &received.message;
    let mut entry = json!({
        "MessageId": message.id,
        "ReceiptHandle": received.receipt,
        "MD5OfBody": md5_hex(&message.body),
        "Body": message.body,
    });
    if !system.is_empty() {
        let value = |name: &&str| {
            (
                (*name).to_owned(),
                system_attribute(sqs, message, name).into(),
            )
        };
        entry["Attributes"] = Value::Object(system.iter().map(value).collect());
    }
    let is_wanted = |name: &str| {
        wanted.iter().any(|wanted| match wanted.strip_suffix(".*") {
            Some(prefix) => name.starts_with(prefix),
            None => wanted == "All" || wanted == name,
        })
    };
    let mut attributes = message.attributes.clone();
    attributes.retain(|name, _| is_wanted(name));
    if !attributes.is_empty() {
        entry["MD5OfMessageAttributes"] = attributes_md5_hex(&attributes).into();
        let typed = attributes.into_iter().map(|(name, attribute)| {
            let field = if attribute.is_binary() {
                "BinaryValue"
            } else {
                "StringValue"
            };
            (
                name,
                json!({"DataType": attribute.data_type, field: attribute.value}),
            )
        });
        entry["MessageAttributes"] = Value::Object(typed.collect());
    }
    entry
}

fn system_attribute(sqs: &Sqs, message: &Message, name: &str) -> String {
    match name {
        "ApproximateFirstReceiveTimestamp" => {
            message.first_received_ms.unwrap_or_default().to_string()
        }
        "ApproximateReceiveCount" => message.receive_count.to_string(),
        "SenderId" => sqs.account.id.clone(),
        _ => message.sent_ms.to_string(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct QueueUrl {
    queue_url: String,
}

fn url(sqs: &Sqs, endpoint: &str, name: &str) -> String {
    format!("{endpoint}/{}/{name}", sqs.account.id)
}

/// Only a URL's last segment counts: the host part differs with the name under which a client reached the sandbox.
fn by_url(sqs: &Sqs, url: &str) -> Result<std::sync::Arc<Queue>, ApiError> {
    let name = url.rsplit('/').next().unwrap_or_default();
    sqs.by_name(name).ok_or_else(no_queue)
}
