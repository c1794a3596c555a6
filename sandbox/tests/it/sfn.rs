//! Tests of sfn.
