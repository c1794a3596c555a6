//! Deployments: the four functions never change at the same instant, and a deployment may be rolled back, with videos in
//! flight all the while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sandbox::aws::AwsConfig;
use sandbox::faults::{Fault, Refusal};
use sandbox::rekognition;
use sandbox::stack::in_process::InProcess;
use sandbox::stack::{Function, Stack, StackOptions};
use serde_json::{Value, json};
use workflow::ledger::Schema;
use workflow::names;

use crate::world::{Uploaded, World, lasting, sample};

/// The release before this one: it knows of no cap, and nothing of the documents of a later schema.
const BEFORE: Release = Release {
    schema: Schema {
        written: 1,
        read_max: 1,
    },
    cap: None,
};

/// This release or one like it: it reads the next schema, and still writes the one before.
const EXPANDED: Release = Release {
    schema: Schema {
        written: 1,
        read_max: 2,
    },
    cap: Some(1000),
};

/// The release after that, which writes it.
const NEXT: Release = Release {
    schema: Schema {
        written: 2,
        read_max: 2,
    },
    cap: Some(1000),
};

/// What of a release matters to the others that work at the same time.
#[derive(Debug, Clone, Copy)]
struct Release {
    schema: Schema,
    cap: Option<u32>,
}

/// A gate whose functions may be of different releases.
struct Fleet {
    world: World,
    deployed: BTreeMap<Function, Release>,
    clips: Vec<(Uploaded, Option<&'static str>)>,
}

impl Fleet {
    async fn of(release: Release) -> Self {
        let config = AwsConfig {
            rekognition: rekognition::Config {
                job_duration: Some(Duration::from_mins(3)),
                max_open_jobs: 2,
                ..rekognition::Config::default()
            },
            ..AwsConfig::default()
        };
        let mut fleet = Self {
            world: World::with(&config, StackOptions::default()).await,
            deployed: Function::ALL.map(|function| (function, release)).into(),
            clips: Vec::new(),
        };
        fleet.deploy(&Function::ALL, release);
        fleet
    }

    /// Deploys some functions of a release; the others stay as they are.
    fn deploy(&mut self, functions: &[Function], release: Release) {
        for function in functions {
            self.deployed.insert(*function, release);
        }
        let world = &self.world;
        let code: BTreeMap<_, _> = self
            .deployed
            .iter()
            .map(|(function, release)| (*function, steps(world, *release).code(*function)))
            .collect();
        world
            .stack
            .deploy_functions(&world.aws, |function| code[&function].clone())
            .unwrap();
    }

    /// Uploads a video that must end with that error, or be approved.
    async fn upload(&mut self, key: &str, error: Option<&'static str>) {
        let (bytes, labels) = match error {
            None => (lasting(2), None),
            Some("ContentRejected") => (lasting(2), Some("Physical Violence:97.5@1-2")),
            Some(_) => (sample("hevc.mp4"), None),
        };
        let clip = self.world.upload(key, bytes, labels).await;
        self.clips.push((clip, error));
    }

    /// Brings one video into each phase: its task answered and the execution not known to be closed; judged and not copied; two
    /// scanned; and one for which Rekognition has no job free.
    async fn in_every_phase(&mut self) {
        self.upload("sent.mp4", Some("ContentRejected")).await;
        self.upload("judged.mp4", None).await;
        self.world.pass(170).await;
        let copy = "PUT reelgate-approved  copy";
        self.world.steps.faults().set(move |_, call| {
            if call.function == Function::Reconciler {
                Some(Fault::CrashBefore)
            } else {
                (call.operation == copy).then_some(Fault::Refused(Refusal::Throttled))
            }
        });
        self.world.pass(60).await;
        for key in ["running.mp4", "running too.mp4", "queued.mp4"] {
            self.upload(key, None).await;
            self.world.pass(5).await;
        }
        self.world.pass(70).await;
        let phases: BTreeSet<_> = self.records().await.values().map(phase).collect();
        assert_eq!(
            phases,
            ["judged", "queued", "running", "sent"]
                .map(str::to_owned)
                .into()
        );
        self.world.steps.faults().set(|_, _| None);
    }

    /// The records, by their keys.
    async fn records(&self) -> BTreeMap<String, Value> {
        let mut records = BTreeMap::new();
        for key in self.world.open_work().await {
            if key.starts_with(names::RECORDS_PREFIX) {
                let record = self.world.ledger_json(&key).await;
                records.extend(record.map(|record| (key, record)));
            }
        }
        records
    }

    /// Waits until all is settled, and checks every promise that a deployment must not break.
    async fn settle(&self, what: &str) {
        let world = &self.world;
        let mut approved = Vec::new();
        for (clip, error) in &self.clips {
            let ended = world.ended(clip).await;
            assert_eq!(ended.error.as_deref(), *error, "{what}: {clip:?}");
            if error.is_none() {
                approved.push(clip.key.clone());
            }
        }
        world.quiet().await;
        approved.sort();
        let mut keys = world.keys(&world.stack.approved_bucket).await;
        keys.sort();
        assert_eq!(keys, approved, "{what}");
        let scanned = self.clips.iter();
        let scanned = scanned.filter(|(_, error)| *error != Some("UnsupportedVideo"));
        assert_eq!(
            world.aws.rekognition.started_jobs(),
            scanned.count() as u64,
            "{what}: a scan was paid for twice"
        );
    }
}

fn steps(world: &World, release: Release) -> InProcess {
    let options = StackOptions {
        max_video_minutes_a_day: release.cap,
        ..StackOptions::default()
    };
    let stack = Stack::new(&world.aws.account, options);
    let steps = world.steps.redeployed(&world.aws, &stack).unwrap();
    steps.with_schema(release.schema)
}

fn phase(record: &Value) -> String {
    record["phase"].as_str().unwrap().to_owned()
}

/// The functions in the order of the `first` one, in which they are deployed.
fn order(first: usize) -> [Function; 4] {
    let mut functions = Function::ALL;
    functions.rotate_left(first);
    functions
}

/// Deploys a release over another with videos in every phase, one function after the other, and rolls it back again with others.
async fn upgrade_and_rollback(from: Release, to: Release, first: usize) {
    let what = format!("{to:?} over {from:?}, {} first", order(first)[0].name());
    let mut fleet = Fleet::of(from).await;
    fleet.in_every_phase().await;
    for function in order(first) {
        fleet.deploy(&[function], to);
        fleet.world.pass(25).await;
    }
    fleet.upload("upgraded.mp4", None).await;
    fleet.upload("hevc.mp4", Some("UnsupportedVideo")).await;
    fleet.world.pass(60).await;
    let added = add_later_fields(&fleet).await;
    assert!(added.len() >= 2, "{what}: {added:?}");
    for function in order(first + 1) {
        fleet.deploy(&[function], from);
        fleet.world.pass(25).await;
        assert_later_fields_are_kept(&fleet, &added, &what).await;
    }
    fleet
        .upload("rolled back.mp4", Some("ContentRejected"))
        .await;
    fleet.world.pass(60).await;
    assert_later_fields_are_kept(&fleet, &added, &what).await;
    fleet.settle(&what).await;
}

/// Adds fields to every record, as a later release might. Returns the revision that each has then.
async fn add_later_fields(fleet: &Fleet) -> BTreeMap<String, u64> {
    let mut added = BTreeMap::new();
    for (key, mut record) in fleet.records().await {
        for place in ["", "/analyses/0", "/times", "/copying"] {
            record.pointer_mut(place).unwrap()["added_later"] = json!({"for": place});
        }
        fleet.world.put_ledger(&key, &record.to_string()).await;
        added.insert(key, record["revision"].as_u64().unwrap());
    }
    added
}

async fn assert_later_fields_are_kept(fleet: &Fleet, added: &BTreeMap<String, u64>, what: &str) {
    for (key, record) in fleet.records().await {
        if added.contains_key(&key) {
            for place in ["", "/analyses/0", "/times", "/copying"] {
                let kept = &record.pointer(place).unwrap()["added_later"];
                assert_eq!(kept, &json!({"for": place}), "{what}: {record}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_adds_fields_is_deployed_and_rolled_back_with_videos_in_every_phase() {
    for first in [0, 2] {
        Box::pin(upgrade_and_rollback(BEFORE, EXPANDED, first)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_writes_the_next_schema_is_deployed_and_rolled_back_with_videos_in_every_phase()
 {
    for first in [1, 3] {
        Box::pin(upgrade_and_rollback(EXPANDED, NEXT, first)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn documents_of_a_release_too_new_are_left_alone_and_taken_up_when_it_is_deployed_again() {
    let mut fleet = Fleet::of(NEXT).await;
    fleet.in_every_phase().await;
    // Two releases back: what nobody should do.
    fleet.deploy(&Function::ALL, BEFORE);
    let before = fleet.records().await;
    assert!(before.len() >= 4, "{before:?}");
    fleet.world.pass(1200).await;
    assert_eq!(fleet.records().await, before);
    let measured = fleet.world.steps.measurements().all();
    let of = |metric: &str| {
        let values = measured.iter().filter(|value| value.metric == metric);
        values.map(|value| value.value).collect::<Vec<_>>()
    };
    let left_alone = of("DocumentsLeftAlone");
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let expected = before.len() as f64;
    assert!(left_alone.contains(&expected), "{left_alone:?}");
    // What comes in meanwhile is not kept from its verdict by them.
    let clip = fleet.world.upload("meanwhile.mp4", lasting(2), None).await;
    assert_eq!(fleet.world.ended(&clip).await.error, None);
    fleet.clips.push((clip, None));
    assert_eq!(fleet.records().await, before);
    fleet.deploy(&Function::ALL, NEXT);
    fleet.settle("taken up again").await;
}
