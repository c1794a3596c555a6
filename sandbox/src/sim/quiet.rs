//! Promise 5: a gate with nothing to do asks twice a minute whether anything runs, and does nothing else.

use std::time::Duration;

use super::stage::Stage;
use crate::aws::Aws;
use crate::calls::CallCounts;

/// How late a message may be that was sent before all became quiet (`plan.rs`), and how long a poll is held.
const STRAGGLERS: Duration = Duration::from_mins(30 + 1);

/// Minutes that are looked at.
const MINUTES: u32 = 3;

/// The ticks' interval.
const MINUTE: Duration = Duration::from_mins(1);

/// Watches a gate whose every video has settled for some minutes.
pub(super) async fn check(stage: &Stage, aws: &Aws) {
    tokio::time::sleep(STRAGGLERS).await;
    half_a_minute_after_a_tick(aws).await;
    let mut quiet = 0;
    while quiet < MINUTES {
        let before = aws.calls();
        tokio::time::sleep(MINUTE).await;
        // The first tick of an hour, by the function's clock, looks for leftovers.
        let is_hourly = !(2..59).contains(&stage.minute_of_hour());
        let made = since(&before, aws.calls());
        let lists = made
            .keys()
            .all(|(service, call)| service == "states" && call == "ListExecutions");
        let count: u64 = made.values().sum();
        if is_hourly {
            if made.keys().any(|(_, call)| is_work(call)) {
                stage.broken(format!("an idle gate's look at leftovers made {made:?}"));
            }
            continue;
        }
        quiet += 1;
        if !lists || count != 2 {
            stage.broken(format!("an idle minute made {made:?}"));
        }
    }
}

/// From here to the same moment of the next minute, both ticks of a minute fall between. After an outage of the schedule they come at any
/// second.
async fn half_a_minute_after_a_tick(aws: &Aws) {
    let before = aws.calls();
    for _ in 0..2 * MINUTE.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !since(&before, aws.calls()).is_empty() {
            break;
        }
    }
    tokio::time::sleep(MINUTE / 2).await;
}

/// What nobody calls who has nothing to do, not even at the full hour.
fn is_work(call: &str) -> bool {
    [
        "GetActivityTask",
        "SendTask",
        "ContentModeration",
        "Publish",
        "PUT ",
        "POST ",
        "DELETE ",
    ]
    .iter()
    .any(|work| call.contains(work))
}

fn since(before: &CallCounts, mut now: CallCounts) -> CallCounts {
    for (call, count) in before {
        if let Some(more) = now.get_mut(call) {
            *more -= count;
        }
    }
    now.retain(|_, more| *more > 0);
    now
}
