//! The wire side of SNS: the query protocol.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::{Sns, Subscribed, Subscription, invalid, no_topic, protocol};
use crate::sqs::MessageAttribute;
use crate::wire::{ApiError, Request, Response, body, collect};

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

pub(super) async fn handle(sns: &Sns, request: Request) -> Response {
    let request_id = sns.rng.uuid();
    match collect(request.into_body()).await {
        Ok(form) => {
            let form = serde_urlencoded::from_bytes::<BTreeMap<String, String>>(&form);
            let mut form = Form(form.unwrap_or_default());
            let operation = form.take("Action").unwrap_or_default();
            let result = answer(sns, &operation, form);
            respond(&operation, &request_id, result)
        }
        Err(error) => {
            let error = ApiError::client("MalformedInput", error.to_string());
            respond("", &request_id, Err(error))
        }
    }
}

/// The XML of an answer, or of an error in the query protocol's shape.
fn respond(operation: &str, request_id: &str, result: Result<String, ApiError>) -> Response {
    let (status, xml) = match result {
        Ok(result) => (
            http::StatusCode::OK,
            format!(
                "<{operation}Response xmlns=\"{NAMESPACE}\">{result}<ResponseMetadata><RequestId>{request_id}\
                 </RequestId></ResponseMetadata></{operation}Response>"
            ),
        ),
        Err(error) => (
            error.status,
            format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message>\
                 </Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                escape(&error.code),
                escape(&error.message)
            ),
        ),
    };
    let mut response = http::Response::new(body(xml));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// The content of `<Operation>Response`.
fn answer(sns: &Sns, operation: &str, mut form: Form) -> Result<String, ApiError> {
    form.take("Version");
    let content = match operation {
        "Publish" => publish(sns, &mut form)?,
        "CreateTopic" => create_topic(sns, &mut form)?,
        "ListTopics" => list_topics(sns),
        "Subscribe" => subscribe(sns, &mut form)?,
        "ListSubscriptions" => list_subscriptions(sns, None)?,
        "ListSubscriptionsByTopic" => list_subscriptions(sns, Some(form.required("TopicArn")?))?,
        "GetTopicAttributes" => topic_attributes(sns, &form.required("TopicArn")?)?,
        "GetSubscriptionAttributes" => {
            subscription_attributes(sns, &form.required("SubscriptionArn")?)?
        }
        "Unsubscribe" => {
            unsubscribe(sns, &form.required("SubscriptionArn")?);
            form.refuse_rest(operation)?;
            return Ok(String::new());
        }
        _ => return Err(ApiError::not_implemented(&format!("SNS {operation}"))),
    };
    form.refuse_rest(operation)?;
    Ok(format!("<{operation}Result>{content}</{operation}Result>"))
}

/// A form's fields; what no operation takes is refused at the end.
struct Form(BTreeMap<String, String>);

impl Form {
    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.take(name)
            .ok_or_else(|| invalid(format!("{name} Reason: no value for required parameter")))
    }

    /// The names and values of a map that the query protocol spreads over `<prefix>.entry.<n>.<key>` and
    /// `<prefix>.entry.<n>.<value…>`.
    fn entries(&mut self, prefix: &str, key: &str) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        for index in 1.. {
            let entry = format!("{prefix}.entry.{index}");
            match self.take(&format!("{entry}.{key}")) {
                Some(name) => entries.push((entry, name)),
                None => break,
            }
        }
        entries
    }

    fn refuse_rest(&self, operation: &str) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let what = format!("parameter {name} of SNS {operation}");
                Err(ApiError::not_implemented(&what))
            }
        }
    }
}

fn publish(sns: &Sns, form: &mut Form) -> Result<String, ApiError> {
    let topic_arn = form.required("TopicArn")?;
    let message = form.required("Message")?;
    let subject = form.take("Subject");
    let mut attributes = BTreeMap::new();
    for (entry, name) in form.entries("MessageAttributes", "Name") {
        let data_type = form.required(&format!("{entry}.Value.DataType"))?;
        let text = form.take(&format!("{entry}.Value.StringValue"));
        let binary = form.take(&format!("{entry}.Value.BinaryValue"));
        attributes.insert(name.clone(), attribute(&name, data_type, text, binary)?);
    }
    form.refuse_rest("Publish")?;
    let id = sns.publish_with(&topic_arn, subject.as_deref(), &message, attributes)?;
    Ok(format!("<MessageId>{id}</MessageId>"))
}

/// The value must fit its type (SNS developer guide, "Amazon SNS message attributes").
fn attribute(
    name: &str,
    data_type: String,
    text: Option<String>,
    binary: Option<String>,
) -> Result<MessageAttribute, ApiError> {
    let value = match data_type.split('.').next() {
        Some("String") => text.filter(|text| !text.is_empty()),
        Some("Number") => text.filter(|text| text.parse::<f64>().is_ok()),
        Some("Binary") => binary.filter(|binary| BASE64.decode(binary).is_ok()),
        _ => None,
    };
    match value {
        Some(value) => Ok(MessageAttribute { data_type, value }),
        None => Err(ApiError::client(
            "InvalidParameterValue",
            format!("The message attribute '{name}' has no valid value of type '{data_type}'."),
        )),
    }
}

fn create_topic(sns: &Sns, form: &mut Form) -> Result<String, ApiError> {
    let name = form.required("Name")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(1..=256).contains(&name.len()) || !name.chars().all(legal) {
        return Err(invalid("Topic Name"));
    }
    form.refuse_rest("CreateTopic")?;
    Ok(format!("<TopicArn>{}</TopicArn>", sns.create_topic(&name)))
}

fn list_topics(sns: &Sns) -> String {
    let mut members = String::new();
    for arn in sns.lock().keys() {
        let _ = write!(members, "<member><TopicArn>{arn}</TopicArn></member>");
    }
    format!("<Topics>{members}</Topics>")
}

fn subscribe(sns: &Sns, form: &mut Form) -> Result<String, ApiError> {
    let topic_arn = form.required("TopicArn")?;
    let wanted_protocol = form.required("Protocol")?;
    let mut subscription = Subscription {
        endpoint_arn: form.required("Endpoint")?,
        ..Subscription::default()
    };
    if !["lambda", "sqs"].contains(&wanted_protocol.as_str()) {
        let what = format!("protocol {wanted_protocol} of SNS Subscribe");
        return Err(ApiError::not_implemented(&what));
    }
    if protocol(&subscription.endpoint_arn) != Some(wanted_protocol.as_str()) {
        return Err(invalid(
            "Endpoint Reason: the ARN does not fit the protocol",
        ));
    }
    form.take("ReturnSubscriptionArn");
    let mut raw_message_delivery = false;
    for (entry, name) in form.entries("Attributes", "key") {
        let value = form.required(&format!("{entry}.value"))?;
        match name.as_str() {
            "FilterPolicy" => subscription.filter_policy = Some(json_attribute(&name, &value)?),
            "FilterPolicyScope" if value == "MessageAttributes" => {}
            "RawMessageDelivery" => {
                raw_message_delivery = value.parse().map_err(|_| {
                    invalid("Attributes Reason: RawMessageDelivery must be true or false")
                })?;
            }
            "RedrivePolicy" => {
                let policy = json_attribute(&name, &value)?;
                let arn = policy["deadLetterTargetArn"]
                    .as_str()
                    .ok_or_else(|| invalid("RedrivePolicy: no deadLetterTargetArn"))?;
                subscription.dead_letter_queue_arn = Some(arn.to_owned());
            }
            _ => {
                let what = format!("attribute {name}={value} of SNS Subscribe");
                return Err(ApiError::not_implemented(&what));
            }
        }
    }
    form.refuse_rest("Subscribe")?;
    let arn = sns.subscribe_with(&topic_arn, subscription, raw_message_delivery)?;
    Ok(format!("<SubscriptionArn>{arn}</SubscriptionArn>"))
}

fn json_attribute(name: &str, text: &str) -> Result<Value, ApiError> {
    serde_json::from_str(text).map_err(|error| invalid(format!("{name}: {error}")))
}

fn list_subscriptions(sns: &Sns, topic_arn: Option<String>) -> Result<String, ApiError> {
    let topics = sns.lock();
    if let Some(arn) = &topic_arn
        && !topics.contains_key(arn)
    {
        return Err(no_topic());
    }
    let listed = topics
        .iter()
        .filter(|(arn, _)| topic_arn.as_ref().is_none_or(|wanted| wanted == *arn));
    let mut members = String::new();
    for subscribed in listed.flat_map(|(_, topic)| topic.subscriptions.values()) {
        let endpoint = &subscribed.wanted.endpoint_arn;
        let _ = write!(
            members,
            "<member><SubscriptionArn>{}</SubscriptionArn><Owner>{}</Owner><Protocol>{}</Protocol>\
             <Endpoint>{}</Endpoint><TopicArn>{}</TopicArn></member>",
            subscribed.arn,
            sns.account.id,
            protocol(endpoint).unwrap_or_default(),
            escape(endpoint),
            subscribed.topic_arn
        );
    }
    Ok(format!("<Subscriptions>{members}</Subscriptions>"))
}

fn topic_attributes(sns: &Sns, topic_arn: &str) -> Result<String, ApiError> {
    let topics = sns.lock();
    let topic = topics.get(topic_arn).ok_or_else(no_topic)?;
    Ok(attributes_xml(&[
        ("TopicArn", topic_arn.to_owned()),
        ("Owner", sns.account.id.clone()),
        ("DisplayName", String::new()),
        (
            "SubscriptionsConfirmed",
            topic.subscriptions.len().to_string(),
        ),
        ("SubscriptionsPending", "0".to_owned()),
        (
            "SubscriptionsDeleted",
            topic.deleted_subscriptions.to_string(),
        ),
    ]))
}

fn subscription_attributes(sns: &Sns, arn: &str) -> Result<String, ApiError> {
    let subscribed = find_subscription(sns, arn).ok_or_else(|| {
        let mut error = no_topic();
        "Subscription does not exist".clone_into(&mut error.message);
        error
    })?;
    let wanted = &subscribed.wanted;
    let mut attributes = vec![
        ("SubscriptionArn", subscribed.arn.clone()),
        ("TopicArn", subscribed.topic_arn.clone()),
        ("Owner", sns.account.id.clone()),
        (
            "Protocol",
            protocol(&wanted.endpoint_arn)
                .unwrap_or_default()
                .to_owned(),
        ),
        ("Endpoint", wanted.endpoint_arn.clone()),
        (
            "RawMessageDelivery",
            subscribed.raw_message_delivery.to_string(),
        ),
        ("PendingConfirmation", "false".to_owned()),
        ("ConfirmationWasAuthenticated", "true".to_owned()),
    ];
    if let Some(policy) = &wanted.filter_policy {
        attributes.push(("FilterPolicy", policy.to_string()));
        attributes.push(("FilterPolicyScope", "MessageAttributes".to_owned()));
    }
    if let Some(queue) = &wanted.dead_letter_queue_arn {
        attributes.push((
            "RedrivePolicy",
            json!({"deadLetterTargetArn": queue}).to_string(),
        ));
    }
    Ok(attributes_xml(&attributes))
}

fn attributes_xml(attributes: &[(&str, String)]) -> String {
    let mut entries = String::new();
    for (name, value) in attributes {
        let value = escape(value);
        let _ = write!(
            entries,
            "<entry><key>{name}</key><value>{value}</value></entry>"
        );
    }
    format!("<Attributes>{entries}</Attributes>")
}

fn find_subscription(sns: &Sns, arn: &str) -> Option<Arc<Subscribed>> {
    let topics = sns.lock();
    topics
        .values()
        .find_map(|topic| topic.subscriptions.get(arn).cloned())
}

/// Removes a subscription; one that is gone already is no error.
fn unsubscribe(sns: &Sns, arn: &str) {
    for topic in sns.lock().values_mut() {
        if topic.subscriptions.remove(arn).is_some() {
            topic.deleted_subscriptions += 1;
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
