//! Tests of sns.
