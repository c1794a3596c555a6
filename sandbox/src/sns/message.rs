//! A published message, in the shapes in which endpoints get it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sqs::MessageAttribute;

/// A published message.
pub(super) struct Notification {
    pub(super) message_id: String,
    pub(super) topic_arn: String,
    pub(super) subject: Option<String>,
    pub(super) message: String,
    pub(super) attributes: BTreeMap<String, MessageAttribute>,
    pub(super) timestamp: String,
    pub(super) region: String,
}

/// Nothing in the sandbox signs messages; the value is the one of AWS's samples.
const SIGNATURE: &str = "EXAMPLE";

impl Notification {
    /// The event of a subscribed function (Lambda developer guide, "Invoking Lambda functions with Amazon SNS
    /// notifications"): always one record.
    pub(super) fn lambda_event(&self, subscription_arn: &str) -> Value {
        json!({"Records": [{
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription_arn,
            "EventSource": "aws:sns",
            "Sns": {
                "SignatureVersion": "1",
                "Timestamp": self.timestamp,
                "Signature": SIGNATURE,
                "SigningCertURL": self.certificate_url(),
                "MessageId": self.message_id,
                "Message": self.message,
                "MessageAttributes": self.typed_attributes(),
                "Type": "Notification",
                "UnsubscribeURL": self.unsubscribe_url(subscription_arn),
                "TopicArn": self.topic_arn,
                "Subject": self.subject,
            },
        }]})
    }

    /// The body of the message in a subscribed queue (SNS developer guide, "Fanout to Amazon SQS queues"). Subject and
    /// attributes are left out when there are none.
    pub(super) fn envelope(&self, subscription_arn: &str) -> Value {
        let mut envelope = json!({
            "Type": "Notification",
            "MessageId": self.message_id,
            "TopicArn": self.topic_arn,
            "Message": self.message,
            "Timestamp": self.timestamp,
            "SignatureVersion": "1",
            "Signature": SIGNATURE,
            "SigningCertURL": self.certificate_url(),
            "UnsubscribeURL": self.unsubscribe_url(subscription_arn),
        });
        if let Some(subject) = &self.subject {
            envelope["Subject"] = subject.clone().into();
        }
        if !self.attributes.is_empty() {
            envelope["MessageAttributes"] = self.typed_attributes();
        }
        envelope
    }

    fn typed_attributes(&self) -> Value {
        let typed = self.attributes.iter().map(|(name, attribute)| {
            let value = json!({"Type": attribute.data_type, "Value": attribute.value});
            (name.clone(), value)
        });
        Value::Object(typed.collect::<Map<_, _>>())
    }

    fn certificate_url(&self) -> String {
        let region = &self.region;
        format!("https://sns.{region}.amazonaws.com/SimpleNotificationService-EXAMPLE.pem")
    }

    fn unsubscribe_url(&self, subscription_arn: &str) -> String {
        let region = &self.region;
        format!(
            "https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription_arn}"
        )
    }
}
