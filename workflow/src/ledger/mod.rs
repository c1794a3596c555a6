//! The ledger: one private bucket that holds all state between invocations, changed by compare-and-swap only.
//!
//! Invariants:
//! - Every write is conditional: If-None-Match creates, If-Match replaces and deletes.
//! - Every state carries a revision and its writer's nonce, so no two states have equal bytes, and equal ETags mean
//!   equal states. After a conflict or a lost response one reads again: one's own nonce means that the write arrived.
//! - A document of a newer schema than this program's is left untouched.

mod analysis;
mod budget;
mod copying;
mod document;
mod head;
mod record;
mod slot;

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;

use crate::clock::Nonces;
use crate::errors::{CallError, Disposition, Operation};

pub use analysis::{Analysis, Counted};
pub use budget::{Allowance, Budget, counted_minutes};
pub use copying::Copying;
pub use document::{Document, Schema, Stored, Unknown, parse};
pub use head::Head;
pub use record::{
    HeldToken, Judged, LastError, LeaseTerm, Media, Outcome, Phase, Record, SlotClaim, Times,
};
pub use slot::{Binding, Slot, free_numbers};

/// Tries of one compare-and-swap before its caller gives up for this invocation: each lost one means that somebody
/// else made progress.
const SWAPS_MAX: usize = 20;

/// Why the ledger did not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// S3 refused or did not answer.
    #[error("the ledger is not reachable")]
    Call(#[from] CallError),
    /// Bytes that this program did not write.
    #[error(
        "{key} in the ledger is not readable: {reason}; it is left as it is, look at it and delete it by hand"
    )]
    Corrupt {
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A document that a newer version of this program wrote.
    #[error(
        "{key} in the ledger has schema version {version}, newer than this program's; it is left to the newer version"
    )]
    Newer {
        /// Its key.
        key: String,
        /// Its schema version.
        version: u32,
    },
    /// Others kept changing the document.
    #[error("{key} in the ledger changed {SWAPS_MAX} times while it was being changed")]
    Contended {
        /// Its key.
        key: String,
    },
}

impl LedgerError {
    /// Whether the document is one that this program must not touch.
    #[must_use]
    pub fn leaves_alone(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Newer { .. })
    }
}

/// What became of a conditional write.
#[derive(Debug)]
pub enum Swap<T> {
    /// It is written, and nobody's state was lost.
    Done(T),
    /// Another state is there.
    Lost,
}

/// What an edit decided about the document it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Write it back as it is now.
    Write,
    /// Leave the stored document as it was.
    Leave,
}

/// What must be there for a write to happen.
enum Condition<'a> {
    /// Anything.
    None,
    /// Nothing.
    Absent,
    /// Exactly the state of this ETag.
    Is(&'a str),
}

/// The ledger bucket.
#[derive(Debug, Clone)]
pub struct Ledger {
    s3: aws_sdk_s3::Client,
    bucket: String,
    nonces: Arc<dyn Nonces>,
    schema: Schema,
}

impl Ledger {
    /// The ledger in `bucket`.
    #[must_use]
    pub fn new(s3: aws_sdk_s3::Client, bucket: String, nonces: Arc<dyn Nonces>) -> Self {
        Self {
            s3,
            bucket,
            nonces,
            schema: Schema::CURRENT,
        }
    }

    /// The same ledger as another release deals with it.
    #[must_use]
    pub fn with_schema(self, schema: Schema) -> Self {
        Self { schema, ..self }
    }

    /// A nonce of the ledger's own source.
    #[must_use]
    pub fn nonce(&self) -> String {
        self.nonces.nonce()
    }

    /// The bytes of an object and their ETag; None if there is no such object.
    ///
    /// # Errors
    /// [`LedgerError::Call`].
    pub async fn get_bytes(&self, key: &str) -> Result<Option<(Vec<u8>, String)>, LedgerError> {
        let answer = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        let output = match answer {
            Ok(output) => output,
            Err(error) => {
                let error = CallError::new(Operation::LedgerGet, &error);
                return if error.is_absent() {
                    Ok(None)
                } else {
                    Err(error.into())
                };
            }
        };
        let etag = output.e_tag.unwrap_or_default();
        let bytes = output.body.collect().await.map_err(|error| CallError {
            operation: Operation::LedgerGet,
            disposition: Disposition::Unknown,
            code: None,
            message: error.to_string(),
        })?;
        Ok(Some((bytes.to_vec(), etag)))
    }

    /// A document; None if there is none of that key.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn get<T: Document>(&self, key: &str) -> Result<Option<Stored<T>>, LedgerError> {
        let Some((bytes, etag)) = self.get_bytes(key).await? else {
            return Ok(None);
        };
        let value = parse::<T>(key, &bytes, self.schema.read_max)?;
        Ok(Some(Stored {
            key: key.to_owned(),
            value,
            etag,
        }))
    }

    /// Whether there is an object of that key.
    ///
    /// # Errors
    /// [`LedgerError::Call`].
    pub async fn exists(&self, key: &str) -> Result<bool, LedgerError> {
        match self
            .s3
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error) => {
                let error = CallError::new(Operation::LedgerGet, &error);
                if error.is_absent() {
                    Ok(false)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// Writes a document that must not exist yet.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn create<T: Document>(
        &self,
        key: &str,
        value: T,
    ) -> Result<Swap<Stored<T>>, LedgerError> {
        self.put(key, value, None).await
    }

    /// Writes the successor of a stored document.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn replace<T: Document>(
        &self,
        key: &str,
        value: T,
        etag: &str,
    ) -> Result<Swap<Stored<T>>, LedgerError> {
        self.put(key, value, Some(etag)).await
    }

    async fn put<T: Document>(
        &self,
        key: &str,
        mut value: T,
        etag: Option<&str>,
    ) -> Result<Swap<Stored<T>>, LedgerError> {
        let schema_version = value.schema_version().max(self.schema.written);
        value.stamp(schema_version, self.nonces.nonce());
        let bytes = serde_json::to_vec(&value).map_err(|error| LedgerError::Corrupt {
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
        let condition = etag.map_or(Condition::Absent, Condition::Is);
        let error = match self.send(key, bytes, "application/json", condition).await {
            Ok(etag) => {
                return Ok(Swap::Done(Stored {
                    key: key.to_owned(),
                    value,
                    etag,
                }));
            }
            Err(error) => error,
        };
        // A conflict, an absent predecessor or a lost response: only what is there now tells who won.
        match error.disposition {
            Disposition::Conflict | Disposition::Absent | Disposition::Unknown => {
                match self.get::<T>(key).await? {
                    Some(stored) if stored.value.nonce() == value.nonce() => Ok(Swap::Done(stored)),
                    _ if error.disposition == Disposition::Unknown => Err(error.into()),
                    _ => Ok(Swap::Lost),
                }
            }
            _ => Err(error.into()),
        }
    }

    /// Writes bytes in place of exactly those of an ETag, or where there are none yet.
    ///
    /// # Errors
    /// [`LedgerError::Call`].
    pub async fn put_bytes(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
        etag: Option<&str>,
    ) -> Result<Swap<()>, LedgerError> {
        let condition = etag.map_or(Condition::Absent, Condition::Is);
        match self.send(key, bytes, content_type, condition).await {
            Ok(_) => Ok(Swap::Done(())),
            Err(error) => match error.disposition {
                Disposition::Conflict | Disposition::Absent => Ok(Swap::Lost),
                _ => Err(error.into()),
            },
        }
    }

    /// Writes bytes that only accompany a document, in place of whatever is there.
    ///
    /// # Errors
    /// [`LedgerError::Call`].
    pub async fn overwrite(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
    ) -> Result<(), LedgerError> {
        self.send(key, bytes, content_type, Condition::None).await?;
        Ok(())
    }

    /// The one PutObject of the ledger; returns the new ETag.
    async fn send(
        &self,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
        condition: Condition<'_>,
    ) -> Result<String, CallError> {
        let put = self
            .s3
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(bytes));
        let put = match condition {
            Condition::None => put,
            Condition::Absent => put.if_none_match("*"),
            Condition::Is(etag) => put.if_match(etag),
        };
        match put.send().await {
            Ok(output) => Ok(output.e_tag.unwrap_or_default()),
            Err(error) => Err(CallError::new(Operation::LedgerPut, &error)),
        }
    }

    /// Deletes exactly the state that was stored.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn delete(&self, key: &str, etag: &str) -> Result<Swap<()>, LedgerError> {
        let answer = self
            .s3
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .if_match(etag)
            .send()
            .await;
        let error = match answer {
            Ok(_) => return Ok(Swap::Done(())),
            Err(error) => CallError::new(Operation::LedgerDelete, &error),
        };
        match error.disposition {
            Disposition::Absent => Ok(Swap::Done(())),
            Disposition::Conflict | Disposition::Unknown => match self.get_bytes(key).await? {
                None => Ok(Swap::Done(())),
                Some((_, now)) if now == etag => Err(error.into()),
                Some(_) => Ok(Swap::Lost),
            },
            _ => Err(error.into()),
        }
    }

    /// Changes a document by compare-and-swap until it holds: `edit` is shown every state that comes up on the way.
    /// Returns the state after the edit, or None if there is no such document (any more).
    ///
    /// The closure is not a parameter of type: each of some thirty edits would be compiled with its own copy of the loop and of
    /// the calls below.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn edit<T: Document + Clone>(
        &self,
        mut stored: Stored<T>,
        edit: &mut (dyn FnMut(&mut T) -> Edit + Send),
    ) -> Result<Option<Stored<T>>, LedgerError> {
        for _ in 0..SWAPS_MAX {
            let mut next = stored.value.clone();
            if edit(&mut next) == Edit::Leave {
                return Ok(Some(stored));
            }
            match self.replace(&stored.key, next, &stored.etag).await? {
                Swap::Done(stored) => return Ok(Some(stored)),
                Swap::Lost => match self.get(&stored.key).await? {
                    Some(current) => stored = current,
                    None => return Ok(None),
                },
            }
        }
        Err(LedgerError::Contended { key: stored.key })
    }

    /// All keys below a prefix, in order.
    ///
    /// # Errors
    /// [`LedgerError::Call`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, LedgerError> {
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let list = self
                .s3
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix);
            let page = list
                .set_continuation_token(token)
                .send()
                .await
                .map_err(|error| CallError::new(Operation::LedgerList, &error))?;
            keys.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|object| object.key),
            );
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(keys);
            }
        }
    }
}
