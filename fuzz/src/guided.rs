//! A target searched by libFuzzer, which prefers inputs that reach code that no other reached. `fuzz/guided.sh` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use fuzz::{Corpus, TARGETS, Target, campaign};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// The target that `REELGATE_FUZZ_TARGET` names: libFuzzer has the arguments to itself.
static CHOSEN: LazyLock<(&Target, Corpus)> = LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is this program's configuration"
    )]
    let name = std::env::var("REELGATE_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    let chosen = target.and_then(|target| Some((target, target.corpus().ok()?)));
    chosen.unwrap_or_else(|| panic!("REELGATE_FUZZ_TARGET names no target with a corpus: {name:?}"))
});

fuzz_target!(|input: &[u8]| {
    (CHOSEN.0.check)(input);
});

// Every second input is made as the campaigns make theirs: libFuzzer knows bytes only.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let (target, corpus) = &*CHOSEN;
    let own = campaign::one_mutation(seed.into()).filter(|_| seed % 2 == 0);
    let Some(mutation) = own else {
        return fuzzer_mutate(data, size, max_size);
    };
    let mut input = data[..size].to_vec();
    mutation.apply(&mut input, corpus, target.words);
    input.truncate(max_size);
    data[..input.len()].copy_from_slice(&input);
    input.len()
});
