//! Every place in the steps that calls AWS is reached by the simulation's workloads: whatever may go wrong there, goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sandbox::faults::{Fault, Refusal};
use sandbox::sim::{Outcome, Scene, Strikes, play};
use serde::Deserialize;

/// The list: which file of `workflow/src` sends how many requests, and what these are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    site: Vec<Site>,
}

/// A file that calls AWS.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    /// Below `workflow/src`.
    file: String,
    /// Places that send a request.
    sends: usize,
    /// Operations that they send, as the history of a simulation calls them.
    operations: BTreeSet<String>,
}

fn list() -> Vec<Site> {
    let list: List = toml::from_str(include_str!("call_sites.toml")).unwrap();
    list.site
}

#[test]
fn the_list_has_every_place_that_sends_a_request() {
    let mut found = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflow/src");
    count_sends(&source, &source, &mut found);
    let listed: BTreeMap<_, _> = list()
        .into_iter()
        .map(|site| (site.file, site.sends))
        .collect();
    assert_eq!(found, listed);
}

fn count_sends(root: &Path, folder: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count_sends(root, &path, found);
            continue;
        }
        let sends = std::fs::read_to_string(&path)
            .unwrap()
            .matches(".send()")
            .count();
        if sends > 0 {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.insert(file.to_owned(), sends);
        }
    }
}

#[test]
fn the_standard_scene_reaches_every_operation_of_the_list_and_no_other() {
    let unhurt = sound(Strikes::new());
    // What is only called when something else fails: the end of a multipart copy whose parts cannot be copied.
    let part = unhurt
        .calls
        .iter()
        .position(|call| call.operation == "PUT reelgate-approved uploadId copy")
        .unwrap();
    let refused = Fault::Refused(Refusal::Denied);
    let hurt = play(Scene::Standard, [(part as u64, refused)].into(), false).unwrap();
    let reached: BTreeSet<String> = [&unhurt, &hurt]
        .iter()
        .flat_map(|outcome| &outcome.calls)
        .map(|call| call.operation.trim_end().to_owned())
        .collect();
    let listed: BTreeSet<String> = list()
        .into_iter()
        .flat_map(|site| site.operations)
        .collect();
    assert_eq!(reached, listed);
}

fn sound(strikes: Strikes) -> Outcome {
    let outcome = play(Scene::Standard, strikes, false).unwrap();
    assert_eq!(outcome.broken, [""; 0]);
    outcome
}
