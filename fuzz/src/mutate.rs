//! From a real input to a damaged one.
//!
//! Random bytes never get past a parser's first test. So a few things are changed in an input that is good: bytes of any file,
//! and nodes of a JSON document, also of one that stands in a string of another (an S3 event in its SNS message, a state machine in the call
//! that creates it).

mod bytes;
mod json;

use proptest::prelude::*;

use crate::corpus::{Corpus, Seed};

/// The longest input that mutation makes.
pub const INPUT_BYTES_MAX: usize = 1 << 18;

/// At most so many mutations of one input: more leave nothing that gets far.
const MUTATIONS_MAX: usize = 4;

/// A seed and what is done to it. It shrinks to fewer and simpler mutations.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Index of the seed in its corpus, modulo the corpus' length.
    pub seed: u64,
    /// What is done to it, in this order.
    pub mutations: Vec<Mutation>,
}

/// One change. Both numbers are taken modulo what there is to choose from, so that every mutation fits every input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutation {
    /// What is done.
    pub kind: Kind,
    /// Where.
    pub at: u64,
    /// With what.
    pub with: u64,
}

/// What can be done to an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Flips one bit.
    FlipBit,
    /// Replaces one byte.
    SetByte,
    /// Removes a stretch of bytes.
    Remove,
    /// Repeats a stretch of bytes.
    Repeat,
    /// Cuts the end off.
    Truncate,
    /// Goes on as another seed does.
    Splice,
    /// Writes an extreme integer of 1 to 8 bytes over what is there.
    Integer,
    /// Replaces a number written in digits by an extreme one.
    Digits,
    /// Writes a word of the target over what is there.
    Word,
    /// Removes a node.
    DropNode,
    /// Replaces a node by an odd value.
    OddNode,
    /// Replaces a node by a similar one, or by what a field of that name holds in another seed.
    SimilarNode,
    /// Replaces a node by one of another seed.
    GraftNode,
    /// Adds a node of another seed.
    AddNode,
    /// Gives a node twice.
    TwiceNode,
    /// Renames a field.
    RenameField,
    /// Wraps a node in arrays or objects.
    NestNode,
    /// Replaces a string by a word of the target, or puts one into it.
    WordInNode,
}

impl Kind {
    const BYTES: [Self; 9] = [
        Self::FlipBit,
        Self::SetByte,
        Self::Remove,
        Self::Repeat,
        Self::Truncate,
        Self::Splice,
        Self::Integer,
        Self::Digits,
        Self::Word,
    ];
    const NODES: [Self; 9] = [
        Self::SimilarNode,
        Self::DropNode,
        Self::OddNode,
        Self::GraftNode,
        Self::AddNode,
        Self::TwiceNode,
        Self::RenameField,
        Self::NestNode,
        Self::WordInNode,
    ];
}

/// Recipes for seeds of whatever corpus.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    let mutations = prop::collection::vec(mutation(), 1..=MUTATIONS_MAX);
    (any::<u64>(), mutations).prop_map(|(seed, mutations)| Recipe { seed, mutations })
}

/// One mutation of any kind. What is done to nodes gets further, so it is tried more often.
pub fn mutation() -> impl Strategy<Value = Mutation> {
    let kind = prop_oneof![
        1 => prop::sample::select(&Kind::BYTES[..]),
        1 => Just(Kind::SimilarNode),
        2 => prop::sample::select(&Kind::NODES[..]),
    ];
    (kind, any::<u64>(), any::<u64>()).prop_map(|(kind, at, with)| Mutation { kind, at, with })
}

impl Recipe {
    /// The input that it makes. `words` mean something to the target.
    #[must_use]
    pub fn make(&self, corpus: &Corpus, words: &[&str]) -> Vec<u8> {
        let mut input = pick(corpus.seeds(), self.seed).bytes.clone();
        for mutation in &self.mutations {
            mutation.apply(&mut input, corpus, words);
        }
        input
    }
}

impl Mutation {
    /// Changes an input in place. What is done to nodes is done to the bytes instead if they are no JSON.
    pub fn apply(self, input: &mut Vec<u8>, corpus: &Corpus, words: &[&str]) {
        let Self { kind, at, with } = self;
        let other = pick(corpus.seeds(), with >> 32);
        if Kind::NODES.contains(&kind) {
            if let Some(changed) = json::change(kind, at, with, input, other, words) {
                *input = changed;
            } else {
                let kind = *pick(&Kind::BYTES, with);
                bytes::change(kind, at, with >> 8, input, other, words);
            }
        } else {
            bytes::change(kind, at, with, input, other, words);
        }
        input.truncate(INPUT_BYTES_MAX);
    }
}

/// The item that a number means.
fn pick<T>(items: &[T], number: u64) -> &T {
    &items[index(number, items.len())]
}

/// The index that a number means among `len` items, of which there is at least one.
fn index(number: u64, len: usize) -> usize {
    usize::try_from(number % len as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::TARGETS;

    proptest! {
        #[test]
        fn every_mutation_fits_every_input(mutation in mutation(), mut input in any::<Vec<u8>>()) {
            let corpus = TARGETS[0].corpus().unwrap();
            mutation.apply(&mut input, &corpus, &["word"]);
            prop_assert!(input.len() <= INPUT_BYTES_MAX);
        }
    }
}
