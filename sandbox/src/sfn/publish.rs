//! The optimised integration `sns:publish`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::macros::format_description;

use super::Core;
use super::asl::data_flow::Failure;

/// Publishes what a task's parameters say, and answers as recorded on AWS (LocalStack, test_sns_task_service snapshot).
/// A message that is not a string is published as its JSON text.
pub(super) fn publish(core: &Core, role_arn: &str, parameters: &Value) -> Result<Value, Failure> {
    let text = |name: &str| parameters[name].as_str();
    let topic_arn = text("TopicArn").ok_or_else(|| invalid("TopicArn must be a string"))?;
    let message = match &parameters["Message"] {
        Value::Null => return Err(invalid("Message is required")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let attributes = attributes(&parameters["MessageAttributes"])?;
    let message_id = core
        .sns
        .publish_as(role_arn, topic_arn, text("Subject"), &message, &attributes)
        .map_err(|error| Failure {
            error: Some(format!("SNS.{}Exception", error.code)),
            cause: Some(format!(
                "{} (Service: AmazonSNS; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)",
                error.message,
                error.status.as_u16(),
                error.code,
                core.rng.uuid(),
            )),
            ..Failure::default()
        })?;
    Ok(answer(core, &message_id))
}

fn attributes(given: &Value) -> Result<BTreeMap<String, String>, Failure> {
    let mut attributes = BTreeMap::new();
    for (name, attribute) in given.as_object().into_iter().flatten() {
        match (
            attribute["DataType"].as_str(),
            attribute["StringValue"].as_str(),
        ) {
            (Some("String"), Some(value)) => attributes.insert(name.clone(), value.to_owned()),
            _ => {
                return Err(invalid(&format!(
                    "message attribute {name} is not of data type String"
                )));
            }
        };
    }
    Ok(attributes)
}

fn invalid(problem: &str) -> Failure {
    Failure::raised(
        "States.Runtime",
        format!("The Parameters of sns:publish are invalid: {problem}"),
    )
}

fn answer(core: &Core, message_id: &str) -> Value {
    let request_id = core.rng.uuid();
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = core.clock.now().format(format).unwrap_or_default();
    json!({
        "MessageId": message_id,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {
                "x-amzn-RequestId": [request_id],
                "Content-Length": ["294"],
                "Date": [date],
                "Content-Type": ["text/xml"],
            },
            "HttpHeaders": {
                "Content-Length": "294",
                "Content-Type": "text/xml",
                "Date": date,
                "x-amzn-RequestId": request_id,
            },
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    })
}
