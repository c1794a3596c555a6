//! The deterministic simulation: one seed, one history.
//!
//! A run deploys the gate into an AWS in this process, on one thread and on paused time: the very steps and SDK clients of
//! the Lambdas, the state machine as it deploys, people who upload and operate, and a plan of what goes wrong. Whatever
//! happens is written into a [`History`]; what must hold is checked at every call and once all is quiet.
//!
//! Invariants:
//! - No wall clock, no thread, no hash-map order: the same [`Options`] give the same history, byte for byte.
//! - What is true is known from what was done and what the services tell (`truth`), never from the gate's own ledger.
//! - Faults strike between a client and a service, or are plain fields of a service's fault struct.

mod burst;
mod chaos;
mod checks;
mod environments;
mod footage;
mod history;
mod idle;
mod ledger;
mod logs;
mod objects;
mod people;
mod plan;
mod plot;
mod quiet;
mod recovery;
mod run;
mod scene;
mod services;
mod settle;
mod stage;
mod truth;
mod uploads;
mod usage;
mod watch;
mod workload;

pub use burst::{Burst, Settled, burst};
pub use chaos::Strikes;
pub use footage::{Fate, File, Footage};
pub use history::History;
pub use idle::{Design, idle};
pub use plan::{CallFaults, Interference, InvocationFaults, JobFaults, Level, Plan};
pub use plot::svg;
pub use run::{Options, Outcome, play, run};
pub use scene::Scene;
pub use stage::Sample;
pub use truth::Policy;
pub use usage::{Metered, Usage};
pub use workload::{Action, Release, Workload};
