//! The whole gate, from upload to verdict: the Lambdas' own code against the sandbox's services, over the SDKs.

use aws_sdk_s3::operation::get_object_tagging::GetObjectTaggingOutput;
use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::aws::AwsConfig;
use sandbox::stack::StackOptions;
use serde_json::json;
use workflow::clock::Deadline;
use workflow::event::SweepCommand;
use workflow::steps::sweep;

use crate::world::{World, sample};

const CLEAN: &str = "clean-bars.mp4";

#[tokio::test(start_paused = true)]
async fn a_clean_video_appears_in_the_approved_bucket() {
    let world = World::new().await;
    let bytes = sample(CLEAN);
    let clip = world
        .upload("clips/clean one.mp4", bytes.clone(), None)
        .await;
    let ended = world.ended(&clip).await;
    assert_eq!(
        ended.status,
        ExecutionStatus::Succeeded,
        "{:?} {:?}",
        ended.error,
        ended.cause
    );
    assert_eq!(world.approved(&clip.key).await, Some(bytes));
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["outcome"], "approved");
    assert_eq!(report["published"], true);
    assert_eq!(report["video"]["version_id"], clip.version_id.as_str());
    assert_eq!(report["analyses"][0]["reason"], "first");
    assert_eq!(report["verdict"], "approve");
    let at = |name: &str| report["timings"][name].as_str().map(str::to_owned);
    assert!(at("uploaded_at").unwrap() <= at("judged_at").unwrap());
    assert!(at("judged_at") <= at("published_at"));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_violent_video_is_rejected_and_says_why() {
    let world = World::new().await;
    let clip = world
        .upload(
            "fight.mp4",
            sample(CLEAN),
            Some("Physical Violence:97.5@1.2-2.0"),
        )
        .await;
    let ended = world.ended(&clip).await;
    assert_eq!(ended.status, ExecutionStatus::Failed);
    assert_eq!(ended.error.as_deref(), Some("ContentRejected"));
    let cause = ended.cause.unwrap();
    assert!(
        cause.contains("Physical Violence (97.5 %) at 0:01.2-0:02.0"),
        "{cause}"
    );
    assert_eq!(world.approved(&clip.key).await, None);
    assert_eq!(world.report(&clip).await.unwrap()["outcome"], "rejected");
    let verdict = world.verdict_tag(&clip).await;
    assert_eq!(verdict.as_deref(), Some("rejected"));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_rekognition_does_not_take_is_unsupported_without_a_job() {
    let world = World::new().await;
    for name in ["hevc.mp4", "two-video-tracks.mp4", "notes.mp4"] {
        let clip = world.upload(name, sample(name), None).await;
        let ended = world.ended(&clip).await;
        assert_eq!(
            ended.error.as_deref(),
            Some("UnsupportedVideo"),
            "{name}: {:?}",
            ended.cause
        );
        assert_eq!(world.approved(&clip.key).await, None);
    }
    assert_eq!(world.aws.rekognition.open_jobs().1, 0);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn keys_of_any_unicode_pass_through() {
    let world = World::new().await;
    for key in [
        "a b+c%20 🎬 ..clean.mp4",
        "../up/./x//y.mp4",
        "tab\tand\u{1}control.mp4",
        "q?&=#'\"<>.mp4",
    ] {
        let clip = world.upload(key, sample(CLEAN), None).await;
        let ended = world.ended(&clip).await;
        assert_eq!(
            ended.status,
            ExecutionStatus::Succeeded,
            "{key:?}: {:?}",
            ended.cause
        );
        assert!(world.approved(key).await.is_some(), "{key:?}");
    }
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn folder_markers_and_empty_objects_start_nothing() {
    let world = World::new().await;
    world.upload("folder/", Vec::new(), None).await;
    world.upload("empty.mp4", Vec::new(), None).await;
    world.pass(300).await;
    assert_eq!(world.aws.sfn.executions_started(), 0);
}

#[tokio::test(start_paused = true)]
async fn more_videos_than_slots_all_settle_and_never_hold_more_jobs() {
    let options = StackOptions {
        max_jobs: 3,
        ..StackOptions::default()
    };
    let world = World::with(&AwsConfig::default(), options).await;
    let mut clips = Vec::new();
    for number in 0..10 {
        clips.push(
            world
                .upload(&format!("burst/{number}.mp4"), sample(CLEAN), None)
                .await,
        );
    }
    for clip in &clips {
        assert_eq!(world.ended(clip).await.status, ExecutionStatus::Succeeded);
    }
    assert!(world.aws.rekognition.open_jobs().1 <= 3);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn metadata_and_tags_are_kept_and_ours_are_added() {
    let world = World::new().await;
    let put = world
        .s3
        .put_object()
        .bucket(&world.stack.raw_bucket)
        .key("m.mp4")
        .body(sample(CLEAN).into());
    let put = put
        .metadata("author", "me")
        .tagging("team=news&reelgate%3Averdict=forged")
        .content_type("application/x-mine");
    let version = put.send().await.unwrap().version_id.unwrap();
    let clip = world.uploaded("m.mp4", &version);
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    let head = world
        .s3
        .head_object()
        .bucket(&world.stack.approved_bucket)
        .key("m.mp4")
        .send()
        .await
        .unwrap();
    let metadata = head.metadata.clone().unwrap();
    assert_eq!(metadata["author"], "me");
    assert_eq!(metadata[workflow::steps::SOURCE_VERSION_ENTRY], version);
    assert_eq!(head.content_type(), Some("video/mp4"));
    let tags = world
        .s3
        .get_object_tagging()
        .bucket(&world.stack.approved_bucket)
        .key("m.mp4")
        .send()
        .await
        .unwrap();
    let expected = [("reelgate:verdict", "approved"), ("team", "news")];
    assert_eq!(sorted(&tags), expected);
    // The raw version says its verdict too: lifecycle rules go by it.
    let tags = world
        .s3
        .get_object_tagging()
        .bucket(&world.stack.raw_bucket)
        .key("m.mp4")
        .send()
        .await
        .unwrap();
    assert_eq!(sorted(&tags), expected);
}

fn sorted(tags: &GetObjectTaggingOutput) -> Vec<(&str, &str)> {
    let mut tags: Vec<_> = tags
        .tag_set
        .iter()
        .map(|tag| (tag.key.as_str(), tag.value.as_str()))
        .collect();
    tags.sort_unstable();
    tags
}

#[tokio::test(start_paused = true)]
async fn the_newest_version_wins_whatever_the_order_of_verdicts() {
    let world = World::new().await;
    let (old, new) = (sample(CLEAN), sample("clean-fragmented.mp4"));
    let first = world.upload("k.mp4", old, None).await;
    world.pass(2).await;
    let second = world.upload("k.mp4", new.clone(), None).await;
    assert_eq!(
        world.ended(&second).await.status,
        ExecutionStatus::Succeeded
    );
    assert_eq!(world.ended(&first).await.status, ExecutionStatus::Succeeded);
    assert_eq!(world.approved("k.mp4").await, Some(new));
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_overwrite_after_the_scan_began_is_not_published_for_it() {
    let world = World::new().await;
    let clean = sample(CLEAN);
    let first = world.upload("swap.mp4", clean.clone(), None).await;
    world.job_open().await;
    let second = world
        .upload(
            "swap.mp4",
            sample("violent.mp4"),
            Some("Explicit Nudity:99@0-2"),
        )
        .await;
    assert_eq!(world.ended(&first).await.status, ExecutionStatus::Succeeded);
    assert_eq!(
        world.ended(&second).await.error.as_deref(),
        Some("ContentRejected")
    );
    assert_eq!(world.approved("swap.mp4").await, Some(clean));
}

#[tokio::test(start_paused = true)]
async fn a_takedown_stays() {
    let world = World::new().await;
    let clip = world.upload("gone.mp4", sample(CLEAN), None).await;
    world.ended(&clip).await;
    world
        .s3
        .delete_object()
        .bucket(&world.stack.approved_bucket)
        .key("gone.mp4")
        .send()
        .await
        .unwrap();
    world.pass(7200).await;
    assert_eq!(world.approved("gone.mp4").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_is_not_published_and_its_end_is_reported() {
    let world = World::new().await;
    let clip = world.upload("stop.mp4", sample(CLEAN), None).await;
    world.job_open().await;
    let stop = world
        .sfn
        .stop_execution()
        .execution_arn(&clip.execution_arn)
        .error("Operator")
        .cause("changed my mind");
    stop.send().await.unwrap();
    world.quiet().await;
    assert_eq!(world.approved(&clip.key).await, None);
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["closed_status"], "ABORTED");
    assert_eq!(report["published"], false);
    // The scan went on, and was judged: that is kept beside how the execution ended.
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["error_name"], "Operator");
    assert_eq!(report["verdict"], "approve");
    assert!(
        report["cause"]
            .as_str()
            .unwrap()
            .contains("changed my mind")
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_not_usable_makes_tasks_wait_until_it_is() {
    let options = StackOptions {
        policy: json!({"version": 1}).to_string(),
        ..StackOptions::default()
    };
    let world = World::with(&AwsConfig::default(), options).await;
    let clip = world.upload("wait.mp4", sample(CLEAN), None).await;
    world.pass(1200).await;
    assert_eq!(
        world.describe(&clip).await.unwrap().status,
        ExecutionStatus::Running
    );
    assert_eq!(world.aws.rekognition.open_jobs().1, 0);
    world.put_policy(workflow::policy::DEFAULT_POLICY).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_backfill_starts_nothing_that_has_a_report_and_begins_where_it_is_told_to() {
    let world = World::new().await;
    let clip = world.upload("old.mp4", sample(CLEAN), None).await;
    world.ended(&clip).await;
    let gate = &world.steps.reconciler().gate;
    for (key_marker, versions) in [(None, 1), (Some("old.mp4".to_owned()), 0)] {
        let command = SweepCommand {
            backfill: true,
            key_marker,
            ..SweepCommand::default()
        };
        let deadline = Deadline {
            at_ms: gate.now_ms() + 900_000,
        };
        let swept = sweep::begin(gate, deadline, &command).await.unwrap();
        assert_eq!((swept.versions, swept.started), (versions, 0));
        assert!(swept.complete);
    }
}
