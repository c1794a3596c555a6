//! Rekognition through its SDK, against what its documentation and real responses tell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper that fails fails its test"
)]

mod jobs;
mod requests;
mod results;
mod samples;
mod tokens;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::error::ProvideErrorMetadata;
use aws_sdk_rekognition::operation::get_content_moderation::GetContentModerationOutput;
use aws_sdk_rekognition::types::builders::S3ObjectBuilder;
use aws_sdk_rekognition::types::{
    ContentModerationAggregateBy as AggregateBy, ContentModerationSortBy as SortBy,
    NotificationChannel, S3Object, Video, VideoColorRange as ColorRange, VideoJobStatus,
};
use sandbox::aws::{Aws, AwsConfig};
use sandbox::rekognition::{Config, Faults};
use sandbox::sns::Subscription;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::support::{aws_with, sdk_config};

const BUCKET: &str = "raw";

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    std::fs::read(folder.join(name)).unwrap()
}

/// An AWS with a versioned bucket, a topic and a queue that hears it.
struct World {
    aws: Aws,
    rekognition: Client,
    s3: aws_sdk_s3::Client,
    topic_arn: String,
    queue_arn: String,
}

impl World {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(rekognition: Config) -> Self {
        let aws = aws_with(&AwsConfig {
            rekognition,
            ..AwsConfig::default()
        });
        aws.s3.create_bucket(BUCKET, true, None);
        let topic_arn = aws.sns.create_topic("moderation-results");
        let queue_arn = aws.sqs.create_queue("heard");
        let subscription = Subscription {
            endpoint_arn: queue_arn.clone(),
            ..Subscription::default()
        };
        aws.sns.subscribe(&topic_arn, subscription).unwrap();
        let config = sdk_config(&aws);
        Self {
            rekognition: Client::new(&config),
            s3: aws_sdk_s3::Client::new(&config),
            aws,
            topic_arn,
            queue_arn,
        }
    }

    /// Puts an object and returns its version.
    async fn put(&self, key: &str, bytes: Vec<u8>, labels: Option<&str>) -> String {
        let put = self.s3.put_object().bucket(BUCKET).key(key);
        let put = match labels {
            Some(labels) => put.metadata("labels", labels),
            None => put,
        };
        let output = put.body(bytes.into()).send().await.unwrap();
        output.version_id.unwrap()
    }

    fn start(
        &self,
        object: S3ObjectBuilder,
    ) -> aws_sdk_rekognition::operation::start_content_moderation::builders::StartContentModerationFluentBuilder
    {
        let channel = NotificationChannel::builder()
            .sns_topic_arn(&self.topic_arn)
            .role_arn("arn:aws:iam::123456789012:role/publish")
            .build()
            .unwrap();
        self.rekognition
            .start_content_moderation()
            .video(Video::builder().s3_object(object.build()).build())
            .notification_channel(channel)
    }

    async fn job(&self, key: &str) -> String {
        let output = self.start(object(key)).send().await.unwrap();
        output.job_id.unwrap()
    }

    async fn get(&self, job_id: &str) -> GetContentModerationOutput {
        let get = self.rekognition.get_content_moderation();
        get.job_id(job_id).send().await.unwrap()
    }

    /// Waits until a job has ended.
    async fn ended(&self, job_id: &str) -> GetContentModerationOutput {
        for _ in 0..1000 {
            let output = self.get(job_id).await;
            if output.job_status != Some(VideoJobStatus::InProgress) {
                return output;
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("the job does not end");
    }

    /// The messages that were published, as they were.
    async fn heard(&self) -> Vec<Value> {
        // Longer than any delivery takes.
        sleep(Duration::from_secs(5)).await;
        let bodies = self.aws.sqs.bodies(&self.queue_arn);
        let message = |body: &String| {
            let envelope: Value = serde_json::from_str(body).unwrap();
            serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap()
        };
        bodies.iter().map(message).collect()
    }
}

fn object(key: &str) -> S3ObjectBuilder {
    S3Object::builder().bucket(BUCKET).name(key)
}

/// Code and message of an error.
fn failed<T: std::fmt::Debug, E: ProvideErrorMetadata, R>(
    result: Result<T, aws_sdk_rekognition::error::SdkError<E, R>>,
) -> (String, String) {
    let error = result.expect_err("an error");
    (
        error.code().unwrap_or_default().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    )
}

/// Rows as `name confidence timestamp`.
fn rows(output: &GetContentModerationOutput) -> Vec<String> {
    let row = |row: &aws_sdk_rekognition::types::ContentModerationDetection| {
        let label = row.moderation_label().unwrap();
        let confidence = label.confidence.unwrap();
        format!("{} {confidence} {}", label.name().unwrap(), row.timestamp)
    };
    output.moderation_labels().iter().map(row).collect()
}

/// A labels folder with the labels file of the violent sample.
fn labels_folder() -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let labels = sample("violent.labels.json");
    std::fs::write(folder.path().join("violent.mp4.labels.json"), labels).unwrap();
    let config = Config {
        labels_dir: Some(PathBuf::from(folder.path())),
        ..Config::default()
    };
    (folder, config)
}
