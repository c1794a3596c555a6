//! Object tags.

use std::collections::BTreeMap;

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3ErrorCode, S3Result};

use super::Core;
use super::errors::{error, invalid_argument};

/// Limits of the Amazon S3 User Guide, Categorizing your objects using tags; lengths in Unicode characters.
const TAGS_MAX: usize = 10;
const KEY_MAX_CHARS: usize = 128;
const VALUE_MAX_CHARS: usize = 256;

/// The tags of an `x-amz-tagging` header: URL query parameters.
pub(super) fn parse_header(header: &str) -> S3Result<BTreeMap<String, String>> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(header).map_err(|_| {
        invalid_argument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
    })?;
    checked(pairs)
}

fn checked(
    pairs: impl IntoIterator<Item = (String, String)>,
) -> S3Result<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for (key, value) in pairs {
        let invalid = |message| Err(error(S3ErrorCode::InvalidTag, message));
        if key.is_empty() || key.chars().count() > KEY_MAX_CHARS {
            return invalid("The TagKey you have provided is invalid");
        }
        if value.chars().count() > VALUE_MAX_CHARS {
            return invalid("The TagValue you have provided is invalid");
        }
        if key.starts_with("aws:") {
            return invalid("System tags cannot be added/updated by requester");
        }
        if tags.insert(key, value).is_some() {
            return invalid("Cannot provide multiple Tags with the same key");
        }
    }
    if tags.len() > TAGS_MAX {
        let mut error = error(
            S3ErrorCode::Custom("BadRequest".into()),
            "Object tags cannot be greater than 10",
        );
        error.set_status_code(http::StatusCode::BAD_REQUEST);
        return Err(error);
    }
    Ok(tags)
}

impl Core {
    pub(super) fn get_tags(
        &self,
        input: &GetObjectTaggingInput,
    ) -> S3Result<GetObjectTaggingOutput> {
        let state = self.state();
        let bucket = state.bucket(&input.bucket)?;
        let (version, object) = bucket.find(&input.key, input.version_id.as_deref())?;
        Ok(GetObjectTaggingOutput {
            tag_set: object
                .described
                .tags
                .iter()
                .map(|(key, value)| Tag {
                    key: Some(key.clone()),
                    value: Some(value.clone()),
                })
                .collect(),
            version_id: bucket.shown_id(&version.id),
        })
    }

    pub(super) fn put_tags(
        &self,
        input: PutObjectTaggingInput,
    ) -> S3Result<PutObjectTaggingOutput> {
        let tags = checked(
            input
                .tagging
                .tag_set
                .into_iter()
                .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())),
        )?;
        let version_id =
            self.set_tags(&input.bucket, &input.key, input.version_id.as_deref(), tags)?;
        Ok(PutObjectTaggingOutput { version_id })
    }

    pub(super) fn delete_tags(
        &self,
        input: &DeleteObjectTaggingInput,
    ) -> S3Result<DeleteObjectTaggingOutput> {
        let version_id = self.set_tags(
            &input.bucket,
            &input.key,
            input.version_id.as_deref(),
            BTreeMap::new(),
        )?;
        Ok(DeleteObjectTaggingOutput { version_id })
    }

    /// Replaces all tags of a version; returns its id as responses show it.
    pub(super) fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        tags: BTreeMap<String, String>,
    ) -> S3Result<Option<String>> {
        let mut state = self.state();
        let bucket = state.bucket_mut(bucket)?;
        let (id, object) = bucket.find_mut(key, version_id)?;
        object.described.tags = tags;
        Ok(bucket.shown_id(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(header: &str, code: &str) {
        assert_eq!(parse_header(header).unwrap_err().code().as_str(), code);
    }

    #[test]
    fn tag_headers_are_query_parameters_within_limits() {
        let tags = parse_header("a=1&b%20c=%C3%A9&d=").unwrap();
        let expect = [("a", "1"), ("b c", "é"), ("d", "")];
        assert!(
            tags.iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .eq(expect)
        );
        refused("a=1&a=2", "InvalidTag");
        refused("aws:x=1", "InvalidTag");
        refused(&format!("{}=1", "k".repeat(129)), "InvalidTag");
        refused(&format!("k={}", "v".repeat(257)), "InvalidTag");
        let eleven: Vec<String> = (0..11).map(|n| format!("k{n}=v")).collect();
        refused(&eleven.join("&"), "BadRequest");
    }
}
