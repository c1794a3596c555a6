//! What bursts of many videos found (`just scale`): waits and calls that grew with the backlog.

use std::time::Duration;

use sandbox::delivery::DeliveryFaults;
use sandbox::faults::{Call, Fault, Refusal, Strike};

use crate::world::{World, sample};

const CLEAN: &str = "clean-bars.mp4";

/// How many of the calls are of that operation.
fn count(calls: &[Call], operation: &str) -> usize {
    let of = calls.iter().filter(|call| call.operation == operation);
    of.count()
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_throttled_is_repeated_at_once_and_not_left_to_the_next_tick() {
    let world = World::new().await;
    let mut starts = 0;
    world.steps.faults().set(move |_, call: &Call| {
        let throttled = call.operation == "StartContentModeration" && starts < 2;
        starts += u32::from(throttled);
        throttled.then_some(Fault::Refused(Refusal::Throttled))
    });
    world.upload("clip.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    let calls = world.steps.faults().calls();
    let by: Vec<u64> = calls
        .iter()
        .filter(|call| call.operation == "StartContentModeration")
        .map(|call| call.invocation)
        .collect();
    assert_eq!(by.len(), 3);
    assert!(by.iter().all(|invocation| *invocation == by[0]), "{by:?}");
}

#[tokio::test(start_paused = true)]
async fn executions_whose_heartbeat_is_taken_are_not_asked_after_however_long_the_backlog_is() {
    let world = World::with_one_slot(Duration::from_hours(1)).await;
    world.upload("oldest.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    // Listings are newest first and a thousand a page: the one that has a record is on the second.
    for number in 0..1000 {
        let start = world.sfn.start_execution();
        start
            .state_machine_arn(&world.stack.state_machine_arn)
            .name(format!("waiting-{number}"))
            .send()
            .await
            .unwrap();
    }
    world.pass(30).await;
    let before = world.steps.faults().calls().len();
    world.pass(300).await;
    let calls = world.steps.faults().calls().split_off(before);
    assert_eq!(count(&calls, "SendTaskHeartbeat"), 5);
    assert_eq!(count(&calls, "DescribeExecution"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_looks_at_versions_side_by_side() {
    let world = World::new().await;
    world.aws.sns.set_faults(DeliveryFaults {
        lost: 1.0,
        ..DeliveryFaults::default()
    });
    for number in 0..160 {
        let key = format!("{number}.mp4");
        world.upload(&key, sample(CLEAN), None).await;
    }
    // Every answer takes a tenth of a second.
    world.steps.faults().strike(|_, _| Strike {
        after: Duration::from_millis(100),
        ..Strike::default()
    });
    world.sweep();
    // Each takes two calls: one after the other they would take 32 s.
    world.pass(4).await;
    assert_eq!(world.aws.sfn.executions_started(), 160);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_asks_nothing_about_versions_that_have_an_execution() {
    let world = World::with_one_slot(Duration::from_hours(1)).await;
    let settled = world.upload("settled.mp4", sample(CLEAN), None).await;
    world.ended(&settled).await;
    for number in 0..20 {
        let key = format!("{number}.mp4");
        world.upload(&key, sample(CLEAN), None).await;
    }
    world.pass(30).await;
    assert_eq!(world.aws.sfn.executions_started(), 21);
    let before = world.steps.faults().calls().len();
    world.sweep();
    world.pass(5).await;
    let calls = world.steps.faults().calls().split_off(before);
    assert_eq!(count(&calls, "GET reelgate-raw versions"), 1);
    assert_eq!(count(&calls, "HEAD reelgate-ledger reports"), 0);
    assert_eq!(count(&calls, "StartExecution"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_video_is_looked_at_again_for_some_hours_and_once_a_day() {
    let world = World::new().await;
    let clip = world
        .upload("clip.mp4", sample(CLEAN), Some("Violence:99@0-1"))
        .await;
    world.ended(&clip).await;
    world.quiet().await;
    let before = world.steps.faults().calls().len();
    world.pass(24 * 3600).await;
    let calls = world.steps.faults().calls().split_off(before);
    let looks = count(&calls, "HEAD reelgate-ledger reports");
    assert!((1..=10).contains(&looks), "{looks}");
    assert_eq!(count(&calls, "HEAD reelgate-ledger jobs"), 0);
}
