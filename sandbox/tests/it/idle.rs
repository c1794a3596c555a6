//! What an idle gate does: it asks Step Functions whether anything runs, twice a minute, and nothing else.

use std::collections::BTreeMap;

use sandbox::calls::CallCounts;

use crate::world::{World, sample};

/// The calls made within that many seconds of the sandbox's time.
async fn calls_within(world: &World, seconds: u64) -> CallCounts {
    let before = world.aws.calls();
    world.pass(seconds).await;
    let mut calls = world.aws.calls();
    for (call, count) in before {
        *calls.entry(call).or_default() -= count;
    }
    calls.retain(|_, count| *count > 0);
    calls
}

fn only_lists(count: u64) -> CallCounts {
    BTreeMap::from([(("states".to_owned(), "ListExecutions".to_owned()), count)])
}

#[tokio::test(start_paused = true)]
async fn an_idle_minute_makes_no_poll_and_no_call_to_s3() {
    let world = World::new().await;
    // The clock starts at a full hour, at which leftovers are looked for.
    world.pass(90).await;
    for minute in 0..50 {
        assert_eq!(
            calls_within(&world, 60).await,
            only_lists(2),
            "minute {minute}"
        );
    }
    let functions = world.aws.lambda.stats().functions;
    assert!(
        functions.values().all(|function| function.errors == 0),
        "{functions:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_has_worked_is_idle_again() {
    let world = World::new().await;
    let clip = world
        .upload("once.mp4", sample("clean-bars.mp4"), None)
        .await;
    world.ended(&clip).await;
    world.quiet().await;
    let polls = ("states".to_owned(), "GetActivityTask".to_owned());
    assert!(world.aws.calls()[&polls] > 0);
    // Polls that found nothing are held for a minute.
    world.pass(120).await;
    for _ in 0..10 {
        assert_eq!(calls_within(&world, 60).await, only_lists(2));
    }
}

#[tokio::test(start_paused = true)]
async fn the_hourly_look_at_leftovers_reads_the_ledger_and_polls_nothing() {
    let world = World::new().await;
    world.pass(90).await;
    let calls = calls_within(&world, 3600).await;
    let of = |service: &str| -> u64 {
        let named = calls.iter().filter(|((name, _), _)| name == service);
        named.map(|(_, count)| count).sum()
    };
    assert!((1..=10).contains(&of("s3")), "{calls:?}");
    assert_eq!(of("rekognition") + of("sns") + of("lambda"), 0, "{calls:?}");
    assert!(
        !calls.contains_key(&("states".to_owned(), "GetActivityTask".to_owned())),
        "{calls:?}"
    );
}
