//! What the services did of their own accord, for whoever keeps a history: deliveries, jobs, ends of executions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::sfn::ExecutionStatus;

/// Something that a service did without being asked at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A message of a topic, an event or a tick is on its way to a function or queue.
    Delivery {
        /// ARN of the topic, or name of the rule.
        source: &'a str,
        /// ARN of the function or queue.
        target: &'a str,
        /// When each copy of it arrives: none if it is lost.
        after: &'a [Duration],
    },
    /// A moderation job was started.
    JobStarted {
        /// Its number: the first one ever is 1.
        number: u64,
        /// Its id.
        job_id: &'a str,
        /// Its JobTag.
        tag: &'a str,
        /// The version that it scans.
        version_id: &'a str,
    },
    /// A moderation job has ended.
    JobEnded {
        /// Its number.
        number: u64,
        /// Its JobTag.
        tag: &'a str,
        /// Whether it succeeded.
        succeeded: bool,
        /// How often its end is told.
        told: u32,
    },
    /// The status of an execution changed.
    Execution {
        /// Its ARN.
        arn: &'a str,
        /// Its status from now on.
        status: ExecutionStatus,
    },
}

/// Is told of every entry.
type Reader = dyn Fn(&Entry<'_>) + Send + Sync;

/// Where the services write it; by default nowhere.
#[derive(Clone, Default)]
pub struct Journal(Option<Arc<Reader>>);

impl Journal {
    /// A journal that tells `reader` of everything at once. It must not call the services.
    pub fn new(reader: impl Fn(&Entry<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reader)))
    }

    pub(crate) fn note(&self, entry: &Entry<'_>) {
        if let Some(reader) = &self.0 {
            reader(entry);
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Journal(read)"
        } else {
            "Journal(unread)"
        })
    }
}
