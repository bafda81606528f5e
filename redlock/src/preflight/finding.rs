//! Judging what a node said: pure, so that every rule is a line of a test.

use std::{fmt, sync::Arc, time::Duration};

use super::probe::{ClockOffset, Probe};
use crate::{
    node::{GuardState, NodeFacts},
    protocol::Reason,
    settings::Settings,
};

/// What is wrong with a node, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub problem: Problem,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The node does not take part, or must not.
    Refusal,
    /// The node takes part, and there is a consequence.
    Warning,
}

/// What a preflight may find. `Display` says what is wrong and what follows from it,
/// [`Problem::advice`] what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Why the node does not take part.
    #[error("{0}")]
    Refused(Reason),
    /// This user may not run a command that locks need.
    #[error("the user may not run {0}, which locks need")]
    Forbidden(String),
    /// This user may not run CLIENT KILL.
    #[error(
        "the user may not run client|kill: a lock call in a broken connection may be executed after its release, and its key then lives for its TTL"
    )]
    KillForbidden,
    /// The node has no guard record.
    #[error("it has no guard record: it is new, was flushed, or restarted without its data")]
    NoRecord,
    /// The node does not vote yet.
    #[error("it is quarantined for {} ms more, because it may have forgotten locks", .0.as_millis())]
    Quarantined(Duration),
    /// The node's clock and ours are further apart than the proposal window.
    #[error("its {clock}, more than {} ms (max_ttl/4): fencing tokens cost a second round trip, and should it forget its counters, their order may be lost", .window.as_millis())]
    Clock {
        /// How far they are apart.
        clock: ClockOffset,
        /// How far they may be.
        window: Duration,
    },
    /// A round trip takes a large part of what a call may take.
    #[error("a round trip takes {} ms, and a call to a node may take {} ms: its votes come late or not at all", .round_trip.as_millis(), .node_timeout.as_millis())]
    Slow {
        /// The shortest of a few.
        round_trip: Duration,
        /// What a call may take.
        node_timeout: Duration,
    },
    /// Nothing stands in for what a restart forgets.
    #[error(
        "the restart guard is off and it does not run with appendfsync always: a restart within a TTL forgets locks, and two holders can follow"
    )]
    Forgetful,
    /// The node does not say what it does when memory runs out.
    #[error(
        "it does not say what its maxmemory-policy is: under any but noeviction lock keys are deleted"
    )]
    EvictionUnknown,
}

impl Problem {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Refused(reason) => advice_on(reason),
            Self::Forbidden(_) | Self::KillForbidden => {
                "permit it with ACL SETUSER; the manual lists all commands"
            }
            Self::NoRecord => {
                "on a cluster that never held a lock call admit_new_cluster once; else wait for max_ttl"
            }
            Self::Quarantined(_) => "wait; it ends by itself while any client of the cluster runs",
            Self::Clock { .. } => "let NTP or PTP set both clocks, by slewing",
            Self::Slow { .. } => "raise node_timeout and the TTL, or move nodes and clients closer",
            Self::Forgetful => "turn the restart guard on, or set appendfsync always",
            Self::EvictionUnknown => "see that it is noeviction",
        }
    }
}

fn advice_on(reason: &Reason) -> &'static str {
    match reason {
        Reason::Down(inner) => advice_on(inner),
        Reason::Evicts(_) => "CONFIG SET maxmemory-policy noeviction, and in redis.conf",
        Reason::HasReplicas(_) => "detach them, or build all clients with strict_identity",
        Reason::Replica | Reason::ClusterMode => "use independent masters",
        Reason::SameServer(_) => "give every node a server of its own",
        Reason::Settings(_) => {
            "use the same settings on all clients, or call replace_settings once"
        }
        Reason::Credentials(_) => "check user and password in the URL",
        Reason::Forbidden(_) => "permit it with ACL SETUSER; the manual lists all commands",
        Reason::TooOld(_) => "upgrade it",
        Reason::Tls(_) | Reason::TlsExpected | Reason::NotRedis(_) => {
            "check scheme and port in the URL"
        }
        _ => "see that the server runs and can be reached",
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Refusal => "refused",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}; {}", self.problem, self.problem.advice())
    }
}

/// What a node is judged by.
pub(crate) struct Judge<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) node_timeout: Duration,
    /// The name of an earlier node that is the same server.
    pub(crate) same_server: Option<Arc<str>>,
}

impl Judge<'_> {
    /// Everything that is wrong with a node, refusals first.
    pub(crate) fn findings(
        &self,
        facts: &Result<NodeFacts, Reason>,
        probe: Option<&Probe>,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |severity, problem| {
            let finding = Finding { severity, problem };
            if !found.contains(&finding) {
                found.push(finding);
            }
        };
        if let Some(probe) = probe {
            for reason in self.refusals(probe) {
                add(Severity::Refusal, Problem::Refused(reason));
            }
            for forbidden in &probe.forbidden {
                if forbidden.is_optional {
                    add(Severity::Warning, Problem::KillForbidden);
                } else {
                    let command = forbidden.command.clone();
                    add(Severity::Refusal, Problem::Forbidden(command));
                }
            }
            for problem in self.warnings(probe) {
                add(Severity::Warning, problem);
            }
        }
        match facts {
            Err(reason) => add(Severity::Refusal, Problem::Refused(undressed(reason))),
            Ok(facts) => match &facts.guard {
                GuardState::Absent => add(Severity::Warning, Problem::NoRecord),
                GuardState::Quarantined { remaining } => {
                    add(Severity::Warning, Problem::Quarantined(*remaining));
                }
                GuardState::OtherSettings { stored } => {
                    let differences = self.settings.differences(stored);
                    let reason = Reason::Settings(differences.into());
                    add(Severity::Refusal, Problem::Refused(reason));
                }
                GuardState::Admitted | GuardState::NotUsed => {}
            },
        }
        found.sort_by_key(|finding| finding.severity);
        found
    }

    /// Why the node must not take part, as far as its configuration tells. The connection that locks
    /// use stops at the first of these.
    fn refusals(&self, probe: &Probe) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if probe.mode.as_deref() == Some("cluster") {
            reasons.push(Reason::ClusterMode);
        }
        if probe.role.as_deref().is_some_and(|role| role != "master") {
            reasons.push(Reason::Replica);
        }
        match probe.replicas {
            Some(count) if count > 0 && !self.settings.allows_replicas() => {
                reasons.push(Reason::HasReplicas(count));
            }
            _ => {}
        }
        match probe.eviction_policy.as_deref() {
            None | Some("noeviction") => {}
            Some(policy) => reasons.push(Reason::Evicts(policy.into())),
        }
        if let Some(name) = &self.same_server {
            reasons.push(Reason::SameServer(Arc::clone(name)));
        }
        reasons
    }

    fn warnings(&self, probe: &Probe) -> Vec<Problem> {
        let mut problems = Vec::new();
        let window = self.settings.proposal_window();
        match probe.clock {
            Some(clock) if self.settings.fencing && clock.size() > window => {
                problems.push(Problem::Clock { clock, window });
            }
            _ => {}
        }
        match probe.round_trip {
            Some(round_trip) if round_trip > self.node_timeout / 2 => {
                let node_timeout = self.node_timeout;
                problems.push(Problem::Slow {
                    round_trip,
                    node_timeout,
                });
            }
            _ => {}
        }
        let keeps = |persistence: super::Persistence| persistence.keeps_everything();
        if !self.settings.restart_guard && !probe.persistence.is_some_and(keeps) {
            problems.push(Problem::Forgetful);
        }
        if probe.eviction_policy.is_none() {
            problems.push(Problem::EvictionUnknown);
        }
        problems
    }
}

/// The reason itself, when it is a memory of an earlier failure.
fn undressed(reason: &Reason) -> Reason {
    match reason {
        Reason::Down(inner) => undressed(inner),
        reason => reason.clone(),
    }
}
