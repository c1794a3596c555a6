//! The four steps: ingest, dispatch, settle (with publish), reconcile (with sweep).
//!
//! Data flows one way: ingest starts executions; dispatch polls their tasks into records; `advance` does what a record's
//! phase asks for (`start`, `look`, `carry_out`) under its lease; reconcile finds whatever was left and calls the same.

mod advance;
mod carry_out;
mod copy;
pub mod dispatch;
pub mod ingest;
mod look;
mod orphans;
mod preflight;
mod publish;
pub mod reconcile;
mod report;
mod retire;
pub mod settle;
mod start;
pub mod sweep;
mod work;

pub use copy::{SOURCE_VERSION_ENTRY, TAG_PREFIX};
pub use retire::Announcer;
