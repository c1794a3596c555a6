//! Rekognition through its SDK, against what its documentation and real responses tell.

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
    let error = result.err().expect("an error");
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

#[tokio::test(start_paused = true)]
async fn a_job_runs_and_tells_its_end_once() {
    let world = World::new();
    let key = "dir/my video ä+%.mp4";
    let version = world
        .put(key, sample("clean-bars.mp4"), Some("Drinking:80@1"))
        .await;
    let start = world.start(object(key).version(&version)).job_tag("ex:abc");
    let job_id = start.send().await.unwrap().job_id.unwrap();
    // Developer guide: job ids are seen as 64 lower-case hexadecimal digits.
    assert_eq!(job_id.len(), 64);
    assert!(
        job_id
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    );

    let output = world.get(&job_id).await;
    assert_eq!(output.job_status, Some(VideoJobStatus::InProgress));
    assert_eq!(output.job_tag(), Some("ex:abc"));
    assert!(output.moderation_labels().is_empty());
    assert!(output.video_metadata().is_none());
    assert!(output.moderation_model_version().is_none());
    assert_eq!(world.aws.rekognition.open_jobs(), (1, 1));
    assert!(world.heard().await.is_empty() || output.status_message().is_none());

    let output = world.ended(&job_id).await;
    assert_eq!(output.job_status, Some(VideoJobStatus::Succeeded));
    assert_eq!(output.job_id(), Some(job_id.as_str()));
    assert_eq!(output.job_tag(), Some("ex:abc"));
    assert_eq!(output.moderation_model_version(), Some("7.0"));
    assert_eq!(
        rows(&output),
        ["Alcohol 80 1000", "Alcohol Use 80 1000", "Drinking 80 1000"]
    );
    let labels: Vec<_> = output
        .moderation_labels()
        .iter()
        .map(|row| row.moderation_label().unwrap())
        .collect();
    let place = |index: usize| {
        (
            labels[index].parent_name().unwrap(),
            labels[index].taxonomy_level.unwrap(),
        )
    };
    assert_eq!(
        [place(0), place(1), place(2)],
        [("", 1), ("Alcohol", 2), ("Alcohol Use", 3)]
    );
    let video = output.video().unwrap().s3_object().unwrap();
    assert_eq!(video.name(), Some(key));
    assert_eq!(video.version(), Some(version.as_str()));
    assert_eq!(world.aws.rekognition.open_jobs(), (0, 1));

    // Developer guide, "Reference: Video analysis results notification": the exact fields, the name not URL-encoded.
    let heard = world.heard().await;
    let [message] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    let timestamp = message["Timestamp"].as_i64().unwrap();
    assert_eq!(timestamp.to_string().len(), 13);
    assert_eq!(
        *message,
        json!({
            "JobId": job_id,
            "Status": "SUCCEEDED",
            "API": "StartContentModeration",
            "JobTag": "ex:abc",
            "Timestamp": timestamp,
            "Video": {"S3ObjectName": key, "S3Bucket": BUCKET},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_video_is_really_read() {
    let world = World::new();
    for (name, size, duration_ms, rate) in [
        ("clean-bars.mp4", (320, 180), Some(4000), Some(25.0)),
        ("clean-quicktime.mov", (320, 240), Some(3000), Some(24.0)),
        ("clean-fragmented.mp4", (256, 144), None, None),
        (
            "a b+c%20 🎬 ..clean.mp4",
            (256, 144),
            Some(2000),
            Some(20.0),
        ),
    ] {
        world.put(name, sample(name), None).await;
        let job_id = world.job(name).await;
        let output = world.ended(&job_id).await;
        let metadata = output.video_metadata().expect(name);
        assert_eq!(metadata.codec(), Some("h264"), "{name}");
        assert_eq!(metadata.format(), Some("QuickTime / MOV"), "{name}");
        assert_eq!(metadata.color_range(), Some(&ColorRange::Limited), "{name}");
        let shown = (
            metadata.frame_width.unwrap(),
            metadata.frame_height.unwrap(),
        );
        assert_eq!(shown, size, "{name}");
        assert_eq!(metadata.duration_millis, duration_ms, "{name}");
        assert_eq!(metadata.frame_rate, rate, "{name}");
        assert!(output.moderation_labels().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_accepted_and_fails_later() {
    let world = World::new();
    for name in ["hevc.mp4", "notes.mp4", "empty.mp4"] {
        world.put(name, sample(name), None).await;
        let job_id = world.job(name).await;
        let output = world.ended(&job_id).await;
        assert_eq!(output.job_status, Some(VideoJobStatus::Failed), "{name}");
        assert_eq!(output.status_message(), Some("Unsupported codec/format."));
        assert!(output.video_metadata().is_none());
    }
    let heard = world.heard().await;
    assert_eq!(heard.len(), 3);
    for message in heard {
        assert_eq!(message["Status"], "FAILED");
        // Absent if it was not supplied.
        assert_eq!(message.get("JobTag"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_names_its_job_for_seven_days_and_is_told_nothing_more() {
    let world = World::new();
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    world.put("b.mp4", sample("clean-bars.mp4"), None).await;
    let start = || {
        world
            .start(object("a.mp4"))
            .client_request_token("token-1")
            .job_tag("x")
    };
    let first = start().send().await.unwrap().job_id;
    assert_eq!(start().send().await.unwrap().job_id, first);
    world.ended(first.as_deref().unwrap()).await;
    assert_eq!(start().send().await.unwrap().job_id, first);
    assert_eq!(world.heard().await.len(), 1);
    assert_eq!(world.aws.rekognition.started_jobs(), 1);

    let mismatch = (
        "IdempotentParameterMismatchException".to_owned(),
        "The ClientRequestToken: token-1 you have supplied is already in use.".to_owned(),
    );
    let other_video = world
        .start(object("b.mp4"))
        .client_request_token("token-1")
        .job_tag("x");
    assert_eq!(failed(other_video.send().await), mismatch);
    assert_eq!(failed(start().job_tag("y").send().await), mismatch);
    assert_eq!(failed(start().min_confidence(20.0).send().await), mismatch);
    assert_eq!(world.aws.rekognition.started_jobs(), 1);

    sleep(Duration::from_secs(7 * 86_400)).await;
    let second = start().send().await.unwrap().job_id;
    assert_ne!(second, first);
    assert_eq!(world.aws.rekognition.started_jobs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_is_named_again_by_its_token() {
    let world = World::new();
    world.put("a.mp4", sample("hevc.mp4"), None).await;
    let start = || world.start(object("a.mp4")).client_request_token("t");
    let first = start().send().await.unwrap().job_id.unwrap();
    world.ended(&first).await;
    assert_eq!(start().send().await.unwrap().job_id, Some(first));
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
}

#[tokio::test(start_paused = true)]
async fn results_are_kept_for_seven_days() {
    let world = World::new();
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let job_id = world.job("a.mp4").await;
    world.ended(&job_id).await;
    sleep(Duration::from_secs(7 * 86_400 - 60)).await;
    world.get(&job_id).await;
    sleep(Duration::from_secs(60)).await;
    let get = |id: &str| world.rekognition.get_content_moderation().job_id(id).send();
    assert_eq!(failed(get(&job_id).await).0, "ResourceNotFoundException");
    assert_eq!(failed(get("never").await).0, "ResourceNotFoundException");

    let running = world.job("a.mp4").await;
    world.aws.rekognition.expire_results();
    world.ended(&running).await;
    world.aws.rekognition.expire_results();
    assert_eq!(failed(get(&running).await).0, "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn jobs_over_the_limit_are_refused() {
    let world = World::with(Config {
        max_open_jobs: 2,
        ..Config::default()
    });
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let first = world.job("a.mp4").await;
    let again = world.start(object("a.mp4")).client_request_token("t");
    let second = again.clone().send().await.unwrap().job_id.unwrap();
    // The wording of a real response: aws-solutions/media-insights-on-aws#143.
    let refused = (
        "LimitExceededException".to_owned(),
        "2  open Jobs for User 123456789012. Maximum limit: 2".to_owned(),
    );
    let start = world.start(object("a.mp4"));
    assert_eq!(failed(start.clone().send().await), refused);
    assert_eq!(again.send().await.unwrap().job_id, Some(second));
    assert_eq!(world.aws.rekognition.open_jobs(), (2, 2));
    world.ended(&first).await;
    start.clone().send().await.unwrap();
    world.aws.rekognition.set_max_open_jobs(0);
    assert_eq!(failed(start.send().await).0, "LimitExceededException");
}

#[tokio::test(start_paused = true)]
async fn objects_that_s3_does_not_give_are_refused_at_once() {
    let world = World::new();
    let version = world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let refused = (
        "InvalidS3ObjectException".to_owned(),
        "Unable to get object metadata from S3. Check object key, region and/or access permissions."
            .to_owned(),
    );
    for missing in [
        object("b.mp4"),
        object("a.mp4").bucket("other"),
        object("a.mp4").version("0123456789abcdef0123456789abcdef"),
    ] {
        assert_eq!(failed(world.start(missing).send().await), refused);
    }
    world
        .s3
        .delete_object()
        .bucket(BUCKET)
        .key("a.mp4")
        .send()
        .await
        .unwrap();
    assert_eq!(failed(world.start(object("a.mp4")).send().await), refused);
    world
        .start(object("a.mp4").version(version))
        .send()
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn objects_over_ten_gigabytes_are_refused_at_once() {
    let world = World::new();
    let put = |size| {
        let head = sample("clean-bars.mp4").into();
        world
            .aws
            .s3
            .put_synthetic(
                BUCKET,
                "big.mp4",
                head,
                size,
                std::collections::BTreeMap::new(),
            )
            .unwrap();
    };
    put((10 << 30) + 1);
    assert_eq!(
        failed(world.start(object("big.mp4")).send().await),
        (
            "VideoTooLargeException".to_owned(),
            "Video size in bytes: 10737418241 is more than the maximum limit of: 10737418240 bytes.".to_owned(),
        )
    );
    put(10 << 30);
    let job_id = world.job("big.mp4").await;
    assert_eq!(
        world.ended(&job_id).await.job_status,
        Some(VideoJobStatus::Succeeded)
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_is_scanned_and_not_its_key() {
    let world = World::new();
    let old = world
        .put("a.mp4", sample("clean-bars.mp4"), Some("Gambling:90@0"))
        .await;
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let start = world.start(object("a.mp4").version(old)).send();
    let output = world.ended(&start.await.unwrap().job_id.unwrap()).await;
    assert_eq!(rows(&output), ["Gambling 90 0"]);
    let newest = world.job("a.mp4").await;
    assert!(world.ended(&newest).await.moderation_labels().is_empty());
}

#[tokio::test(start_paused = true)]
async fn min_confidence_is_fifty_unless_told() {
    let world = World::new();
    let labels = "Gambling:49.9@0, Gambling:50@1, Gambling:20@2";
    world
        .put("a.mp4", sample("clean-bars.mp4"), Some(labels))
        .await;
    let start = world.start(object("a.mp4"));
    let job_id = start.clone().send().await.unwrap().job_id.unwrap();
    assert_eq!(rows(&world.ended(&job_id).await), ["Gambling 50 1000"]);
    let low = start.min_confidence(49.9).send().await.unwrap();
    let output = world.ended(&low.job_id.unwrap()).await;
    assert_eq!(rows(&output), ["Gambling 49.9 0", "Gambling 50 1000"]);
}

#[tokio::test(start_paused = true)]
async fn rows_come_sorted_and_aggregated_as_asked() {
    let world = World::new();
    let labels = "Gambling:60@0-1, Gambling:90@2.2, Alcoholic Beverages:70@0.5-1.2";
    world
        .put("a.mp4", sample("clean-bars.mp4"), Some(labels))
        .await;
    let job_id = world.job("a.mp4").await;
    let output = world.ended(&job_id).await;
    assert_eq!(
        rows(&output),
        [
            "Gambling 60 0",
            "Alcohol 70 500",
            "Alcoholic Beverages 70 500",
            "Gambling 60 500",
            "Alcohol 70 1000",
            "Alcoholic Beverages 70 1000",
            "Gambling 90 2200",
        ]
    );
    let request = output.get_request_metadata().unwrap();
    assert_eq!(request.sort_by(), Some(&SortBy::Timestamp));
    assert_eq!(request.aggregate_by(), Some(&AggregateBy::Timestamps));
    let first = &output.moderation_labels()[0];
    assert!(first.start_timestamp_millis.is_none() && first.duration_millis.is_none());

    let get = world.rekognition.get_content_moderation().job_id(&job_id);
    let output = get
        .sort_by(SortBy::Name)
        .aggregate_by(AggregateBy::Segments)
        .send()
        .await
        .unwrap();
    let segments: Vec<_> = output
        .moderation_labels()
        .iter()
        .map(|row| {
            assert_eq!(Some(row.timestamp), row.start_timestamp_millis);
            let (start, end) = (
                row.start_timestamp_millis.unwrap(),
                row.end_timestamp_millis.unwrap(),
            );
            assert_eq!(row.duration_millis, Some(end - start));
            let name = row.moderation_label().unwrap().name().unwrap();
            format!("{name} {start}-{end}")
        })
        .collect();
    // Within a name by confidence.
    assert_eq!(
        segments,
        [
            "Alcohol 500-1200",
            "Alcoholic Beverages 500-1200",
            "Gambling 2200-2700",
            "Gambling 0-1000",
        ]
    );
    let request = output.get_request_metadata().unwrap();
    assert_eq!(request.sort_by(), Some(&SortBy::Name));
    assert_eq!(request.aggregate_by(), Some(&AggregateBy::Segments));
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

#[tokio::test(start_paused = true)]
async fn pages_have_at_most_a_thousand_rows() {
    let (_folder, config) = labels_folder();
    let world = World::with(config);
    world.put("violent.mp4", sample("violent.mp4"), None).await;
    let job_id = world.job("violent.mp4").await;
    world.ended(&job_id).await;
    let get = || world.rekognition.get_content_moderation().job_id(&job_id);
    for aggregate in [AggregateBy::Timestamps, AggregateBy::Segments] {
        let all = get().aggregate_by(aggregate.clone());
        let first = all.clone().max_results(5000).send().await.unwrap();
        assert_eq!(first.moderation_labels().len(), 1000);
        let token = first.next_token().unwrap();
        assert!(token.len() <= 255);
        let second = all.clone().next_token(token).send().await.unwrap();
        assert!(second.next_token().is_none());
        assert!(second.video_metadata().is_some());
        assert!(second.moderation_labels().len() > 100);

        let pages = all
            .max_results(300)
            .into_paginator()
            .send()
            .try_collect()
            .await
            .unwrap();
        let paged: Vec<_> = pages.iter().flat_map(rows).collect();
        assert_eq!(paged, [rows(&first), rows(&second)].concat());
        assert!(pages.iter().all(|page| page.video_metadata().is_some()));
    }
    let output = get().send().await.unwrap();
    let drinking = output
        .moderation_labels()
        .iter()
        .chain(
            get()
                .next_token(output.next_token().unwrap())
                .send()
                .await
                .unwrap()
                .moderation_labels(),
        )
        .find(|row| row.moderation_label().unwrap().name() == Some("Drinking"))
        .cloned()
        .unwrap();
    let animated = &drinking.content_types()[0];
    assert_eq!(
        (animated.name(), animated.confidence),
        (Some("Animated"), Some(88.0))
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_token_lives_for_a_day_and_fits_its_request_only() {
    let (_folder, config) = labels_folder();
    let world = World::with(config);
    world.put("violent.mp4", sample("violent.mp4"), None).await;
    let job_id = world.job("violent.mp4").await;
    let token = world.ended(&job_id).await.next_token.unwrap();
    let get = || world.rekognition.get_content_moderation().job_id(&job_id);
    let next = || get().next_token(&token);
    next().send().await.unwrap();
    next().send().await.unwrap();
    let refused = "InvalidPaginationTokenException";
    let other_sort = next().sort_by(SortBy::Name);
    assert_eq!(failed(other_sort.send().await).0, refused);
    assert_eq!(failed(get().next_token("made-up").send().await).0, refused);
    sleep(Duration::from_secs(86_400)).await;
    assert_eq!(failed(next().send().await).0, refused);
    let token = world.get(&job_id).await.next_token.unwrap();
    world.aws.rekognition.expire_pages();
    assert_eq!(failed(get().next_token(token).send().await).0, refused);
}

#[tokio::test(start_paused = true)]
async fn bad_labels_fail_the_job_and_say_why() {
    let (folder, config) = labels_folder();
    let world = World::with(config);
    let file = folder.path().join("b.mp4.labels.json");
    std::fs::write(
        file,
        r#"{"labels": [{"name": "Weapons", "confidence": 800, "start": 0}]}"#,
    )
    .unwrap();
    let file = folder.path().join("c.mp4.labels.json");
    std::fs::write(
        file,
        r#"{"job": {"fail": "Out of luck", "durationSeconds": 9}}"#,
    )
    .unwrap();
    for (key, labels, why) in [
        (
            "a.mp4",
            Some("Violence:97.5"),
            "`Violence:97.5` has no @start",
        ),
        (
            "b.mp4",
            None,
            "labels[0].confidence must be a number between 0 and 100",
        ),
        ("c.mp4", None, "Out of luck"),
    ] {
        world.put(key, sample("clean-bars.mp4"), labels).await;
        let job_id = world.job(key).await;
        let output = world.ended(&job_id).await;
        assert_eq!(output.job_status, Some(VideoJobStatus::Failed), "{key}");
        let message = output.status_message().unwrap();
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_goes_before_the_labels_file() {
    let (_folder, config) = labels_folder();
    let world = World::with(config);
    world
        .put("violent.mp4", sample("violent.mp4"), Some("Gambling:55@0"))
        .await;
    let job_id = world.job("violent.mp4").await;
    assert_eq!(rows(&world.ended(&job_id).await), ["Gambling 55 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_takes_half_the_video_or_what_it_is_told() {
    let (folder, config) = labels_folder();
    let own = World::with(config.clone());
    let told = World::with(Config {
        job_duration: Some(Duration::from_secs(300)),
        ..config
    });
    let file = folder.path().join("told.mp4.labels.json");
    std::fs::write(file, r#"{"job": {"durationSeconds": 9.5}}"#).unwrap();
    for (world, key, name, seconds) in [
        (&own, "short.mp4", "clean-bars.mp4", 2.0),
        (&own, "violent.mp4", "violent.mp4", 3.0),
        (&own, "told.mp4", "clean-bars.mp4", 9.5),
        (&told, "short.mp4", "clean-bars.mp4", 300.0),
        (&told, "told.mp4", "clean-bars.mp4", 9.5),
    ] {
        world.put(key, sample(name), None).await;
        let before = tokio::time::Instant::now();
        let job_id = world.job(key).await;
        while world.get(&job_id).await.job_status == Some(VideoJobStatus::InProgress) {
            sleep(Duration::from_millis(100)).await;
        }
        let took = before.elapsed().as_secs_f64();
        assert!((seconds..seconds + 0.3).contains(&took), "{key}: {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_strike_the_jobs_that_they_name() {
    let world = World::new();
    world.aws.rekognition.set_faults(Faults {
        fail_jobs: BTreeSet::from([2]),
        lose_notifications: BTreeSet::from([1]),
        repeat_notifications: BTreeSet::from([3]),
    });
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        let job_id = world.job("a.mp4").await;
        let status = world.ended(&job_id).await.job_status.unwrap();
        jobs.push((job_id, status));
    }
    let statuses: Vec<_> = jobs.iter().map(|(_, status)| status.as_str()).collect();
    assert_eq!(statuses, ["SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"]);
    let heard = world.heard().await;
    let count = |number: usize| {
        heard
            .iter()
            .filter(|m| m["JobId"] == jobs[number].0)
            .count()
    };
    assert_eq!([count(0), count(1), count(2), count(3)], [0, 1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_is_nowhere_reported() {
    let world = World::new();
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let channel = NotificationChannel::builder()
        .sns_topic_arn("arn:aws:sns:us-east-1:123456789012:gone")
        .role_arn("arn:aws:iam::123456789012:role/publish")
        .build()
        .unwrap();
    let start = world.start(object("a.mp4")).notification_channel(channel);
    let job_id = start.send().await.unwrap().job_id.unwrap();
    let output = world.ended(&job_id).await;
    assert_eq!(output.job_status, Some(VideoJobStatus::Succeeded));
    assert!(world.heard().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn members_are_held_to_the_service_model() {
    let world = World::new();
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let start = || world.start(object("a.mp4"));
    let channel = |topic: &str, role: &str| {
        let channel = NotificationChannel::builder()
            .sns_topic_arn(topic)
            .role_arn(role);
        start().notification_channel(channel.build().unwrap())
    };
    let topic = "arn:aws:sns:us-east-1:123456789012:t";
    for (request, path, constraint) in [
        (
            world.start(object("a.mp4").bucket("a_b/c")),
            "video.s3Object.bucket",
            r"pattern: [0-9A-Za-z\.\-_]*",
        ),
        (
            world.start(object("a.mp4").bucket("ab")),
            "video.s3Object.bucket",
            "length greater than or equal to 3",
        ),
        (
            world.start(object("")),
            "video.s3Object.name",
            "length greater than or equal to 1",
        ),
        (
            world.start(object(&"k".repeat(1025))),
            "video.s3Object.name",
            "length less than or equal to 1024",
        ),
        (
            start().min_confidence(100.5),
            "minConfidence",
            "less than or equal to 100",
        ),
        (
            start().min_confidence(-1.0),
            "minConfidence",
            "greater than or equal to 0",
        ),
        (
            start().client_request_token("a".repeat(65)),
            "clientRequestToken",
            "less than or equal to 64",
        ),
        (
            start().client_request_token("a.b"),
            "clientRequestToken",
            "pattern: ^[a-zA-Z0-9-_]+$",
        ),
        (
            start().job_tag("a b"),
            "jobTag",
            r"pattern: [a-zA-Z0-9_.\-:+=\/]+",
        ),
        (
            start().job_tag("t".repeat(1025)),
            "jobTag",
            "less than or equal to 1024",
        ),
        (
            channel(
                "arn:aws-cn:sns:r:123456789012:t",
                "arn:aws:iam::123456789012:role/r",
            ),
            "notificationChannel.sNSTopicArn",
            "pattern",
        ),
        (
            channel(
                "arn:aws:sns:r:12345678901:t",
                "arn:aws:iam::123456789012:role/r",
            ),
            "notificationChannel.sNSTopicArn",
            "pattern",
        ),
        (
            channel(topic, "arn:aws:iam::12345678901:role/r"),
            "notificationChannel.roleArn",
            "pattern",
        ),
        (
            channel(topic, "role"),
            "notificationChannel.roleArn",
            "pattern",
        ),
    ] {
        let (code, message) = failed(request.send().await);
        assert_eq!(code, "ValidationException", "{message}");
        assert!(
            message.starts_with("1 validation error detected: Value '"),
            "{message}"
        );
        assert!(
            message.contains(&format!(
                "' at '{path}' failed to satisfy constraint: Member must"
            )),
            "{message}"
        );
        assert!(message.contains(constraint), "{message}");
    }
    let longest = start()
        .job_tag("t".repeat(1024))
        .client_request_token("a".repeat(64));
    longest.min_confidence(0.0).send().await.unwrap();

    let get = world.rekognition.get_content_moderation();
    let (code, message) = failed(
        get.job_id("a/b")
            .max_results(0)
            .sort_by("SIZE".into())
            .send()
            .await,
    );
    assert_eq!(code, "ValidationException");
    assert_eq!(
        message,
        "3 validation errors detected: Value 'a/b' at 'jobId' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: ^[a-zA-Z0-9-_]+$; Value '0' at 'maxResults' failed to satisfy constraint: Member must have \
         value greater than or equal to 1; Value 'SIZE' at 'sortBy' failed to satisfy constraint: Member must satisfy \
         enum value set: [TIMESTAMP, NAME]"
    );
}

/// One raw request, for what the SDK would not send.
async fn raw(world: &World, operation: &str, body: &str) -> (u16, Value) {
    let request = http::Request::post("/")
        .header("x-amz-target", format!("RekognitionService.{operation}"))
        .header("content-type", "application/x-amz-json-1.1")
        .body(sandbox::wire::body(body.to_owned()))
        .unwrap();
    let response = std::sync::Arc::clone(&world.aws.rekognition)
        .handle(request)
        .await;
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/x-amz-json-1.1"
    );
    let body = sandbox::wire::collect(response.into_body()).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_implemented_is_refused_by_name() {
    let world = World::new();
    for (operation, body, name) in [
        ("DetectLabels", "{}", "Rekognition DetectLabels"),
        (
            "GetContentModeration",
            r#"{"JobId": "a", "Color": 1}"#,
            "color of Rekognition GetContentModeration",
        ),
        (
            "StartContentModeration",
            r#"{"Video": {"S3Object": {"Bucket": "raw", "Name": "a", "Region": "x"}}}"#,
            "video.s3Object.region of Rekognition StartContentModeration",
        ),
    ] {
        let (status, error) = raw(&world, operation, body).await;
        assert_eq!(status, 501);
        let message = error["Message"].as_str().unwrap();
        assert!(message.contains(name), "{message}");
    }
    let (status, error) = raw(&world, "StartContentModeration", "{}").await;
    assert_eq!(
        (status, &error["__type"]),
        (400, &json!("ValidationException"))
    );
    assert!(
        error["Message"]
            .as_str()
            .unwrap()
            .contains("Value null at 'video'")
    );
    let (_, error) = raw(&world, "StartContentModeration", r#"{"Video": {}}"#).await;
    assert_eq!(error["__type"], "InvalidParameterException");
    for body in ["{", r#"{"JobId": 7}"#, "[]"] {
        let (status, error) = raw(&world, "GetContentModeration", body).await;
        assert_eq!(
            (status, &error["__type"]),
            (400, &json!("SerializationException"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn errors_look_as_in_the_developer_guide() {
    let world = World::new();
    let request = r#"{"Video": {"S3Object": {"Bucket": "raw", "Name": "none"}}}"#;
    let (status, error) = raw(&world, "StartContentModeration", request).await;
    assert_eq!(status, 400);
    let reference = error["Logref"].clone();
    assert!(reference.is_string());
    assert_eq!(
        error,
        json!({
            "__type": "InvalidS3ObjectException",
            "Code": "InvalidS3ObjectException",
            "Logref": reference,
            "Message": "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
        })
    );
}

/// Every sample is what its expected outcome says, as far as Rekognition alone can tell.
#[tokio::test(start_paused = true)]
async fn the_samples_are_what_they_are_expected_to_be() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let folder = tempfile::tempdir().unwrap();
    let expected: Value = serde_json::from_slice(&sample("expected.json")).unwrap();
    let expected = expected.as_object().unwrap();
    let mut on_disk = BTreeSet::new();
    for entry in std::fs::read_dir(&samples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "mp4" || e == "mov") {
            assert!(path.metadata().unwrap().len() < 150_000, "{path:?}");
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let sidecar = path.with_extension("labels.json");
            if sidecar.exists() {
                std::fs::copy(&sidecar, folder.path().join(format!("{name}.labels.json"))).unwrap();
            }
            on_disk.insert(name);
        }
    }
    assert_eq!(on_disk, expected.keys().cloned().collect());
    let world = World::with(Config {
        labels_dir: Some(folder.path().to_owned()),
        ..Config::default()
    });
    for (name, expected) in expected {
        let bytes = sample(name);
        let finding = workflow::preflight::read_all(&bytes);
        world.put(name, bytes, None).await;
        let job_id = world.job(name).await;
        let output = world.ended(&job_id).await;
        let top = output
            .moderation_labels()
            .iter()
            .map(|row| row.moderation_label().unwrap())
            .max_by_key(|label| {
                // Confidence in tenths is whole; of equals the most specific.
                (
                    format!("{:06.1}", label.confidence.unwrap()),
                    label.taxonomy_level,
                )
            })
            .and_then(|label| label.name().map(str::to_owned));
        let acceptable = matches!(finding, workflow::preflight::Finding::Acceptable(_));
        match expected["verdict"].as_str().unwrap() {
            "Approved" => {
                assert!(acceptable, "{name}: {finding:?}");
                assert_eq!(
                    (output.job_status.unwrap(), top),
                    (VideoJobStatus::Succeeded, None),
                    "{name}"
                );
            }
            "Rejected" => {
                assert!(acceptable, "{name}: {finding:?}");
                assert_eq!(top.as_deref(), expected["label"].as_str(), "{name}");
            }
            "Unsupported" | "Ignored" => assert!(
                matches!(finding, workflow::preflight::Finding::Unsupported { .. }),
                "{name}: {finding:?}"
            ),
            other => panic!("{name}: the verdict {other} is unknown"),
        }
    }
}
