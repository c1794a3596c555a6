//! What a writer says about an object, and how it is told again.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto::{self, Metadata};
use s3s::{S3ErrorCode, S3Result};

use super::errors::{error, not_implemented};
use super::store::Described;
use super::tagging::parse_header;

/// System-defined metadata that the writer controls (Amazon S3 User Guide, Working with object metadata).
const SYSTEM_HEADERS: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// What objects have whose writer named no type (Amazon S3 API reference, PutObject).
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Names and values of user metadata, in bytes of UTF-8 (Amazon S3 User Guide, Working with object metadata).
const METADATA_MAX_BYTES: usize = 2048;

impl Described {
    /// From the headers of a request; `metadata` and `tagging` as the library decoded them.
    ///
    /// # Errors
    /// `MetadataTooLarge`, `InvalidTag`, or a refusal of an ACL, storage class or encryption other than the default.
    pub(super) fn of(
        headers: &HeaderMap,
        metadata: Option<Metadata>,
        tagging: Option<&str>,
    ) -> S3Result<Self> {
        check_defaults(headers)?;
        let metadata: BTreeMap<String, String> = metadata.into_iter().flatten().collect();
        let metadata_bytes: usize = metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if metadata_bytes > METADATA_MAX_BYTES {
            return Err(error(
                S3ErrorCode::MetadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size",
            ));
        }
        Ok(Self {
            headers: SYSTEM_HEADERS
                .into_iter()
                .filter_map(|name| {
                    let value = headers.get(name)?.to_str().ok()?;
                    (!value.is_empty()).then(|| (name, value.to_owned()))
                })
                .collect(),
            metadata,
            tags: parse_header(tagging.unwrap_or_default())?,
        })
    }

    /// The headers that tell it. What the library would have to take from a hash map goes here, in a fixed order.
    pub(super) fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static(DEFAULT_CONTENT_TYPE),
        );
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        for (name, value) in self.metadata.iter().filter(|(_, value)| is_plain(value)) {
            if let Ok(name) = HeaderName::try_from(format!("x-amz-meta-{name}"))
                && let Ok(value) = HeaderValue::from_str(value)
            {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// User metadata that a header cannot hold as it is: the library encodes it after RFC 2047, as S3 does.
    pub(super) fn encoded_metadata(&self) -> Option<Metadata> {
        let encoded: Metadata = self
            .metadata
            .iter()
            .filter(|(_, value)| !is_plain(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        (!encoded.is_empty()).then_some(encoded)
    }
}

fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// What may be said about an object and must be what S3 does anyway.
fn check_defaults(headers: &HeaderMap) -> S3Result<()> {
    let value = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    if let Some(acl) = value("x-amz-acl")
        && !matches!(
            acl,
            dto::ObjectCannedACL::PRIVATE | dto::ObjectCannedACL::BUCKET_OWNER_FULL_CONTROL
        )
    {
        return Err(error(
            S3ErrorCode::AccessControlListNotSupported,
            "The bucket does not allow ACLs",
        ));
    }
    for (name, only) in [
        ("x-amz-storage-class", dto::StorageClass::STANDARD),
        (
            "x-amz-server-side-encryption",
            dto::ServerSideEncryption::AES256,
        ),
    ] {
        if let Some(value) = value(name)
            && value != only
        {
            return Err(not_implemented(&format!("{name}: {value}")));
        }
    }
    Ok(())
}

/// Encryption of every object: SSE-S3, the default since January 2023 (Amazon S3 User Guide, Default encryption FAQ).
#[allow(clippy::unnecessary_wraps)] // All outputs take an option.
pub(super) fn encryption() -> Option<dto::ServerSideEncryption> {
    Some(dto::ServerSideEncryption::from_static(
        dto::ServerSideEncryption::AES256,
    ))
}
