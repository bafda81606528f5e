//! The format of a scenario's file: TOML, whose fields are those of [`Scenario`].
//!
//! Durations are in TTLs and say so in their names. Everything else has its unit in its name or its description. Unknown
//! fields are errors. `redlock-lab new NAME` writes a template with a comment on every field, and
//! `redlock-lab schema` the JSON Schema with which editors complete the fields.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    contender::Contender,
    fault::Fault,
    outcome::Outcome,
    ttls::{Span, Ttls},
};

/// A scenario: one hazard, and what each lock does about it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
// Not `deny_unknown_fields`, which does not go with `flatten`: reading looks at the two parts one after the other.
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Scenario {
    /// Its name: that of its file, without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// The file that it was read from, as it was given; none if it is of the catalogue.
    #[serde(skip)]
    pub origin: Option<PathBuf>,
    /// All but the faults.
    #[serde(flatten)]
    pub head: Head,
    /// The faults, in any order.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// Whether both are the same but for their names, and for where they stand.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let faults = |scenario: &Self| -> Vec<_> {
            let faults = scenario.faults.iter();
            faults
                .map(|it| (it.when.clone(), it.kind.clone()))
                .collect()
        };
        self.head == other.head && faults(self) == faults(other)
    }
}

/// All of a scenario but its faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The hazard, in a line.
    pub title: String,
    /// What happens and why it matters, in prose, for somebody who has never seen it.
    pub story: String,
    /// Where it comes from: an article, an incident, a bug report. At least one.
    pub sources: Vec<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The TTL in the simulator, in milliseconds. Live runs have one of a second. 1,000 if it is missing.
    #[serde(default = "second")]
    pub ttl_ms: u64,
    /// How long faults may fall, in TTLs, before the world heals.
    pub length_ttls: Ttls,
    /// How long the run goes on after the world healed, in TTLs. 3 if it is missing.
    #[serde(default = "three")]
    pub liveness_ttls: Ttls,
    /// The nodes and the network.
    #[serde(default)]
    pub cluster: Cluster,
    /// How the locks are configured.
    #[serde(default)]
    pub lock: Lock,
    /// The clients, in their order: the first is `client-1`.
    #[serde(rename = "client")]
    pub clients: Vec<Client>,
    /// What must have been seen in the runs of every contender: a run in which it never happened shows nothing.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub sometimes: Vec<Goal>,
    /// What must have been seen besides, by contender.
    #[serde(default)]
    #[schemars(schema_with = "goals_by_contender")]
    pub sometimes_of: BTreeMap<Contender, Vec<Goal>>,
    /// What each contender is expected to come to, whatever the seed. A run that comes to anything else fails, in both directions: a hazard
    /// that no longer shows is as wrong as a new violation. Contenders that are not named do not run.
    #[schemars(schema_with = "outcomes_by_contender")]
    pub verdicts: BTreeMap<Contender, Outcome>,
    /// How it runs on real servers.
    #[serde(default)]
    pub live: Live,
}

pub use simulator::truth::Goal;

/// A table with a field for every contender: editors complete those, and mark others.
fn by_contender(of: &Schema) -> Schema {
    let names = Contender::ALL.map(Contender::name);
    let fields: BTreeMap<_, _> = names.into_iter().map(|name| (name, of)).collect();
    json_schema!({ "type": "object", "properties": fields, "additionalProperties": false })
}

fn outcomes_by_contender(generator: &mut SchemaGenerator) -> Schema {
    by_contender(&generator.subschema_for::<Outcome>())
}

fn goals_by_contender(generator: &mut SchemaGenerator) -> Schema {
    by_contender(&generator.subschema_for::<Vec<String>>())
}

const fn second() -> u64 {
    1_000
}

const fn three() -> Ttls {
    Ttls::new(3.0)
}

/// The nodes and the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// How many nodes Redlock has, unless the contender says otherwise. 5 if it is missing. What names a node that a contender does not have
    /// leaves it out.
    pub nodes: usize,
    /// What nodes keep on their disks.
    pub persistence: Persistence,
    /// What a full node does.
    pub maxmemory_policy: MaxmemoryPolicy,
    /// How long a segment travels, in TTLs, in the simulator. [0.0002, 0.0005] if it is missing: a data centre, at a TTL of a second.
    pub latency_ttls: Span,
    /// How wrong the rate of every clock is without a fault, at most, in parts per million. 50 if it is missing: quartz.
    pub rate_error_ppm: u32,
    /// How far wall clocks are off without a fault, at most, in TTLs. 0.005 if it is missing: what a time daemon leaves, at a TTL of a second.
    pub wall_offset_ttls: Ttls,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            nodes: 5,
            persistence: Persistence::None,
            maxmemory_policy: MaxmemoryPolicy::Noeviction,
            latency_ttls: Span::new(0.0002, 0.0005),
            rate_error_ppm: 50,
            wall_offset_ttls: Ttls::new(0.005),
        }
    }
}

/// What a node keeps on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// Nothing: every restart forgets everything. The default.
    None,
    /// An append-only file, flushed once a second.
    AofEverysec,
    /// An append-only file, flushed before every answer.
    AofAlways,
}

/// What a full node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaxmemoryPolicy {
    /// It refuses writes. The default.
    Noeviction,
    /// It evicts whatever was used least recently.
    AllkeysLru,
    /// It evicts what has a TTL, as locks have.
    VolatileLru,
}

/// How the locks are configured. What does not apply to a lock is ignored by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lock {
    /// The TTL that clients ask for, in TTLs: 1 unless the scenario is about asking for another.
    pub ttl_ttls: Ttls,
    /// The largest TTL that nodes accept, and the length of quarantines, in TTLs. 1 if it is missing.
    pub max_ttl_ttls: Ttls,
    /// How many nodes must grant; a majority if it is missing.
    pub quorum: Option<usize>,
    /// After so many TTLs a node's answer no longer counts. 0.05 if it is missing.
    pub node_timeout_ttls: Ttls,
    /// How long connecting may take, in TTLs. 0.2 if it is missing.
    pub connect_timeout_ttls: Ttls,
    /// Back-off between attempts of Redlock: the first and the most, in TTLs. [0.005, 0.05] if it is missing.
    pub backoff_ttls: Span,
    /// How often a waiter of a lock on one Redis asks, in TTLs. 0.005 if it is missing.
    pub poll_ttls: Ttls,
    /// The rate error that Redlock allows for, in parts per million; the customary 1% and 2 ms if it is missing.
    pub rate_error_ppm: Option<u32>,
    /// The step of a node's clock that Redlock allows for, in TTLs; only with `rate_error_ppm`.
    pub node_step_ttls: Ttls,
    /// Whether Redlock reads every node's identity with every acquisition.
    pub strict_identity: bool,
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            ttl_ttls: Ttls::new(1.0),
            max_ttl_ttls: Ttls::new(1.0),
            quorum: None,
            node_timeout_ttls: Ttls::new(0.05),
            connect_timeout_ttls: Ttls::new(0.2),
            backoff_ttls: Span::new(0.005, 0.05),
            poll_ttls: Ttls::new(0.005),
            rate_error_ppm: None,
            node_step_ttls: Ttls::ZERO,
            strict_identity: false,
        }
    }
}

/// What a client does: think, acquire, `accesses` times (work, look, read, look, hesitate, write), release; over and over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// How many clients are like this. 1 if it is missing.
    pub count: usize,
    /// When its first cycle begins, in TTLs since the cluster went into service. 0 if it is missing.
    pub start_ttls: Ttls,
    /// How many cycles it goes through; as many as there is time for if it is missing. A process that starts again begins anew.
    pub cycles: Option<u32>,
    /// How many cycles go on in it at the same time. 1 if it is missing.
    pub workers: u32,
    /// How long it thinks before each cycle, in TTLs. If it is missing not at all before a single cycle, and else 0.1.
    pub think_ttls: Option<Span>,
    /// How many times it reads and writes under one lease. 1 if it is missing.
    pub accesses: u32,
    /// How long it works before each, in TTLs. 0 if it is missing.
    pub work_ttls: Span,
    /// Whether it looks at the lease before each read and each write, and stops when that is over. True if it is missing.
    pub looks: bool,
    /// How long it takes from that look until the write leaves, in TTLs. 0 if it is missing.
    pub hesitates_ttls: Span,
    /// Whether its leases are renewed in the background.
    pub renews: bool,
    /// Before each access it extends the lease by hand, to so many TTLs.
    pub extends_to_ttls: Option<Span>,
    /// How long it waits for the holder, in TTLs. 100 if it is missing: for ever.
    pub waits_ttls: Ttls,
    /// How long it waits for the store's answer, in TTLs. 1 if it is missing.
    pub store_patience_ttls: Ttls,
    /// Of the cluster, its Redlock knows the first so many nodes only, as in the middle of a change of nodes; all if it is missing. The
    /// first client's cluster is the one that is put into service.
    pub nodes: Option<usize>,
    /// A machine was cloned with the state of its random generator: all clients with the same number draw the same random numbers, owner tokens
    /// among them. Its own if it is missing.
    pub generator: Option<u64>,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            count: 1,
            start_ttls: Ttls::ZERO,
            cycles: None,
            workers: 1,
            think_ttls: None,
            accesses: 1,
            work_ttls: Span::always(0.0),
            looks: true,
            hesitates_ttls: Span::always(0.0),
            renews: false,
            extends_to_ttls: None,
            waits_ttls: Ttls::new(100.0),
            store_patience_ttls: Ttls::new(1.0),
            nodes: None,
            generator: None,
        }
    }
}

/// How a scenario runs on real servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Live {
    /// Why it does not; it does if this is missing.
    pub skip: Option<String>,
    /// What contenders are expected to come to where that differs from the simulator.
    #[schemars(schema_with = "outcomes_by_contender")]
    pub verdicts: BTreeMap<Contender, Outcome>,
    /// Why that differs.
    pub because: Option<String>,
}
