//! What takes foreign bytes, and what must hold for any of them.

mod asl;
mod completions;
mod iam;
mod inputs;
mod ledger;
mod policy;
mod preflight;
mod reports;
mod scan;
mod triggers;
mod uploads;
mod wire;

use std::fmt::{Debug, Display};

use serde_json::Value;
use workflow::event::EventError;

use crate::corpus::Corpus;

/// A parser, or a few that belong together, and what must hold for it.
#[derive(Debug)]
pub struct Target {
    /// Its name, and its corpus': `fuzz/corpus/<name>`.
    pub name: &'static str,
    /// What is parsed, for people.
    pub what: &'static str,
    /// Where its inputs are, from the repository's root.
    pub folders: &'static [&'static str],
    /// Words that mean something to the parser.
    pub words: &'static [&'static str],
    /// Checks one input; panics with what does not hold.
    pub check: fn(&[u8]) -> Outcome,
}

impl Target {
    /// Its seeds.
    ///
    /// # Errors
    /// When there are none.
    pub fn corpus(&self) -> anyhow::Result<Corpus> {
        Corpus::read(self.folders)
    }
}

/// What a parser said to an input. A campaign in which one of the two never happens finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is one, and all that follows from it holds.
    Accepted,
    /// It is none, and the refusal says why.
    Refused,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    uploads::TARGET,
    completions::TARGET,
    triggers::TARGET,
    inputs::TARGET,
    policy::TARGET,
    scan::TARGET,
    preflight::TARGET,
    ledger::TARGET,
    reports::TARGET,
    asl::TARGET,
    wire::TARGET,
    iam::TARGET,
];

/// The longest text of an error: it is logged, and read by people.
const ERROR_CHARS_MAX: usize = 1000;

/// An error names its field, and is one line that a person reads to its end.
#[track_caller]
fn check_error(error: &EventError) {
    assert!(!error.field.is_empty(), "{error} names no field");
    check_line(&error.to_string());
}

#[track_caller]
fn check_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "no line: {text:?}");
    let chars = text.chars().count();
    assert!(chars <= ERROR_CHARS_MAX, "{chars} characters: {text}");
}

/// The value of what must not fail.
#[track_caller]
fn must<T, E: Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Serialises, and panics where that is refused.
#[track_caller]
fn written<T: serde::Serialize>(value: &T) -> String {
    must(serde_json::to_string(value), "it is not written")
}

#[track_caller]
fn check_same<T: PartialEq + Debug>(read: &T, before: &T, what: &str) {
    assert!(read == before, "{what}: {read:?} is not {before:?}");
}

/// The event of an invocation: the runtime itself refuses what is no JSON.
fn event(input: &[u8]) -> Option<Value> {
    serde_json::from_slice(input).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign;

    /// Mutated inputs of each target: `cargo test` builds without optimisation.
    const INPUTS: u32 = 300;

    /// Every file of the corpus holds, and so do some inputs made of them, the same ones in each run.
    #[track_caller]
    fn check(name: &str) {
        let target = TARGETS.iter().find(|target| target.name == name).unwrap();
        let corpus = target.corpus().unwrap();
        for seed in corpus.seeds() {
            let checked = std::panic::catch_unwind(|| (target.check)(&seed.bytes));
            assert!(checked.is_ok(), "{} fails", seed.name);
        }
        match campaign::run(target, &corpus, 1, INPUTS, &target.check) {
            Ok(tried) => {
                assert!(tried.accepted >= u64::from(INPUTS) / 20, "{tried:?}");
                assert!(tried.refused >= u64::from(INPUTS) / 20, "{tried:?}");
            }
            Err(failure) => panic!(
                "{}; the input is {}",
                failure.reason,
                failure.keep(target).unwrap().display()
            ),
        }
    }

    macro_rules! targets {
        ($($name:ident)*) => {
            $(#[test]
            fn $name() {
                check(stringify!($name));
            })*

            #[test]
            fn every_target_is_tested() {
                let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                assert_eq!(names, [$(stringify!($name)),*]);
            }
        };
    }

    targets!(uploads completions triggers inputs policy scan preflight ledger reports asl wire iam);
}
