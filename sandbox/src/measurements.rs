//! What the functions that run in this process measure: every value of every metric, as their programs write them to CloudWatch.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::clock::Clock;
use crate::stack::Function;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// When its invocation ended, in milliseconds since 1970.
    pub at_ms: i64,
    /// By which function.
    pub function: Function,
    /// Of which metric.
    pub metric: String,
    /// Dimensions besides the function.
    pub dimensions: BTreeMap<String, String>,
    /// The value, or by how much a counter grew.
    pub value: f64,
}

/// The values measured so far.
#[derive(Debug, Clone, Default)]
pub struct Measurements(Arc<Mutex<Vec<Measurement>>>);

impl Measurements {
    /// All of them, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Measurement> {
        lock(&self.0).clone()
    }

    /// Runs one invocation's handler, and keeps what it measured once it has ended: one that is killed writes nothing.
    pub(crate) async fn of<T>(
        &self,
        function: Function,
        clock: &Clock,
        handler: impl Future<Output = T>,
    ) -> T {
        let invocation = Invocation::default();
        let mut handler = pin!(handler);
        // A recorder is one thread's: other tasks of it measure for themselves between two polls of this one.
        let result = std::future::poll_fn(|context| {
            metrics::with_local_recorder(&invocation, || handler.as_mut().poll(context))
        })
        .await;
        let at_ms = clock.now_ms();
        let values = lock(&invocation.0).drain(..).collect::<Vec<_>>();
        lock(&self.0).extend(values.into_iter().map(|(key, value)| {
            Measurement {
                at_ms,
                function,
                metric: key.name().to_owned(),
                dimensions: key
                    .labels()
                    .map(|label| (label.key().to_owned(), label.value().to_owned()))
                    .collect(),
                value,
            }
        }));
        result
    }
}

/// What one invocation has measured so far.
#[derive(Debug, Clone, Default)]
struct Invocation(Arc<Mutex<Vec<(Key, f64)>>>);

impl Invocation {
    fn handle(&self, key: &Key) -> Arc<Handle> {
        Arc::new(Handle {
            invocation: self.clone(),
            key: key.clone(),
        })
    }
}

impl Recorder for Invocation {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}

struct Handle {
    invocation: Invocation,
    key: Key,
}

impl Handle {
    fn keep(&self, value: f64) {
        lock(&self.invocation.0).push((self.key.clone(), value));
    }
}

impl CounterFn for Handle {
    #[allow(clippy::cast_precision_loss, reason = "a count of events")]
    fn increment(&self, value: u64) {
        self.keep(value as f64);
    }

    fn absolute(&self, _: u64) {
        panic!("{}: the functions only ever increment counters", self.key)
    }
}

impl GaugeFn for Handle {
    fn increment(&self, _: f64) {
        panic!("{}: the functions have no gauges", self.key)
    }

    fn decrement(&self, _: f64) {
        panic!("{}: the functions have no gauges", self.key)
    }

    fn set(&self, _: f64) {
        panic!("{}: the functions have no gauges", self.key)
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.keep(value);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
