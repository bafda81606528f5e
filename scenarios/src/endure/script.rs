//! The nemesis: what is done to nodes, workers and store, and when.
//!
//! One seed draws the whole script before the run. Most of the time at most a minority of the nodes is disturbed, counting
//! the quarantine that follows a loss of memory; every few seconds a majority is.

use std::time::Duration;

use super::{
    dice::Dice,
    options::{MAX_TTL, NODES, Options, QUORUM, SETTLE, TTL},
};

/// The stream of the script's dice; workers use the small numbers.
const STREAM: u64 = 1 << 32;
/// A majority is hit once in this time.
const BLOCK: Duration = Duration::from_secs(10);
/// Nothing happens before this.
const START: Duration = Duration::from_millis(500);
/// A node that may have forgotten is out for this long after it is back.
const OUT: Duration = Duration::from_millis(3000);
/// These workers are never killed, so that one process lives through the whole run.
const VETERANS: usize = 2;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hit {
    /// SIGSTOP, and SIGCONT after this.
    Stop(Duration),
    /// SIGKILL; a new process with the old one's append-only file after this.
    Restart(Duration),
    /// SIGKILL; a new process without any data after this.
    RestartEmpty(Duration),
    /// FLUSHALL.
    Flush,
    /// SCRIPT FLUSH.
    ForgetScripts,
    /// All connections are closed by the server.
    DropClients,
    /// CLIENT PAUSE for this long.
    PauseClients(Duration),
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// To this node.
    Node(usize, Hit),
    /// Stop this worker for this long.
    StopWorker(usize, Duration),
    /// Stop the next holder that has looked at its lease and is about to write.
    StopWriter(Duration),
    /// Kill this worker, and start it again after this.
    KillWorker(usize, Duration),
    /// The store answers with delays of up to this, for as long as it says.
    SlowStore {
        /// The longest delay of an answer.
        most: Duration,
        /// How long this goes on.
        lasting: Duration,
    },
}

impl Act {
    /// The kind of fault, for people.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Node(_, Hit::Stop(_)) => "node stopped",
            Self::Node(_, Hit::Restart(_)) => "node killed, restarted with data",
            Self::Node(_, Hit::RestartEmpty(_)) => "node killed, restarted empty",
            Self::Node(_, Hit::Flush) => "node flushed",
            Self::Node(_, Hit::ForgetScripts) => "node's scripts flushed",
            Self::Node(_, Hit::DropClients) => "node's connections closed",
            Self::Node(_, Hit::PauseClients(_)) => "node's clients paused",
            Self::StopWorker(_, pause) if pause < TTL => "worker stopped within a TTL",
            Self::StopWorker(..) => "worker stopped past a TTL",
            Self::StopWriter(_) => "writer stopped past its TTL",
            Self::KillWorker(..) => "worker killed",
            Self::SlowStore { .. } => "store slow",
        }
    }

    /// How long it has effects of its own; the quarantine of nodes counts.
    fn lasts(self) -> Duration {
        match self {
            Self::Node(_, Hit::Stop(time) | Hit::PauseClients(time)) => time + millis(300),
            Self::Node(_, Hit::Restart(down) | Hit::RestartEmpty(down)) => down + OUT,
            Self::Node(_, Hit::Flush) => OUT,
            Self::Node(_, Hit::ForgetScripts | Hit::DropClients) => millis(300),
            // Not two pauses in one lease.
            Self::StopWorker(_, time) | Self::KillWorker(_, time) => time + TTL * 2,
            Self::StopWriter(time) => time,
            Self::SlowStore { lasting, .. } => lasting,
        }
    }

    /// How long until the nemesis has done its last deed of this fault.
    fn acts(self) -> Duration {
        match self {
            Self::Node(
                _,
                Hit::Stop(time)
                | Hit::PauseClients(time)
                | Hit::Restart(time)
                | Hit::RestartEmpty(time),
            )
            | Self::StopWorker(_, time)
            | Self::KillWorker(_, time) => time,
            // A writer has to turn up first.
            Self::StopWriter(time) => time + TTL,
            Self::SlowStore { most, lasting } => most + lasting,
            Self::Node(..) => Duration::ZERO,
        }
    }
}

/// A fault and its time, since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: Duration,
    pub(super) act: Act,
}

/// The faults of the whole run, in order.
pub(super) fn script(options: &Options) -> Vec<Step> {
    let mut planner = Planner {
        dice: Dice::new(options.seed, STREAM),
        end: options.length().saturating_sub(SETTLE),
        workers: options.workers(),
        steps: Vec::new(),
        recent: Vec::new(),
    };
    let mut block = Duration::ZERO;
    while block < planner.end {
        planner.block(block);
        block += BLOCK;
    }
    planner.steps.sort_by_key(|step| step.at);
    planner.steps
}

struct Planner {
    dice: Dice,
    /// Nothing is done after this.
    end: Duration,
    workers: usize,
    steps: Vec<Step>,
    /// What may still last.
    recent: Vec<Step>,
}

impl Planner {
    /// The faults of one block: that of the majority first, because the others have to keep out of its way.
    fn block(&mut self, block: Duration) {
        let at = block + self.dice.between(BLOCK * 3 / 10, BLOCK * 5 / 10);
        self.majority(at);
        let mut at = block.max(START);
        loop {
            at += self.dice.between(millis(60), millis(450));
            if at >= block + BLOCK || at >= self.end {
                break;
            }
            self.recent.retain(|step| step.at + step.act.lasts() > at);
            let act = self.draw();
            if !matches!(act, Act::Node(..)) || self.leaves_majority(at, act) {
                self.plan(at, act);
            }
        }
    }

    fn majority(&mut self, at: Duration) {
        let count = QUORUM + self.dice.index(NODES - QUORUM + 1);
        let first = self.dice.index(NODES);
        let brief = self.dice.between(millis(50), millis(300));
        let hit = match self.dice.index(5) {
            0 => Hit::RestartEmpty(brief),
            1 => Hit::Restart(brief),
            2 | 3 => Hit::Flush,
            _ => Hit::Stop(self.dice.between(millis(300), millis(1500))),
        };
        // Somebody is to hold a lease for longer than the nodes are away: if they voted again at once, there would be two.
        let pause = self.dice.between(TTL * 11 / 10, TTL * 2);
        self.plan(at.saturating_sub(millis(200)), Act::StopWriter(pause));
        for node in 0..count {
            // Not all in the same instant.
            let at = at + self.dice.between(Duration::ZERO, millis(100));
            self.plan(at, Act::Node((first + node) % NODES, hit));
        }
    }

    fn draw(&mut self) -> Act {
        let dice = &mut self.dice;
        let node = dice.index(NODES);
        let worker = dice.index(self.workers);
        // From a blink to well past a TTL.
        let pause = match dice.index(3) {
            0 => dice.between(millis(20), TTL * 3 / 10),
            1 => dice.between(TTL * 3 / 10, TTL * 8 / 10),
            _ => dice.between(TTL * 11 / 10, TTL * 25 / 10),
        };
        match dice.index(20) {
            0..=2 => Act::Node(node, Hit::Stop(pause)),
            3 => Act::Node(node, Hit::Restart(pause)),
            4 => Act::Node(node, Hit::RestartEmpty(pause)),
            5 => Act::Node(node, Hit::Flush),
            6 => Act::Node(node, Hit::ForgetScripts),
            7 | 8 => Act::Node(node, Hit::DropClients),
            9 => Act::Node(node, Hit::PauseClients(pause)),
            10..=12 => Act::StopWorker(worker, pause),
            13..=15 => Act::StopWriter(dice.between(TTL * 11 / 10, TTL * 2)),
            16 | 17 => Act::KillWorker(worker, pause),
            _ => Act::SlowStore {
                most: dice.between(millis(20), TTL * 3 / 2),
                lasting: dice.between(millis(100), TTL),
            },
        }
    }

    /// Plans the fault unless the target is still busy with another one.
    fn plan(&mut self, at: Duration, act: Act) {
        let step = Step { at, act };
        if at + act.acts() > self.end || self.recent.iter().any(|other| clash(other, &step)) {
            return;
        }
        if matches!(act, Act::KillWorker(worker, _) if worker < VETERANS) {
            return;
        }
        if matches!(act, Act::StopWorker(..) | Act::KillWorker(..)) {
            let out = self.recent.iter().filter(|other| {
                matches!(other.act, Act::StopWorker(..) | Act::KillWorker(..))
                    && other.at + other.act.lasts() > at
            });
            if out.count() * 2 >= self.workers {
                return;
            }
        }
        self.recent.push(step);
        self.steps.push(step);
    }

    /// Whether, with this fault, a majority of nodes still votes, from its start to its end.
    fn leaves_majority(&self, at: Duration, act: Act) -> bool {
        let step = Step { at, act };
        let disturbed: std::collections::BTreeSet<_> = self
            .recent
            .iter()
            .chain([&step])
            .filter(|other| overlap(other, &step))
            .filter_map(|other| match other.act {
                Act::Node(_, Hit::ForgetScripts | Hit::DropClients) => None,
                Act::Node(node, _) => Some(node),
                _ => None,
            })
            .collect();
        disturbed.len() <= NODES - QUORUM
    }
}

/// Whether two faults last at the same time.
fn overlap(one: &Step, other: &Step) -> bool {
    one.at < other.at + other.act.lasts() && other.at < one.at + one.act.lasts()
}

/// Whether two faults have one target and last at the same time.
fn clash(one: &Step, other: &Step) -> bool {
    let same = match (one.act, other.act) {
        (Act::Node(one, _), Act::Node(other, _)) => one == other,
        (
            Act::StopWorker(one, _) | Act::KillWorker(one, _),
            Act::StopWorker(other, _) | Act::KillWorker(other, _),
        ) => one == other,
        (Act::StopWriter(_), Act::StopWriter(_))
        | (Act::SlowStore { .. }, Act::SlowStore { .. }) => true,
        _ => false,
    };
    same && overlap(one, other)
}

/// The longest that nodes take to vote again after the script's last deed.
const _: () = assert!(SETTLE.as_millis() > MAX_TTL.as_millis() + 500);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn options(seconds: u32, seed: u64) -> Options {
        Options {
            seconds,
            seed,
            workers: 8,
            plant: None,
            json: false,
            history: None,
        }
    }

    #[test]
    fn a_seed_gives_one_script() {
        assert_eq!(script(&options(60, 3)), script(&options(60, 3)));
        assert_ne!(script(&options(60, 3)), script(&options(60, 4)));
    }

    #[test]
    fn half_a_minute_has_faults_of_all_kinds() {
        let kinds: BTreeSet<_> = (0..20)
            .flat_map(|seed| script(&options(30, seed)))
            .map(|step| step.act.kind())
            .collect();
        assert_eq!(kinds.len(), 12, "{kinds:?}");
        for seed in 0..50 {
            let steps = script(&options(30, seed));
            let mut count = BTreeMap::new();
            for step in &steps {
                *count.entry(step.act.kind()).or_insert(0) += 1;
            }
            assert!(count.len() >= 8, "seed {seed}: {count:?}");
            assert!(count.contains_key("writer stopped past its TTL"));
        }
    }

    #[test]
    fn everything_is_over_when_the_run_settles_and_veterans_are_never_killed() {
        for seed in 0..50 {
            for step in script(&options(30, seed)) {
                assert!(step.at + step.act.acts() <= millis(26_500), "{step:?}");
                assert!(!matches!(step.act, Act::KillWorker(0 | 1, _)));
            }
        }
    }

    /// No target is hit again before it has recovered, and a majority is only ever disturbed by the block's own fault.
    #[test]
    fn faults_of_one_target_do_not_overlap() {
        for seed in 0..20 {
            let steps = script(&options(60, seed));
            for (index, one) in steps.iter().enumerate() {
                assert!(steps[..index].iter().all(|other| !clash(one, other)));
            }
        }
    }

    #[test]
    fn a_majority_is_hit_now_and_then_and_votes_most_of_the_time() {
        let (mut without, mut all) = (0, 0);
        for seed in 0..20 {
            let steps = script(&options(60, seed));
            for tenth in 0..600 {
                let now = millis(tenth * 100);
                let out: BTreeSet<_> = steps
                    .iter()
                    .filter(|step| step.at <= now && now < step.at + step.act.lasts())
                    .filter_map(|step| match step.act {
                        Act::Node(_, Hit::ForgetScripts | Hit::DropClients) => None,
                        Act::Node(node, _) => Some(node),
                        _ => None,
                    })
                    .collect();
                all += 1;
                without += u32::from(out.len() > NODES - QUORUM);
            }
        }
        assert!(
            without * 20 > all && without * 2 < all,
            "{without} of {all}"
        );
    }
}
