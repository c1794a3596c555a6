//! Seeded chance: the same seed draws the same ids, tokens and jitter.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A random generator shared by all services.
#[derive(Debug, Clone)]
pub struct SharedRng(Arc<Mutex<ChaCha8Rng>>);

impl SharedRng {
    /// A generator whose draws follow from the seed alone.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))))
    }

    /// `len` random bytes.
    #[must_use]
    pub fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.lock().fill(&mut bytes[..]);
        bytes
    }

    /// `len` random bytes in lower-case hex: twice as many characters.
    #[must_use]
    pub fn hex(&self, len: usize) -> String {
        hex::encode(self.bytes(len))
    }

    /// A random (version 4) UUID.
    #[must_use]
    pub fn uuid(&self) -> String {
        let mut b = self.bytes(16);
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let h = hex::encode(b);
        format!(
            "{}-{}-{}-{}-{}",
            &h[..8],
            &h[8..12],
            &h[12..16],
            &h[16..20],
            &h[20..]
        )
    }

    /// A fraction, uniform in `[0, 1)`.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.lock().random()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ChaCha8Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
