//! What goes wrong and is mended: lost and repeated messages, failed jobs, expired results, stops, redrives, lost uploads.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::aws::AwsConfig;
use sandbox::faults::{Call, Fault, Refusal, Strike};
use sandbox::rekognition;
use sandbox::sim::{File, Footage};
use sandbox::stack::{Function, StackOptions};
use serde_json::json;
use workflow::names;

use crate::world::{Uploaded, World, jobs_lasting, lasting, sample};

const CLEAN: &str = "clean-bars.mp4";

/// A policy that approves whatever is found.
const LENIENT: &str = r#"{"schema_version": 1, "default": {"action": "ignore"}, "rules": []}"#;

/// How often the SDK sends a request to tag before the step hears of an error.
const SDK_TRIES: u32 = 3;

/// A gate with one slot, which gives a task up after three tries.
async fn with_one_slot_and_three_tries() -> World {
    let options = StackOptions {
        max_jobs: 1,
        max_attempts: 3,
        ..StackOptions::default()
    };
    World::with(&AwsConfig::default(), options).await
}

/// A video that is rejected, as soon as its raw version carries the tag that says so.
async fn tagged_as_rejected(world: &World) -> Uploaded {
    let clip = world
        .upload("again.mp4", sample(CLEAN), Some("Violence:99@0-1"))
        .await;
    for _ in 0..300 {
        world.pass(1).await;
        if let Some(verdict) = world.verdict_tag(&clip).await {
            assert_eq!(verdict, "rejected");
            return clip;
        }
    }
    panic!("not tagged");
}

/// Waits for the copy of a video that is approved at once.
async fn until_copied(world: &World, clip: &Uploaded) {
    for _ in 0..20 {
        world.pass(1).await;
        if world.approved(&clip.key).await.is_some() {
            return;
        }
    }
    panic!("not copied");
}

async fn reasons(world: &World, clip: &Uploaded) -> Vec<String> {
    let report = world.report(clip).await.unwrap();
    let analyses = report["analyses"].as_array().unwrap().clone();
    analyses
        .iter()
        .map(|analysis| analysis["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_lost_notification_costs_minutes_and_no_second_job() {
    let world = World::new().await;
    world.aws.rekognition.set_faults(rekognition::Faults {
        lose_notifications: [1].into_iter().collect(),
        ..rekognition::Faults::default()
    });
    let clip = world.upload("lost.mp4", sample(CLEAN), None).await;
    let began = world.aws.clock.now();
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert!(world.aws.clock.now() - began < Duration::from_mins(8));
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_notification_and_a_repeated_upload_event_change_nothing() {
    let world = World::new().await;
    world.aws.rekognition.set_faults(rekognition::Faults {
        repeat_notifications: [1].into_iter().collect(),
        ..rekognition::Faults::default()
    });
    let clip = world.upload("twice.mp4", sample(CLEAN), None).await;
    let head = world
        .s3
        .head_object()
        .bucket(&world.stack.raw_bucket)
        .key(&clip.key)
        .send()
        .await
        .unwrap();
    let event = json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-01T12:00:00.000Z", "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "raw", "bucket": {"name": world.stack.raw_bucket, "arn": "arn:aws:s3:::raw"},
               "object": {"key": clip.key, "size": head.content_length, "eTag": head.e_tag().unwrap().trim_matches('"'),
                          "versionId": clip.version_id, "sequencer": "0A"}}
    }]});
    for _ in 0..3 {
        world
            .aws
            .sns
            .publish(
                &world.stack.raw_uploads_topic_arn,
                None,
                &event.to_string(),
                &BTreeMap::new(),
            )
            .unwrap();
    }
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world
        .aws
        .sns
        .publish(
            &world.stack.raw_uploads_topic_arn,
            None,
            &event.to_string(),
            &BTreeMap::new(),
        )
        .unwrap();
    world.quiet().await;
    world.pass(300).await;
    assert_eq!(world.aws.sfn.executions_started(), 1);
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_is_tried_once_more_and_the_report_says_why() {
    let world = World::new().await;
    world.fail_jobs(&[1]);
    let clip = world.upload("again.mp4", sample(CLEAN), None).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert_eq!(reasons(&world, &clip).await, ["first", "jobFailed"]);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_keeps_failing_fails_the_task_and_a_redrive_starts_afresh() {
    let world = World::new().await;
    world.fail_jobs(&[1, 2]);
    let clip = world.upload("bad.mp4", sample(CLEAN), None).await;
    let ended = world.ended(&clip).await;
    assert_eq!(
        (ended.status, ended.error.as_deref()),
        (ExecutionStatus::Failed, Some("ModerationFailed"))
    );
    world.quiet().await;
    assert_eq!(world.approved(&clip.key).await, None);
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert_eq!(
        reasons(&world, &clip).await.last().map(String::as_str),
        Some("redrive")
    );
    assert_eq!(world.aws.rekognition.started_jobs(), 3);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_a_stopped_execution_takes_the_result_of_its_open_job() {
    let world = World::new().await;
    let clip = world.upload("stopped.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    world.stop(&clip).await;
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_while_the_stop_before_it_is_announced_keeps_its_task() {
    let world = World::new().await;
    // The worker is out until it is told otherwise, and an announcement of the reconciler's takes some seconds.
    let worker_is_back = Arc::new(AtomicBool::default());
    let announcing = Arc::new(AtomicBool::default());
    let (is_back, announces) = (Arc::clone(&worker_is_back), Arc::clone(&announcing));
    world.steps.faults().strike(move |_, call| {
        let mut strike = Strike::default();
        if call.function == Function::ActivityWorker && !is_back.load(Relaxed) {
            strike.fault = Some(Fault::CrashBefore);
        }
        if call.operation == "Publish" {
            announces.store(true, Relaxed);
            strike.before = Duration::from_secs(5);
        }
        strike
    });
    let clip = world.upload("stopped.mp4", sample(CLEAN), None).await;
    world.pass(30).await;
    world.stop(&clip).await;
    while !announcing.load(Relaxed) {
        world.pass(1).await;
    }
    worker_is_back.store(true, Relaxed);
    world.redrive(&clip).await;
    // Well before the heartbeat of a task that nobody keeps would be missed.
    let ended = world.ended_within(&clip, Duration::from_mins(4)).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_after_a_stop_that_was_settled_scans_again() {
    let world = World::new().await;
    let clip = world.upload("stopped.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    world.stop(&clip).await;
    world.quiet().await;
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert_eq!(world.approved(&clip.key).await, Some(sample(CLEAN)));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_execution_is_reported_and_its_redrive_succeeds() {
    let options = StackOptions {
        max_jobs: 0,
        machine_timeout: Some(Duration::from_mins(30)),
        ..StackOptions::default()
    };
    let world = World::with(&AwsConfig::default(), options).await;
    let clip = world.upload("late.mp4", sample(CLEAN), None).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::TimedOut);
    world.pass(120).await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["closed_status"], "TIMED_OUT");
    // The operator gives the gate slots again, and redrives.
    let stack = sandbox::stack::Stack::new(&world.aws.account, StackOptions::default());
    let steps = sandbox::stack::in_process::InProcess::new(&world.aws, &stack).unwrap();
    world.deploy_functions(&stack, &steps);
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn expired_results_are_scanned_again_and_the_report_says_why() {
    let world = World::new().await;
    world.aws.rekognition.set_faults(rekognition::Faults {
        lose_notifications: [1].into_iter().collect(),
        ..rekognition::Faults::default()
    });
    let clip = world.upload("old.mp4", sample(CLEAN), None).await;
    while world.aws.rekognition.open_jobs() != (0, 1) {
        world.pass(1).await;
    }
    world.aws.rekognition.expire_results();
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert_eq!(reasons(&world, &clip).await, ["first", "resultsExpired"]);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_became_stricter_than_the_scan_has_the_video_scanned_again() {
    let world = World::new().await;
    let clip = world
        .upload("strict.mp4", sample(CLEAN), Some("Alcohol:30@0-1"))
        .await;
    world.job_open().await;
    let policy =
        json!({"schema_version": 1, "default": {"action": "reject", "min_confidence_percent": 20}, "rules": []})
            .to_string();
    world.put_policy(&policy).await;
    assert_eq!(
        world.ended(&clip).await.error.as_deref(),
        Some("ContentRejected")
    );
    assert_eq!(reasons(&world, &clip).await, ["first", "policyStricter"]);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_breaks_while_a_video_is_scanned_delays_its_verdict_and_no_more() {
    let options = StackOptions {
        max_attempts: 3,
        ..StackOptions::default()
    };
    let world = World::with(&AwsConfig::default(), options).await;
    let clip = world.upload("broken.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    world.put_policy("{").await;
    world.pass(3600).await;
    assert_eq!(
        world.describe(&clip).await.unwrap().status,
        ExecutionStatus::Running
    );
    world.put_policy(workflow::policy::DEFAULT_POLICY).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_accounts_limit_tasks_wait_and_nothing_fails() {
    let config = AwsConfig {
        rekognition: rekognition::Config {
            max_open_jobs: 1,
            ..rekognition::Config::default()
        },
        ..AwsConfig::default()
    };
    let world = World::with(&config, StackOptions::default()).await;
    let mut clips = Vec::new();
    for number in 0..4 {
        clips.push(
            world
                .upload(&format!("{number}.mp4"), sample(CLEAN), None)
                .await,
        );
    }
    for clip in &clips {
        assert_eq!(world.ended(clip).await.status, ExecutionStatus::Succeeded);
        assert_eq!(reasons(&world, clip).await, ["first"]);
    }
    assert_eq!(world.aws.rekognition.started_jobs(), 4);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_start_without_an_answer_does_not_free_the_slot_of_its_job() {
    let world = World::with_one_slot(Duration::from_mins(10)).await;
    // The first start is done, but its answer is an error; whoever asks again, the SDK or the next tick, is throttled.
    let mut starts = 0;
    world.steps.faults().set(move |_, call: &Call| {
        (call.operation == "StartContentModeration").then(|| {
            starts += 1;
            match starts {
                1 => Fault::AnswerLost(Refusal::Internal),
                _ => Fault::Refused(Refusal::Throttled),
            }
        })
    });
    let stopped = world.upload("stopped.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    world.pass(150).await;
    world.stop(&stopped).await;
    let clip = world.upload("clip.mp4", sample(CLEAN), None).await;
    world.pass(120).await;
    world.steps.faults().set(|_, _| None);
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    let (_, peak) = world.aws.rekognition.open_jobs();
    assert_eq!(peak, 1, "the stopped video's job was still open");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_poison_video_fails_with_a_named_error_and_blocks_nobody() {
    let world = with_one_slot_and_three_tries().await;
    world.steps.faults().set(|_, call| {
        (call.operation == "HEAD reelgate-raw ").then_some(Fault::AnswerLost(Refusal::Internal))
    });
    let poison = world.upload("poison.mp4", sample(CLEAN), None).await;
    let ended = world.ended(&poison).await;
    assert_eq!(
        ended.error.as_deref(),
        Some("AttemptsExhausted"),
        "{:?}",
        ended.cause
    );
    assert!(ended.cause.unwrap().contains("RawHead failed"));
    world.steps.faults().set(|_, _| None);
    let next = world.upload("next.mp4", sample(CLEAN), None).await;
    assert_eq!(world.ended(&next).await.status, ExecutionStatus::Succeeded);
    world.redrive(&poison).await;
    assert_eq!(
        world.ended(&poison).await.status,
        ExecutionStatus::Succeeded
    );
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_upload_event_is_found_by_the_sweep() {
    let world = World::new().await;
    world
        .steps
        .faults()
        .set(|_, call| (call.function == Function::IngestTrigger).then_some(Fault::CrashBefore));
    let clip = world.upload("lost upload.mp4", sample(CLEAN), None).await;
    world.pass(1200).await;
    assert_eq!(world.aws.sfn.executions_started(), 0);
    assert_eq!(
        world
            .aws
            .sqs
            .bodies(&world.stack.ingest_failures_queue_arn)
            .len(),
        1
    );
    world.steps.faults().set(|_, _| None);
    world.sweep();
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_backfill_that_is_under_way_is_not_replaced_by_the_daily_sweep() {
    let world = World::new().await;
    world.stack.set_schedules(&world.aws, false);
    world
        .steps
        .faults()
        .set(|_, call| (call.function == Function::IngestTrigger).then_some(Fault::CrashBefore));
    let old = world.upload("old.mp4", sample(CLEAN), None).await;
    world.pass(20 * 24 * 3600).await;
    // It is cut off before it comes anywhere, as often as Lambda tries.
    world.steps.faults().set(|_, call| {
        let walks = call.operation.starts_with("GET reelgate-raw versions");
        walks.then_some(Fault::CrashBefore)
    });
    world.sweep_with(&json!({"backfill": true}));
    world.pass(600).await;
    world.steps.faults().set(|_, _| None);
    world.sweep();
    world.stack.set_schedules(&world.aws, true);
    assert_eq!(world.ended(&old).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_execution_started_by_hand_with_nonsense_says_so() {
    let world = World::new().await;
    let start = world
        .sfn
        .start_execution()
        .state_machine_arn(&world.stack.state_machine_arn)
        .name("by-hand")
        .input("{\"x\":1}");
    let execution_arn = start.send().await.unwrap().execution_arn;
    world.pass(120).await;
    let described = world
        .sfn
        .describe_execution()
        .execution_arn(execution_arn)
        .send()
        .await
        .unwrap();
    assert_eq!(described.error.as_deref(), Some("InvalidTaskInput"));
    assert!(described.cause.unwrap().contains("not an upload"));
}

#[tokio::test(start_paused = true)]
async fn a_redrive_keeps_the_scans_of_the_drives_before_in_the_report() {
    let world = World::new().await;
    world.fail_jobs(&[1, 2]);
    let clip = world.upload("thrice.mp4", sample(CLEAN), None).await;
    let ended = world.ended(&clip).await;
    assert_eq!(ended.error.as_deref(), Some("ModerationFailed"));
    // Its record is gone: only the report knows of the two scans.
    world.quiet().await;
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
    let reasons = reasons(&world, &clip).await;
    assert_eq!(reasons, ["first", "jobFailed", "redrive"]);
}

#[tokio::test(start_paused = true)]
async fn a_multipart_copy_whose_completion_was_answered_with_an_error_is_made_again() {
    let world = World::new().await;
    let completes = |call: &Call| {
        call.operation.starts_with("POST reelgate-approved ")
            && call.operation.ends_with("uploadId")
    };
    let mut struck = false;
    world.steps.faults().set(move |_, call| {
        let first = completes(call) && !struck;
        struck |= first;
        first.then_some(Fault::AnswerLost(Refusal::Internal))
    });
    let file = File {
        footage: Footage::Clean,
        size_bytes: 6 << 30,
        duration_ms: 60_000,
        mark: 0,
    };
    let raw = &world.stack.raw_bucket;
    let put = |key: &str| {
        let version_id = world
            .aws
            .s3
            .put_synthetic(raw, key, file.head(), file.size_bytes, file.metadata())
            .unwrap();
        world.uploaded(key, &version_id.unwrap())
    };
    let clip = put("large.mp4");
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
    let head = names::head_key("large.mp4");
    assert!(world.keys(&world.stack.ledger_bucket).await.contains(&head));
    let approved = world
        .aws
        .s3
        .head(&world.stack.approved_bucket, "large.mp4", None);
    assert_eq!(approved.unwrap().size_bytes, 6 << 30);
}

#[tokio::test(start_paused = true)]
async fn a_version_deleted_between_preflight_and_start_is_unsupported_and_not_denied() {
    let world = World::new().await;
    world.steps.faults().set(|_, call| {
        (call.operation == "StartContentModeration").then_some(Fault::Refused(Refusal::Internal))
    });
    let clip = world.upload("gone.mp4", sample(CLEAN), None).await;
    world.pass(30).await;
    let delete = world.s3.delete_object().bucket(&world.stack.raw_bucket);
    let delete = delete.key(&clip.key).version_id(&clip.version_id);
    delete.send().await.unwrap();
    world.steps.faults().set(|_, _| None);
    let ended = world.ended(&clip).await;
    assert_eq!(
        ended.error.as_deref(),
        Some("UnsupportedVideo"),
        "{ended:?}"
    );
    assert!(ended.cause.unwrap().contains("deleted"));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_given_up_keeps_its_verdict_when_the_job_of_its_unanswered_start_ends() {
    let config = jobs_lasting(Duration::from_mins(40));
    let options = StackOptions {
        max_attempts: 3,
        ..StackOptions::default()
    };
    let world = World::with(&config, options).await;
    let mut starts = 0;
    world.steps.faults().set(move |_, call| {
        let is_start = call.operation == "StartContentModeration";
        starts += u32::from(is_start);
        match starts {
            1 if is_start => Some(Fault::AnswerLost(Refusal::Internal)),
            2..=3 if is_start => Some(Fault::Refused(Refusal::Internal)),
            _ => None,
        }
    });
    let clip = world
        .upload("mute.mp4", sample(CLEAN), Some("Violence:99@0-1"))
        .await;
    let ended = world.ended(&clip).await;
    assert_eq!(ended.error.as_deref(), Some("AttemptsExhausted"));
    assert_eq!(world.aws.rekognition.open_jobs().0, 1);
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["error_name"], "AttemptsExhausted");
    assert!(report["verdict"].is_null(), "{report}");
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_only_repaired_and_was_never_answered_is_waited_for_before_its_record_is_dropped()
 {
    let world = World::new().await;
    // The older version is judged last: it is longer.
    let older = world.upload("k.mp4", lasting(20), None).await;
    world.job_open().await;
    let newer = world
        .upload("k.mp4", sample("clean-fragmented.mp4"), None)
        .await;
    world.ended(&newer).await;
    // What is there says of no version that it is its copy, so the older version's settlement repairs it.
    let foreign = world.s3.put_object().bucket(&world.stack.approved_bucket);
    foreign.key("k.mp4").send().await.unwrap();
    let mut first = true;
    world.steps.faults().set(move |_, call| {
        let is_copy = call.operation == "PUT reelgate-approved  copy";
        (is_copy && mem::take(&mut first)).then_some(Fault::AnswerLost(Refusal::Internal))
    });
    let ended = world.ended(&older).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    world.pass(10 * 60).await;
    let record = names::record_key(&older.execution);
    assert!(world.ledger_json(&record).await.is_some());
    world.quiet().await;
    assert_eq!(world.ledger_json(&record).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_connection_broke_does_not_land_over_a_newer_version_for_good() {
    let world = World::new().await;
    // The first request to copy is on its way for ten minutes; the next one is answered.
    let mut first = true;
    world.steps.faults().set(move |_, call| {
        let is_copy = call.operation == "PUT reelgate-approved  copy";
        (is_copy && mem::take(&mut first)).then_some(Fault::ResetDuring(Duration::from_mins(10)))
    });
    let older = world.upload("k.mp4", sample(CLEAN), None).await;
    world.ended(&older).await;
    let fragmented = sample("clean-fragmented.mp4");
    let newer = world.upload("k.mp4", fragmented.clone(), None).await;
    world.ended(&newer).await;
    world.pass(3600).await;
    assert_eq!(world.approved("k.mp4").await, Some(fragmented));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_that_is_stopped_before_anybody_took_it_does_not_forget_that_the_video_is_published()
 {
    let world = World::new().await;
    let clip = world.upload("late.mp4", sample(CLEAN), None).await;
    world.steps.faults().set(|_, call| {
        (call.operation == "SendTaskSuccess").then_some(Fault::Refused(Refusal::Throttled))
    });
    while world.approved(&clip.key).await.is_none() {
        world.pass(1).await;
    }
    world.stop(&clip).await;
    world.steps.faults().set(|_, _| None);
    world.quiet().await;
    world.redrive(&clip).await;
    world.stop(&clip).await;
    world.pass(60).await;
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["redrive_count"], 1);
    assert_eq!(report["published"], true);
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_over_before_its_record_came_to_be_starts_no_job() {
    let world = World::new().await;
    // The first worker hears late of the task that it polled.
    let mut held_up = None;
    world.steps.faults().strike(move |_, call| {
        let mut strike = Strike::default();
        if call.operation == "GetActivityTask"
            && *held_up.get_or_insert(call.invocation) == call.invocation
        {
            strike.after = Duration::from_mins(4);
        }
        strike
    });
    let clip = world.upload("late.mp4", sample(CLEAN), None).await;
    world.pass(5).await;
    // The task of the redrive is taken, settled, and its record dropped meanwhile.
    world.stop(&clip).await;
    world.redrive(&clip).await;
    // Else no tick would look at records before the next hour.
    world.upload("long.mp4", lasting(60), None).await;
    let record = names::record_key(&clip.execution);
    let within = Duration::from_secs(40);
    let ended = world.ended_within(&clip, within).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    world.pass(130).await;
    assert_eq!(world.ledger_json(&record).await, None);
    let mut came = false;
    for _ in 0..120 {
        world.pass(1).await;
        came |= world.ledger_json(&record).await.is_some();
    }
    assert!(came, "the record never came to be");
    assert_eq!(world.aws.rekognition.started_jobs(), 2);
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["redrive_count"], 1);
    assert_eq!(report["outcome"], "approved");
}

#[tokio::test(start_paused = true)]
async fn a_redrive_that_takes_up_a_late_record_does_not_scan_what_is_published() {
    let world = World::new().await;
    // The first worker hears late of the task that it polled, and no success is told.
    let mut held_up = None;
    world.steps.faults().strike(move |_, call| {
        let mut strike = Strike::default();
        match call.operation.as_str() {
            "GetActivityTask" if *held_up.get_or_insert(call.invocation) == call.invocation => {
                strike.after = Duration::from_mins(4);
            }
            "SendTaskSuccess" => strike.fault = Some(Fault::Refused(Refusal::Throttled)),
            _ => {}
        }
        strike
    });
    let clip = world.upload("late.mp4", sample(CLEAN), None).await;
    world.pass(5).await;
    // The first redrive publishes, and is stopped before it can say so. Its record is dropped before the first worker makes one.
    world.stop(&clip).await;
    world.redrive(&clip).await;
    // Else no tick would look at records before the next hour.
    world.upload("long.mp4", lasting(60), None).await;
    let record = names::record_key(&clip.execution);
    until_copied(&world, &clip).await;
    world.stop(&clip).await;
    world.pass(130).await;
    assert_eq!(world.ledger_json(&record).await, None);
    assert_eq!(world.report(&clip).await.unwrap()["published"], true);
    while world.ledger_json(&record).await.is_none() {
        world.pass(1).await;
    }
    world.redrive(&clip).await;
    world.pass(10).await;
    world.steps.faults().set(|_, _| None);
    let ended = world.ended(&clip).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    assert_eq!(world.aws.rekognition.started_jobs(), 2);
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["redrive_count"], 2);
    assert_eq!(report["published"], true);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_was_stopped_while_it_waited_for_a_slot_starts_no_job() {
    let world = World::new().await;
    // The reconciler, which would drop the record of the stopped execution, is out.
    world.steps.faults().set(|_, call| {
        let is_reconciler = call.function == Function::Reconciler;
        let is_start = call.operation == "StartContentModeration";
        match (is_reconciler, is_start) {
            (true, _) => Some(Fault::CrashBefore),
            (_, true) => Some(Fault::Refused(Refusal::Throttled)),
            _ => None,
        }
    });
    let stopped = world.upload("stopped.mp4", sample(CLEAN), None).await;
    world.pass(50).await;
    world.stop(&stopped).await;
    world
        .steps
        .faults()
        .set(|_, call| (call.function == Function::Reconciler).then_some(Fault::CrashBefore));
    let other = world.upload("other.mp4", sample(CLEAN), None).await;
    let ended = world.ended(&other).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    world.pass(180).await;
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
    world.steps.faults().set(|_, _| None);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_drive_is_not_reported_over_that_of_a_later_one() {
    let world = World::new().await;
    let clip = world
        .upload("again.mp4", sample(CLEAN), Some("Violence:99@0-1"))
        .await;
    world.job_open().await;
    // The first record that a reconciler writes takes a minute on its way, and no other reconciler gets anywhere meanwhile.
    let held_up = Arc::new(AtomicBool::default());
    let (holds_up, mut slow) = (Arc::clone(&held_up), None);
    world.steps.faults().strike(move |_, call| {
        let mut strike = Strike::default();
        match slow {
            _ if call.function != Function::Reconciler => {}
            Some(invocation) if call.invocation == invocation => {}
            Some(_) => strike.fault = Some(Fault::CrashBefore),
            None if call.operation == "PUT reelgate-ledger jobs" => {
                slow = Some(call.invocation);
                holds_up.store(true, Relaxed);
                strike.before = Duration::from_mins(1);
            }
            None => {}
        }
        strike
    });
    world.stop(&clip).await;
    while !held_up.load(Relaxed) {
        world.pass(1).await;
    }
    // A reconciler knows of the stop, and is held up before it takes the record's lease. The redrive is settled meanwhile.
    world.redrive(&clip).await;
    let ended = world.ended_within(&clip, Duration::from_secs(50)).await;
    assert_eq!(ended.error.as_deref(), Some("ContentRejected"));
    assert_eq!(world.report(&clip).await.unwrap()["outcome"], "rejected");
    world.pass(60).await;
    world.steps.faults().set(|_, _| None);
    world.quiet().await;
    assert_eq!(world.report(&clip).await.unwrap()["outcome"], "rejected");
}

#[tokio::test(start_paused = true)]
async fn a_redrive_whose_event_is_lost_is_polled_for_although_the_answered_record_is_still_there() {
    let world = World::new().await;
    world.fail_jobs(&[1, 2]);
    world
        .steps
        .faults()
        .set(|_, call| (call.function == Function::Reconciler).then_some(Fault::CrashBefore));
    let clip = world.upload("again.mp4", sample(CLEAN), None).await;
    let ended = world.ended(&clip).await;
    assert_eq!(ended.error.as_deref(), Some("ModerationFailed"));
    // Longer than the event is tried again.
    world.steps.faults().set(|_, _| Some(Fault::CrashBefore));
    world.redrive(&clip).await;
    world.pass(10 * 60).await;
    world.steps.faults().set(|_, _| None);
    let ended = world.ended_within(&clip, Duration::from_mins(5)).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_redrive_that_nobody_heard_of_is_reported_over_that_of_the_drive_before() {
    let world = World::new().await;
    world.fail_jobs(&[1, 2]);
    let clip = world.upload("again.mp4", sample(CLEAN), None).await;
    let ended = world.ended(&clip).await;
    assert_eq!(ended.error.as_deref(), Some("ModerationFailed"));
    world.quiet().await;
    // Longer than the events of the redrive and of its stop are tried again.
    world.steps.faults().set(|_, _| Some(Fault::CrashBefore));
    world.redrive(&clip).await;
    world.stop(&clip).await;
    world.pass(10 * 60).await;
    assert_eq!(world.report(&clip).await.unwrap()["redrive_count"], 0);
    world.steps.faults().set(|_, _| None);
    world.pass(3600).await;
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["redrive_count"], 1);
    assert_eq!(report["outcome"], "failed");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_redrive_is_announced_though_the_record_says_that_the_one_before_was() {
    let world = World::new().await;
    let clip = world.upload("again.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    // Nobody drops the record.
    world.steps.faults().set(|_, call| {
        (call.operation == "DELETE reelgate-ledger jobs").then_some(Fault::CrashBefore)
    });
    world.stop(&clip).await;
    let record = names::record_key(&clip.execution);
    while world.ledger_json(&record).await.unwrap()["announced"] != true {
        world.pass(1).await;
    }
    world.steps.faults().set(|_, _| Some(Fault::CrashBefore));
    world.redrive(&clip).await;
    world.stop(&clip).await;
    world.pass(10 * 60).await;
    world.steps.faults().set(|_, _| None);
    world.quiet().await;
    assert_eq!(world.report(&clip).await.unwrap()["redrive_count"], 1);
    let calls = world.steps.faults().calls();
    let announced = calls.iter().filter(|call| call.operation == "Publish");
    assert_eq!(announced.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_heard_of_is_reported_after_a_day_without_a_schedule() {
    let world = World::new().await;
    let clip = world.upload("unheard.mp4", sample(CLEAN), None).await;
    world
        .steps
        .faults()
        .set(|_, call| (call.function != Function::IngestTrigger).then_some(Fault::CrashBefore));
    world.pass(5).await;
    world.stop(&clip).await;
    world.pass(24 * 3600).await;
    world.steps.faults().set(|_, _| None);
    assert_eq!(world.report(&clip).await, None);
    world.pass(24 * 3600).await;
    assert_eq!(world.report(&clip).await.unwrap()["outcome"], "failed");
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_a_rejected_execution_ends_at_once_and_leaves_its_report() {
    let world = World::new().await;
    let clip = world
        .upload("again.mp4", sample(CLEAN), Some("Violence:99@0-1"))
        .await;
    world.ended(&clip).await;
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    world.redrive(&clip).await;
    let ended = world.ended(&clip).await;
    assert_eq!(ended.error.as_deref(), Some("ContentRejected"));
    assert_eq!(ended.redrive_count, Some(1));
    world.pass(2 * 3600).await;
    assert_eq!(world.report(&clip).await.unwrap(), report);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_given_up_and_not_told_does_not_keep_its_slot_from_the_one_after_it() {
    let world = with_one_slot_and_three_tries().await;
    // No start is answered, so the task is given up; and from then on nothing works for longer than a heartbeat may be missed.
    let is_out = Arc::new(AtomicBool::default());
    let goes_out = Arc::clone(&is_out);
    world.steps.faults().set(move |_, call| {
        if call.operation == "SendTaskFailure" {
            goes_out.store(true, Relaxed);
        }
        match call.operation.as_str() {
            _ if goes_out.load(Relaxed) => Some(Fault::CrashBefore),
            "StartContentModeration" => Some(Fault::Refused(Refusal::Reset)),
            _ => None,
        }
    });
    let clip = world.upload("mute.mp4", sample(CLEAN), None).await;
    for _ in 0..1800 {
        world.pass(1).await;
        if is_out.load(Relaxed) {
            break;
        }
    }
    world.pass(10 * 60).await;
    world.steps.faults().set(|_, _| None);
    let ended = world.ended_within(&clip, Duration::from_mins(30)).await;
    assert_eq!(ended.error.as_deref(), Some("AttemptsExhausted"));
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_given_up_does_not_keep_its_slot_from_its_redrive() {
    let world = with_one_slot_and_three_tries().await;
    world.steps.faults().set(|_, call| {
        let is_start = call.operation == "StartContentModeration";
        is_start.then_some(Fault::Refused(Refusal::Reset))
    });
    let clip = world.upload("mute.mp4", sample(CLEAN), None).await;
    let ended = world.ended_within(&clip, Duration::from_mins(30)).await;
    assert_eq!(ended.error.as_deref(), Some("AttemptsExhausted"));
    // Longer than the events of the end and of the redrive are tried again.
    world.steps.faults().set(|_, _| Some(Fault::CrashBefore));
    world.redrive(&clip).await;
    world.pass(10 * 60).await;
    world.steps.faults().set(|_, _| None);
    let ended = world.ended_within(&clip, Duration::from_mins(30)).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_after_a_redrive_replaces_the_tag_of_the_rejection_before_though_tagging_fails_at_first()
 {
    let world = World::new().await;
    // The rejection is carried out but for its answer; the execution is stopped instead.
    world
        .steps
        .faults()
        .set(|_, call| (call.operation == "SendTaskFailure").then_some(Fault::CrashBefore));
    let clip = tagged_as_rejected(&world).await;
    world.stop(&clip).await;
    world.quiet().await;
    world.put_policy(LENIENT).await;
    let mut left = SDK_TRIES;
    world.steps.faults().set(move |_, call| {
        let fails = left > 0 && call.operation == "PUT reelgate-raw tagging";
        left -= u32::from(fails);
        fails.then_some(Fault::Refused(Refusal::Internal))
    });
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
    assert_eq!(world.verdict_tag(&clip).await.as_deref(), Some("approved"));
}

#[tokio::test(start_paused = true)]
async fn an_approval_after_a_redrive_replaces_the_tag_of_the_rejection_before_though_that_arrives_late()
 {
    let world = World::with(
        &jobs_lasting(Duration::from_secs(1)),
        StackOptions::default(),
    )
    .await;
    // The request to tag the rejected version is on its way for half a minute, and then another one is answered at once. Its execution
    // is stopped before it is told, and redriven: all is over before the first request arrives.
    let mut first = true;
    world
        .steps
        .faults()
        .set(move |_, call| match call.operation.as_str() {
            "PUT reelgate-raw tagging" if mem::take(&mut first) => {
                Some(Fault::ResetDuring(Duration::from_secs(29)))
            }
            "SendTaskFailure" => Some(Fault::Refused(Refusal::Throttled)),
            _ => None,
        });
    let clip = tagged_as_rejected(&world).await;
    // Until the lease is given back.
    world.pass(5).await;
    world.stop(&clip).await;
    world.put_policy(LENIENT).await;
    world.redrive(&clip).await;
    let ended = world.ended_within(&clip, Duration::from_secs(25)).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    assert_eq!(world.verdict_tag(&clip).await.as_deref(), Some("approved"));
    world.pass(3600).await;
    assert_eq!(world.verdict_tag(&clip).await.as_deref(), Some("approved"));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_video_that_cannot_be_tagged_is_settled_all_the_same() {
    let world = with_one_slot_and_three_tries().await;
    world.steps.faults().set(|_, call| {
        (call.operation == "PUT reelgate-raw tagging").then_some(Fault::Refused(Refusal::Internal))
    });
    let clip = world.upload("bare.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    world.stop(&clip).await;
    world.redrive(&clip).await;
    let ended = world.ended_within(&clip, Duration::from_mins(30)).await;
    assert_eq!(ended.status, ExecutionStatus::Succeeded);
    assert_eq!(world.verdict_tag(&clip).await, None);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_arrives_once_more_after_its_execution_was_settled_leaves_the_report() {
    let world = World::new().await;
    // The SDK tires of waiting for the answer to a worker's new record, and sends it again. The first request arrives when all is over.
    let mut first = true;
    world.steps.faults().strike(move |_, call| {
        let is_record = call.operation == "PUT reelgate-ledger jobs";
        let mut strike = Strike::default();
        if is_record && mem::take(&mut first) {
            strike.before = Duration::from_secs(29);
        }
        strike
    });
    let clip = world.upload("notes.mp4", sample("notes.mp4"), None).await;
    let ended = world.ended(&clip).await;
    assert_eq!(ended.error.as_deref(), Some("UnsupportedVideo"));
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    world.pass(30).await;
    assert_eq!(world.open_work().await.len(), 1, "the record is back");
    world.quiet().await;
    assert_eq!(world.report(&clip).await.unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_that_takes_up_a_record_that_arrived_once_more_does_not_scan_what_is_published() {
    let world = World::with(
        &jobs_lasting(Duration::from_secs(1)),
        StackOptions::default(),
    )
    .await;
    // As above, but of a video that is published, and whose execution is stopped before it is told so.
    let mut first = true;
    world.steps.faults().strike(move |_, call| {
        let mut strike = Strike::default();
        match call.operation.as_str() {
            "PUT reelgate-ledger jobs" if mem::take(&mut first) => {
                strike.before = Duration::from_secs(29);
            }
            "SendTaskSuccess" => strike.fault = Some(Fault::Refused(Refusal::Throttled)),
            _ => {}
        }
        strike
    });
    let clip = world.upload("late.mp4", sample(CLEAN), None).await;
    until_copied(&world, &clip).await;
    world.stop(&clip).await;
    world.pass(10).await;
    let record = names::record_key(&clip.execution);
    assert_eq!(world.ledger_json(&record).await, None);
    world.pass(15).await;
    assert!(world.ledger_json(&record).await.is_some(), "not back");
    world.steps.faults().set(|_, _| None);
    world.redrive(&clip).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    assert_eq!(world.report(&clip).await.unwrap()["published"], true);
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(
        report["cause"],
        "published before the execution was redriven"
    );
}
