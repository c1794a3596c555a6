//! The Amazon States Language, as far as it is interpreted: JSONPath definitions of Task, Choice, Pass, Wait, Succeed
//! and Fail states.
//!
//! A definition is parsed once into the types here, so an execution meets no unknown field and no malformed path. All
//! problems of a definition are collected, each with its location in the JSON.
//! Source of the fields and their meaning: Amazon States Language specification, <https://states-language.net/spec.html>.

pub(super) mod choice;
pub(super) mod data_flow;
mod fields;
pub(super) mod intrinsics;
mod parse;
pub(super) mod path;
pub(super) mod retry;
mod task;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use choice::Rule;
use data_flow::{DataFlow, ResultPath};
use path::Expression;
use retry::Retrier;

/// A state machine's definition, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    pub(super) start_at: Arc<str>,
    /// Limit of a whole execution, its time in queues included.
    pub(super) timeout_s: Option<u64>,
    pub(super) states: BTreeMap<Arc<str>, State>,
}

impl Definition {
    /// Parses a definition.
    ///
    /// # Errors
    /// Every problem that the definition has.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        parse::definition(text)
    }
}

/// One thing that is wrong with a definition, or that the sandbox does not implement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the definition, as a JSON pointer: `/States/Moderate/Retry/0/BackoffRate`.
    pub location: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.message, self.location)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) name: Arc<str>,
    pub(super) flow: DataFlow,
    pub(super) kind: Kind,
}

/// What a state does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Task(Task),
    Choice {
        choices: Vec<(Rule, Arc<str>)>,
        default: Option<Arc<str>>,
    },
    Pass {
        result: Option<serde_json::Value>,
        transition: Transition,
    },
    Wait {
        until: Until,
        transition: Transition,
    },
    Succeed,
    Fail {
        error: Option<Text>,
        cause: Option<Text>,
    },
}

impl Kind {
    /// The state's type, as the history's event types begin.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Kind::Task(_) => "Task",
            Kind::Choice { .. } => "Choice",
            Kind::Pass { .. } => "Pass",
            Kind::Wait { .. } => "Wait",
            Kind::Succeed => "Succeed",
            Kind::Fail { .. } => "Fail",
        }
    }
}

/// Where an execution goes from a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Transition {
    Next(Arc<str>),
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) resource: Resource,
    pub(super) timeout: Option<Seconds>,
    pub(super) heartbeat: Option<Seconds>,
    pub(super) retriers: Vec<Retrier>,
    pub(super) catchers: Vec<Catcher>,
    pub(super) transition: Transition,
}

/// What does a task's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource {
    /// The ARN of an activity.
    Activity(Arc<str>),
    /// `arn:<partition>:states:::sns:publish`
    SnsPublish,
}

/// A number of seconds, written in the definition or taken from the state's input.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seconds {
    Literal(u64),
    Path(Expression),
}

/// How long a Wait state waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Until {
    Seconds(Seconds),
    Timestamp(time::OffsetDateTime),
    TimestampPath(Expression),
}

/// A Fail state's error or cause.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    Literal(String),
    Path(Expression),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Catcher {
    pub(super) errors: Vec<String>,
    pub(super) result_path: ResultPath,
    pub(super) next: Arc<str>,
}
