//! Damaged inputs for every parser that takes foreign bytes: what holds for all of them, sought where it does not.
//!
//! A [`Target`] checks one input. Its inputs are the files of a [`Corpus`], real ones and those that once found a bug, and
//! what [`mutate`] makes of them; a [`campaign`] tries them and shrinks what fails. `cargo test` tries the same few hundred each
//! time, `just fuzz` others for as long as one likes. docs/fuzzing.md describes it for those who use it.
//!
//! Invariants:
//! - A target is a pure function of its input: no clock, no chance, no file, so that a file replays a failure.
//! - A target checks what could be false: it panics if it is.

pub mod campaign;
pub mod corpus;
pub mod mutate;
pub mod targets;

pub use corpus::Corpus;
pub use targets::{Outcome, TARGETS, Target};
