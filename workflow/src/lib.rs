//! The video moderation gate: everything that its four Lambdas do.
//!
//! A video dropped in the raw bucket appears in the approved bucket only if Amazon Rekognition, judged by the operator's
//! policy, found it acceptable. The steps that see to it are in [`steps`]; what they agree on with AWS is in [`contract`],
//! what they remember between invocations in [`ledger`].
//!
//! Invariants:
//! - Pure logic ([`policy`], [`scan`], [`report`], [`names`], [`event`], [`preflight`]) knows no AWS type, no clock and no
//!   environment.
//! - Steps take clients, clock, nonces and configuration as arguments ([`gate::Gate`]); they do not know where they run.
//! - What an error of AWS means is decided in [`errors`] and nowhere else.

pub mod aws;
pub mod clock;
pub mod config;
pub mod contract;
pub mod errors;
pub mod event;
pub mod function;
pub mod gate;
pub mod ledger;
pub mod names;
pub mod policy;
pub mod preflight;
pub mod report;
pub mod scan;
pub mod steps;
