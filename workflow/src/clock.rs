//! Time and chance, passed in: the Lambdas give the system's, the simulation its own.

use std::fmt::Debug;

/// Source of wall time.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// Source of nonces.
pub trait Nonces: Debug + Send + Sync {
    /// A string that no other call, in this process or another, gives: 128 random bits or as good.
    fn nonce(&self) -> String;
}

/// How long an invocation may still run.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// When the Lambda service ends the invocation, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Deadline {
    /// Milliseconds left; negative once it has passed.
    #[must_use]
    pub fn left_ms(self, clock: &dyn Clock) -> i64 {
        self.at_ms - clock.now_ms()
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the clock that is passed in"
    )]
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemNonces;

impl Nonces for SystemNonces {
    fn nonce(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()
    }
}
