//! What AWS takes and gives, from the table beside: times and quotas, each with its source.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// How many standard deviations the 99th percentile of a normal distribution lies above its median.
const P99_DEVIATIONS: f64 = 2.326;

/// The services that the functions call.
pub(super) const SERVICES: [&str; 4] = ["s3", "states", "rekognition", "sns"];

/// No draw is further out than this: one call of some billions.
const DEVIATIONS_MAX: f64 = 6.0;

static TABLE: LazyLock<Services> = LazyLock::new(|| {
    #[allow(
        clippy::expect_used,
        reason = "the table is part of the program, and a test reads it"
    )]
    toml::from_str(include_str!("services.toml")).expect("sim/services.toml is a table of services")
});

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Services {
    pub(super) times: Times,
    /// By operation.
    pub(super) quotas: BTreeMap<String, Quota>,
}

/// How long things take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Times {
    s3: Time,
    s3_copy: Time,
    states: Time,
    rekognition: Time,
    sns: Time,
    /// A new environment of a function, before its program runs.
    pub(super) environment: Time,
    /// The program's initialisation in it.
    pub(super) initialisation: Time,
    /// What a function computes in one invocation.
    pub(super) computing: Time,
    /// What a function computes for one call.
    calling: Time,
}

/// How long something takes. Its source is for readers of the table.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Time {
    median_ms: f64,
    p99_ms: f64,
}

/// How many calls of an operation an account may make.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Quota {
    bucket: f64,
    refill_per_s: f64,
}

impl Services {
    /// The table of this program.
    pub(super) fn get() -> &'static Self {
        &TABLE
    }
}

impl Times {
    /// How long a call takes from a function and back, its own computing included.
    pub(super) fn call(&self, operation: &str, rng: &mut ChaCha8Rng) -> Duration {
        let service = match service(operation) {
            "rekognition" => &self.rekognition,
            "sns" => &self.sns,
            "s3" if operation.ends_with(" copy") => &self.s3_copy,
            "s3" => &self.s3,
            _ => &self.states,
        };
        service.draw(rng) + self.calling.draw(rng)
    }
}

impl Time {
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Duration {
        let deviation = (self.p99_ms / self.median_ms).ln() / P99_DEVIATIONS;
        let drawn = normal(rng).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX);
        Duration::from_secs_f64(self.median_ms * (deviation * drawn).exp() / 1000.0)
    }
}

/// A draw from the standard normal distribution (Box and Muller's transform).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let [radius, angle]: [f64; 2] = [rng.random(), rng.random()];
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// The service of an operation.
pub(super) fn service(operation: &str) -> &'static str {
    match operation {
        "StartContentModeration" | "GetContentModeration" => "rekognition",
        "Publish" => "sns",
        operation if operation.contains(' ') => "s3",
        _ => "states",
    }
}

/// What is left of an account's quotas.
#[derive(Debug, Default)]
pub(super) struct Quotas(BTreeMap<String, Left>);

#[derive(Debug)]
struct Left {
    calls: f64,
    at_ms: u64,
}

impl Quotas {
    /// Takes a call from the quota of its operation. Returns whether there was one left.
    pub(super) fn take(&mut self, operation: &str, now_ms: u64) -> bool {
        let Some(quota) = Services::get().quotas.get(operation) else {
            return true;
        };
        let left = self.0.entry(operation.to_owned()).or_insert(Left {
            calls: quota.bucket,
            at_ms: now_ms,
        });
        let since = Duration::from_millis(now_ms.saturating_sub(left.at_ms));
        let refilled = left.calls + since.as_secs_f64() * quota.refill_per_s;
        left.calls = refilled.min(quota.bucket);
        left.at_ms = now_ms;
        if left.calls < 1.0 {
            return false;
        }
        left.calls -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn every_figure_of_the_table_has_a_source() {
        let table: toml::Table = toml::from_str(include_str!("services.toml")).unwrap();
        let mut rows = 0;
        for (name, row) in table.values().flat_map(|part| part.as_table().unwrap()) {
            assert!(!row["source"].as_str().unwrap().is_empty(), "{name}");
            rows += 1;
        }
        let services = Services::get();
        assert_eq!(rows, 9 + services.quotas.len());
    }

    #[test]
    fn draws_have_the_median_and_the_tail_of_the_table() {
        let time = Time {
            median_ms: 100.0,
            p99_ms: 400.0,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut drawn: Vec<_> = (0..100_000).map(|_| time.draw(&mut rng)).collect();
        drawn.sort();
        let ms = |at: usize| drawn[at].as_secs_f64() * 1000.0;
        assert!((98.0..102.0).contains(&ms(50_000)), "{}", ms(50_000));
        assert!((390.0..410.0).contains(&ms(99_000)), "{}", ms(99_000));
    }

    #[test]
    fn a_quota_is_a_bucket_that_fills_again() {
        let mut quotas = Quotas::default();
        let taken = |quotas: &mut Quotas, now_ms| {
            (0..1000)
                .filter(|_| quotas.take("ListExecutions", now_ms))
                .count()
        };
        assert_eq!(taken(&mut quotas, 0), 200);
        assert_eq!(taken(&mut quotas, 10_000), 50);
        assert_eq!(taken(&mut quotas, 1_000_000), 200);
        assert!((0..10_000).all(|_| quotas.take("GET reelgate-ledger jobs", 0)));
    }
}
