//! Listings of objects and of versions, page by page.

use std::ops::Bound;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use s3s::S3Result;
use s3s::dto::{
    self, CommonPrefix, DeleteMarkerEntry, ETag, EncodingType, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ObjectVersion,
};

use super::Core;
use super::buckets::owner;
use super::errors::invalid_argument;
use super::keys::form_encode;
use super::object::to_i64;
use super::store::{Bucket, Object, Version};

/// Entries of a page at most (Amazon S3 API reference, ListObjectsV2).
const PAGE_MAX: usize = 1000;

/// Which keys a listing is about.
struct Scope<'a> {
    prefix: &'a str,
    /// Keys that have it behind the prefix are rolled up to it.
    delimiter: Option<&'a str>,
    /// The listing goes on behind this key or rolled-up prefix.
    after: Option<&'a str>,
    /// … unless versions of that key behind this one are still to be listed.
    after_version: Option<&'a str>,
    max: usize,
}

/// A page of a listing. Entries and prefixes are each in order, and count alike.
struct Page<T> {
    entries: Vec<T>,
    prefixes: Vec<String>,
    /// The key or prefix that the page ends with, if more follows.
    next: Option<String>,
}

impl Scope<'_> {
    /// One page; `entries_of` says what a key contributes.
    fn page<'b, T>(
        &self,
        bucket: &'b Bucket,
        entries_of: impl Fn(&'b str, &'b [Version]) -> Vec<T>,
    ) -> Page<T> {
        let mut page = Page {
            entries: Vec::new(),
            prefixes: Vec::new(),
            next: None,
        };
        if self.max == 0 {
            return page;
        }
        let mut last = None;
        for (key, versions) in bucket
            .keys
            .range::<str, _>((self.start(), Bound::Unbounded))
        {
            if !key.starts_with(self.prefix) {
                break;
            }
            let entries = entries_of(key, versions);
            if let Some(rolled_up) = self.rolled_up(key) {
                let known = self.after == Some(rolled_up)
                    || page
                        .prefixes
                        .last()
                        .is_some_and(|prefix| prefix == rolled_up);
                if known || entries.is_empty() {
                    continue;
                }
                if page.is_full(self.max) {
                    page.next = last;
                    break;
                }
                page.prefixes.push(rolled_up.to_owned());
                last = Some(rolled_up.to_owned());
                continue;
            }
            for entry in entries {
                if page.is_full(self.max) {
                    page.next = last;
                    return page;
                }
                page.entries.push(entry);
                last = Some(key.clone());
            }
        }
        page
    }

    fn start(&self) -> Bound<&str> {
        match self.after {
            Some(after) if after >= self.prefix && self.after_version.is_some() => {
                Bound::Included(after)
            }
            Some(after) if after >= self.prefix => Bound::Excluded(after),
            _ => Bound::Included(self.prefix),
        }
    }

    fn rolled_up<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let place = key[self.prefix.len()..].find(delimiter)?;
        Some(&key[..self.prefix.len() + place + delimiter.len()])
    }
}

impl<T> Page<T> {
    fn is_full(&self, max: usize) -> bool {
        self.entries.len() + self.prefixes.len() >= max
    }
}

/// How names are written: as they are, or encoded, as control characters must be in XML 1.0.
pub(super) struct Encoding(bool);

impl Encoding {
    pub(super) fn of(encoding_type: Option<&EncodingType>) -> S3Result<Self> {
        match encoding_type.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(invalid_argument(
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub(super) fn text(&self, name: &str) -> String {
        if self.0 {
            form_encode(name)
        } else {
            name.to_owned()
        }
    }

    fn option(&self, name: Option<&String>) -> Option<String> {
        name.map(|name| self.text(name))
    }

    fn prefixes(&self, prefixes: &[String]) -> Option<Vec<CommonPrefix>> {
        let prefixes = prefixes.iter().map(|prefix| CommonPrefix {
            prefix: Some(self.text(prefix)),
        });
        (prefixes.len() > 0).then(|| prefixes.collect())
    }
}

/// The size of a page, from `max-keys` and its like.
pub(super) fn page_size(name: &str, asked: Option<i32>) -> S3Result<usize> {
    match asked.map(usize::try_from) {
        None => Ok(PAGE_MAX),
        Some(Ok(asked)) => Ok(asked.min(PAGE_MAX)),
        Some(Err(_)) => Err(invalid_argument(format!(
            "Argument {name} must be an integer between 0 and 2147483647"
        ))),
    }
}

pub(super) fn to_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The current object of a key, if it is not deleted.
fn current<'b>(key: &'b str, versions: &'b [Version]) -> Vec<(&'b str, &'b Version, &'b Object)> {
    versions
        .first()
        .and_then(|version| Some((key, version, version.object.as_ref()?)))
        .into_iter()
        .collect()
}

fn object_entry(
    encoding: &Encoding,
    with_owner: bool,
    (key, version, object): &(&str, &Version, &Object),
) -> dto::Object {
    let sum = object.checksum.as_ref();
    dto::Object {
        checksum_algorithm: sum
            .map(|sum| vec![dto::ChecksumAlgorithm::from_static(sum.algorithm.name())]),
        checksum_type: super::object::checksum_type(sum),
        e_tag: Some(ETag::Strong(object.etag.clone())),
        key: Some(encoding.text(key)),
        last_modified: Some(version.last_modified.into()),
        owner: with_owner.then(owner),
        restore_status: None,
        size: Some(to_i64(object.content.len())),
        storage_class: Some(dto::ObjectStorageClass::from_static(
            dto::ObjectStorageClass::STANDARD,
        )),
    }
}

impl Core {
    pub(super) fn list_v2(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max = page_size("max-keys", input.max_keys)?;
        let token = match &input.continuation_token {
            None => None,
            Some(token) => Some(
                BASE64_URL_SAFE
                    .decode(token)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or_else(|| {
                        invalid_argument("The continuation token provided is incorrect")
                    })?,
            ),
        };
        let state = self.state();
        let page = Scope {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after: token.as_deref().or(input.start_after.as_deref()),
            after_version: None,
            max,
        }
        .page(state.bucket(&input.bucket)?, current);
        let with_owner = input.fetch_owner.unwrap_or_default();
        Ok(ListObjectsV2Output {
            key_count: Some(to_i32(page.entries.len() + page.prefixes.len())),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.map(|next| BASE64_URL_SAFE.encode(next)),
            contents: Some(
                page.entries
                    .iter()
                    .map(|entry| object_entry(&encoding, with_owner, entry))
                    .collect(),
            ),
            common_prefixes: encoding.prefixes(&page.prefixes),
            prefix: Some(encoding.text(input.prefix.as_deref().unwrap_or_default())),
            delimiter: encoding.option(input.delimiter.as_ref()),
            start_after: encoding.option(input.start_after.as_ref()),
            name: Some(input.bucket),
            max_keys: Some(to_i32(max)),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    pub(super) fn list_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max = page_size("max-keys", input.max_keys)?;
        let delimiter = input.delimiter.as_deref().filter(|text| !text.is_empty());
        let state = self.state();
        let page = Scope {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter,
            after: input.marker.as_deref(),
            after_version: None,
            max,
        }
        .page(state.bucket(&input.bucket)?, current);
        Ok(ListObjectsOutput {
            is_truncated: Some(page.next.is_some()),
            // Told only with a delimiter; without one the last key serves (Amazon S3 API reference, ListObjects).
            next_marker: page
                .next
                .filter(|_| delimiter.is_some())
                .map(|next| encoding.text(&next)),
            contents: Some(
                page.entries
                    .iter()
                    .map(|entry| object_entry(&encoding, true, entry))
                    .collect(),
            ),
            common_prefixes: encoding.prefixes(&page.prefixes),
            prefix: Some(encoding.text(input.prefix.as_deref().unwrap_or_default())),
            marker: Some(encoding.text(input.marker.as_deref().unwrap_or_default())),
            delimiter: encoding.option(input.delimiter.as_ref()),
            name: Some(input.bucket),
            max_keys: Some(to_i32(max)),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    /// Keys in UTF-8 order, the versions of each newest first. A version marker that has since been removed starts its
    /// key again: entries may repeat then, none is missed.
    pub(super) fn list_versions(
        &self,
        input: ListObjectVersionsInput,
    ) -> S3Result<ListObjectVersionsOutput> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max = page_size("max-keys", input.max_keys)?;
        let key_marker = input.key_marker.as_deref().filter(|text| !text.is_empty());
        let version_marker = input
            .version_id_marker
            .as_deref()
            .filter(|text| !text.is_empty());
        if version_marker.is_some() && key_marker.is_none() {
            return Err(invalid_argument(
                "A version-id marker cannot be specified without a key marker.",
            ));
        }
        let state = self.state();
        let page = Scope {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|text| !text.is_empty()),
            after: key_marker,
            after_version: version_marker,
            max,
        }
        .page(state.bucket(&input.bucket)?, |key, versions| {
            let listed = match version_marker {
                Some(marker) if Some(key) == key_marker => versions
                    .iter()
                    .position(|version| version.id == marker)
                    .map_or(0, |place| place + 1),
                _ => 0,
            };
            versions
                .iter()
                .enumerate()
                .skip(listed)
                .map(|(place, version)| (key, version, place == 0))
                .collect()
        });
        let next_version_id_marker = match (&page.next, page.entries.last()) {
            (Some(next), Some((key, version, _))) if next == key => Some(version.id.clone()),
            _ => None,
        };
        let (versions, delete_markers) = version_entries(&encoding, &page.entries);
        Ok(ListObjectVersionsOutput {
            common_prefixes: encoding.prefixes(&page.prefixes),
            delete_markers: Some(delete_markers),
            versions: Some(versions),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: encoding.option(page.next.as_ref()),
            next_version_id_marker,
            delimiter: encoding.option(input.delimiter.as_ref()),
            key_marker: Some(encoding.text(input.key_marker.as_deref().unwrap_or_default())),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            prefix: Some(encoding.text(input.prefix.as_deref().unwrap_or_default())),
            name: Some(input.bucket),
            max_keys: Some(to_i32(max)),
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }
}

/// Objects and delete markers, apart.
fn version_entries(
    encoding: &Encoding,
    entries: &[(&str, &Version, bool)],
) -> (Vec<ObjectVersion>, Vec<DeleteMarkerEntry>) {
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for (key, version, is_latest) in entries {
        let key = Some(encoding.text(key));
        let last_modified = Some(version.last_modified.into());
        let version_id = Some(version.id.clone());
        match &version.object {
            None => markers.push(DeleteMarkerEntry {
                is_latest: Some(*is_latest),
                key,
                last_modified,
                owner: Some(owner()),
                version_id,
            }),
            Some(object) => versions.push(ObjectVersion {
                checksum_algorithm: object
                    .checksum
                    .as_ref()
                    .map(|sum| vec![dto::ChecksumAlgorithm::from_static(sum.algorithm.name())]),
                checksum_type: super::object::checksum_type(object.checksum.as_ref()),
                e_tag: Some(ETag::Strong(object.etag.clone())),
                is_latest: Some(*is_latest),
                key,
                last_modified,
                owner: Some(owner()),
                restore_status: None,
                size: Some(to_i64(object.content.len())),
                storage_class: Some(dto::ObjectVersionStorageClass::from_static(
                    dto::ObjectVersionStorageClass::STANDARD,
                )),
                version_id,
            }),
        }
    }
    (versions, markers)
}
