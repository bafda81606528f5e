//! The faults of a scenario.
//!
//! They are those of plans ([`simulator::plan::Fault`]), with times in TTLs and, where locks differ in what there is to
//! break, the contenders that they are for.

use std::{fmt, ops::Range};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use simulator::{
    clock::ClockName,
    plan::{Role, Target},
};

use super::{contender::Contender, ttls::Ttls};

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Fault {
    /// When, for how long, for whom.
    #[serde(flatten)]
    pub when: When,
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
    /// Where it stands in its file, in bytes.
    #[serde(skip)]
    pub at: Range<usize>,
}

/// When a fault falls, and for which locks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// When it begins, in TTLs since the cluster went into service.
    pub start_ttls: Ttls,
    /// How long it lasts, in TTLs; until the world heals if it is missing. What happens at once (`reset`, `clock_step`,
    /// `flush_all`, `script_flush`, `failover`) has none.
    #[serde(default)]
    pub duration_ttls: Option<Ttls>,
    /// The locks that it is for: contenders, `"single"` (one Redis, replicated or not) or `"cluster"` (Redlock in all its variants).
    /// All if it is missing.
    #[serde(default)]
    pub only: Option<Vec<Only>>,
}

/// Locks that a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected \"cluster\", \"single\" or the name of a contender"
)]
pub enum Only {
    /// A family of them.
    Family(Family),
    /// One.
    Contender(Contender),
}

/// A family of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Every variant of Redlock.
    Cluster,
    /// Every lock on one Redis, replicated or not.
    Single,
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Family(Family::Cluster) => "cluster",
            Self::Family(Family::Single) => "single",
            Self::Contender(one) => one.name(),
        })
    }
}

impl Kind {
    /// Whether it happens at once, and has no duration.
    pub const fn is_instant(&self) -> bool {
        matches!(
            self,
            Self::Reset(_)
                | Self::ClockStep(_)
                | Self::FlushAll(_)
                | Self::ScriptFlush(_)
                | Self::Failover(_)
        )
    }
}

impl Only {
    /// Whether `contender` is meant.
    pub fn means(self, contender: Contender) -> bool {
        match self {
            Self::Family(Family::Cluster) => contender.is_redlock(),
            Self::Family(Family::Single) => contender.is_single(),
            Self::Contender(one) => one == contender,
        }
    }
}

/// A host by its name (`node-1` …, `client-1` …, `store`) or by the part that it plays as the fault begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who(pub Target);

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let roles = || Role::ALL.map(|(_, name)| name).join(", ");
        text.parse().map(Self).map_err(|_| {
            de::Error::custom(format_args!(
                "{text:?} is neither a host (`node-1`, `client-2`, `store`) nor a role ({})",
                roles()
            ))
        })
    }
}

impl Serialize for Who {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl JsonSchema for Who {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Who".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let roles = Role::ALL.map(|(_, name)| name);
        schemars::json_schema!({
            "description": "A host by its name, or by the part that it plays as the fault begins.",
            "type": "string",
            "anyOf": [
                { "enum": roles },
                { "pattern": "^(node|client)-[1-9][0-9]*$" },
            ],
        })
    }
}

/// One or several of something: `"node-1"` or `["node-1", "node-2"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Many<T>(#[schemars(with = "OneOrList<T>")] pub Vec<T>);

/// Only described, never read: what is said of a mistake inside an untagged enum does not say what the mistake is.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of the list above")]
enum OneOrList<T> {
    One(T),
    Many(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Visitor(std::marker::PhantomData))
    }
}

struct Visitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one, or a list of at least one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(de::value::StrDeserializer::new(text)).map(|one| Many(vec![one]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element()? {
            all.push(one);
        }
        if all.is_empty() {
            return Err(de::Error::invalid_length(0, &self));
        }
        Ok(Many(all))
    }
}

/// A clock of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// CLOCK_REALTIME: what Redis expires keys by.
    Wall,
    /// CLOCK_MONOTONIC: what timers and `Instant` follow; stops in suspend.
    Monotonic,
    /// CLOCK_MONOTONIC_RAW: the same without slewing; stops in suspend.
    Raw,
    /// CLOCK_BOOTTIME: goes on in suspend.
    Boot,
}

impl From<Clock> for ClockName {
    fn from(clock: Clock) -> Self {
        match clock {
            Clock::Wall => Self::Wall,
            Clock::Monotonic => Self::Monotonic,
            Clock::Raw => Self::Raw,
            Clock::Boot => Self::Boot,
        }
    }
}

/// Directed links: every pair of one of `from` and one of `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// One end.
    pub from: Many<Who>,
    /// The other end.
    pub to: Many<Who>,
    /// Whether what comes back is hit as well.
    #[serde(default)]
    pub direction: Direction,
}

/// Which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both ways. The default.
    #[default]
    Both,
    /// Only what travels from `from` to `to`.
    OneWay,
}

/// `slow`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// One end.
    pub from: Many<Who>,
    /// The other end.
    pub to: Many<Who>,
    /// Whether what comes back is hit as well.
    #[serde(default)]
    pub direction: Direction,
    /// The least that is added to a segment's latency, in TTLs.
    pub extra_ttls_min: Ttls,
    /// The most that is added, in TTLs.
    pub extra_ttls_max: Ttls,
}

/// `lose`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lose {
    /// One end.
    pub from: Many<Who>,
    /// The other end.
    pub to: Many<Who>,
    /// Whether what comes back is hit as well.
    #[serde(default)]
    pub direction: Direction,
    /// Of a million segments, how many are lost, and retransmitted later.
    pub loss_ppm: u32,
}

/// `flap`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// One end.
    pub from: Many<Who>,
    /// The other end.
    pub to: Many<Who>,
    /// Whether what comes back is hit as well.
    #[serde(default)]
    pub direction: Direction,
    /// How long a cut lasts, in TTLs.
    pub down_ttls: Ttls,
    /// How long the link is whole in between, in TTLs.
    pub up_ttls: Ttls,
}

/// `ring`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// In order; each reaches its two neighbours only.
    pub hosts: Many<Who>,
}

/// `bridge`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// One side.
    pub left: Many<Who>,
    /// The other side, which the first does not reach.
    pub right: Many<Who>,
    /// Those that both reach.
    pub bridge: Many<Who>,
}

/// Whom it hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// The host, or whoever plays the role.
    pub target: Who,
}

/// `crash`, `power_loss`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Death {
    /// The host, or whoever plays the role. It starts again as the fault ends.
    pub target: Who,
    /// Its disk is empty when it starts again.
    #[serde(default)]
    pub lose_data: bool,
}

/// `failover`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// The replica.
    pub target: Who,
    /// Whether the old master is made a replica of the new one as soon as it can be reached.
    #[serde(default)]
    pub repoint: bool,
}

/// `clock_step`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// Whose clocks.
    pub target: Who,
    /// Which of them.
    pub clocks: Many<Clock>,
    /// By how many TTLs; negative is back.
    pub by_ttls: f64,
}

/// `clock_drift`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockDrift {
    /// Whose clocks.
    pub target: Who,
    /// Which of them.
    pub clocks: Many<Clock>,
    /// By how many parts per million their rate is off.
    pub rate_error_ppm: i32,
}

/// `clock_freeze`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockFreeze {
    /// Whose clocks.
    pub target: Who,
    /// Which of them.
    pub clocks: Many<Clock>,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:literal $variant:ident($body:ty),)*) => {
        /// What goes wrong.
        #[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant($body),)*
        }

        impl Kind {
            /// As files spell them.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// As files spell it.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// The fields of a fault of this kind; `None` if there is no such kind.
            pub(super) fn read<'de, D: Deserializer<'de>>(
                kind: &str,
                fields: D,
            ) -> Option<Result<Self, D::Error>> {
                match kind {
                    $($name => Some(<$body>::deserialize(fields).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// Segments wait until the fault ends, and then arrive in order.
    "hold" Hold(Links),
    /// Segments are dropped, and retransmitted after the fault as TCP does.
    "cut" Cut(Links),
    /// Latency is added.
    "slow" Slow(Slow),
    /// Segments are lost, and retransmitted.
    "lose" Lose(Lose),
    /// Connections are reset, once.
    "reset" Reset(Links),
    /// Cut and healed in turn.
    "flap" Flap(Flap),
    /// Each host reaches its two neighbours only.
    "ring" Ring(Ring),
    /// Two sides that do not reach each other, and a bridge that both reach.
    "bridge" Bridge(Bridge),
    /// The process is not scheduled, as under SIGSTOP or a stop-the-world collection.
    "pause" Pause(On),
    /// The machine sleeps: `monotonic` and `raw` stand still.
    "suspend" Suspend(On),
    /// The hypervisor stops the machine: all four clocks stand still.
    "stop_machine" StopMachine(On),
    /// The process dies (SIGKILL), and starts again as the fault ends.
    "crash" Crash(Death),
    /// The machine loses power, and boots as the fault ends.
    "power_loss" PowerLoss(Death),
    /// Clocks jump, once.
    "clock_step" ClockStep(ClockStep),
    /// Clocks run at a rate that is off.
    "clock_drift" ClockDrift(ClockDrift),
    /// Clocks stand still.
    "clock_freeze" ClockFreeze(ClockFreeze),
    /// FLUSHALL, once.
    "flush_all" FlushAll(On),
    /// SCRIPT FLUSH, once.
    "script_flush" ScriptFlush(On),
    /// CLIENT PAUSE … ALL for as long as the fault lasts.
    "client_pause" ClientPause(On),
    /// The node answers writes with READONLY.
    "read_only" ReadOnly(On),
    /// The node is full: it evicts if its policy says so, and refuses writes if not.
    "memory_full" MemoryFull(On),
    /// The replica is promoted, as Sentinel does, once.
    "failover" Failover(Failover),
}
