//! Pagination tokens: opaque to clients, valid for 24 hours and for the arguments they were made with.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::wire::ApiError;

/// "Each pagination token expires after 24 hours" (API reference, ListExecutions).
const LIFE: Duration = Duration::from_hours(24);

#[derive(Serialize, Deserialize)]
struct Token<K> {
    /// What is listed: a token serves no other listing.
    of: String,
    made_ms: i64,
    /// The last key of the page before.
    after: K,
}

pub(super) fn token<K: Serialize>(clock: &Clock, of: &str, after: K) -> String {
    let token = Token {
        of: of.to_owned(),
        made_ms: clock.now_ms(),
        after,
    };
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

/// The key to go on after.
///
/// # Errors
/// `InvalidToken` for a token that is foreign, expired, or of other arguments.
pub(super) fn after<K: DeserializeOwned>(
    clock: &Clock,
    of: &str,
    token: &str,
) -> Result<K, ApiError> {
    let invalid = || ApiError::client("InvalidToken", "Invalid Token: 'Invalid token'");
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| invalid())?;
    let token: Token<K> = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let age_ms = u64::try_from(clock.now_ms() - token.made_ms).map_err(|_| invalid())?;
    let expired = Duration::from_millis(age_ms) > clock.scaled(LIFE);
    if expired || token.of != of {
        return Err(invalid());
    }
    Ok(token.after)
}
