//! What strikes between a function and a service.

use std::time::Duration;

use sandbox::faults::Strike;

use crate::world::{World, sample};

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_waits_for_any_longer_arrives_all_the_same() {
    let world = World::new().await;
    // Far longer than the SDK waits for an answer.
    world.steps.faults().strike(|_, call| Strike {
        before: if call.operation == "PUT reelgate-raw tagging" {
            Duration::from_secs(25)
        } else {
            Duration::ZERO
        },
        ..Strike::default()
    });
    let clip = world
        .upload("late.mp4", sample("clean-bars.mp4"), None)
        .await;
    world.ended(&clip).await;
    assert_eq!(world.verdict_tag(&clip).await, None);
    world.pass(25).await;
    let verdict = world.verdict_tag(&clip).await;
    assert_eq!(verdict.as_deref(), Some("approved"));
    world.quiet().await;
}
