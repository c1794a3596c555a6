//! Where labels come from, and the sample videos.

use super::*;

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
