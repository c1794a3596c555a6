//! Listens to what the functions log: no task token is ever in it (promise 7).

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::sfn::TOKEN_CANARY;

/// Where in the code a task token was logged, if anywhere.
#[derive(Clone, Default)]
pub(super) struct Leak(Arc<OnceLock<&'static str>>);

impl Leak {
    /// The place.
    pub(super) fn place(&self) -> Option<&'static str> {
        self.0.get().copied()
    }
}

/// Hears what a Lambda would log, and nothing else; it goes nowhere. To be set before the first client is made: the SDKs draw ids
/// for each span that somebody wants, and so the history depends on who listens.
pub(super) struct Listener(pub(super) Leak);

/// The values of an event, one after the other.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{value:?} ");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
            && metadata.is_event()
            && metadata.target().starts_with("workflow")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains(TOKEN_CANARY) {
            let _ = self.0.0.set(event.metadata().name());
        }
    }

    /// No span is enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
