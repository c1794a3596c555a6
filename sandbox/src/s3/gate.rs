//! Refuses by name what an operation is asked for and does not implement, before it runs: the protocol library itself
//! drops parameters that it does not know.

use percent_encoding::percent_decode_str;
use s3s::access::{S3Access, S3AccessContext};
use s3s::{S3ErrorCode, S3Result};

use super::errors::{error, not_implemented};

/// The headers and query parameters that a request may have.
struct Accepted {
    headers: &'static [&'static [&'static str]],
    query: &'static [&'static str],
}

/// Headers of every request: signing, and what only tells of the client or of the message.
const COMMON: &[&str] = &[
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-security-token",
    "x-amz-trailer",
    "x-amz-user-agent",
];
const INTEGRITY: &[&str] = &[
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-sdk-checksum-algorithm",
];
const DESCRIBED: &[&str] = &[
    "x-amz-acl",
    "x-amz-meta-",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-tagging",
];
const MULTIPART_CHECKSUM: &[&str] = &["x-amz-checksum-algorithm", "x-amz-checksum-type"];
const IF_ETAG: &[&str] = &["if-match", "if-none-match"];
const IF_MATCH: &[&str] = &["if-match"];
const READ: &[&str] = &[
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
    "x-amz-checksum-mode",
];
const COPY_SOURCE: &[&str] = &[
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-source-expected-bucket-owner",
];
const DIRECTIVES: &[&str] = &[
    "x-amz-metadata-directive",
    // There are no annotations here, so copying them or not is the same.
    "x-amz-object-annotation-directive",
    "x-amz-tagging-directive",
];

/// None for operations that are not implemented at all: the library says so itself.
fn accepted(operation: &str) -> Option<Accepted> {
    let (headers, query): (&[&[&str]], &[&str]) = match operation {
        "CreateBucket" => (&[&["x-amz-object-ownership"]], &[]),
        "DeleteBucket" | "HeadBucket" => (&[], &[]),
        "ListBuckets" => (&[], &["continuation-token", "max-buckets", "prefix"]),
        "GetBucketLocation" => (&[], &["location"]),
        "GetBucketVersioning" => (&[], &["versioning"]),
        "PutBucketVersioning" => (&[INTEGRITY], &["versioning"]),
        "GetBucketNotificationConfiguration" => (&[], &["notification"]),
        "PutBucketNotificationConfiguration" => (&[INTEGRITY], &["notification"]),
        "PutObject" => (&[INTEGRITY, DESCRIBED, IF_ETAG], &[]),
        "GetObject" => (
            &[READ],
            &[
                "response-cache-control",
                "response-content-disposition",
                "response-content-encoding",
                "response-content-language",
                "response-content-type",
                "response-expires",
                "versionId",
            ],
        ),
        "HeadObject" => (&[READ], &["versionId"]),
        "DeleteObject" => (&[IF_MATCH], &["versionId"]),
        "DeleteObjects" => (&[INTEGRITY], &["delete"]),
        "CopyObject" => (
            &[
                COPY_SOURCE,
                DESCRIBED,
                DIRECTIVES,
                IF_ETAG,
                &["x-amz-checksum-algorithm"],
            ],
            &[],
        ),
        "CreateMultipartUpload" => (&[DESCRIBED, MULTIPART_CHECKSUM], &["uploads"]),
        "UploadPart" => (&[INTEGRITY], &["partNumber", "uploadId"]),
        "UploadPartCopy" => (
            &[COPY_SOURCE, &["x-amz-copy-source-range"]],
            &["partNumber", "uploadId"],
        ),
        "CompleteMultipartUpload" => (
            &[
                INTEGRITY,
                IF_ETAG,
                &["x-amz-checksum-type", "x-amz-mp-object-size"],
            ],
            &["uploadId"],
        ),
        "AbortMultipartUpload" => (&[], &["uploadId"]),
        "ListParts" => (&[], &["max-parts", "part-number-marker", "uploadId"]),
        "ListMultipartUploads" => (
            &[],
            &[
                "delimiter",
                "encoding-type",
                "key-marker",
                "max-uploads",
                "prefix",
                "upload-id-marker",
                "uploads",
            ],
        ),
        "GetObjectTagging" | "DeleteObjectTagging" => (&[], &["tagging", "versionId"]),
        "PutObjectTagging" => (&[INTEGRITY], &["tagging", "versionId"]),
        "ListObjects" => (
            &[],
            &["delimiter", "encoding-type", "marker", "max-keys", "prefix"],
        ),
        "ListObjectsV2" => (
            &[],
            &[
                "continuation-token",
                "delimiter",
                "encoding-type",
                "fetch-owner",
                "list-type",
                "max-keys",
                "prefix",
                "start-after",
            ],
        ),
        "ListObjectVersions" => (
            &[],
            &[
                "delimiter",
                "encoding-type",
                "key-marker",
                "max-keys",
                "prefix",
                "version-id-marker",
                "versions",
            ],
        ),
        _ => return None,
    };
    Some(Accepted { headers, query })
}

impl Accepted {
    fn header(&self, name: &str) -> bool {
        self.headers
            .iter()
            .copied()
            .chain([COMMON])
            .flatten()
            .any(|known| match known.strip_suffix('-') {
                Some(_) => name.starts_with(known),
                None => name == *known,
            })
    }
}

/// Checks every request against what its operation accepts.
pub(super) struct Gate {
    /// The only owner of buckets.
    pub(super) account_id: String,
}

#[async_trait::async_trait]
impl S3Access for Gate {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name();
        let Some(accepted) = accepted(operation) else {
            return Ok(());
        };
        for name in cx.headers().keys().map(http::HeaderName::as_str) {
            let functional =
                name.starts_with("x-amz-") || name.starts_with("if-") || name == "range";
            if functional && !accepted.header(name) {
                return Err(not_implemented(&format!("{name} of {operation}")));
            }
        }
        for pair in cx.uri().query().unwrap_or_default().split('&') {
            let name = percent_decode_str(pair.split('=').next().unwrap_or_default());
            let name = name.decode_utf8_lossy();
            if !name.is_empty() && name != "x-id" && !accepted.query.contains(&name.as_ref()) {
                return Err(not_implemented(&format!("{name} of {operation}")));
            }
        }
        for header in [
            "x-amz-expected-bucket-owner",
            "x-amz-source-expected-bucket-owner",
        ] {
            if cx
                .headers()
                .get(header)
                .is_some_and(|owner| owner != self.account_id.as_str())
            {
                return Err(error(S3ErrorCode::AccessDenied, "Access Denied"));
            }
        }
        Ok(())
    }
}
