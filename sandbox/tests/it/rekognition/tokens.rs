//! Request tokens, page tokens and how long they live.

use super::*;

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

    sleep(Duration::from_hours(7 * 24)).await;
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
    sleep(Duration::from_hours(24)).await;
    assert_eq!(failed(next().send().await).0, refused);
    let token = world.get(&job_id).await.next_token.unwrap();
    world.aws.rekognition.expire_pages();
    assert_eq!(failed(get().next_token(token).send().await).0, refused);
}
