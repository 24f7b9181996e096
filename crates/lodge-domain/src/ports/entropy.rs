//! Randomness comes in through this port: for tokens of claims, new keys, and the seed of jitter.

/// A source of random bytes, fit for keys.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

impl dyn Entropy + '_ {
    /// A random number.
    pub fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// 128 random bits as 32 hexadecimal digits.
    pub fn token(&self) -> String {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    }
}
