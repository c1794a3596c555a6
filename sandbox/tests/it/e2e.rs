//! From upload to verdict with real Lambda processes, over sockets.

use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::aws::AwsConfig;
use sandbox::stack::StackOptions;

use crate::real::Real;
use crate::world::sample;

#[tokio::test]
async fn real_processes_approve_a_clean_video_and_reject_a_violent_one() {
    let real = Real::with(&AwsConfig::default(), StackOptions::default()).await;
    let world = &real.world;
    let clean = world
        .upload("e2e/clean.mp4", sample("clean-bars.mp4"), None)
        .await;
    let violent = world
        .upload(
            "e2e/violent.mp4",
            sample("violent.mp4"),
            Some("Physical Violence:97.5@1.2-2.0"),
        )
        .await;
    let ended = world.ended(&clean).await;
    assert_eq!(
        ended.status,
        ExecutionStatus::Succeeded,
        "{:?} {:?}",
        ended.error,
        ended.cause
    );
    let ended = world.ended(&violent).await;
    assert_eq!(ended.error.as_deref(), Some("ContentRejected"));
    assert!(ended.cause.unwrap().contains("Violence (97.5 %) at 0:01.2"));
    assert_eq!(
        world.approved(&clean.key).await,
        Some(sample("clean-bars.mp4"))
    );
    assert_eq!(world.approved(&violent.key).await, None);
    for (clip, outcome) in [(&clean, "approved"), (&violent, "rejected")] {
        assert_eq!(world.report(clip).await.unwrap()["outcome"], outcome);
    }
    world.quiet().await;
    for (name, stats) in world.aws.lambda.stats().functions {
        assert_eq!((stats.errors, stats.given_up), (0, 0), "{name}: {stats:?}");
        assert!(stats.cold_starts > 0, "{name}: {stats:?}");
    }
    let log = real.shut_down().await;
    assert!(log.iter().any(|line| line.text.contains("task answered")));
}
