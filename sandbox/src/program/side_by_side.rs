//! Simulations side by side, each on a thread of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use anyhow::Context as _;

/// Unoptimised builds nest the SDKs' futures deeper than a thread's usual stack.
const STACK_BYTES: usize = 32 << 20;

/// Does `work` for each number below `count`, `jobs` at once, and gives what comes of it to `done` as it comes, until `done`
/// returns false: then nothing new is begun.
///
/// # Errors
/// What `work` or `done` return first, or when no thread can be started.
pub(super) fn side_by_side<T: Send>(
    jobs: u64,
    count: u64,
    work: impl Fn(u64) -> anyhow::Result<T> + Sync,
    mut done: impl FnMut(T) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..jobs.min(count) {
            let (sender, next, stop, work) = (sender.clone(), &next, &stop, &work);
            let worker = move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || sender.send(work(number)).is_err() {
                        break;
                    }
                }
            };
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, worker)
                .context("no thread can be started")?;
        }
        drop(sender);
        let mut result = Ok(());
        for outcome in receiver {
            match outcome.and_then(&mut done) {
                Ok(true) => {}
                Ok(false) => stop.store(true, Ordering::Relaxed),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    if result.is_ok() {
                        result = Err(error);
                    }
                }
            }
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_done_once() {
        let mut seen = Vec::new();
        side_by_side(3, 20, Ok, |number| {
            seen.push(number);
            Ok(true)
        })
        .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_new_is_begun_once_it_is_over() {
        let begun = AtomicU64::new(0);
        let work = |number| {
            begun.fetch_add(1, Ordering::Relaxed);
            if number == 3 {
                anyhow::bail!("number 3")
            }
            Ok(number)
        };
        let error = side_by_side(1, 1_000_000, work, |_| Ok(true)).unwrap_err();
        assert_eq!(error.to_string(), "number 3");
        // The worker is ahead of whoever looks at what comes of its work, but not for long.
        assert!(begun.into_inner() < 1_000_000);
    }
}
