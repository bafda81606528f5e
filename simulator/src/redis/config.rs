//! How a server is set up.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// The host's clocks when something happens to a server on it.
///
/// Redis lives by the wall clock: expiry, uptime, the once-a-second fsync and the save points all follow it. Only the rhythm
/// in which the server wakes up by itself is monotonic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Now {
    /// The wall clock, in microseconds since the Unix epoch.
    pub wall_us: u64,
    /// The monotonic clock, in microseconds since any fixed moment of the host.
    pub monotonic_us: u64,
}

impl Now {
    /// The wall clock in whole milliseconds since the Unix epoch, as Redis reads it for expiry.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        i64::try_from(self.wall_us / 1000).unwrap_or(i64::MAX)
    }

    pub(super) fn wall_s(&self) -> i64 {
        i64::try_from(self.wall_us / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// When a key with expiry time `t` is gone, `now` being the wall clock's whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryRule {
    /// When `now > t`: up to Redis 7.4. The key lives through the millisecond `t`. The default.
    #[default]
    After,
    /// When `now >= t`: Redis 8, a millisecond earlier. Its active expiry may delete the key as that millisecond begins.
    At,
}

impl ExpiryRule {
    /// Whether a key that expires at `at_ms` is gone at `now_ms`.
    #[must_use]
    pub fn expired(self, at_ms: i64, now_ms: i64) -> bool {
        match self {
            Self::After => now_ms > at_ms,
            Self::At => now_ms >= at_ms,
        }
    }

    /// What the wall clock shows, in nanoseconds since 1970, from which on a key that expires at `at_ms` is gone.
    #[must_use]
    pub fn gone_from(self, at_ms: i64) -> i64 {
        let whole = match self {
            Self::After => at_ms.saturating_add(1),
            Self::At => at_ms,
        };
        whole.saturating_mul(1_000_000)
    }
}

/// Save when so much changed in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavePoint {
    /// More than this many seconds of the wall clock since the last save.
    pub seconds: u32,
    /// And at least this many changes since then.
    pub changes: u64,
}

/// What of its memory a server keeps on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// Nothing: every restart forgets everything. The default.
    #[default]
    None,
    /// `appendonly yes`, `appendfsync everysec`: survives a crash of the process; loses a second at power loss. (Redis puts
    /// writes off for up to two seconds while an fsync is under way, and a crash of the process then loses them as well; here
    /// an fsync takes no time.)
    AofEverysec,
    /// `appendonly yes`, `appendfsync always`: everything that was answered survives.
    AofAlways,
    /// Snapshots: a crash and a power loss both set the memory back to the last one.
    Rdb {
        /// When a snapshot is made without being asked for. With any, a clean shutdown makes one too; with none it does not,
        /// as in Redis.
        save_points: Vec<SavePoint>,
    },
}

impl Persistence {
    pub(super) fn appends(&self) -> bool {
        matches!(self, Self::AofEverysec | Self::AofAlways)
    }
}

/// What happens when `maxmemory` is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaxmemoryPolicy {
    /// Commands that may need memory are refused. The default.
    #[default]
    Noeviction,
    /// The least recently used key goes.
    AllkeysLru,
    /// As [`AllkeysLru`](Self::AllkeysLru): frequency is not counted.
    AllkeysLfu,
    /// Any key goes.
    AllkeysRandom,
    /// The least recently used key with a TTL goes: locks have one.
    VolatileLru,
    /// As [`VolatileLru`](Self::VolatileLru): frequency is not counted.
    VolatileLfu,
    /// Any key with a TTL goes.
    VolatileRandom,
    /// The key that expires first goes.
    VolatileTtl,
}

impl MaxmemoryPolicy {
    const ALL: [(Self, &'static str); 8] = [
        (Self::VolatileLru, "volatile-lru"),
        (Self::VolatileLfu, "volatile-lfu"),
        (Self::VolatileRandom, "volatile-random"),
        (Self::VolatileTtl, "volatile-ttl"),
        (Self::AllkeysLru, "allkeys-lru"),
        (Self::AllkeysLfu, "allkeys-lfu"),
        (Self::AllkeysRandom, "allkeys-random"),
        (Self::Noeviction, "noeviction"),
    ];

    /// Its name in redis.conf.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(policy, _)| *policy == self);
        found.map_or("noeviction", |(_, name)| name)
    }

    pub(super) fn by_name(name: &[u8]) -> Option<Self> {
        let found = Self::ALL
            .iter()
            .find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map(|(policy, _)| *policy)
    }

    pub(super) fn names() -> String {
        Self::ALL.map(|(_, name)| name).join(", ")
    }
}

/// The version that a server claims, and whose texts it speaks: 6.2 or 7.0; later ones speak as 7.0 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u8, pub u8, pub u8);

impl Version {
    /// The oldest that the client supports.
    pub const V6_2: Self = Self(6, 2, 14);
    /// Debian's.
    pub const V7_0: Self = Self(7, 0, 15);

    pub(super) fn is_7(self) -> bool {
        self.0 >= 7
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::V7_0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// How a server is set up. The default is Redis 7.0 that persists nothing, without a password or a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// When a key is gone.
    pub expiry: ExpiryRule,
    /// What the disk keeps.
    pub persistence: Persistence,
    /// Bytes after which memory is full; 0, the default, is no limit. Memory is estimated, not measured.
    pub maxmemory: u64,
    /// What happens then.
    pub maxmemory_policy: MaxmemoryPolicy,
    /// The password of the user `default`; none by default.
    pub password: Option<String>,
    /// Commands that the user `default` may not run, in lower case, subcommands as `client|kill`.
    pub denied_commands: BTreeSet<String>,
    /// Whether the server is a replica of something: it refuses writes, and INFO says so. False by default.
    pub replica: bool,
    /// How many replicas INFO says are attached; WAIT still answers 0. None by default.
    pub attached_replicas: u32,
    /// The version claimed and imitated.
    pub version: Version,
    /// Whether expired keys stay until somebody asks for them, instead of being deleted ten times a second too. Off by default.
    pub lazy_expiry_only: bool,
    /// Makes run ids: servers with different seeds have different ones.
    pub seed: u64,
}
