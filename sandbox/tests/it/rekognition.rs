//! Tests of rekognition.
