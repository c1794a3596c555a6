//! Least privilege, proven: what the calls of full runs needed is exactly what the deployed policies grant.
//!
//! Each of the three functions that may settle a job settles every kind of video once, while the others are kept from it. All roles may do
//! everything meanwhile, so that one run tells of every difference. Elsewhere the sandbox enforces the policies: every other test of the gate
//! runs under them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::aws::AwsConfig;
use sandbox::clock::Clock;
use sandbox::faults::{Call, Fault, Refusal};
use sandbox::iam::{Grant, Policy};
use sandbox::rekognition;
use sandbox::stack::permissions::Principal;
use sandbox::stack::{Function, Stack, StackOptions};
use serde_json::{Value, json};
use workflow::clock::Deadline;
use workflow::config::VIDEO_MINUTES_A_DAY_MAX;
use workflow::event::SweepCommand;
use workflow::gate::POLICY_KEY;
use workflow::names;
use workflow::steps::sweep;

use crate::world::{Uploaded, World, sample};

const CLEAN: &str = "clean-bars.mp4";

/// Above what one CopyObject takes.
const LARGE_BYTES: u64 = 6 << 30;

const EVERYTHING: &str = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;

/// What the principals' calls needed, over all worlds.
#[derive(Default)]
struct Proof {
    needed: BTreeMap<Principal, BTreeSet<Grant>>,
    rows: BTreeSet<usize>,
}

impl Proof {
    fn take(&mut self, world: &World) {
        for principal in Principal::ALL {
            let role = world
                .aws
                .iam
                .role(&world.stack.role_arn(principal))
                .unwrap();
            assert_eq!(role.refused(), BTreeSet::new(), "{principal:?}");
            self.needed
                .entry(principal)
                .or_default()
                .extend(role.needed());
            self.rows.extend(role.rows());
        }
    }
}

/// What differs between what was needed and what is granted, one line each.
fn differences(name: &str, needed: &BTreeSet<Grant>, granted: &BTreeSet<Grant>) -> Vec<String> {
    let missing = needed
        .difference(granted)
        .map(|grant| format!("{name} needs, and is not granted: {grant}"));
    let unused = granted
        .difference(needed)
        .map(|grant| format!("{name} is granted, and never needed: {grant}"));
    missing.chain(unused).collect()
}

#[tokio::test(start_paused = true)]
async fn the_policies_grant_what_the_calls_need_and_nothing_else() {
    let mut proof = Proof::default();
    for settler in [
        Function::ActivityWorker,
        Function::ModerationCallback,
        Function::Reconciler,
    ] {
        eprintln!("settled by {}", settler.name());
        Box::pin(settled_by(settler)).await.prove(&mut proof).await;
    }
    Box::pin(mended()).await.prove(&mut proof).await;

    let stack = Stack::new(
        &sandbox::account::Account::default(),
        StackOptions::default(),
    );
    let mut problems = Vec::new();
    for principal in Principal::ALL {
        let granted = stack.policy(principal).unwrap().grants();
        let needed = &proof.needed[&principal];
        problems.extend(differences(principal.name(), needed, &granted));
        check_mutations(principal, needed, &granted);
    }
    let table = stack.operations().unwrap();
    for (number, row) in table.rows().iter().enumerate() {
        if !proof.rows.contains(&number) {
            problems.push(format!("no call hit the row {row}"));
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The comparison notices each permission that is taken away, and one that is added.
fn check_mutations(principal: Principal, needed: &BTreeSet<Grant>, granted: &BTreeSet<Grant>) {
    let name = principal.name();
    let before = differences(name, needed, granted).len();
    let mut policy: Value = serde_json::from_str(principal.policy_template()).unwrap();
    let statements = policy["Statement"].as_array().unwrap().len();
    for number in 0..statements {
        let mut less = policy.clone();
        less["Statement"].as_array_mut().unwrap().remove(number);
        let less = filled_in(&less).grants();
        assert!(
            differences(name, needed, &less).len() > before,
            "{name}: nobody notices that statement {number} is missing"
        );
    }
    policy["Statement"][0]["Action"] = json!(["s3:DeleteObjectVersion"]);
    let other = filled_in(&policy).grants();
    let told = differences(name, needed, &other);
    let added = "is granted, and never needed: s3:DeleteObjectVersion";
    assert!(told.iter().any(|line| line.contains(added)), "{told:?}");
}

/// A policy with placeholders, filled in as the stack does it.
fn filled_in(template: &Value) -> Policy {
    let stack = Stack::new(
        &sandbox::account::Account::default(),
        StackOptions::default(),
    );
    Policy::parse(&stack.fill_in(&template.to_string()).unwrap()).unwrap()
}

/// A gate whose roles may do everything.
struct Observed {
    world: World,
}

impl Observed {
    async fn new() -> Self {
        // The spending cap is on, and never reached: counting against it takes permissions too.
        let options = StackOptions {
            max_video_minutes_a_day: Some(VIDEO_MINUTES_A_DAY_MAX),
            ..StackOptions::default()
        };
        let world = World::with(&AwsConfig::default(), options).await;
        let table = Arc::new(world.stack.operations().unwrap());
        for principal in Principal::ALL {
            let arn = world.stack.role_arn(principal);
            let name = arn.rsplit('/').next().unwrap();
            let everything = Policy::parse(EVERYTHING).unwrap();
            world.aws.iam.put_role(name, everything, Arc::clone(&table));
        }
        Self { world }
    }

    async fn prove(self, proof: &mut Proof) {
        self.world.steps.faults().set(|_, _| None);
        self.world.quiet().await;
        proof.take(&self.world);
    }

    async fn job_runs(&self) {
        while self.world.aws.rekognition.open_jobs().0 == 0 {
            self.world.pass(1).await;
        }
    }

    async fn jobs_ended(&self) {
        while self.world.aws.rekognition.open_jobs().0 > 0 {
            self.world.pass(1).await;
        }
    }

    async fn delete(&self, bucket: &str, key: &str, version_id: Option<&str>) {
        let delete = self.world.s3.delete_object().bucket(bucket).key(key);
        let delete = delete.set_version_id(version_id.map(str::to_owned));
        delete.send().await.unwrap();
    }

    /// Tells of a job's end as Rekognition does.
    fn notify(&self, job_tag: &str) {
        let message = json!({
            "JobId": "0".repeat(64), "Status": "SUCCEEDED", "API": "StartContentModeration", "JobTag": job_tag, "Timestamp": 0,
            "Video": {"S3ObjectName": "x", "S3Bucket": self.world.stack.raw_bucket},
        });
        let topic_arn = &self.world.stack.moderation_results_topic_arn;
        let sns = &self.world.aws.sns;
        sns.publish(topic_arn, None, &message.to_string(), &BTreeMap::new())
            .unwrap();
    }

    async fn ended_with(&self, clip: &Uploaded, error: Option<&str>) {
        let ended = self.world.ended_within(clip, PATIENCE).await;
        assert_eq!(ended.error.as_deref(), error, "{clip:?}: {:?}", ended.cause);
    }
}

/// While the worker settles, the reconciler comes by so seldom that tasks time out in between (HeartbeatSeconds is 300).
const RECONCILER_PERIOD_MS: i64 = 480_000;
const RECONCILER_AWAY_MS: i64 = 400_000;

/// Longest that a video takes that only the worker may settle: its task times out again and again, with ever longer delays.
const PATIENCE: Duration = Duration::from_hours(6);

/// How often the SDK tries a call at most.
const TRIES: u32 = 3;

/// What keeps the other functions from settling, and lets the settler fail where that takes another way.
fn plan(
    settler: Function,
    clock: Clock,
) -> (
    impl FnMut(u64, &Call) -> Option<Fault> + Send,
    Arc<AtomicU32>,
) {
    let completions = AtomicU32::new(0);
    let crashes_at_success = Arc::new(AtomicU32::new(0));
    let crashes = Arc::clone(&crashes_at_success);
    let plan = move |_, call: &Call| match call.operation.as_str() {
        "GetContentModeration" if call.function != settler => {
            // A copy that the callback aborted is the reconciler's to make again.
            let aborted = completions.load(Ordering::Relaxed) > 0;
            let mends = settler == Function::ModerationCallback && aborted;
            (!mends).then_some(Fault::Refused(Refusal::Throttled))
        }
        // Tasks time out, which a later heartbeat learns, and the worker gets them again, with their jobs running or ended.
        "ListExecutions"
            if settler == Function::ActivityWorker && call.function == Function::Reconciler =>
        {
            let away = clock.now_ms() % RECONCILER_PERIOD_MS < RECONCILER_AWAY_MS;
            away.then_some(Fault::Refused(Refusal::Throttled))
        }
        // The SDK gives up, and the multipart copy is aborted.
        "POST reelgate-approved uploadId" if call.function == settler => {
            (completions.fetch_add(1, Ordering::Relaxed) < TRIES)
                .then_some(Fault::Refused(Refusal::Throttled))
        }
        "SendTaskSuccess" if call.function == settler => crashes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
            .then_some(Fault::CrashBefore),
        _ => None,
    };
    (plan, crashes_at_success)
}

/// Every kind of video, settled by one function.
async fn settled_by(settler: Function) -> Observed {
    let gate = Observed::new().await;
    let world = &gate.world;
    let (plan, crashes) = plan(settler, world.aws.clock.clone());
    world.steps.faults().set(plan);
    let untold = if settler == Function::ModerationCallback {
        BTreeSet::new()
    } else {
        (1..100).collect()
    };
    world.aws.rekognition.set_faults(rekognition::Faults {
        lose_notifications: untold.clone(),
        fail_jobs: [2].into_iter().collect(),
        ..rekognition::Faults::default()
    });
    every_kind(&gate).await;
    // The policy becomes stricter than the scan: another scan, for which a slot is claimed.
    let strict = world
        .upload("strict.mp4", sample(CLEAN), Some("Alcohol:30@0-1"))
        .await;
    gate.job_runs().await;
    // The other scan is the first that is counted in a document anew.
    let budget = names::budget_key(&names::day(world.aws.clock.now_ms()));
    gate.delete(&world.stack.ledger_bucket, &budget, None).await;
    let stricter = json!({"schema_version": 1, "default": {"action": "reject", "min_confidence_percent": 20}, "rules": []});
    world.put_policy(&stricter.to_string()).await;
    gate.ended_with(&strict, Some("ContentRejected")).await;
    // No policy at all, for a while.
    let unjudged = world.upload("unjudged.mp4", sample(CLEAN), None).await;
    gate.job_runs().await;
    gate.delete(&world.stack.ledger_bucket, POLICY_KEY, None)
        .await;
    gate.jobs_ended().await;
    world.pass(20).await;
    if settler != Function::ModerationCallback {
        world.pass(1200).await;
    }
    world.put_policy(workflow::policy::DEFAULT_POLICY).await;
    gate.ended_with(&unjudged, None).await;
    taken_down(&gate, settler, &crashes).await;
    gate
}

async fn every_kind(gate: &Observed) {
    let world = &gate.world;
    let put = world.s3.put_object().bucket(&world.stack.raw_bucket);
    let put = put
        .key("k.mp4")
        .tagging("team=news")
        .body(sample(CLEAN).into());
    let version = put.send().await.unwrap().version_id.unwrap();
    let first = world.uploaded("k.mp4", &version);
    let violent = Some("Physical Violence:97.5@1-2");
    let fight = world.upload("fight.mp4", sample(CLEAN), violent).await;
    let large = large(world);
    let gone = world.upload("gone.mp4", sample(CLEAN), None).await;
    let second = world
        .upload("k.mp4", sample("clean-fragmented.mp4"), None)
        .await;
    while world.aws.rekognition.started_jobs() < 5 {
        world.pass(1).await;
    }
    let raw_bucket = &world.stack.raw_bucket;
    gate.delete(raw_bucket, "gone.mp4", Some(&gone.version_id))
        .await;
    for approved in [&first, &large, &second] {
        gate.ended_with(approved, None).await;
    }
    gate.ended_with(&fight, Some("ContentRejected")).await;
    let ended = world.ended_within(&gone, PATIENCE).await;
    assert_eq!(ended.status, ExecutionStatus::Failed);
}

/// A video that takes a multipart copy; all of it but the sample at its beginning is simulated.
fn large(world: &World) -> Uploaded {
    let version = world.aws.s3.put_synthetic(
        &world.stack.raw_bucket,
        "large.mp4",
        sample(CLEAN).into(),
        LARGE_BYTES,
        BTreeMap::new(),
    );
    world.uploaded("large.mp4", &version.unwrap().unwrap())
}

/// A video that is taken down between its publication and the next look at it.
async fn taken_down(gate: &Observed, settler: Function, crashes: &AtomicU32) {
    let world = &gate.world;
    let jobs = world.aws.rekognition.started_jobs();
    if settler == Function::ModerationCallback {
        // Only the reconciler tries the callback's work again; the callback looks when an older version is judged after a newer one.
        world.aws.rekognition.set_faults(rekognition::Faults {
            lose_notifications: (1..100).collect(),
            ..rekognition::Faults::default()
        });
    }
    let older = world.upload("taken.mp4", sample(CLEAN), None).await;
    if settler != Function::ModerationCallback {
        crashes.store(1, Ordering::Relaxed);
        while crashes.load(Ordering::Relaxed) > 0 {
            world.pass(10).await;
        }
        gate.delete(&world.stack.approved_bucket, "taken.mp4", None)
            .await;
        gate.ended_with(&older, None).await;
        return;
    }
    world.pass(2).await;
    let newer = world.upload("taken.mp4", sample(CLEAN), None).await;
    while world.aws.rekognition.started_jobs() < jobs + 2 {
        world.pass(1).await;
    }
    gate.jobs_ended().await;
    gate.notify(&newer.execution);
    gate.ended_with(&newer, None).await;
    gate.delete(&world.stack.approved_bucket, "taken.mp4", None)
        .await;
    gate.notify(&older.execution);
    gate.ended_with(&older, None).await;
}

/// What goes wrong and is mended, and what only one function does.
async fn mended() -> Observed {
    eprintln!("mended");
    let gate = Observed::new().await;
    let world = &gate.world;
    gate.notify("somebody-elses-job");
    let stopped = world.upload("stopped.mp4", sample(CLEAN), None).await;
    gate.job_runs().await;
    world.stop(&stopped).await;
    world.quiet().await;
    world.redrive(&stopped).await;
    gate.ended_with(&stopped, None).await;
    // The operator deletes a slot that is held.
    let clip = world.upload("slot.mp4", sample(CLEAN), None).await;
    gate.job_runs().await;
    for key in world.keys(&world.stack.ledger_bucket).await {
        if key.starts_with("slots/") {
            gate.delete(&world.stack.ledger_bucket, &key, None).await;
        }
    }
    gate.ended_with(&clip, None).await;
    // What was counted long ago goes at the hourly look at leftovers.
    let old = names::budget_key("2025-11-24");
    let document =
        json!({"schema_version": 1, "revision": 1, "nonce": "n", "day": "2025-11-24", "scans": {}});
    world.put_ledger(&old, &document.to_string()).await;
    while world.ledger_json(&old).await.is_some() {
        world.pass(600).await;
    }
    sweeps(&gate).await;
    gate
}

/// A sweep that has no time, one that takes its place, and one that goes on with that and starts what was lost.
async fn sweeps(gate: &Observed) {
    let world = &gate.world;
    let lost_at =
        |_, call: &Call| (call.function == Function::IngestTrigger).then_some(Fault::CrashBefore);
    world.steps.faults().set(lost_at);
    let lost = world.upload("lost.mp4", sample(CLEAN), None).await;
    world.pass(1200).await;
    world.steps.faults().set(|_, _| None);
    let reconciler = &world.steps.reconciler().gate;
    for (left_ms, prefix, complete) in [
        (0, None, false),
        (0, Some("x"), false),
        (900_000, None, true),
    ] {
        let at_ms = reconciler.now_ms() + left_ms;
        let command = SweepCommand {
            prefix: prefix.map(str::to_owned),
            ..SweepCommand::default()
        };
        let swept = sweep::begin(reconciler, Deadline { at_ms }, &command).await;
        assert_eq!(swept.unwrap().complete, complete);
    }
    gate.ended_with(&lost, None).await;
}
