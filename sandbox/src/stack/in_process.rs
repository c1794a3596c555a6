//! The functions as handlers in this process: the same code, SDK clients and configuration as the Lambdas, on the sandbox's clock
//! and randomness.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use workflow::clock::{Clock, Deadline, Nonces};
use workflow::config::{AnnouncerConfig, ConfigError, GateConfig, IngestConfig};
use workflow::gate::Gate;
use workflow::ledger::Schema;
use workflow::steps::Announcer;
use workflow::steps::ingest::Ingest;
use workflow::steps::reconcile::Reconciler;

use super::invocation::{Bills, Shell};
use super::permissions::Principal;
use super::{Function, Stack};
use crate::aws::Aws;
use crate::connector::Clients;
use crate::faults::{Beginning, Faults};
use crate::iam::access_key_id;
use crate::lambda::{Code, FunctionError, Handler, Invocation};
use crate::measurements::Measurements;
use crate::rng::SharedRng;

/// Everything that the four functions work with, in this process.
#[derive(Clone)]
pub struct InProcess {
    /// By function: each calls with the credentials of its own role.
    deps: [Deps; 4],
    clock: crate::clock::Clock,
    faults: Arc<Faults>,
    measurements: Measurements,
    bills: Bills,
}

/// What one function works with.
#[derive(Clone)]
struct Deps {
    ingest: Ingest,
    reconciler: Reconciler,
}

impl InProcess {
    /// The functions of a stack, calling `aws` through the SDKs' own clients.
    ///
    /// # Errors
    /// [`ConfigError`] if the stack's environment is not one that the Lambdas would start with.
    pub fn new(aws: &Aws, stack: &Stack) -> Result<Self, ConfigError> {
        let [ingest, worker, callback, reconciler] =
            Function::ALL.map(|function| Deps::new(aws, stack, function));
        Ok(Self {
            deps: [ingest?, worker?, callback?, reconciler?],
            clock: aws.clock.clone(),
            faults: Arc::default(),
            measurements: Measurements::default(),
            bills: Bills::default(),
        })
    }

    /// The same functions with the environment of another stack; what goes wrong with them, and what was measured and billed, stays.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn redeployed(&self, aws: &Aws, stack: &Stack) -> Result<Self, ConfigError> {
        Ok(Self {
            faults: Arc::clone(&self.faults),
            measurements: self.measurements.clone(),
            bills: self.bills.clone(),
            ..Self::new(aws, stack)?
        })
    }

    /// The same functions as those of another release: how it deals with the documents of the ledger.
    #[must_use]
    pub fn with_schema(mut self, schema: Schema) -> Self {
        for deps in &mut self.deps {
            let gate = &mut deps.reconciler.gate;
            gate.ledger = gate.ledger.clone().with_schema(schema);
        }
        self
    }

    /// What the functions measured.
    #[must_use]
    pub fn measurements(&self) -> &Measurements {
        &self.measurements
    }

    /// What Lambda bills for the functions.
    #[must_use]
    pub fn bills(&self) -> &Bills {
        &self.bills
    }

    /// What goes wrong with the functions' calls.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the steps work with, for tests that call one directly.
    #[must_use]
    pub fn reconciler(&self) -> &Reconciler {
        &self.deps[Function::Reconciler as usize].reconciler
    }

    /// What a function runs.
    #[must_use]
    pub fn code(&self, function: Function) -> Code {
        Code::Handler(Arc::new(InProcessFunction {
            deps: self.deps[function as usize].clone(),
            measurements: self.measurements.clone(),
            shell: Shell {
                function,
                clock: self.clock.clone(),
                faults: Arc::clone(&self.faults),
                bills: self.bills.clone(),
            },
        }))
    }
}

struct InProcessFunction {
    deps: Deps,
    measurements: Measurements,
    shell: Shell,
}

impl Handler for InProcessFunction {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Value, FunctionError>> {
        let (deps, shell) = (self.deps.clone(), self.shell.clone());
        let measurements = self.measurements.clone();
        let (function, clock) = (shell.function, shell.clock.clone());
        let handler = move |beginning: Beginning| {
            let deps = deps.with_clock(clock.clone(), beginning.clock_skew_ms);
            let handler = deps.handle(function, invocation);
            Box::pin(async move { measurements.of(function, &clock, handler).await })
        };
        shell.run(handler).boxed()
    }
}

impl Deps {
    fn new(aws: &Aws, stack: &Stack, function: Function) -> Result<Self, ConfigError> {
        let variables = stack.environment(Function::Reconciler, aws.clock.speed());
        let lookup = |name: &str| variables.get(name).cloned();
        let role_arn = stack.role_arn(Principal::Function(function));
        let clients = Clients::new(aws, &access_key_id(&role_arn));
        let gate = Gate::new(
            GateConfig::from_vars(lookup)?,
            clients.s3,
            clients.sfn,
            clients.rekognition,
            Arc::new(SandboxClock {
                clock: aws.clock.clone(),
                skew_ms: 0,
            }),
            Arc::new(SandboxNonces(aws.rng.clone())),
        );
        let ingest = Ingest {
            config: IngestConfig::from_vars(lookup)?,
            sfn: gate.sfn.clone(),
        };
        let announcer = Announcer {
            sns: clients.sns,
            topic_arn: AnnouncerConfig::from_vars(lookup)?.decisions_topic_arn,
        };
        Ok(Self {
            ingest,
            reconciler: Reconciler { gate, announcer },
        })
    }

    /// The same with a clock that is that far from the services'.
    fn with_clock(mut self, clock: crate::clock::Clock, skew_ms: i64) -> Self {
        if skew_ms != 0 {
            self.reconciler.gate.clock = Arc::new(SandboxClock { clock, skew_ms });
        }
        self
    }

    async fn handle(
        self,
        function: Function,
        invocation: Invocation,
    ) -> Result<Value, FunctionError> {
        let deadline = Deadline {
            at_ms: invocation.deadline_ms,
        };
        let (event, gate) = (&invocation.payload, &self.reconciler.gate);
        let result = match function {
            Function::IngestTrigger => ingest_trigger::handle(&self.ingest, event).await,
            Function::ActivityWorker => activity_worker::handle(gate, deadline, event).await,
            Function::ModerationCallback => {
                moderation_callback::handle(gate, deadline, event).await
            }
            Function::Reconciler => reconciler::handle(&self.reconciler, deadline, event).await,
        };
        result.map_err(|error| FunctionError {
            error_type: error.name.to_owned(),
            message: error.message,
        })
    }
}

#[derive(Debug)]
struct SandboxClock {
    clock: crate::clock::Clock,
    skew_ms: i64,
}

impl Clock for SandboxClock {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms() + self.skew_ms
    }
}

#[derive(Debug)]
struct SandboxNonces(SharedRng);

impl Nonces for SandboxNonces {
    fn nonce(&self) -> String {
        self.0.hex(16)
    }
}
