//! The spending cap: minutes of video whose scans are started on a UTC day.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use sandbox::faults::{Call, Fault, Refusal};
use sandbox::rekognition;
use sandbox::stack::{Function, Stack, StackOptions};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::support::aws_at;
use crate::world::{Uploaded, World, jobs_lasting, lasting, sample};

/// When the sandbox's clock starts: half an hour before midnight.
const START: OffsetDateTime = datetime!(2026-11-01 23:30 UTC);

/// The day on which it starts, and the one after.
const TODAY: &str = "2026-11-01";
const TOMORROW: &str = "2026-11-02";

/// From the start to one minute before midnight.
const UNTIL_LATE: Duration = Duration::from_mins(29);

fn capped(minutes: u32) -> StackOptions {
    StackOptions {
        max_video_minutes_a_day: Some(minutes),
        ..StackOptions::default()
    }
}

/// A gate with a cap, whose jobs take ten seconds however long the video says that it is.
async fn gate(options: StackOptions) -> World {
    let config = jobs_lasting(Duration::from_secs(10));
    World::on(aws_at(START, &config), options).await
}

async fn upload(world: &World, key: &str, minutes: u32) -> Uploaded {
    world.upload(key, lasting(minutes), None).await
}

/// Uploads a video and waits until it is approved.
async fn through(world: &World, key: &str, minutes: u32) -> Uploaded {
    let clip = upload(world, key, minutes).await;
    approved(world, &clip).await;
    clip
}

async fn approved(world: &World, clip: &Uploaded) {
    let ended = world.ended(clip).await;
    assert_eq!(
        ended.status,
        ExecutionStatus::Succeeded,
        "{:?}",
        ended.cause
    );
}

/// Lets time pass until a moment of the first day, and asserts that the clip still waits then.
async fn waits(world: &World, clip: &Uploaded, until: Duration) {
    let left = START + until - world.aws.clock.now();
    world.pass(left.whole_seconds().try_into().unwrap()).await;
    let described = world.describe(clip).await.unwrap();
    assert_eq!(described.status, ExecutionStatus::Running);
    assert_eq!(world.approved(&clip.key).await, None);
}

/// The minutes counted for a day, by execution.
async fn counted(world: &World, day: &str) -> BTreeMap<String, u64> {
    let Some(budget) = world.ledger_json(&format!("budget/{day}.json")).await else {
        return BTreeMap::new();
    };
    let scans = budget["scans"].as_object().unwrap();
    scans
        .iter()
        .map(|(scan, minutes)| {
            let execution = scan.split('.').next().unwrap();
            (execution.to_owned(), minutes.as_u64().unwrap())
        })
        .collect()
}

fn redeploy(world: &World, options: StackOptions) {
    let stack = Stack::new(&world.aws.account, options);
    let steps = world.steps.redeployed(&world.aws, &stack).unwrap();
    world.deploy_functions(&stack, &steps);
}

/// What jobs, by their number, find to be their videos' lengths in minutes.
fn lengths(world: &World, jobs: &[(u64, u64)]) {
    let in_ms = |(job, minutes): &(u64, u64)| (*job, minutes * 60_000);
    world.aws.rekognition.set_faults(rekognition::Faults {
        found_lengths_ms: jobs.iter().map(in_ms).collect(),
        ..rekognition::Faults::default()
    });
}

fn polls(world: &World) -> u64 {
    let poll = ("states".to_owned(), "GetActivityTask".to_owned());
    world.aws.calls().get(&poll).copied().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn scans_are_started_up_to_the_last_minute_of_the_cap_and_the_next_waits_unpolled_for_tomorrow()
 {
    let world = gate(capped(5)).await;
    let mut expected = BTreeMap::new();
    for (key, minutes) in [("a.mp4", 2), ("b.mp4", 2), ("c.mp4", 1)] {
        let clip = through(&world, key, minutes).await;
        expected.insert(clip.execution, u64::from(minutes));
    }
    assert_eq!(counted(&world, TODAY).await, expected);
    world.pass(120).await;
    let polled = polls(&world);
    let late = upload(&world, "late.mp4", 1).await;
    waits(&world, &late, UNTIL_LATE).await;
    assert_eq!(polls(&world), polled, "the backlog was polled");
    assert_eq!(world.open_work().await, [""; 0]);
    approved(&world, &late).await;
    assert_eq!(world.aws.clock.now().date().to_string(), TOMORROW);
    assert_eq!(counted(&world, TODAY).await, expected);
    assert_eq!(
        counted(&world, TOMORROW).await,
        BTreeMap::from([(late.execution, 1)])
    );
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_video_that_does_not_fit_gives_its_slot_back_and_stays_alive_without_attempts_while_others_go_on()
 {
    let world = gate(capped(5)).await;
    through(&world, "first.mp4", 3).await;
    let long = upload(&world, "long.mp4", 3).await;
    let record = || async {
        let key = workflow::names::record_key(&long.execution);
        world.ledger_json(&key).await.unwrap()
    };
    world.pass(180).await;
    assert_eq!(
        world.open_work().await,
        [workflow::names::record_key(&long.execution)]
    );
    let before = record().await;
    assert_eq!(before["phase"], "queued");
    assert_eq!(before["slot"], Value::Null);
    assert_eq!(before["attempts"], 0);
    assert_eq!(before["analyses"][0]["counted"], Value::Null);
    let short = through(&world, "short.mp4", 2).await;
    waits(&world, &long, UNTIL_LATE).await;
    // Nothing was even tried: the record is the same, and its task was kept alive.
    assert_eq!(record().await, before);
    approved(&world, &long).await;
    assert_eq!(world.aws.rekognition.started_jobs(), 3);
    let today = counted(&world, TODAY).await;
    assert_eq!((today.len(), today[&short.execution]), (2, 2));
    assert_eq!(counted(&world, TOMORROW).await[&long.execution], 3);
    let report = world.report(&long).await.unwrap();
    assert_eq!(report["analyses"].as_array().unwrap().len(), 1);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_tasks_are_taken_to_wait_for_the_cap_than_there_are_slots() {
    let world = gate(StackOptions {
        max_jobs: 2,
        ..capped(5)
    })
    .await;
    through(&world, "first.mp4", 4).await;
    for number in 0..6 {
        upload(&world, &format!("{number}.mp4"), 2).await;
    }
    world.pass(600).await;
    let work = world.open_work().await;
    assert_eq!(work.len(), 2, "{work:?}");
}

#[tokio::test(start_paused = true)]
async fn a_video_longer_than_the_cap_starts_as_the_first_of_a_day_and_has_it_to_itself() {
    let world = gate(capped(3)).await;
    through(&world, "today.mp4", 1).await;
    let long = upload(&world, "long.mp4", 10).await;
    world.pass(180).await;
    let small = upload(&world, "small.mp4", 3).await;
    waits(&world, &long, UNTIL_LATE).await;
    approved(&world, &long).await;
    assert_eq!(
        counted(&world, TOMORROW).await,
        BTreeMap::from([(long.execution.clone(), 10)])
    );
    // The one that came later has its turn on the day after that.
    world.pass(600).await;
    assert_eq!(
        world.describe(&small).await.unwrap().status,
        ExecutionStatus::Running
    );
}

#[tokio::test(start_paused = true)]
async fn a_lowered_cap_makes_tasks_wait_and_a_raised_one_lets_them_go_the_same_day() {
    let world = gate(capped(10)).await;
    through(&world, "a.mp4", 4).await;
    redeploy(&world, capped(4));
    let clip = upload(&world, "b.mp4", 1).await;
    waits(&world, &clip, Duration::from_mins(20)).await;
    redeploy(&world, capped(5));
    approved(&world, &clip).await;
    assert_eq!(world.aws.clock.now().date().to_string(), TODAY);
    // Without a cap nothing is counted any more.
    redeploy(&world, StackOptions::default());
    through(&world, "c.mp4", 30).await;
    assert_eq!(counted(&world, TODAY).await.values().sum::<u64>(), 5);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_without_an_answer_is_counted_for_the_day_on_which_it_was_first_sent() {
    let world = gate(capped(10)).await;
    world.pass(UNTIL_LATE.as_secs()).await;
    let start = "StartContentModeration";
    world.steps.faults().set(move |_, call| {
        (call.operation == start).then_some(Fault::AnswerLost(Refusal::Internal))
    });
    let clip = upload(&world, "clip.mp4", 4).await;
    world.pass(600).await;
    assert_eq!(world.aws.clock.now().date().to_string(), TOMORROW);
    world.steps.faults().set(|_, _| None);
    approved(&world, &clip).await;
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
    assert_eq!(
        counted(&world, TODAY).await,
        BTreeMap::from([(clip.execution, 4)])
    );
    assert_eq!(counted(&world, TOMORROW).await, BTreeMap::new());
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_refused_until_the_next_day_is_counted_for_that_one_too() {
    let world = gate(capped(10)).await;
    world.pass(UNTIL_LATE.as_secs()).await;
    let start = "StartContentModeration";
    world.steps.faults().set(move |_, call| {
        (call.operation == start).then_some(Fault::Refused(Refusal::Throttled))
    });
    let clip = upload(&world, "clip.mp4", 4).await;
    world.pass(600).await;
    world.steps.faults().set(|_, _| None);
    approved(&world, &clip).await;
    // It was certainly not started yesterday, and takes nothing from today's that is not counted.
    assert_eq!(counted(&world, TOMORROW).await[&clip.execution], 4);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_scan_is_counted_as_well_and_a_redriven_one() {
    let world = gate(capped(100)).await;
    world.fail_jobs(&[1, 2]);
    let clip = upload(&world, "bad.mp4", 4).await;
    assert_eq!(world.ended(&clip).await.status, ExecutionStatus::Failed);
    world.quiet().await;
    world.redrive(&clip).await;
    approved(&world, &clip).await;
    let budget = world
        .ledger_json(&format!("budget/{TODAY}.json"))
        .await
        .unwrap();
    let scan = |redrive, number| workflow::names::scan_name(&clip.execution, redrive, number);
    assert_eq!(
        budget["scans"],
        json!({scan(0, 1): 4, scan(0, 2): 4, scan(1, 1): 4})
    );
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_scan_that_the_cap_leaves_no_minutes_for_waits_for_tomorrow() {
    let world = gate(capped(4)).await;
    world.fail_jobs(&[1]);
    let clip = upload(&world, "bad.mp4", 4).await;
    waits(&world, &clip, UNTIL_LATE).await;
    assert_eq!(world.aws.rekognition.started_jobs(), 1);
    approved(&world, &clip).await;
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_video_that_does_not_say_how_long_it_is_counts_as_the_longest_until_its_job_tells() {
    let world = gate(capped(400)).await;
    lengths(&world, &[(1, 2)]);
    let clip = world
        .upload("live.mp4", sample("clean-fragmented.mp4"), None)
        .await;
    while world.aws.rekognition.open_jobs().0 == 0 {
        world.pass(1).await;
    }
    let execution = clip.execution.clone();
    assert_eq!(
        counted(&world, TODAY).await,
        BTreeMap::from([(execution.clone(), 360)])
    );
    approved(&world, &clip).await;
    assert_eq!(
        counted(&world, TODAY).await,
        BTreeMap::from([(execution, 2)])
    );
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_lies_about_its_length_is_found_out_by_its_job() {
    let world = gate(capped(10)).await;
    lengths(&world, &[(1, 9)]);
    let liar = through(&world, "liar.mp4", 1).await;
    assert_eq!(counted(&world, TODAY).await[&liar.execution], 9);
    let next = upload(&world, "next.mp4", 2).await;
    waits(&world, &next, UNTIL_LATE).await;
    through(&world, "small.mp4", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_throttle_or_lost_answer_at_any_call_around_the_count_counts_a_scan_once() {
    let calls = Box::pin(one_scan(None)).await;
    let at = |operation: &str| {
        let place = calls.iter().position(|call| call.operation == operation);
        place.unwrap() as u64
    };
    // From the slot that is looked at to the record of the job that was started. What is killed after a call is as good as killed before
    // the next.
    let first = at("GET reelgate-ledger budget") - 1;
    let last = at("StartContentModeration") + 1;
    assert!(last - first >= 7, "{calls:?}");
    for number in first..=last {
        let call = &calls[usize::try_from(number).unwrap()];
        let mut faults = vec![Fault::CrashAfter];
        if call.operation.starts_with("PUT") || number == last - 1 {
            faults.push(Fault::AnswerLost(Refusal::Internal));
        }
        if call.operation.contains("budget") {
            faults.push(Fault::Refused(Refusal::Throttled));
        }
        for fault in faults {
            Box::pin(one_scan(Some((number, fault)))).await;
        }
    }
}

/// Takes one video through, with a fault at one call. Returns the calls that there were.
async fn one_scan(fault: Option<(u64, Fault)>) -> Vec<Call> {
    let world = gate(capped(4)).await;
    if let Some((at, fault)) = fault {
        world
            .steps
            .faults()
            .set(move |number, _| (number == at).then_some(fault));
    }
    let clip = upload(&world, "clip.mp4", 4).await;
    approved(&world, &clip).await;
    world.quiet().await;
    let calls = world.steps.faults().calls();
    let what = fault.map(|(at, fault)| (fault, calls[usize::try_from(at).unwrap()].clone()));
    let expected = BTreeMap::from([(clip.execution, 4)]);
    assert_eq!(counted(&world, TODAY).await, expected, "{what:?}");
    assert_eq!(world.aws.rekognition.started_jobs(), 1, "{what:?}");
    calls
}

#[tokio::test(start_paused = true)]
async fn without_a_cap_the_ledger_is_never_asked_about_it() {
    let world = gate(StackOptions::default()).await;
    through(&world, "clip.mp4", 4).await;
    world.quiet().await;
    world.pass(1900).await;
    let calls = world.steps.faults().calls();
    let asked = calls
        .iter()
        .filter(|call| call.operation.contains("budget"));
    assert_eq!(asked.count(), 0);
    assert!(
        calls
            .iter()
            .any(|call| call.operation == "GET reelgate-ledger jobs")
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_gate_with_a_cap_makes_no_call_to_s3() {
    let world = gate(capped(5)).await;
    through(&world, "clip.mp4", 5).await;
    world.quiet().await;
    world.pass(300).await;
    let before = world.steps.faults().calls().len();
    world.pass(600).await;
    let calls = world.steps.faults().calls().split_off(before);
    let listed = calls
        .iter()
        .filter(|call| call.operation == "ListExecutions");
    assert_eq!(calls.len(), listed.count(), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_redriven_or_crashed_task_whose_scan_is_paid_for_is_taken_though_the_cap_is_spent() {
    let world = gate(capped(4)).await;
    // Its job ends, and nobody hears of it: the reconciler is out, so the task times out and waits to be polled again.
    world.aws.rekognition.set_faults(rekognition::Faults {
        lose_notifications: [1].into_iter().collect(),
        ..rekognition::Faults::default()
    });
    let clip = upload(&world, "clip.mp4", 4).await;
    while world.aws.rekognition.started_jobs() == 0 {
        world.pass(1).await;
    }
    world
        .steps
        .faults()
        .set(|_, call| (call.function == Function::Reconciler).then_some(Fault::CrashBefore));
    world.pass(600).await;
    world.steps.faults().set(|_, _| None);
    approved(&world, &clip).await;
    assert_eq!(world.aws.clock.now().date().to_string(), TODAY);
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_cannot_be_read_starts_nothing_and_leaves_the_rest_alone() {
    let world = gate(capped(10)).await;
    let open = upload(&world, "open.mp4", 2).await;
    while world.aws.rekognition.open_jobs().0 == 0 {
        world.pass(1).await;
    }
    let key = format!("budget/{TODAY}.json");
    let sound = world.ledger_json(&key).await.unwrap().to_string();
    world.put_ledger(&key, "{").await;
    let clip = upload(&world, "clip.mp4", 2).await;
    approved(&world, &open).await;
    waits(&world, &clip, UNTIL_LATE).await;
    world.put_ledger(&key, &sound).await;
    approved(&world, &clip).await;
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn documents_of_days_long_past_are_removed_by_the_hourly_look_at_leftovers() {
    let world = gate(capped(10)).await;
    let document = |day: &str| {
        json!({"schema_version": 1, "revision": 1, "nonce": "n", "day": day, "scans": {}})
            .to_string()
    };
    for day in ["2025-01-01", "2026-10-25", "2026-10-26", "2026-11-01"] {
        world
            .put_ledger(&format!("budget/{day}.json"), &document(day))
            .await;
    }
    world.pass(1900).await;
    let mut keys = world.keys(&world.stack.ledger_bucket).await;
    keys.retain(|key| key.starts_with("budget/"));
    assert_eq!(keys, ["budget/2026-10-26.json", "budget/2026-11-01.json"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_scanned_and_what_waits_for_the_cap_is_measured_and_an_idle_gate_measures_nothing()
{
    let world = gate(capped(5)).await;
    let of = |metric: &str| -> Vec<f64> {
        let all = world.steps.measurements().all();
        let named = all.iter().filter(|value| value.metric == metric);
        named.map(|value| value.value).collect()
    };
    through(&world, "a.mp4", 5).await;
    assert_eq!(of("VideoMinutes"), [5.0]);
    assert_eq!(of("CapReached"), [0.0; 0]);
    world.quiet().await;
    world.pass(120).await;
    let idle = world.steps.measurements().all().len();
    world.pass(600).await;
    assert_eq!(world.steps.measurements().all().len(), idle);
    upload(&world, "b.mp4", 1).await;
    world.pass(600).await;
    assert!(of("CapReached").len() >= 9, "{:?}", of("CapReached"));
    assert_eq!(of("VideoMinutes"), [5.0]);
}
