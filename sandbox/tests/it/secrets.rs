//! A task token is a bearer credential: it goes over the wire and into the private records, and nowhere else.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::rekognition;
use sandbox::sfn::TOKEN_CANARY;
use sandbox::sns::Subscription;
use sandbox::stack::StackOptions;
use workflow::names;

use crate::real::Real;
use crate::world::{Uploaded, World, jobs_lasting, sample};

/// Whatever could tell a token, by where it was found.
type Texts = BTreeMap<String, String>;

/// Job length in the sandbox's seconds: long enough to stop an execution meanwhile.
const JOB: Duration = Duration::from_mins(1);

#[tokio::test]
async fn tokens_are_seen_on_the_wire_and_nowhere_else() {
    let config = jobs_lasting(JOB);
    let options = StackOptions {
        log_level: "TRACE".to_owned(),
        ..StackOptions::default()
    };
    let real = Real::with(&config, options).await;
    let world = &real.world;
    let queues = subscribe(world);
    let clips = every_kind_of_end(world).await;
    let by_hand = started_by_hand(world).await;
    undeliverable(world).await;
    world.quiet().await;

    let mut texts = Texts::new();
    executions(world, &clips, &by_hand, &mut texts).await;
    objects(world, &mut texts).await;
    for queue_arn in &queues {
        let bodies = world.aws.sqs.bodies(queue_arn);
        assert!(!bodies.is_empty(), "{queue_arn} got nothing");
        texts.insert(queue_arn.clone(), bodies.join("\n"));
    }
    // Every task was handed over with its token, so that this test would see one.
    assert!(real.answers.count(TOKEN_CANARY) > clips.len());
    let log = real.shut_down().await;
    assert!(log.iter().any(|line| line.text.contains("task answered")));
    for line in log {
        let text = texts
            .entry(format!("log of {}", line.function))
            .or_default();
        text.push_str(&line.text);
        text.push('\n');
    }
    assert!(texts.len() > 20, "{:?}", texts.keys());
    for (place, text) in texts {
        assert!(!text.contains(TOKEN_CANARY), "{place}: {text}");
    }
}

/// Queues that hear of everything that is announced, and the dead letters.
fn subscribe(world: &World) -> Vec<String> {
    let stack = &world.stack;
    let mut queues = Vec::new();
    for (name, topic_arn) in [
        ("decisions", &stack.decisions_topic_arn),
        ("uploads", &stack.raw_uploads_topic_arn),
        ("results", &stack.moderation_results_topic_arn),
    ] {
        let endpoint_arn = world.aws.sqs.create_queue(name);
        let subscription = Subscription {
            endpoint_arn: endpoint_arn.clone(),
            filter_policy: None,
            dead_letter_queue_arn: None,
        };
        world.aws.sns.subscribe(topic_arn, subscription).unwrap();
        queues.push(endpoint_arn);
    }
    queues.push(stack.ingest_failures_queue_arn.clone());
    queues.push(stack.callback_failures_queue_arn.clone());
    queues
}

/// Videos that are approved, rejected, refused, stopped while their job runs, and failed by the service.
async fn every_kind_of_end(world: &World) -> Vec<Uploaded> {
    let fails = rekognition::Faults {
        fail_jobs: [1, 2].into(),
        ..rekognition::Faults::default()
    };
    world.aws.rekognition.set_faults(fails);
    let clean = || sample("clean-bars.mp4");
    let failed = world.upload("failed.mp4", clean(), None).await;
    assert_eq!(
        world.ended(&failed).await.error.as_deref(),
        Some("ModerationFailed")
    );
    let approved = world.upload("approved.mp4", clean(), None).await;
    let labels = Some("Physical Violence:97.5@0.5-1.5");
    let rejected = world.upload("rejected.mp4", clean(), labels).await;
    let unsupported = world.upload("u.mp4", sample("hevc.mp4"), None).await;
    let stopped = world.upload("stopped.mp4", clean(), None).await;
    while world.aws.rekognition.started_jobs() < 5 {
        world.pass(1).await;
    }
    world.stop(&stopped).await;
    let clips = vec![failed, approved, rejected, unsupported, stopped];
    let errors = [
        Some("ModerationFailed"),
        None,
        Some("ContentRejected"),
        Some("UnsupportedVideo"),
        None,
    ];
    for (clip, error) in clips.iter().zip(errors) {
        let ended = world.ended(clip).await;
        assert_eq!(ended.error.as_deref(), error, "{clip:?}");
    }
    clips
}

/// An execution with an input that is no upload: its task fails at once, and the error tells of the input.
async fn started_by_hand(world: &World) -> Uploaded {
    let name = "by-hand";
    world
        .sfn
        .start_execution()
        .state_machine_arn(&world.stack.state_machine_arn)
        .name(name)
        .input(r#"{"key": 1}"#)
        .send()
        .await
        .unwrap();
    let started = Uploaded {
        key: String::new(),
        version_id: String::new(),
        execution: name.to_owned(),
        execution_arn: world.stack.execution_arn(name),
    };
    let ended = world.ended(&started).await;
    assert_eq!(ended.status, ExecutionStatus::Failed, "{ended:?}");
    started
}

/// Messages that no function can read end in the queues for dead letters, with the functions' errors.
async fn undeliverable(world: &World) {
    let stack = &world.stack;
    for topic_arn in [
        &stack.raw_uploads_topic_arn,
        &stack.moderation_results_topic_arn,
    ] {
        world
            .aws
            .sns
            .publish(topic_arn, None, "{", &BTreeMap::new())
            .unwrap();
    }
    for queue_arn in [
        &stack.ingest_failures_queue_arn,
        &stack.callback_failures_queue_arn,
    ] {
        while world.aws.sqs.bodies(queue_arn).is_empty() {
            world.pass(1).await;
        }
    }
}

/// Descriptions and histories.
async fn executions(world: &World, clips: &[Uploaded], by_hand: &Uploaded, texts: &mut Texts) {
    for execution in clips.iter().chain([by_hand]) {
        let described = world.describe(execution).await.unwrap();
        let history = world.sfn.get_execution_history();
        let history = history
            .execution_arn(&execution.execution_arn)
            .send()
            .await
            .unwrap();
        let text = format!("{described:?}\n{history:?}");
        texts.insert(format!("execution {}", execution.execution), text);
    }
}

/// All objects and what is told of them: reports, heads, metadata, tags. Records are gone by now.
async fn objects(world: &World, texts: &mut Texts) {
    let stack = &world.stack;
    for bucket in [
        &stack.raw_bucket,
        &stack.approved_bucket,
        &stack.ledger_bucket,
    ] {
        for key in world.keys(bucket).await {
            assert!(!key.starts_with(names::RECORDS_PREFIX), "{key} is left");
            let get = world.s3.get_object().bucket(bucket).key(&key);
            let object = get.send().await.unwrap();
            let told = format!("{:?} {:?}", object.metadata, object.content_disposition);
            let tags = world.s3.get_object_tagging().bucket(bucket).key(&key);
            let tags = tags.send().await.unwrap();
            let bytes = object.body.collect().await.unwrap().to_vec();
            let content = String::from_utf8_lossy(&bytes);
            texts.insert(
                format!("s3://{bucket}/{key}"),
                format!("{told}\n{tags:?}\n{content}"),
            );
        }
    }
}
