//! Trying inputs on a target, and shrinking what fails.

use std::cell::Cell;
use std::fs;
use std::ops::AddAssign;
use std::path::PathBuf;

use anyhow::Context as _;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use sha2::{Digest as _, Sha256};

use crate::corpus::{Corpus, root};
use crate::mutate::{Mutation, mutation, recipes};
use crate::targets::{Outcome, Target};

/// Tries of smaller inputs once one fails.
const SHRINKS_MAX: u32 = 2000;

/// How many inputs were tried, and what the parsers said to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    /// Inputs that were taken.
    pub accepted: u64,
    /// Inputs that were refused.
    pub refused: u64,
}

impl Tried {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.accepted + self.refused
    }
}

impl AddAssign for Tried {
    fn add_assign(&mut self, more: Self) {
        self.accepted += more.accepted;
        self.refused += more.refused;
    }
}

/// An input for which something does not hold.
#[derive(Debug)]
pub struct Failure {
    /// What does not hold.
    pub reason: String,
    /// The input, shrunk.
    pub input: Vec<u8>,
}

/// Tries `count` mutated inputs, which follow from the seed alone.
///
/// # Errors
/// The first input that fails, shrunk.
pub fn run(
    target: &Target,
    corpus: &Corpus,
    seed: u64,
    count: u32,
    check: &dyn Fn(&[u8]) -> Outcome,
) -> Result<Tried, Box<Failure>> {
    let config = Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: SHRINKS_MAX,
        ..Config::default()
    };
    let tried = Cell::new(Tried::default());
    let ran = TestRunner::new_with_rng(config, rng(seed)).run(&recipes(), |recipe| {
        let outcome = check(&recipe.make(corpus, target.words));
        let mut count = tried.get();
        match outcome {
            Outcome::Accepted => count.accepted += 1,
            Outcome::Refused => count.refused += 1,
        }
        tried.set(count);
        Ok(())
    });
    match ran {
        Ok(()) => Ok(tried.get()),
        Err(TestError::Fail(reason, recipe)) => Err(Box::new(Failure {
            reason: reason.to_string(),
            input: recipe.make(corpus, target.words),
        })),
        Err(TestError::Abort(reason)) => Err(Box::new(Failure {
            reason: reason.to_string(),
            input: Vec::new(),
        })),
    }
}

/// One mutation that follows from the seed alone, for an engine that chooses its inputs itself.
#[must_use]
pub fn one_mutation(seed: u64) -> Option<Mutation> {
    let mut runner = TestRunner::new_with_rng(Config::default(), rng(seed));
    Some(mutation().new_tree(&mut runner).ok()?.current())
}

fn rng(seed: u64) -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &Sha256::digest(seed.to_be_bytes()))
}

impl Failure {
    /// Writes the input below `target/fuzz`, named by its hash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, target: &Target) -> anyhow::Result<PathBuf> {
        let folder = root().join("target/fuzz");
        fs::create_dir_all(&folder)?;
        let hash = hex::encode(&Sha256::digest(&self.input)[..6]);
        let path = folder.join(format!("{}-{hash}", target.name));
        fs::write(&path, &self.input).with_context(|| format!("{}", path.display()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(check: fn(&[u8]) -> Outcome) -> Failure {
        let target = &crate::TARGETS[0];
        *run(target, &target.corpus().unwrap(), 1, 500, &check).unwrap_err()
    }

    #[test]
    fn what_fails_is_found_and_shrunk() {
        let failure = failing(|input| {
            assert!(input.starts_with(b"{"), "no object");
            Outcome::Accepted
        });
        assert!(failure.reason.contains("no object"), "{}", failure.reason);
        assert!(!failure.input.starts_with(b"{"));
    }

    #[test]
    fn the_same_seed_tries_the_same_inputs() {
        let target = &crate::TARGETS[0];
        let corpus = target.corpus().unwrap();
        let inputs = |seed| {
            let inputs = std::cell::RefCell::new(Vec::new());
            let check = |input: &[u8]| {
                inputs.borrow_mut().push(input.to_vec());
                Outcome::Refused
            };
            run(target, &corpus, seed, 20, &check).unwrap();
            inputs.into_inner()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }
}
