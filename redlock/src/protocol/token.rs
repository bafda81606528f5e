//! Owner tokens, which prove to a node whose key it is, and fencing tokens, which order holders.

use std::fmt;

/// The random value that a node stores in the lock key: 160 bits, written as 40 hexadecimal digits.
///
/// Every *attempt* draws a fresh one. A value reused across attempts lets the delayed release of a
/// failed attempt free the lock of the next one, with no clock fault at all.
///
/// It is a secret in the sense that whoever knows it can release the lock: `Debug` shows only its
/// first eight digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnerToken([u8; 40]);

impl OwnerToken {
    /// Number of random bytes behind a token.
    pub const RANDOM_BYTES: usize = 20;

    /// Encodes 160 random bits.
    pub fn from_random(bytes: [u8; Self::RANDOM_BYTES]) -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut hex = [0; 40];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(hex)
    }

    /// The value as the node stores it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text.
    pub fn as_str(&self) -> &str {
        // Forty ASCII digits by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for OwnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OwnerToken({}…)",
            self.as_str().get(..8).unwrap_or_default()
        )
    }
}

/// A number that grows with every acquisition of a resource: send it with every operation on what
/// the lock protects, and have the store refuse numbers below the highest it has seen.
///
/// It orders holders without any assumption about time. It is not the [`OwnerToken`], which orders
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FencingToken(u64);

impl FencingToken {
    /// The largest number that a node counts to: Lua numbers are exact up to 2^53 − 1, which as
    /// microseconds since 1970 lasts until the year 2255.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// A token read back from a store or from a message.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number to hand to the store.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_token_is_forty_digits_and_debug_keeps_most_of_them() {
        let token = OwnerToken::from_random([0xa5; 20]);
        assert_eq!(token.as_str(), "a5".repeat(20));
        assert_eq!(format!("{token:?}"), "OwnerToken(a5a5a5a5…)");
        assert_ne!(token, OwnerToken::from_random([0xa4; 20]));
    }
}
