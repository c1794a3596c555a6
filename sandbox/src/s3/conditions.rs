//! Conditional reads and writes.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3Result};
use time::OffsetDateTime;

use super::errors::{
    invalid_argument, no_such_key, not_implemented, not_modified, precondition_failed,
};
use super::store::Object;

/// What a read, or the source of a copy, may depend on.
#[derive(Debug, Default)]
#[allow(clippy::struct_field_names)] // The names of the headers.
pub(super) struct ReadConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// For a GET or HEAD: what has not changed is answered with 304 (Amazon S3 API reference, GetObject).
    pub(super) fn check_get(&self, object: &Object, last_modified: OffsetDateTime) -> S3Result<()> {
        self.check(object, last_modified, not_modified)
    }

    /// For the source of a copy: whatever does not hold is a 412 (Amazon S3 API reference, CopyObject).
    pub(super) fn check_copy(
        &self,
        object: &Object,
        last_modified: OffsetDateTime,
    ) -> S3Result<()> {
        self.check(object, last_modified, precondition_failed)
    }

    /// An ETag condition that holds overrides the condition on the date beside it (Amazon S3 API reference, GetObject,
    /// "both of the If-Match and If-Unmodified-Since headers").
    fn check(
        &self,
        object: &Object,
        last_modified: OffsetDateTime,
        unchanged: fn() -> S3Error,
    ) -> S3Result<()> {
        let after = |time: &Timestamp| last_modified > OffsetDateTime::from(time.clone());
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) if !holds(condition, object) => return Err(precondition_failed()),
            (None, Some(time)) if after(time) => return Err(precondition_failed()),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) if holds(condition, object) => Err(unchanged()),
            (None, Some(time)) if !after(time) => Err(unchanged()),
            _ => Ok(()),
        }
    }
}

/// What a write may depend on, evaluated against the current object of the key.
#[derive(Debug, Default)]
pub(super) struct WriteConditions {
    if_match: Option<ETagCondition>,
    if_none_match: bool,
}

impl WriteConditions {
    /// # Errors
    /// `NotImplemented` for values that writes do not take: `If-None-Match` is `*`, `If-Match` an ETag (Amazon S3 API
    /// reference, PutObject).
    pub(super) fn new(
        if_match: Option<ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Self> {
        if if_none_match.is_some_and(|condition| !condition.is_any()) {
            return Err(not_implemented("If-None-Match with an ETag on a write"));
        }
        if if_match.as_ref().is_some_and(ETagCondition::is_any) {
            return Err(not_implemented("If-Match: * on a write"));
        }
        Ok(Self {
            if_match,
            if_none_match: if_none_match.is_some(),
        })
    }

    /// From the raw headers, for CopyObject: its conditions on the destination are younger (October 2025) than the
    /// model that the protocol library was generated from.
    pub(super) fn of(headers: &HeaderMap) -> S3Result<Self> {
        let condition = |name| {
            headers
                .get(&name)
                .map(|value| {
                    ETagCondition::parse_http_header(value.as_bytes())
                        .map_err(|_| invalid_argument(format!("{name} is not an ETag")))
                })
                .transpose()
        };
        Self::new(condition(IF_MATCH)?, condition(IF_NONE_MATCH)?.as_ref())
    }

    /// # Errors
    /// `PreconditionFailed`, or `NoSuchKey` for an `If-Match` on what is not there (Amazon S3 User Guide, How to
    /// prevent object overwrites with conditional writes).
    pub(super) fn check(&self, current: Option<&Object>) -> S3Result<()> {
        if self.if_none_match && current.is_some() {
            return Err(precondition_failed());
        }
        check_if_match(self.if_match.as_ref(), current)
    }
}

/// For writes, and for deletes, where the ETag may be `*`: any object (Amazon S3 User Guide, How to perform conditional
/// deletes).
///
/// # Errors
/// `PreconditionFailed`, or `NoSuchKey` when the object is gone.
pub(super) fn check_if_match(
    if_match: Option<&ETagCondition>,
    current: Option<&Object>,
) -> S3Result<()> {
    let Some(condition) = if_match else {
        return Ok(());
    };
    match current {
        None => Err(no_such_key()),
        Some(object) if holds(condition, object) => Ok(()),
        Some(_) => Err(precondition_failed()),
    }
}

fn holds(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == object.etag,
    }
}
