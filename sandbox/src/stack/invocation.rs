//! An invocation of a function in this process: when it starts cold, what goes wrong with it, and what Lambda bills for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Function;
use crate::clock::Clock;
use crate::faults::{self, Beginning, Faults};
use crate::lambda::FunctionError;

/// What Lambda bills for a function besides its memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    /// Invocations, retries included: one request each.
    pub invocations: u64,
    /// Their durations, each rounded up to a millisecond (AWS Lambda pricing). Initialisation is part of it, and what Lambda does
    /// before it is not (AWS compute blog, "AWS Lambda standardizes billing for INIT phase", in force since 2025-08-01).
    pub duration_ms: u64,
}

/// What is billed for each function.
#[derive(Debug, Clone, Default)]
pub struct Bills(Arc<Mutex<[Bill; 4]>>);

impl Bills {
    /// What is billed for a function so far. An invocation under way is not in it.
    #[must_use]
    pub fn of(&self, function: Function) -> Bill {
        self.lock()[function as usize]
    }

    fn begin(&self, function: Function) -> Billed {
        Billed {
            bills: self.clone(),
            function,
            since: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Bill; 4]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An invocation that is billed once it is over, however it ends.
struct Billed {
    bills: Bills,
    function: Function,
    since: Instant,
}

impl Drop for Billed {
    fn drop(&mut self) {
        let whole_ms = self.since.elapsed().as_nanos().div_ceil(1_000_000);
        let bill = &mut self.bills.lock()[self.function as usize];
        bill.invocations += 1;
        bill.duration_ms += u64::try_from(whole_ms).unwrap_or(u64::MAX);
    }
}

/// Where a function's handler runs.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) function: Function,
    pub(crate) clock: Clock,
    pub(crate) faults: Arc<Faults>,
    pub(crate) bills: Bills,
}

impl Shell {
    /// Runs one invocation, unless it is killed.
    ///
    /// # Errors
    /// The handler's, or that of a function that exited.
    pub(crate) async fn run<F>(
        self,
        handler: impl FnOnce(Beginning) -> F,
    ) -> Result<Value, FunctionError>
    where
        F: Future<Output = Result<Value, FunctionError>>,
    {
        let (function, faults) = (self.function, &self.faults);
        let (number, beginning) = faults.begin(function);
        self.pass(beginning.cold_start).await;
        let _billed = self.bills.begin(function);
        self.pass(beginning.own).await;
        let running = faults::run(
            function,
            number,
            Arc::clone(faults),
            beginning.killed_after,
            handler(beginning),
        );
        let result = running.await.unwrap_or_else(|| {
            Err(FunctionError {
                error_type: "Runtime.ExitError".to_owned(),
                message: "killed by an injected fault".to_owned(),
            })
        });
        let how = result
            .as_ref()
            .err()
            .map_or("ok", |error| &error.error_type);
        faults.end(function, number, how);
        result
    }

    async fn pass(&self, duration: Duration) {
        if !duration.is_zero() {
            self.clock.sleep(duration).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::faults::{Call, Plan, Strike};

    /// Every environment starts cold, and its program takes a while.
    struct Cold;

    impl Plan for Cold {
        fn begins(&mut self, _: Function, _: u64) -> Beginning {
            Beginning {
                cold_start: Duration::from_millis(500),
                own: Duration::from_millis(20),
                ..Beginning::default()
            }
        }

        fn strikes(&mut self, _: u64, _: &Call, _: &http::Request<SdkBody>) -> Strike {
            Strike::default()
        }
    }

    fn shell(plan: impl Plan + 'static) -> Shell {
        let faults = Faults::default();
        faults.follow(plan);
        Shell {
            function: Function::Reconciler,
            clock: Clock::new(time::OffsetDateTime::UNIX_EPOCH, 1.0),
            faults: Arc::new(faults),
            bills: Bills::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_lambda_does_before_the_program_runs_is_not_billed() {
        let shell = shell(Cold);
        let bills = shell.bills.clone();
        let began = Instant::now();
        let handler = |_| async {
            tokio::time::sleep(Duration::from_micros(1)).await;
            Ok(Value::Null)
        };
        shell.run(handler).await.unwrap();
        assert!(began.elapsed() > Duration::from_millis(520));
        let bill = bills.of(Function::Reconciler);
        // A paused clock passes in whole milliseconds.
        assert_eq!((bill.invocations, bill.duration_ms), (1, 21));
        assert_eq!(bills.of(Function::IngestTrigger), Bill::default());
    }

    #[tokio::test(start_paused = true)]
    async fn an_invocation_that_times_out_is_billed_too() {
        let shell = shell(Cold);
        let bills = shell.bills.clone();
        let running = shell.run(|_| std::future::pending());
        let timeout = Duration::from_secs(3);
        tokio::time::timeout(timeout, running).await.unwrap_err();
        assert_eq!(bills.of(Function::Reconciler).duration_ms, 2_500);
    }
}
