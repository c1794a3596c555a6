//! The functions as handlers in this process: the same code, SDK clients and configuration as the Lambdas, on the sandbox's clock
//! and randomness.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use workflow::clock::{Clock, Deadline, Nonces};
use workflow::config::{AnnouncerConfig, ConfigError, GateConfig, IngestConfig};
use workflow::gate::Gate;
use workflow::steps::Announcer;
use workflow::steps::ingest::Ingest;
use workflow::steps::reconcile::Reconciler;

use super::permissions::Principal;
use super::{Function, Stack};
use crate::aws::Aws;
use crate::connector::sdk_config;
use crate::faults::{self, Faults};
use crate::iam::access_key_id;
use crate::lambda::{Code, FunctionError, Handler, Invocation};
use crate::rng::SharedRng;

/// Everything that the four functions work with, in this process.
#[derive(Clone)]
pub struct InProcess {
    /// By function: each calls with the credentials of its own role.
    clients: [Clients; 4],
    faults: Arc<Faults>,
}

/// What one function works with.
#[derive(Clone)]
struct Clients {
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
            Function::ALL.map(|function| Clients::new(aws, stack, function));
        Ok(Self {
            clients: [ingest?, worker?, callback?, reconciler?],
            faults: Arc::default(),
        })
    }

    /// What goes wrong with the functions' calls.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the steps work with, for tests that call one directly.
    #[must_use]
    pub fn reconciler(&self) -> &Reconciler {
        &self.clients[Function::Reconciler as usize].reconciler
    }

    /// What a function runs.
    #[must_use]
    pub fn code(&self, function: Function) -> Code {
        Code::Handler(Arc::new(InProcessFunction {
            function,
            clients: self.clients[function as usize].clone(),
            faults: Arc::clone(&self.faults),
        }))
    }
}

impl Clients {
    fn new(aws: &Aws, stack: &Stack, function: Function) -> Result<Self, ConfigError> {
        let variables = stack.environment(Function::Reconciler, aws.clock.speed());
        let lookup = |name: &str| variables.get(name).cloned();
        let role_arn = stack.role_arn(Principal::Function(function));
        let sdk = sdk_config(aws, &access_key_id(&role_arn));
        let gate = Gate::new(
            GateConfig::from_vars(lookup)?,
            aws_sdk_s3::Client::new(&sdk),
            aws_sdk_sfn::Client::new(&sdk),
            aws_sdk_rekognition::Client::new(&sdk),
            Arc::new(SandboxClock(aws.clock.clone())),
            Arc::new(SandboxNonces(aws.rng.clone())),
        );
        let ingest = Ingest {
            config: IngestConfig::from_vars(lookup)?,
            sfn: gate.sfn.clone(),
        };
        let announcer = Announcer {
            sns: aws_sdk_sns::Client::new(&sdk),
            topic_arn: AnnouncerConfig::from_vars(lookup)?.decisions_topic_arn,
        };
        Ok(Self {
            ingest,
            reconciler: Reconciler { gate, announcer },
        })
    }
}

struct InProcessFunction {
    function: Function,
    clients: Clients,
    faults: Arc<Faults>,
}

impl Handler for InProcessFunction {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'static, Result<Value, FunctionError>> {
        let (function, clients) = (self.function, self.clients.clone());
        let faults = Arc::clone(&self.faults);
        let handler = async move {
            let deadline = Deadline {
                at_ms: invocation.deadline_ms,
            };
            let (event, gate) = (&invocation.payload, &clients.reconciler.gate);
            match function {
                Function::IngestTrigger => ingest_trigger::handle(&clients.ingest, event).await,
                Function::ActivityWorker => activity_worker::handle(gate, deadline, event).await,
                Function::ModerationCallback => {
                    moderation_callback::handle(gate, deadline, event).await
                }
                Function::Reconciler => {
                    reconciler::handle(&clients.reconciler, deadline, event).await
                }
            }
        };
        async move {
            match faults::run(function, faults, Box::pin(handler)).await {
                Some(result) => result.map_err(|error| FunctionError {
                    error_type: error.name.to_owned(),
                    message: error.message,
                }),
                None => Err(FunctionError {
                    error_type: "Runtime.ExitError".to_owned(),
                    message: "killed by an injected fault".to_owned(),
                }),
            }
        }
        .boxed()
    }
}

#[derive(Debug)]
struct SandboxClock(crate::clock::Clock);

impl Clock for SandboxClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }
}

#[derive(Debug)]
struct SandboxNonces(SharedRng);

impl Nonces for SandboxNonces {
    fn nonce(&self) -> String {
        self.0.hex(16)
    }
}
