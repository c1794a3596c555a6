//! Step Functions: state machines, executions, activities.
//!
//! `asl` knows definitions and nothing of time; `state` is all that is remembered, behind one lock; `execution` drives
//! each execution as a task of its own through its definition; `activity` has the polls and the tasks' clocks; `api` is
//! the wire. Everything happens in the order of time and of the requests, so equal seeds give equal histories.

mod activity;
mod api;
mod asl;
mod execution;
mod history;
mod publish;
mod state;
mod token;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::account::Account;
use crate::clock::Clock;
use crate::events::Events;
use crate::iam;
use crate::journal::{Entry, Journal};
use crate::rng::SharedRng;
use crate::sns::Sns;
use crate::wire::{ApiError, Request, Response};

pub use asl::Problem;
pub use state::{ExecutionStatus, Faults};
use state::{Now, State};
pub use token::TOKEN_CANARY;

/// Step Functions: state machines, executions, activities.
pub struct Sfn {
    core: Arc<Core>,
}

/// What the API and the executions share.
struct Core {
    account: Account,
    clock: Clock,
    rng: SharedRng,
    sns: Arc<Sns>,
    events: Arc<Events>,
    journal: Journal,
    state: Mutex<State>,
}

impl Sfn {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        sns: Arc<Sns>,
        events: Arc<Events>,
        journal: Journal,
    ) -> Self {
        let state = Mutex::new(State::new(token::Mint::new(rng.clone())));
        let core = Core {
            account,
            clock,
            rng,
            sns,
            events,
            journal,
            state,
        };
        Self {
            core: Arc::new(core),
        }
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        api::handle(&self.core, request).await
    }

    /// Creates an activity and returns its ARN; an existing one is kept.
    #[allow(clippy::must_use_candidate)] // it is called for what it does
    pub fn create_activity(&self, name: &str) -> String {
        api::create_activity(&self.core, name).0
    }

    /// Creates a STANDARD state machine from its definition and returns its ARN. Its role is the one of the same name.
    /// # Errors
    /// `InvalidDefinition`, naming the JSON path of every field that is wrong or not implemented.
    pub fn create_state_machine(&self, name: &str, definition: &str) -> Result<String, ApiError> {
        let role_arn = iam::role_arn(&self.core.account, name);
        let (arn, _) = api::create_state_machine(&self.core, name, definition, &role_arn)?;
        Ok(arn)
    }

    /// Changes how far reads lag behind from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.core.with(|state, _| state.faults = faults);
    }

    /// How many executions have a status, over all state machines. Costs next to nothing, so a display may ask often.
    #[must_use]
    pub fn execution_count(&self, status: ExecutionStatus) -> usize {
        self.core.with(|state, _| {
            let machines = state.machines.values();
            machines.map(|machine| machine.listing.count(status)).sum()
        })
    }

    /// ARN of the activity that a token's task is of; None for a task that has ended, and for what is no token.
    #[must_use]
    pub fn activity_of(&self, token: &str) -> Option<String> {
        self.core
            .with(|state, _| state.activity_of(token).map(str::to_owned))
    }

    /// State transitions so far, as they are billed: "each time a step of your workflow is executed", retries included (AWS Step Functions
    /// pricing).
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.core.with(|state, _| state.transitions)
    }

    /// How many executions ever began.
    #[must_use]
    pub fn executions_started(&self) -> usize {
        self.core.with(|state, _| state.executions.len())
    }
}

/// Everything that is wrong with a definition, or not implemented by the sandbox; empty when CreateStateMachine takes it.
#[must_use]
pub fn definition_problems(definition: &str) -> Vec<Problem> {
    asl::Definition::parse(definition).err().unwrap_or_default()
}

impl Core {
    /// Reads or changes the state at one moment, then announces the status changes that this made.
    fn with<R>(&self, change: impl FnOnce(&mut State, Now) -> R) -> R {
        let (result, announcements) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Now {
                ms: self.clock.now_ms(),
                at: Instant::now(),
            };
            let result = change(&mut state, now);
            (result, std::mem::take(&mut state.outbox))
        };
        for (execution_arn, status, detail) in announcements {
            self.journal.note(&Entry::Execution {
                arn: &execution_arn,
                status,
            });
            self.events.emit(
                "aws.states",
                "Step Functions Execution Status Change",
                &[execution_arn.to_string()],
                detail,
            );
        }
        result
    }
}
