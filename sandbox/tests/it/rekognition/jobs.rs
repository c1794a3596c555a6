//! What a job does, from its start to the message that it ended.

use super::*;

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
    assert!(world.aws.sqs.bodies(&world.queue_arn).is_empty());

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
async fn jobs_over_the_limit_are_refused() {
    // Longer than the SDK goes on asking: it takes this error for throttling.
    let world = World::with(Config {
        max_open_jobs: 2,
        job_duration: Some(Duration::from_mins(5)),
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
async fn a_job_takes_half_the_video_or_what_it_is_told() {
    let (folder, config) = labels_folder();
    let own = World::with(config.clone());
    let told = World::with(Config {
        job_duration: Some(Duration::from_mins(5)),
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
        ..Faults::default()
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
