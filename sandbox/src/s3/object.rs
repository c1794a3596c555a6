//! Objects: put, get, head, delete.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto::{
    self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::checksum::{Algorithm, Checksum, Claim, Kind, set_checksum};
use super::chunked::Trailers;
use super::conditions::{ReadConditions, WriteConditions, check_if_match};
use super::content::Content;
use super::describe::encryption;
use super::errors::{SINGLE_MAX_BYTES, error, not_implemented, storage};
use super::front::ObjectBytes;
use super::notify::Created;
use super::store::{
    Bucket, Described, NULL_VERSION, Object, State, Version, Versioning, check_key,
    check_version_id,
};
use super::{Core, Write};

/// What GetObject and HeadObject ask for and show alike, in types of their own: the output, and the range of a request
/// for a part.
macro_rules! shown {
    ($output:ident, $input:ident, $bucket:ident, $version:ident, $object:ident) => {{
        ReadConditions {
            if_match: $input.if_match,
            if_none_match: $input.if_none_match,
            if_modified_since: $input.if_modified_since,
            if_unmodified_since: $input.if_unmodified_since,
        }
        .check_get($object, $version.last_modified)?;
        let size_bytes = $object.content.len();
        let range = satisfiable($input.range, size_bytes)?;
        let length_bytes = range
            .as_ref()
            .map_or(size_bytes, |range| range.end - range.start);
        let wanted = $input.checksum_mode.is_some() && range.is_none();
        let sum = $object.checksum.as_ref().filter(|_| wanted);
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            checksum_type: checksum_type(sum),
            content_length: Some(to_i64(length_bytes)),
            content_range: range.as_ref().map(|range| content_range(range, size_bytes)),
            e_tag: Some(ETag::Strong($object.etag.clone())),
            last_modified: Some($version.last_modified.into()),
            metadata: $object.described.encoded_metadata(),
            server_side_encryption: encryption(),
            version_id: $bucket.shown_id(&$version.id),
            ..$output::default()
        };
        set_checksum!(output, sum);
        (output, range)
    }};
}

/// A body that was taken in whole.
pub(super) struct Received {
    pub(super) content: Content,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Checksum,
    /// Whether the client asked for the checksum's algorithm.
    pub(super) checksum_explicit: bool,
}

impl Core {
    /// Takes a body in and verifies its length, MD5 and checksum.
    ///
    /// # Errors
    /// `EntityTooLarge`, `IncompleteBody`, `InvalidDigest`, `BadDigest`.
    pub(super) async fn receive<T: Sync>(
        &self,
        body: Option<StreamingBlob>,
        request: &S3Request<T>,
        algorithm: Option<Algorithm>,
    ) -> S3Result<Received> {
        let mut claim = Claim::of(&request.headers)?;
        if let Some(algorithm) = algorithm
            && !claim.explicit
        {
            claim.algorithm = algorithm;
        }
        let length = content_length(&request.headers);
        if length.is_some_and(|length| length > SINGLE_MAX_BYTES) {
            return Err(error(
                S3ErrorCode::EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size",
            ));
        }
        let mut sink = self.spill.sink();
        let mut hasher = claim.algorithm.hasher();
        let mut body = body.unwrap_or_else(|| s3s::Body::empty().into());
        while let Some(chunk) = body.next().await {
            let chunk = chunk
                .map_err(|source| S3Error::with_source(S3ErrorCode::IncompleteBody, source))?;
            hasher.update(&chunk);
            sink.write(&chunk).map_err(storage)?;
        }
        if length.is_some_and(|length| length != sink.len()) {
            return Err(error(
                S3ErrorCode::IncompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            ));
        }
        let (content, md5) = sink.finish();
        check_content_md5(&request.headers, md5)?;
        let value = claim.algorithm.finish(hasher);
        let trailers = request.extensions.get::<Trailers>().map(Trailers::get);
        claim.verify(&value, trailers.as_ref())?;
        Ok(Received {
            content,
            md5,
            checksum: Checksum {
                algorithm: claim.algorithm,
                kind: Kind::FullObject,
                value,
            },
            checksum_explicit: claim.explicit,
        })
    }

    pub(super) async fn put(
        self: &Arc<Self>,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let body = request.input.body.take();
        let received = self.receive(body, &request, None).await?;
        let input = request.input;
        check_key(&input.key)?;
        let conditions = WriteConditions::new(input.if_match, input.if_none_match.as_ref())?;
        let object = Object {
            content: received.content,
            etag: hex::encode(received.md5),
            checksum: Some(received.checksum),
            described: Described::of(&request.headers, input.metadata, input.tagging.as_deref())?,
        };
        let (etag, checksum) = (object.etag.clone(), object.checksum.clone());
        let written = self.write(Write {
            bucket: &input.bucket,
            key: &input.key,
            object,
            conditions: &conditions,
            created: Created::Put,
        })?;
        let sum = checksum.as_ref();
        let mut output = PutObjectOutput {
            checksum_type: checksum_type(sum),
            e_tag: Some(ETag::Strong(etag)),
            server_side_encryption: encryption(),
            version_id: written.shown_id,
            ..PutObjectOutput::default()
        };
        set_checksum!(output, sum);
        Ok(output)
    }

    pub(super) fn get(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let state = self.state();
        let bucket = state.bucket(&input.bucket)?;
        let (version, object) = bucket.find(&input.key, input.version_id.as_deref())?;
        let (mut output, range) = shown!(GetObjectOutput, input, bucket, version, object);
        let bytes = range.unwrap_or(0..object.content.len());
        output.tag_count = tag_count(object);
        output.body = Some(object.content.slice(bytes).into_stream());
        let mut headers = object.described.to_headers();
        for (name, replacement) in [
            ("cache-control", input.response_cache_control),
            ("content-disposition", input.response_content_disposition),
            ("content-encoding", input.response_content_encoding),
            ("content-language", input.response_content_language),
            ("content-type", input.response_content_type),
        ] {
            if let Some(value) = replacement.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if input.response_expires.is_some() {
            headers.remove(http::header::EXPIRES);
        }
        let mut response = S3Response::with_headers(output, headers);
        response.extensions.insert(ObjectBytes);
        Ok(response)
    }

    pub(super) fn head(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let state = self.state();
        let bucket = state.bucket(&input.bucket)?;
        let (version, object) = bucket.find(&input.key, input.version_id.as_deref())?;
        let (output, range) = shown!(HeadObjectOutput, input, bucket, version, object);
        let mut response = S3Response::with_headers(output, object.described.to_headers());
        if let Some(count) = tag_count(object) {
            response
                .headers
                .insert("x-amz-tagging-count", HeaderValue::from(count));
        }
        if range.is_some() {
            response.status = Some(http::StatusCode::PARTIAL_CONTENT);
        }
        Ok(response)
    }

    pub(super) fn delete(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        let mut state = self.state();
        let deletion = self.delete_one(
            &mut state,
            &input.bucket,
            &input.key,
            input.version_id.as_deref(),
            input.if_match.as_ref(),
        )?;
        Ok(DeleteObjectOutput {
            delete_marker: deletion.marker.then_some(true),
            version_id: deletion.shown_id,
            ..DeleteObjectOutput::default()
        })
    }

    pub(super) fn delete_many(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        /// Objects of one request (Amazon S3 API reference, DeleteObjects).
        const OBJECTS_MAX: usize = 1000;
        if input.delete.objects.is_empty() || input.delete.objects.len() > OBJECTS_MAX {
            return Err(error(
                S3ErrorCode::MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema",
            ));
        }
        let mut state = self.state();
        state.bucket(&input.bucket)?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            if object.size.is_some() || object.last_modified_time.is_some() {
                return Err(not_implemented(
                    "Size and LastModifiedTime of DeleteObjects",
                ));
            }
            let if_match = object.e_tag.map(ETagCondition::ETag);
            let deletion = self.delete_one(
                &mut state,
                &input.bucket,
                &object.key,
                object.version_id.as_deref(),
                if_match.as_ref(),
            );
            match deletion {
                Ok(deletion) => deleted.push(DeletedObject {
                    delete_marker: deletion.marker.then_some(true),
                    delete_marker_version_id: deletion.shown_id.filter(|_| deletion.marker),
                    key: Some(object.key),
                    version_id: object.version_id,
                }),
                Err(error) => errors.push(dto::Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: object.version_id,
                }),
            }
        }
        Ok(DeleteObjectsOutput {
            deleted: (!input.delete.quiet.unwrap_or_default()).then_some(deleted),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        })
    }

    /// Without a version id a versioned bucket gets a delete marker, another loses the object; with one, that version
    /// is gone for good. What is not there is deleted with success, too, unless `if_match` asks for it: that is always
    /// about the current version (Amazon S3 User Guide, How to perform conditional deletes).
    fn delete_one(
        &self,
        state: &mut State,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        if_match: Option<&ETagCondition>,
    ) -> S3Result<Deletion> {
        let order = state.next_order();
        let bucket = state.bucket_mut(bucket)?;
        check_if_match(if_match, bucket.current(key))?;
        if let Some(id) = version_id {
            check_version_id(id)?;
            let removed = bucket.remove(key, id);
            return Ok(Deletion {
                marker: removed.is_some_and(|version| version.object.is_none()),
                shown_id: bucket.shown_id(id),
            });
        }
        if bucket.versioning == Versioning::Never {
            bucket.remove(key, NULL_VERSION);
            return Ok(Deletion {
                marker: false,
                shown_id: None,
            });
        }
        Ok(self.insert_marker(bucket, key, order))
    }

    fn insert_marker(&self, bucket: &mut Bucket, key: &str, order: u64) -> Deletion {
        let id = self.new_version_id(bucket.versioning);
        let shown_id = bucket.shown_id(&id);
        bucket.insert(
            key,
            Version {
                id,
                order,
                last_modified: self.now_s(),
                object: None,
            },
        );
        Deletion {
            marker: true,
            shown_id,
        }
    }
}

/// What a delete did.
struct Deletion {
    /// A delete marker was made or removed.
    marker: bool,
    /// Its version id, or that of the removed version.
    shown_id: Option<String>,
}

pub(super) fn checksum_type(checksum: Option<&Checksum>) -> Option<dto::ChecksumType> {
    checksum.map(|sum| dto::ChecksumType::from_static(sum.kind.name()))
}

/// The range of a request, as a range of the object; None for a whole one.
///
/// # Errors
/// `InvalidRange` beyond the end.
fn satisfiable(range: Option<dto::Range>, size_bytes: u64) -> S3Result<Option<Range<u64>>> {
    let Some(range) = range else {
        return Ok(None);
    };
    match range.check(size_bytes) {
        Ok(range) if !range.is_empty() => Ok(Some(range)),
        _ => Err(error(
            S3ErrorCode::InvalidRange,
            "The requested range is not satisfiable",
        )),
    }
}

fn content_range(range: &Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

fn tag_count(object: &Object) -> Option<i32> {
    i32::try_from(object.described.tags.len())
        .ok()
        .filter(|count| *count > 0)
}

pub(super) fn to_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(http::header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn check_content_md5(headers: &HeaderMap, md5: [u8; 16]) -> S3Result<()> {
    let Some(claimed) = headers.get("content-md5") else {
        return Ok(());
    };
    match BASE64_STANDARD.decode(claimed.as_bytes()) {
        Ok(claimed) if claimed == md5 => Ok(()),
        Ok(claimed) if claimed.len() == md5.len() => Err(error(
            S3ErrorCode::BadDigest,
            "The Content-MD5 you specified did not match what we received.",
        )),
        _ => Err(error(
            S3ErrorCode::InvalidDigest,
            "The Content-MD5 you specified was invalid.",
        )),
    }
}
