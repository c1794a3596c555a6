//! The four steps: ingest, dispatch, settle (with publish), reconcile (with sweep).
//!
//! Data flows one way: ingest starts executions; dispatch sees what waits (`backlog`), claims `slots` and polls tasks into records
//! (`poll`, `begin`), as far as the day's `budget` goes; `advance` does what a record's phase asks for (`start`, `look`, `carry_out`) under its lease; reconcile keeps
//! tasks alive (`heartbeat`), finds whatever was left and calls the same.
//!
//! The ways in return boxed futures, so that this crate compiles what lies below and the functions' crates do not once more.

mod advance;
mod backlog;
mod begin;
mod budget;
mod carry_out;
mod copy;
pub mod dispatch;
mod heartbeat;
pub mod ingest;
mod look;
mod only_throttles;
mod orphans;
mod poll;
mod preflight;
mod publish;
pub mod reconcile;
mod report;
mod retire;
pub mod settle;
mod slots;
mod start;
pub mod sweep;
mod work;

pub use copy::{SOURCE_VERSION_ENTRY, TAG_PREFIX};
pub use retire::Announcer;
