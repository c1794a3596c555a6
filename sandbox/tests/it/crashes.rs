//! Every single crash: each call of each function on a small workload, killed there before and after the service acted, must be
//! recovered from, with no second job and nothing left over.
//!
//! All of them take long in an unoptimised build: `cargo test` strikes at every eleventh call, and `just crashes` at each.

use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::aws::AwsConfig;
use sandbox::faults::{Call, Fault, Refusal};
use sandbox::stack::StackOptions;

use crate::world::{Uploaded, World, sample};

/// The workload: one video of each verdict, and one slot fewer than jobs.
struct Workload {
    world: World,
    clean: Uploaded,
    violent: Uploaded,
    unsupported: Uploaded,
}

impl Workload {
    async fn start(fault: Option<(u64, Fault)>) -> Self {
        let options = StackOptions {
            max_jobs: 1,
            ..StackOptions::default()
        };
        let world = World::with(&AwsConfig::default(), options).await;
        if let Some((at, fault)) = fault {
            world
                .steps
                .faults()
                .set(move |number, _| (number == at).then_some(fault));
        }
        Self {
            clean: world
                .upload("clean.mp4", sample("clean-bars.mp4"), None)
                .await,
            violent: world
                .upload(
                    "fight.mp4",
                    sample("clean-bars.mp4"),
                    Some("Physical Violence:97.5@1-2"),
                )
                .await,
            unsupported: world.upload("hevc.mp4", sample("hevc.mp4"), None).await,
            world,
        }
    }

    /// Runs it to the end, and checks every promise that a crash must not break.
    async fn run(self, what: &str) -> Vec<Call> {
        let world = &self.world;
        assert_eq!(
            world.ended(&self.clean).await.status,
            ExecutionStatus::Succeeded,
            "{what}"
        );
        assert_eq!(
            world.ended(&self.violent).await.error.as_deref(),
            Some("ContentRejected"),
            "{what}"
        );
        assert_eq!(
            world.ended(&self.unsupported).await.error.as_deref(),
            Some("UnsupportedVideo"),
            "{what}"
        );
        world.quiet().await;
        assert_eq!(
            world.approved("clean.mp4").await,
            Some(sample("clean-bars.mp4")),
            "{what}"
        );
        assert_eq!(
            world.keys(&world.stack.approved_bucket).await,
            ["clean.mp4"],
            "{what}"
        );
        for (clip, outcome) in [
            (&self.clean, "approved"),
            (&self.violent, "rejected"),
            (&self.unsupported, "unsupported"),
        ] {
            let report = world.report(clip).await;
            assert_eq!(report.unwrap()["outcome"], outcome, "{what}");
        }
        assert_eq!(
            world.aws.rekognition.started_jobs(),
            2,
            "{what}: a scan was paid for twice"
        );
        assert!(
            world.aws.rekognition.open_jobs().1 <= 1,
            "{what}: more jobs than slots"
        );
        world.steps.faults().calls()
    }
}

/// Runs one fault at every `REELGATE_CRASH_STEP`th call, from `offset` on.
#[allow(clippy::disallowed_methods, reason = "the one knob of these tests")]
async fn at_every_call(fault: Fault, offset: usize) {
    let step = std::env::var("REELGATE_CRASH_STEP")
        .ok()
        .and_then(|step| step.parse().ok())
        .unwrap_or(11);
    let calls = Box::pin(async { Workload::start(None).await.run("without a fault").await }).await;
    assert!(calls.len() > 60, "{}", calls.len());
    for (number, call) in calls.iter().enumerate().skip(offset % step).step_by(step) {
        let what = format!(
            "{fault:?} at call {number}, {} of {}",
            call.operation,
            call.function.name()
        );
        eprintln!("{what}");
        Box::pin(async {
            Workload::start(Some((number as u64, fault)))
                .await
                .run(&what)
                .await
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_any_call_is_recovered_from() {
    at_every_call(Fault::CrashBefore, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_call_is_recovered_from() {
    at_every_call(Fault::CrashAfter, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_throttle_of_any_call_is_recovered_from() {
    at_every_call(Fault::Refused(Refusal::Throttled), 6).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_any_call_is_recovered_from() {
    at_every_call(Fault::AnswerLost(Refusal::Internal), 9).await;
}
