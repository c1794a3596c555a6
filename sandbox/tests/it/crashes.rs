//! Every call of a workload, and something that goes wrong there: all must be recovered from (promise 2).
//!
//! That takes long in an unoptimised build: here at every eleventh call of the small scene, and `just crashes` at each of the
//! standard one.

use sandbox::faults::{Fault, Refusal};
use sandbox::sim::{Outcome, Scene, Strikes, play};

fn struck(strikes: Strikes) -> Outcome {
    let what = format!("{strikes:?}");
    let outcome = play(Scene::Small, strikes, false).unwrap();
    assert_eq!(outcome.broken, [""; 0], "{what}");
    outcome
}

/// Runs one fault at every eleventh call, from `offset` on.
#[track_caller]
fn at_every_eleventh_call(fault: Fault, offset: u64) {
    let calls = struck(Strikes::new()).calls.len() as u64;
    assert!(calls > 60, "{calls}");
    for number in (offset..calls).step_by(11) {
        struck([(number, fault)].into());
    }
}

#[test]
fn a_crash_before_any_call_is_recovered_from() {
    at_every_eleventh_call(Fault::CrashBefore, 0);
}

#[test]
fn a_crash_after_any_call_is_recovered_from() {
    at_every_eleventh_call(Fault::CrashAfter, 3);
}

#[test]
fn a_throttle_of_any_call_is_recovered_from() {
    at_every_eleventh_call(Fault::Refused(Refusal::Throttled), 6);
}

#[test]
fn a_lost_answer_to_any_call_is_recovered_from() {
    at_every_eleventh_call(Fault::AnswerLost(Refusal::Internal), 9);
}
