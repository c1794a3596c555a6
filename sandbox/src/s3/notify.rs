//! Event notifications to SNS topics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use s3s::dto;
use s3s::{S3ErrorCode, S3Result};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Core;
use super::errors::{error, invalid_argument, not_implemented};
use super::keys::form_encode;
use super::store::{Bucket, NULL_VERSION, Object};

/// Subject of every message that S3 publishes to a topic.
const SUBJECT: &str = "Amazon S3 Notification";

/// One version for all event types since 2.4; consumers must accept any 2.x (Amazon S3 User Guide, Event message
/// structure).
const EVENT_VERSION: &str = "2.5";

/// Deliveries come "typically in seconds"; each is late by up to this, so that they also come out of order.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// What created an object, as the event name tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    Put,
    Copy,
    CompleteMultipartUpload,
}

impl Created {
    fn event_name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
        }
    }
}

/// Which events of a bucket a topic gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicConfig {
    pub(super) id: String,
    pub(super) topic_arn: String,
    /// With the `s3:` prefix, and perhaps a `*` at the end.
    pub(super) events: Vec<String>,
    pub(super) prefix: Option<String>,
    pub(super) suffix: Option<String>,
}

impl TopicConfig {
    /// # Errors
    /// `NotImplemented` for events other than `s3:ObjectCreated:*` and its members, `InvalidArgument` for a filter
    /// rule that is none.
    pub(super) fn parse(config: dto::TopicConfiguration, default_id: String) -> S3Result<Self> {
        let events: Vec<String> = config.events.into_iter().map(Into::into).collect();
        for event in &events {
            if !event.starts_with("s3:ObjectCreated:") {
                return Err(not_implemented(&format!("notifications of {event}")));
            }
        }
        let rules = config.filter.and_then(|filter| filter.key?.filter_rules);
        let (mut prefix, mut suffix) = (None, None);
        for rule in rules.unwrap_or_default() {
            let name = rule.name.as_ref().map_or("", dto::FilterRuleName::as_str);
            match name.to_ascii_lowercase().as_str() {
                "prefix" => prefix = rule.value,
                "suffix" => suffix = rule.value,
                _ => {
                    return Err(invalid_argument(
                        "filter rule name must be either prefix or suffix",
                    ));
                }
            }
        }
        Ok(Self {
            id: config.id.unwrap_or(default_id),
            topic_arn: config.topic_arn,
            events,
            prefix,
            suffix,
        })
    }

    pub(super) fn to_dto(&self) -> dto::TopicConfiguration {
        let rule = |name, value: &Option<String>| {
            value.clone().map(|value| dto::FilterRule {
                name: Some(dto::FilterRuleName::from_static(name)),
                value: Some(value),
            })
        };
        let rules: Vec<_> = [
            rule(dto::FilterRuleName::PREFIX, &self.prefix),
            rule(dto::FilterRuleName::SUFFIX, &self.suffix),
        ]
        .into_iter()
        .flatten()
        .collect();
        dto::TopicConfiguration {
            events: self.events.iter().cloned().map(Into::into).collect(),
            filter: (!rules.is_empty()).then_some(dto::NotificationConfigurationFilter {
                key: Some(dto::S3KeyFilter {
                    filter_rules: Some(rules),
                }),
            }),
            id: Some(self.id.clone()),
            topic_arn: self.topic_arn.clone(),
        }
    }

    fn wants(&self, created: Created, key: &str) -> bool {
        let name = format!("s3:{}", created.event_name());
        self.events
            .iter()
            .any(|event| match event.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => *event == name,
            })
            && key.starts_with(self.prefix.as_deref().unwrap_or_default())
            && key.ends_with(self.suffix.as_deref().unwrap_or_default())
    }
}

/// What an event record tells.
#[derive(Debug)]
struct Event<'a> {
    region: &'a str,
    time: OffsetDateTime,
    created: Created,
    request_id: &'a str,
    host_id: &'a str,
    configuration_id: &'a str,
    bucket: &'a str,
    key: &'a str,
    size_bytes: u64,
    etag: &'a str,
    /// Absent in an unversioned bucket.
    version_id: Option<&'a str>,
    sequencer: u64,
}

/// The message of one event (Amazon S3 User Guide, Event message structure): one record a message, the event name
/// without `s3:`, the key form-encoded, the ETag without quotes. The sequencer is a hexadecimal number of varying
/// length: the shorter of two is padded with zeros on the left to compare them.
fn document(event: &Event<'_>) -> Value {
    let mut object = json!({
        "key": form_encode(event.key),
        "size": event.size_bytes,
        "eTag": event.etag,
        "sequencer": format!("{:X}", event.sequencer),
    });
    if let Some(id) = event.version_id {
        object["versionId"] = id.into();
    }
    json!({"Records": [{
        "eventVersion": EVENT_VERSION,
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": iso_8601(event.time),
        "eventName": event.created.event_name(),
        "userIdentity": {"principalId": "AWS:AIDAINPONIXQXHT3IKHL2"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": event.request_id,
            "x-amz-id-2": event.host_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": event.configuration_id,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": format!("arn:aws:s3:::{}", event.bucket),
            },
            "object": object,
        },
    }]})
}

/// What a topic gets when the configuration names it: no records (Amazon S3 User Guide, Event message structure).
fn test_event(time: OffsetDateTime, bucket: &str, request_id: &str, host_id: &str) -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": iso_8601(time),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": host_id,
    })
}

fn iso_8601(time: OffsetDateTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    time.format(&format).unwrap_or_default()
}

impl Core {
    /// Sends an event to each topic that wants it, a little later.
    pub(super) fn announce(
        self: &Arc<Self>,
        bucket_name: &str,
        bucket: &Bucket,
        key: &str,
        (version_id, object): (&str, &Object),
        created: Created,
    ) {
        for config in &bucket.topics {
            if !config.wants(created, key) {
                continue;
            }
            let message = document(&Event {
                region: &self.account.region,
                time: self.clock.now(),
                created,
                request_id: &self.request_id(),
                host_id: &self.host_id(),
                configuration_id: &config.id,
                bucket: bucket_name,
                key,
                size_bytes: object.content.len(),
                etag: &object.etag,
                version_id: (version_id != NULL_VERSION).then_some(version_id),
                sequencer: self.next_sequencer(),
            })
            .to_string();
            let topic_arn = config.topic_arn.clone();
            let delay = DELAY_MAX.mul_f64(self.rng.fraction());
            let core = Arc::clone(self);
            tokio::spawn(async move {
                core.clock.sleep(delay).await;
                let sent = core
                    .sns
                    .publish(&topic_arn, Some(SUBJECT), &message, &BTreeMap::new());
                if let Err(error) = sent {
                    tracing::warn!(%topic_arn, %error, "an S3 event was lost");
                }
            });
        }
    }

    /// Tells a topic that it is configured.
    ///
    /// # Errors
    /// `InvalidArgument` for a topic that cannot be published to.
    pub(super) fn send_test_event(&self, bucket: &str, topic_arn: &str) -> S3Result<()> {
        let message = test_event(
            self.clock.now(),
            bucket,
            &self.request_id(),
            &self.host_id(),
        );
        self.sns
            .publish(
                topic_arn,
                Some(SUBJECT),
                &message.to_string(),
                &BTreeMap::new(),
            )
            .map(drop)
            .map_err(|_| {
                error(
                    S3ErrorCode::InvalidArgument,
                    "Unable to validate the following destination configurations",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn event<'a>(key: &'a str, version_id: Option<&'a str>) -> Event<'a> {
        Event {
            region: "us-west-2",
            time: datetime!(1970-01-01 0:00 UTC),
            created: Created::Put,
            request_id: "C3D13FE58DE4C810",
            host_id: "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD",
            configuration_id: "testConfigRule",
            bucket: "amzn-s3-demo-bucket",
            key,
            size_bytes: 1024,
            etag: "d41d8cd98f00b204e9800998ecf8427e",
            version_id,
            sequencer: 0x0055_AED6_DCD9_0281,
        }
    }

    /// The example of the Amazon S3 User Guide, Event message structure (its sequencer is two digits longer).
    #[test]
    fn an_event_has_the_documented_shape() {
        let expect = json!({"Records": [{
            "eventVersion": "2.5",
            "eventSource": "aws:s3",
            "awsRegion": "us-west-2",
            "eventTime": "1970-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AIDAINPONIXQXHT3IKHL2"},
            "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {
                "x-amz-request-id": "C3D13FE58DE4C810",
                "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "testConfigRule",
                "bucket": {
                    "name": "amzn-s3-demo-bucket",
                    "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                    "arn": "arn:aws:s3:::amzn-s3-demo-bucket"
                },
                "object": {
                    "key": "HappyFace.jpg",
                    "size": 1024,
                    "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                    "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                    "sequencer": "55AED6DCD90281"
                }
            }
        }]});
        let version = "096fKKXTRTtl3on89fVO.nfljtsv6qko";
        assert_eq!(document(&event("HappyFace.jpg", Some(version))), expect);
    }

    #[test]
    fn an_event_of_an_unversioned_bucket_has_no_version_id() {
        let document = document(&event("a b+c/é", None));
        let object = &document["Records"][0]["s3"]["object"];
        assert_eq!(object["key"], "a+b%2Bc/%C3%A9");
        assert!(object.get("versionId").is_none());
    }

    /// The example of the Amazon S3 User Guide, Event message structure.
    #[test]
    fn a_test_event_has_no_records() {
        assert_eq!(
            test_event(
                datetime!(2014-10-13 15:57:02.089 UTC),
                "amzn-s3-demo-bucket",
                "5582815E1AEA5ADF",
                "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
            ),
            json!({
                "Service": "Amazon S3",
                "Event": "s3:TestEvent",
                "Time": "2014-10-13T15:57:02.089Z",
                "Bucket": "amzn-s3-demo-bucket",
                "RequestId": "5582815E1AEA5ADF",
                "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"
            })
        );
    }

    #[test]
    fn filters_select_by_event_prefix_and_suffix() {
        let config = TopicConfig {
            id: "videos".to_owned(),
            topic_arn: "arn:aws:sns:us-east-1:123456789012:raw".to_owned(),
            events: vec!["s3:ObjectCreated:Put".to_owned()],
            prefix: Some("in/".to_owned()),
            suffix: Some(".mp4".to_owned()),
        };
        assert!(config.wants(Created::Put, "in/a.mp4"));
        assert!(!config.wants(Created::Copy, "in/a.mp4"));
        assert!(!config.wants(Created::Put, "out/a.mp4"));
        assert!(!config.wants(Created::Put, "in/a.mov"));
    }
}
