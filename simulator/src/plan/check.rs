//! Whether a plan can be carried out: what is refused, wherever the plan comes from.
//!
//! A fault is refused when it cannot mean anything: an empty list, somebody twice in a list, a link from a host to
//! itself, a ring of fewer than three, a node's fault on a client, a clock stepped by nothing, a range whose least is
//! above its most, a duration of zero or one on what happens at once. Two faults contradict each other when the later one begins while its target is down and can only be done to one that is up: a host cannot crash while it is down, a dead process
//! cannot be paused, a dead server takes no commands, a machine without power cannot be suspended. Everything
//! else may overlap.

use std::{collections::BTreeSet, error::Error, fmt, time::Duration};

use super::{
    FaultWindow, Plan,
    family::Family,
    fault::{Fault, Links},
    file::did_you_mean,
    hosts::Hosts,
    target::{Role, Target},
};

/// Why a fault of a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Its place in the plan, from 0.
    pub window: usize,
    /// The field of the file that is to blame.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
    /// What was expected.
    pub expected: String,
    /// How to repair it, if there is a guess.
    pub help: Option<String>,
    /// The other fault that it contradicts, and what that one does.
    pub other: Option<(usize, String)>,
}

/// A plan that cannot be carried out, with all reasons. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPlan {
    /// Why, in the order of the plan.
    pub complaints: Vec<Complaint>,
}

impl fmt::Display for InvalidPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.complaints.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let number = complaint.window + 1;
            write!(f, "{separator}fault {number}: {}", complaint.message)?;
            if let Some(help) = &complaint.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl Error for InvalidPlan {}

impl Plan {
    /// Whether the plan can be carried out in a world with these hosts.
    ///
    /// # Errors
    ///
    /// Hosts that do not exist, and everything that [`Plan::parse`] refuses too.
    pub fn check(&self, hosts: &Hosts) -> Result<(), InvalidPlan> {
        let complaints = complaints(&self.windows, None, Some(hosts));
        if complaints.is_empty() {
            return Ok(());
        }
        Err(InvalidPlan { complaints })
    }
}

/// Everything that is wrong with these windows. What depends on hosts is only looked at when they are known.
pub(super) fn complaints(
    windows: &[FaultWindow],
    end: Option<Duration>,
    hosts: Option<&Hosts>,
) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let mut one = Complaints {
            window: index,
            hosts,
            found: &mut found,
        };
        one.times(window, end);
        one.numbers(&window.fault);
        one.targets(&window.fault);
        one.topology(&window.fault);
    }
    contradictions(windows, hosts, &mut found);
    found.sort_by_key(|complaint| complaint.window);
    found
}

/// What is wrong with one window.
struct Complaints<'a> {
    window: usize,
    hosts: Option<&'a Hosts>,
    found: &'a mut Vec<Complaint>,
}

impl Complaints<'_> {
    fn add(&mut self, field: &'static str, message: impl Into<String>, expected: &str) {
        self.add_with_help(field, message, expected, None);
    }

    fn add_with_help(
        &mut self,
        field: &'static str,
        message: impl Into<String>,
        expected: &str,
        help: Option<String>,
    ) {
        self.found.push(Complaint {
            window: self.window,
            field,
            message: message.into(),
            expected: expected.to_owned(),
            help,
            other: None,
        });
    }

    fn times(&mut self, window: &FaultWindow, end: Option<Duration>) {
        let family = window.fault.family();
        if family.is_instant() && window.duration.is_some() {
            self.add(
                "duration_ms",
                format!("`{family}` happens at once"),
                "expected no duration",
            );
        } else if window.duration == Some(Duration::ZERO) {
            self.add(
                "duration_ms",
                "the fault has no time to happen",
                "expected more than 0",
            );
        }
        if end.is_some_and(|end| window.start >= end) {
            self.add(
                "start_ms",
                "the fault begins when the plan has ended",
                "expected a time before the declared end",
            );
        }
    }

    fn numbers(&mut self, fault: &Fault) {
        match fault {
            Fault::Slow {
                extra_min,
                extra_max,
                ..
            } if extra_min > extra_max => self.add(
                "extra_ms_max",
                "the most that is added is below the least",
                "expected at least `extra_ms_min`",
            ),
            Fault::Lose { loss_ppm, .. } if *loss_ppm > 1_000_000 => self.add(
                "loss_ppm",
                "more than all segments are lost",
                "expected at most 1000000",
            ),
            Fault::Flap { down, up, .. } if down.is_zero() || up.is_zero() => {
                self.add("down_ms", "a flap without length", "expected more than 0");
            }
            Fault::ClockStep { by_micros: 0, .. } => {
                self.add(
                    "by_ms",
                    "the clock is stepped by nothing",
                    "expected a number other than 0",
                );
            }
            Fault::ClockDrift { rate_error_ppm, .. } if *rate_error_ppm == 0 => {
                self.add(
                    "rate_error_ppm",
                    "the clock is not disturbed",
                    "expected a number other than 0",
                );
            }
            Fault::ClockDrift { rate_error_ppm, .. } if *rate_error_ppm < -1_000_000 => {
                self.add(
                    "rate_error_ppm",
                    "no clock runs backwards",
                    "expected at least -1000000",
                );
            }
            _ => {}
        }
        if let Fault::ClockStep { clocks, .. }
        | Fault::ClockDrift { clocks, .. }
        | Fault::ClockFreeze { clocks, .. } = fault
        {
            if clocks.is_empty() {
                self.add("clocks", "no clock is named", "expected at least one clock");
            }
            if clocks.iter().collect::<BTreeSet<_>>().len() < clocks.len() {
                self.add(
                    "clocks",
                    "a clock is named twice",
                    "expected each clock once",
                );
            }
        }
    }

    fn targets(&mut self, fault: &Fault) {
        for (field, targets) in fault.targets() {
            if targets.is_empty() {
                self.add(field, "nobody is named", "expected at least one host");
            }
            if targets.iter().collect::<BTreeSet<_>>().len() < targets.len() {
                self.add(field, "somebody is named twice", "expected each host once");
            }
            for target in targets {
                self.target(field, target, fault.family());
            }
        }
    }

    fn target(&mut self, field: &'static str, target: &Target, family: Family) {
        if let (Target::Host(name), Some(hosts)) = (target, self.hosts) {
            if !hosts.all().any(|host| **host == **name) {
                let roles = Role::ALL.iter().map(|(_, role)| *role);
                let known: Vec<&str> = hosts.all().map(AsRef::as_ref).chain(roles).collect();
                self.add_with_help(
                    field,
                    format!("there is no host called `{name}`"),
                    "expected a host of this world",
                    did_you_mean(name, &known),
                );
                return;
            }
            if family.is_of_nodes() && !hosts.nodes.iter().any(|host| **host == **name) {
                self.add(field, format!("`{name}` is no node"), "expected a node");
            }
        }
        let never_a_node = [Role::Clients, Role::Holder, Role::NextWaiter, Role::Store];
        if let Target::Role(role) = target
            && family.is_of_nodes()
            && never_a_node.contains(role)
        {
            self.add(field, format!("`{role}` is no node"), "expected a node");
        }
    }

    fn topology(&mut self, fault: &Fault) {
        match fault {
            Fault::Ring { hosts: ring } => self.ring(ring),
            Fault::Bridge {
                left,
                right,
                bridge,
            } => {
                let sides = [("left", left), ("right", right), ("bridge", bridge)];
                for (index, (_, one)) in sides.iter().enumerate() {
                    for (field, other) in &sides[index + 1..] {
                        let both = names(one, self.hosts);
                        let shared = names(other, self.hosts);
                        if let Some(name) = both.intersection(&shared).next() {
                            self.add(
                                field,
                                format!("`{name}` is on two sides of the bridge"),
                                "expected each host on one side",
                            );
                        }
                    }
                }
            }
            _ => {
                if let Some(links) = fault.links() {
                    self.links(links);
                }
            }
        }
    }

    fn ring(&mut self, ring: &[Target]) {
        let members = names(ring, self.hosts);
        let all_named = ring.iter().all(|target| matches!(target, Target::Host(_)));
        let all_known = self.hosts.is_some() && ring.iter().all(|target| !is_dynamic(target));
        if (all_named || all_known) && members.len() < 3 {
            self.add(
                "hosts",
                format!("a ring of {}", members.len()),
                "expected at least three hosts",
            );
        }
    }

    fn links(&mut self, links: &Links) {
        let (from, to) = (names(&links.from, self.hosts), names(&links.to, self.hosts));
        let both = links.from.iter().chain(&links.to);
        let decided = |target: &Target| match self.hosts {
            Some(_) => !is_dynamic(target),
            None => matches!(target, Target::Host(_)),
        };
        if from.len() == 1 && from == to && both.clone().all(decided) {
            let name = from.first().cloned().unwrap_or_default();
            self.add(
                "to",
                format!("the link leads from `{name}` to itself"),
                "expected another host",
            );
        }
    }
}

/// Whether who it is depends on who holds the lock.
const fn is_dynamic(target: &Target) -> bool {
    matches!(
        target,
        Target::Role(Role::Holder | Role::NextWaiter | Role::QuorumOfHolder | Role::NodeOfHolder)
    )
}

/// Who is certainly meant. Roles that change mean nobody in particular; those that do not stand for themselves
/// while hosts are not known.
fn names(targets: &[Target], hosts: Option<&Hosts>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for target in targets.iter().filter(|target| !is_dynamic(target)) {
        match hosts {
            Some(hosts) => {
                names.extend(hosts.possibly(target).iter().map(ToString::to_string));
            }
            None => {
                names.insert(target.to_string());
            }
        }
    }
    names
}

/// What can only be done to a host that is not down, by what took it down.
fn contradicts(down: Family, later: Family) -> bool {
    let is_down = matches!(down, Family::Crash | Family::PowerLoss);
    let needs_process = matches!(
        later,
        Family::Crash
            | Family::PowerLoss
            | Family::Pause
            | Family::FlushAll
            | Family::ScriptFlush
            | Family::ClientPause
            | Family::Failover
    );
    let needs_power = matches!(later, Family::Suspend | Family::StopMachine);
    is_down && needs_process || down == Family::PowerLoss && needs_power
}

fn contradictions(windows: &[FaultWindow], hosts: Option<&Hosts>, found: &mut Vec<Complaint>) {
    for (later, second) in windows.iter().enumerate() {
        for (earlier, first) in windows.iter().enumerate() {
            let began = (first.start, earlier) < (second.start, later);
            let ended = first.end().is_some_and(|end| end <= second.start);
            let (down, family) = (first.fault.family(), second.fault.family());
            if !began || ended || !contradicts(down, family) {
                continue;
            }
            let (Some(one), Some(other)) = (first.fault.target(), second.fault.target()) else {
                continue;
            };
            let one = names(std::slice::from_ref(one), hosts);
            let other = names(std::slice::from_ref(other), hosts);
            if let Some(name) = one.intersection(&other).next() {
                found.push(Complaint {
                    window: later,
                    field: "start_ms",
                    message: format!("`{family}` begins while `{name}` is down"),
                    expected: "expected a time at which it is up".to_owned(),
                    help: None,
                    other: Some((earlier, format!("`{down}` takes it down here"))),
                });
            }
        }
    }
}
