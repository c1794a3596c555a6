//! x

pub mod preflight;
