//! The rows of a result.

use super::*;

#[tokio::test(start_paused = true)]
async fn results_are_kept_for_seven_days() {
    let world = World::new();
    world.put("a.mp4", sample("clean-bars.mp4"), None).await;
    let job_id = world.job("a.mp4").await;
    world.ended(&job_id).await;
    sleep(Duration::from_mins(7 * 24 * 60 - 1)).await;
    world.get(&job_id).await;
    sleep(Duration::from_mins(1)).await;
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
        let joined: Vec<_> = pages.iter().flat_map(rows).collect();
        assert_eq!(joined, [rows(&first), rows(&second)].concat());
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
