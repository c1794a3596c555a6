//! `heads/<hash of key>.json`: the newest published version of a key.

use serde::{Deserialize, Serialize};

use super::{Document, Unknown};

/// The newest version of a raw key that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Schema version of this document.
    pub schema_version: u32,
    /// One more at every write.
    pub revision: u64,
    /// Who wrote this state.
    pub nonce: String,
    /// The raw key.
    pub object_key: String,
    /// Version of the raw object.
    pub version_id: String,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its LastModified, in milliseconds since 1970: orders versions that are no longer listed.
    pub last_modified_ms: i64,
    /// The container's content type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Execution that published it.
    pub execution: String,
    /// Fields that a newer version of this schema added: kept as they are.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Document for Head {
    fn schema_version(&self) -> u32 {
        self.schema_version
    }

    fn stamp(&mut self, schema_version: u32, nonce: String) {
        self.schema_version = schema_version;
        self.revision += 1;
        self.nonce = nonce;
    }

    fn nonce(&self) -> &str {
        &self.nonce
    }
}
