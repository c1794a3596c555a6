//! Step Functions: state machines, executions, activities.

use std::sync::Arc;

use crate::account::Account;
use crate::clock::Clock;
use crate::events::Events;
use crate::rng::SharedRng;
use crate::sns::Sns;
use crate::wire::{Request, Response};
/// Step Functions: state machines, executions, activities.
pub struct Sfn {}

impl Sfn {
    /// The service with nothing in it.
    #[must_use]
    pub fn new(
        account: Account,
        clock: Clock,
        rng: SharedRng,
        sns: Arc<Sns>,
        events: Arc<Events>,
    ) -> Self {
        todo!()
    }

    /// Answers one request off the wire.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        todo!()
    }

    /// Creates an activity and returns its ARN; an existing one is kept.
    pub fn create_activity(&self, name: &str) -> String {
        todo!()
    }

    /// Creates a STANDARD state machine from its definition and returns its ARN.
    /// # Errors
    /// `InvalidDefinition`, naming the JSON path of every field that is wrong or not implemented.
    pub fn create_state_machine(
        &self,
        name: &str,
        definition: &str,
    ) -> Result<String, crate::wire::ApiError> {
        todo!()
    }
}
