//! Where a resource lives on a node.

use std::fmt;

/// A resource, its lock key and its fencing stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockKey {
    key: Box<[u8]>,
    resource_at: usize,
    stripe: u32,
}

impl LockKey {
    /// The longest resource name, in bytes. Names travel in every call to every node.
    pub const MAX_RESOURCE_BYTES: usize = 4096;

    /// `<prefix>:lock:<resource>`, byte for byte.
    ///
    /// Two resources never share a key, and no resource reaches the guard's own keys: a prefix has
    /// no `:` (see [`valid_prefix`]), so the key can be read back unambiguously.
    pub fn new(prefix: &str, resource: &[u8], stripes: u32) -> Self {
        let resource_at = prefix.len() + ":lock:".len();
        let mut key = Vec::with_capacity(resource_at + resource.len());
        key.extend_from_slice(prefix.as_bytes());
        key.extend_from_slice(b":lock:");
        key.extend_from_slice(resource);
        Self {
            key: key.into_boxed_slice(),
            resource_at,
            stripe: stripe(resource, stripes),
        }
    }

    /// The key on every node.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The resource as the caller named it.
    pub fn resource(&self) -> &[u8] {
        &self.key[self.resource_at..]
    }

    /// The fencing counter that this resource shares with others.
    pub const fn stripe(&self) -> u32 {
        self.stripe
    }
}

impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource().escape_ascii().to_string())
    }
}

/// The hash that holds a cluster's settings, the admitted identity and all fencing counters.
pub fn guard_key(prefix: &str) -> String {
    format!("{prefix}:guard")
}

/// The key whose expiry ends a node's quarantine.
pub fn quarantine_key(prefix: &str) -> String {
    format!("{prefix}:quarantine")
}

/// Whether `prefix` can stand before the keys of a cluster: 1 to 64 letters, digits, `.`, `_` or `-`.
pub fn valid_prefix(prefix: &str) -> bool {
    (1..=64).contains(&prefix.len())
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// FNV-1a, 64 bits. All clients of a cluster must agree on it, so it is spelled out here and not left
/// to a hasher that may change.
fn stripe(resource: &[u8], stripes: u32) -> u32 {
    let hash = resource
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    u32::try_from(hash % u64::from(stripes.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn awkward_resources_have_keys_of_their_own() {
        let long = vec![b'x'; LockKey::MAX_RESOURCE_BYTES];
        let resources: [&[u8]; 12] = [
            b"a",
            b"a:",
            b":a",
            b"a:bc",
            b"ab:c",
            b"guard",
            b":guard",
            b"lock:a",
            b"\0",
            b"\xff\xfe",
            b"{a}",
            &long,
        ];
        let mut keys: BTreeSet<_> = resources
            .iter()
            .map(|resource| LockKey::new("redlock", resource, 8).key().to_vec())
            .collect();
        keys.insert(guard_key("redlock").into_bytes());
        keys.insert(quarantine_key("redlock").into_bytes());
        assert_eq!(keys.len(), resources.len() + 2);
    }

    #[test]
    fn prefixes_cannot_forge_the_separator() {
        for good in ["redlock", "a", "billing-v2_eu.west"] {
            assert!(valid_prefix(good));
        }
        for bad in ["", "a:b", "a b", "lock:", "{x}", "ü", &"x".repeat(65)] {
            assert!(!valid_prefix(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_stripe_of_a_resource_is_fixed_for_ever() {
        // FNV-1a test vectors: "" is cbf29ce484222325, "foobar" is 85944171f73967e8.
        assert_eq!(
            stripe(b"", u32::MAX),
            u32::try_from(0xcbf2_9ce4_8422_2325_u64 % u64::from(u32::MAX)).unwrap()
        );
        assert_eq!(stripe(b"foobar", 256), 0xe8);
        assert_eq!(stripe(b"foobar", 0), 0);
    }

    proptest! {
        #[test]
        fn the_key_reads_back_as_the_resource(
            prefix in "[A-Za-z0-9._-]{1,20}", other in "[A-Za-z0-9._-]{1,20}",
            a in proptest::collection::vec(any::<u8>(), 1..40),
            b in proptest::collection::vec(any::<u8>(), 1..40),
        ) {
            let one = LockKey::new(&prefix, &a, 256);
            let two = LockKey::new(&other, &b, 256);
            prop_assert_eq!(one.resource(), &a[..]);
            prop_assert_eq!(one.key() == two.key(), prefix == other && a == b);
        }
    }
}
