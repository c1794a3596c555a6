//! A call as IAM sees it: its operation, the ARNs that it names, and the parameters that change what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Query parameters of S3 that need no other permission than the operation that they are of.
const PLAIN_QUERY: [&str; 15] = [
    "continuation-token",
    "encoding-type",
    "key-marker",
    "list-type",
    "max-keys",
    "max-uploads",
    "partNumber",
    "prefix",
    "start-after",
    "tagging",
    "uploadId",
    "uploads",
    "version-id-marker",
    "versions",
    "x-id",
];

/// Beginnings of S3's headers that need no other permission than the operation that they are of.
const PLAIN_HEADERS: [&str; 13] = [
    "x-amz-checksum-",
    "x-amz-content-sha256",
    "x-amz-copy-source-if-",
    "x-amz-copy-source-range",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-meta-",
    "x-amz-mp-object-size",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    name: String,
    /// By the parameter that names them; `bucket` and `object` for S3.
    arns: BTreeMap<String, String>,
    parameters: BTreeSet<String>,
    context: BTreeMap<String, String>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let arns: Vec<_> = self.arns.values().map(String::as_str).collect();
        if arns.is_empty() {
            return Ok(());
        }
        write!(f, " of {}", arns.join(", "))
    }
}

impl Call {
    /// A request to S3.
    pub(crate) fn of_s3(operation: &str, parts: &Parts) -> Self {
        let mut call = Self::named("s3", operation);
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        call.set_arn("bucket", format!("arn:aws:s3:::{bucket}"));
        if !key.is_empty() {
            let key = decoded(key);
            call.set_arn("object", format!("arn:aws:s3:::{bucket}/{key}"));
            // A key that is missing counts as the prefix of a listing (the table's row on it names the source).
            call.set_context("s3:prefix", key);
        }
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        for (name, value) in pairs {
            if name == "prefix" {
                call.set_context("s3:prefix", value);
            } else if !PLAIN_QUERY.contains(&name.as_str()) {
                call.parameters.insert(name);
            }
        }
        call.read_headers(parts);
        call
    }

    /// A request in AWS JSON. `activity_of` tells the activity that a task token is for; None for a token that is for none.
    pub(crate) fn of_json(
        service: &str,
        operation: &str,
        content: &Bytes,
        activity_of: impl FnOnce(&str) -> Option<String>,
    ) -> Option<Self> {
        let mut call = Self::named(service, operation);
        let document: Value = serde_json::from_slice(content).unwrap_or_default();
        call.read_members("", &document);
        if let Some(token) = document["taskToken"].as_str() {
            call.set_parameter_arn("taskToken", activity_of(token)?);
        }
        let object = &document["Video"]["S3Object"];
        if let (Some(bucket), Some(key)) = (object["Bucket"].as_str(), object["Name"].as_str()) {
            call.set_parameter_arn("Video.S3Object", format!("arn:aws:s3:::{bucket}/{key}"));
            if object["Version"].is_string() {
                call.parameters.insert("Video.S3Object.Version".to_owned());
            }
        }
        // The role is handed to the service that is called.
        call.set_context("iam:PassedToService", format!("{service}.amazonaws.com"));
        Some(call)
    }

    /// A request in AWS Query, whose form is short.
    pub(crate) fn of_form(service: &str, operation: &str, content: &Bytes) -> Self {
        let mut call = Self::named(service, operation);
        let form: Vec<(String, String)> = serde_urlencoded::from_bytes(content).unwrap_or_default();
        for (name, value) in form {
            if name.ends_with("Arn") {
                call.set_parameter_arn(&name, value);
            }
        }
        call
    }

    /// What a service publishes for a role.
    pub(crate) fn publish(topic_arn: &str) -> Self {
        let mut call = Self::named("sns", "Publish");
        call.set_parameter_arn("TopicArn", topic_arn.to_owned());
        call
    }

    /// Service and operation.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn arn(&self, name: &str) -> Option<&str> {
        self.arns.get(name).map(String::as_str)
    }

    pub(super) fn parameters(&self) -> &BTreeSet<String> {
        &self.parameters
    }

    pub(super) fn context(&self) -> &BTreeMap<String, String> {
        &self.context
    }

    fn named(service: &str, operation: &str) -> Self {
        Self {
            name: format!("{service} {operation}"),
            ..Self::default()
        }
    }

    fn set_arn(&mut self, name: &str, arn: String) {
        self.arns.insert(name.to_owned(), arn);
    }

    fn set_parameter_arn(&mut self, name: &str, arn: String) {
        self.parameters.insert(name.to_owned());
        self.set_arn(name, arn);
    }

    fn set_context(&mut self, key: &str, value: String) {
        self.context.insert(key.to_owned(), value);
    }

    fn read_headers(&mut self, parts: &Parts) {
        let is_write = !matches!(parts.method.as_str(), "GET" | "HEAD");
        for (name, value) in &parts.headers {
            let name = name.as_str();
            let value = value.to_str().unwrap_or_default();
            match name {
                "x-amz-copy-source" => self.read_copy_source(value),
                "if-match" if is_write => {
                    self.parameters.insert(name.to_owned());
                }
                _ if PLAIN_HEADERS.iter().any(|plain| name.starts_with(plain)) => {}
                _ if name.ends_with("-directive") => {
                    self.parameters.insert(format!("{name}={value}"));
                }
                _ if name.starts_with("x-amz-") => {
                    self.parameters.insert(name.to_owned());
                }
                _ => {}
            }
        }
    }

    fn read_copy_source(&mut self, source: &str) {
        let (path, version) = match source.split_once("?versionId=") {
            Some((path, _)) => (path, true),
            None => (source, false),
        };
        let path = decoded(path.trim_start_matches('/'));
        self.set_parameter_arn("x-amz-copy-source", format!("arn:aws:s3:::{path}"));
        if version {
            let name = "x-amz-copy-source?versionId".to_owned();
            self.parameters.insert(name);
        }
    }

    /// Every member whose name says that it is an ARN, by its path.
    fn read_members(&mut self, path: &str, value: &Value) {
        for (name, member) in value.as_object().into_iter().flatten() {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            match member {
                Value::String(arn) if name.ends_with("Arn") => {
                    self.set_parameter_arn(&path, arn.clone());
                }
                _ => self.read_members(&path, member),
            }
        }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
