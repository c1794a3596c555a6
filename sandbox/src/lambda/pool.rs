//! Environments: warm ones are used again, most recently used first; idle ones end after a while.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::failure;
use super::invocation::init_error_or;
use super::process::{self, Process};
use super::{FunctionConfig, Lambda};

/// How long an environment stays idle before it is ended. AWS does not say how long; minutes.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// How long an environment may initialise (Lambda developer guide, "Init phase").
const INIT_MAX: Duration = Duration::from_secs(10);
/// However fast the sandbox's time runs, processes start and idle in real time: neither limit falls below this.
const REAL_MIN: Duration = Duration::from_secs(5);

impl Lambda {
    /// An environment that waits for an invocation (or, after its initialisation took too long, will).
    ///
    /// # Errors
    /// The error document of an environment that could not start.
    pub(super) async fn environment(
        self: &Arc<Self>,
        config: &Arc<FunctionConfig>,
        request_id: &str,
    ) -> Result<Arc<Process>, Value> {
        let idle_came = self
            .lock()
            .get(&config.name)
            .map(|function| Arc::clone(&function.idle_came));
        let Some(idle_came) = idle_came else {
            return Err(failure::document(
                "Sandbox.NoFunction",
                "the function was deleted",
            ));
        };
        loop {
            if let Some(process) = self.take_idle(config) {
                return Ok(process);
            }
            tokio::select! {
                permit = self.starts.acquire() => {
                    let started = self.start(config, request_id).await;
                    drop(permit);
                    return started;
                }
                () = idle_came.notified() => {}
            }
        }
    }

    /// Takes the environment that was used last, if it still lives and runs the code of now.
    fn take_idle(&self, config: &Arc<FunctionConfig>) -> Option<Arc<Process>> {
        let mut functions = self.lock();
        let idle = &mut functions.get_mut(&config.name)?.idle;
        while let Some(process) = idle.pop() {
            if process.is_asking() && process.runs(config) {
                return Some(process);
            }
            process.terminate();
        }
        None
    }

    /// A cold start. An initialisation that takes longer than its limit is begun again, and then is part of the first
    /// invocation and its timeout (Lambda developer guide, "Init phase").
    async fn start(
        self: &Arc<Self>,
        config: &Arc<FunctionConfig>,
        request_id: &str,
    ) -> Result<Arc<Process>, Value> {
        let process = process::spawn(self, config, request_id)?;
        let limit = self.clock.scaled(INIT_MAX).max(REAL_MIN);
        match timeout(limit, process.asks()).await {
            Ok(Ok(())) => Ok(process),
            Ok(Err(reason)) => Err(init_error_or(&process.init_error(), request_id, &reason)),
            Err(_) => {
                process.kill();
                process.gone().await;
                process::spawn(self, config, request_id)
            }
        }
    }

    /// Makes an environment idle, and ends it if it still is when the idle time is over.
    pub(super) fn give_back(self: &Arc<Self>, process: &Arc<Process>) {
        let use_count = process.count_use();
        let mut functions = self.lock();
        let Some(function) = functions.get_mut(process.function()) else {
            return;
        };
        if !process.runs(&function.config) || self.is_shut_down() {
            process.terminate();
            return;
        }
        function.idle.push(Arc::clone(process));
        function.idle_came.notify_one();
        drop(functions);
        let lambda = Arc::clone(self);
        let process = Arc::clone(process);
        tokio::spawn(async move {
            let idle_max = lambda.clock.scaled(IDLE_MAX).max(REAL_MIN);
            tokio::select! {
                () = tokio::time::sleep(idle_max) => lambda.end_if_unused(&process, use_count),
                () = process.gone() => {}
            }
        });
    }

    fn end_if_unused(&self, process: &Arc<Process>, use_count: u64) {
        let mut functions = self.lock();
        if process.use_count() == use_count
            && let Some(function) = functions.get_mut(process.function())
            && let Some(index) = function
                .idle
                .iter()
                .position(|idle| Arc::ptr_eq(idle, process))
        {
            function.idle.remove(index);
            process.terminate();
        }
    }
}
