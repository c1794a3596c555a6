//! Tests of lambda.
