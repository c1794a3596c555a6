//! Tests of s3.
