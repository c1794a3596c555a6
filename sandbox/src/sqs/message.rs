//! A message of a queue, and the digests by which SDKs check it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use tokio::time::Instant;

/// A typed message attribute, as SNS and SQS share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, optionally with a custom label after a dot.
    pub data_type: String,
    /// The value: text for String and Number, base64 for Binary.
    pub value: String,
}

impl MessageAttribute {
    /// An attribute of type String.
    #[must_use]
    pub fn string(value: &str) -> Self {
        Self {
            data_type: "String".to_owned(),
            value: value.to_owned(),
        }
    }

    /// Whether the value is base64.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.data_type.split('.').next() == Some("Binary")
    }
}

/// String attributes, typed.
pub(crate) fn text_attributes(
    attributes: &BTreeMap<String, String>,
) -> BTreeMap<String, MessageAttribute> {
    let typed = |(name, value): (&String, &String)| (name.clone(), MessageAttribute::string(value));
    attributes.iter().map(typed).collect()
}

/// How much of a message's size an attribute takes.
pub(crate) fn attribute_bytes((name, attribute): (&String, &MessageAttribute)) -> usize {
    name.len() + attribute.data_type.len() + attribute.value.len()
}

/// A message as the queue keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, MessageAttribute>,
    pub(crate) sent_ms: i64,
    pub(crate) expires_at: Instant,
    /// When the next ReceiveMessage may take it.
    pub(crate) visible_at: Instant,
    /// The handle of the latest receipt; only that one deletes the message.
    pub(crate) receipt: Option<String>,
    pub(crate) receive_count: u32,
    pub(crate) first_received_ms: Option<i64>,
}

/// A message as one ReceiveMessage got it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// What DeleteMessage takes.
    pub(crate) receipt: String,
    pub(crate) message: Message,
}

/// MD5 of a text in lower-case hex.
pub(crate) fn md5_hex(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

/// MD5 of message attributes: of each, in order of name, the length (4 bytes, big-endian) and bytes of name, type and
/// value, with a byte before the value that says text (1) or binary (2). Source: SQS developer guide, "Calculating the
/// MD5 message digest for message attributes".
pub(crate) fn attributes_md5_hex(attributes: &BTreeMap<String, MessageAttribute>) -> String {
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        update_with_length(&mut digest, name.as_bytes());
        update_with_length(&mut digest, attribute.data_type.as_bytes());
        if attribute.is_binary() {
            digest.update([2]);
            let bytes = BASE64.decode(&attribute.value).unwrap_or_default();
            update_with_length(&mut digest, &bytes);
        } else {
            digest.update([1]);
            update_with_length(&mut digest, attribute.value.as_bytes());
        }
    }
    hex::encode(digest.finalize())
}

fn update_with_length(digest: &mut Md5, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}
