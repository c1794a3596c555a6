//! Task tokens: opaque, unforgeable, and recognisable wherever they should not be.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use crate::rng::SharedRng;

/// Text that every task token contains, so that a test can look for tokens in logs, reports, tags and messages.
pub const TOKEN_CANARY: &str = "REELGATE0CANARY";

/// Real tokens of activities are 448 bytes, 600 characters of padded Base64, and begin with `AAAAKgAAAAIAAAAAAAAAA`.
const HEADER: [u8; 18] = [0, 0, 0, 0x2a, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const TOKEN_BYTES: usize = 448;
/// The canary's text fills 16 characters, so that it stands in the token as it is.
const CANARY_BYTES: usize = 12;
const TAG_BYTES: usize = 32;

/// Number of a task: the n-th attempt of any activity task in this account.
pub(super) type TaskId = u64;

/// Makes tokens, and knows its own again without keeping them.
pub(super) struct Mint {
    rng: SharedRng,
    key: Vec<u8>,
}

impl Mint {
    pub(super) fn new(rng: SharedRng) -> Self {
        let key = rng.bytes(32);
        Self { rng, key }
    }

    pub(super) fn token(&self, task: TaskId) -> String {
        let canary = BASE64_STANDARD
            .decode(format!("{TOKEN_CANARY}/"))
            .unwrap_or_default();
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.extend(HEADER);
        bytes.extend(canary);
        bytes.extend(task.to_be_bytes());
        bytes.extend(self.rng.bytes(TOKEN_BYTES - TAG_BYTES - bytes.len()));
        let tag = self.tag(&bytes);
        bytes.extend(tag);
        BASE64_STANDARD.encode(bytes)
    }

    /// The task that a token was made for; None for a text that is no token of this mint.
    pub(super) fn task(&self, token: &str) -> Option<TaskId> {
        let bytes = BASE64_STANDARD.decode(token).ok()?;
        let (content, tag) = bytes.split_at_checked(TOKEN_BYTES - TAG_BYTES)?;
        let at = HEADER.len() + CANARY_BYTES;
        let task = content.get(at..at + size_of::<TaskId>())?;
        (self.tag(content) == tag)
            .then(|| task.try_into().ok().map(TaskId::from_be_bytes))
            .flatten()
    }

    fn tag(&self, content: &[u8]) -> Vec<u8> {
        Sha256::new()
            .chain_update(&self.key)
            .chain_update(content)
            .finalize()
            .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_look_like_those_of_aws_and_carry_the_canary() {
        let token = Mint::new(SharedRng::seeded(7)).token(3);
        assert_eq!(token.len(), 600);
        assert!(token.starts_with("AAAAKgAAAAIAAAAAAAAAA"), "{token}");
        assert!(token.contains(TOKEN_CANARY), "{token}");
    }

    #[test]
    fn a_mint_knows_its_own_tokens_and_no_others() {
        let mint = Mint::new(SharedRng::seeded(7));
        let token = mint.token(3);
        assert_eq!(mint.task(&token), Some(3));
        assert_ne!(mint.token(3), token);
        assert_eq!(Mint::new(SharedRng::seeded(8)).task(&token), None);
        let mut altered = token.into_bytes();
        altered[60] = if altered[60] == b'A' { b'B' } else { b'A' };
        assert_eq!(mint.task(std::str::from_utf8(&altered).unwrap()), None);
        assert_eq!(mint.task("garbage"), None);
    }
}
