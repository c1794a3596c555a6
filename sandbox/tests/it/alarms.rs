//! The alarms on the gate's own metrics, as Terraform makes them: each is tripped by a fault, and by nothing in a healthy run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::faults::{Fault, Refusal};
use sandbox::measurements::Measurement;
use sandbox::rekognition;
use sandbox::stack::{Function, StackOptions};
use serde::Deserialize;
use serde_json::Value;
use workflow::names;

use crate::real::Real;
use crate::world::{Uploaded, World, jobs_lasting, lasting, sample};

/// What the observability module reads too.
const DEFINITIONS: &str = include_str!("../../../terraform/modules/observability/alarms.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definitions {
    namespace: String,
    comparison_operator: String,
    treat_missing_data: String,
    alarms: BTreeMap<String, Definition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    why: String,
    function: String,
    metric: String,
    /// Besides the function.
    dimensions: BTreeMap<String, String>,
    stat: Stat,
    period_s: i64,
    in_a_row: usize,
    threshold: f64,
}

#[derive(Deserialize)]
enum Stat {
    Maximum,
    Sum,
}

fn definitions() -> Definitions {
    let definitions: Definitions = serde_json::from_str(DEFINITIONS).unwrap();
    assert_eq!(definitions.namespace, workflow::function::NAMESPACE);
    // `fires` knows nothing else.
    assert_eq!(
        definitions.comparison_operator,
        "GreaterThanOrEqualToThreshold"
    );
    assert_eq!(definitions.treat_missing_data, "notBreaching");
    definitions
}

/// Whether an alarm went off at some time: as many periods in a row as it asks for were breaching (CloudWatch user guide, "Evaluating an
/// alarm"); one without data is not (same guide, "Configuring how CloudWatch alarms treat missing data").
fn fires(definition: &Definition, measured: &[Measurement]) -> bool {
    let mut periods: BTreeMap<i64, f64> = BTreeMap::new();
    for value in measured {
        if value.metric != definition.metric
            || value.function.name() != definition.function
            || value.dimensions != definition.dimensions
        {
            continue;
        }
        let period = value.at_ms.div_euclid(definition.period_s * 1000);
        let so_far = periods.entry(period).or_insert(0.0);
        *so_far = match definition.stat {
            Stat::Maximum => so_far.max(value.value),
            Stat::Sum => *so_far + value.value,
        };
    }
    let breaching: BTreeSet<i64> = periods
        .into_iter()
        .filter(|(_, value)| *value >= definition.threshold)
        .map(|(period, _)| period)
        .collect();
    breaching.iter().any(|first| {
        let row = *first..first + i64::try_from(definition.in_a_row).unwrap();
        row.into_iter().all(|period| breaching.contains(&period))
    })
}

/// The alarms that went off in a run.
fn fired(world: &World) -> BTreeSet<String> {
    let measured = world.steps.measurements().all();
    definitions()
        .alarms
        .into_iter()
        .filter(|(_, definition)| fires(definition, &measured))
        .map(|(name, _)| name)
        .collect()
}

#[track_caller]
fn assert_fired(world: &World, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(fired(world), expected);
}

async fn gate(job: Duration, options: StackOptions) -> World {
    let config = jobs_lasting(job);
    World::with(&config, options).await
}

/// Jobs of an ordinary length.
const JOB: Duration = Duration::from_mins(2);

async fn clean(world: &World, key: &str) -> Uploaded {
    world.upload(key, lasting(2), None).await
}

async fn job_started(world: &World) {
    while world.aws.rekognition.open_jobs().0 == 0 {
        world.pass(1).await;
    }
}

#[test]
fn every_alarm_says_why_and_is_tripped_by_a_test() {
    let here = include_str!("alarms.rs");
    for (name, definition) in definitions().alarms {
        assert!(definition.why.ends_with('.'), "{name}");
        assert!(Function::by_name(&definition.function).is_some(), "{name}");
        let tripped = format!("assert_fired(&world, &[\"{name}\"");
        assert!(here.contains(&tripped), "no test trips {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_gate_with_every_kind_of_verdict_and_all_slots_taken_trips_no_alarm() {
    let options = StackOptions {
        max_jobs: 2,
        max_video_minutes_a_day: Some(100),
        ..StackOptions::default()
    };
    let world = gate(JOB, options).await;
    let mut clips = vec![world.upload("hevc.mp4", sample("hevc.mp4"), None).await];
    let labels = Some("Physical Violence:97.5@1-2");
    clips.push(world.upload("fight.mp4", lasting(2), labels).await);
    for number in 0..6 {
        clips.push(clean(&world, &format!("{number}.mp4")).await);
    }
    for clip in &clips {
        world.ended(clip).await;
    }
    world.quiet().await;
    world.pass(3600).await;
    assert!(!world.steps.measurements().all().is_empty());
    assert_fired(&world, &[]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_does_not_end_trips_oldest_job() {
    let world = gate(Duration::from_hours(9), StackOptions::default()).await;
    clean(&world, "clip.mp4").await;
    world.pass(7 * 3600).await;
    assert_fired(&world, &[]);
    world.pass(3600 + 600).await;
    assert_fired(&world, &["oldest-job"]);
}

#[tokio::test(start_paused = true)]
async fn a_video_that_rekognition_fails_on_for_good_trips_executions_failed() {
    let world = gate(JOB, StackOptions::default()).await;
    world.fail_jobs(&[1, 2]);
    let clip = clean(&world, "clip.mp4").await;
    assert_eq!(
        world.ended(&clip).await.error.as_deref(),
        Some("ModerationFailed")
    );
    world.quiet().await;
    assert_fired(&world, &["executions-failed"]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_delivers_no_notifications_trips_notifications_lost() {
    let world = gate(JOB, StackOptions::default()).await;
    world.aws.rekognition.set_faults(rekognition::Faults {
        lose_notifications: [1, 2, 3].into_iter().collect(),
        ..rekognition::Faults::default()
    });
    for number in 0..3 {
        clean(&world, &format!("{number}.mp4")).await;
    }
    world.pass(1200).await;
    world.quiet().await;
    assert_fired(&world, &["notifications-lost"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_the_copy_trips_stops_too_late() {
    let world = gate(JOB, StackOptions::default()).await;
    let clip = clean(&world, "clip.mp4").await;
    let answer = "SendTaskSuccess";
    world.steps.faults().set(move |_, call| {
        (call.operation == answer).then_some(Fault::Refused(Refusal::Throttled))
    });
    while world.approved(&clip.key).await.is_none() {
        world.pass(1).await;
    }
    world.stop(&clip).await;
    world.steps.faults().set(|_, _| None);
    world.quiet().await;
    let report = world.report(&clip).await.unwrap();
    assert_eq!(report["stop_too_late"], true);
    // A stop ends an execution without a verdict in any case.
    assert_fired(&world, &["stops-too-late", "executions-failed"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_got_lost_is_no_stop_and_trips_no_alarm() {
    let world = gate(JOB, StackOptions::default()).await;
    let mut lost = false;
    world.steps.faults().set(move |_, call| {
        let now = call.operation == "SendTaskSuccess" && !lost;
        lost |= now;
        now.then_some(Fault::CrashAfter)
    });
    let clip = clean(&world, "clip.mp4").await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Succeeded);
    world.quiet().await;
    assert_eq!(world.report(&clip).await.unwrap()["stop_too_late"], false);
    assert_fired(&world, &[]);
}

#[tokio::test(start_paused = true)]
async fn a_video_beyond_the_days_minutes_trips_spending_cap() {
    let options = StackOptions {
        max_video_minutes_a_day: Some(2),
        ..StackOptions::default()
    };
    let world = gate(JOB, options).await;
    let first = clean(&world, "first.mp4").await;
    world.ended(&first).await;
    world.quiet().await;
    assert_fired(&world, &[]);
    clean(&world, "next.mp4").await;
    world.pass(120).await;
    assert_fired(&world, &["spending-cap"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_later_release_trips_documents_left_alone() {
    let world = gate(JOB, StackOptions::default()).await;
    let clip = clean(&world, "clip.mp4").await;
    job_started(&world).await;
    let key = names::record_key(&clip.execution);
    let mut record = world.ledger_json(&key).await.unwrap();
    record["schema_version"] = 2.into();
    world.put_ledger(&key, &record.to_string()).await;
    world.pass(1200).await;
    assert_eq!(world.ledger_json(&key).await.unwrap(), record);
    assert_fired(&world, &["documents-left-alone"]);
    record["schema_version"] = 1.into();
    world.put_ledger(&key, &record.to_string()).await;
    let ended = world.ended(&clip).await;
    assert_eq!(
        ended.status,
        ExecutionStatus::Succeeded,
        "{:?}",
        ended.cause
    );
    world.quiet().await;
}

/// What real functions write is what the alarms look for: namespace, names and exactly these dimensions.
#[tokio::test]
async fn real_functions_write_the_metrics_with_the_dimensions_of_the_alarms() {
    let config = jobs_lasting(JOB);
    let real = Real::with(&config, StackOptions::default()).await;
    let clip = clean(&real.world, "clip.mp4").await;
    real.world.ended(&clip).await;
    real.world.quiet().await;
    let names =
        Function::ALL.map(|function| (function.name(), real.world.stack.function_name(function)));
    let deployed = BTreeMap::from(names);
    let definitions = definitions();
    let mut seen = BTreeSet::new();
    for line in real.shut_down().await {
        let Ok(document) = serde_json::from_str::<Value>(&line.text) else {
            continue;
        };
        let Some(written) = document["_aws"]["CloudWatchMetrics"][0].as_object() else {
            continue;
        };
        assert_eq!(written["Namespace"], definitions.namespace.as_str());
        for metric in written["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            seen.insert(name.to_owned());
            let alarms = definitions.alarms.values();
            for alarm in alarms.filter(|alarm| alarm.metric == name) {
                assert!(alarm.dimensions.is_empty(), "{}", alarm.why);
                assert_eq!(
                    written["Dimensions"],
                    serde_json::json!([["Function"]]),
                    "{name}"
                );
                assert_eq!(
                    document["Function"],
                    deployed[alarm.function.as_str()].as_str(),
                    "{name}"
                );
            }
        }
    }
    for name in ["OldestJobAge", "FreeSlots", "SettledVideos", "VideoMinutes"] {
        assert!(seen.contains(name), "{name} not in {seen:?}");
    }
}
