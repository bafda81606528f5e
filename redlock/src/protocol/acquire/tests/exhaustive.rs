//! Every vector of replies in every order, for N up to 5 and every quorum.
//!
//! The dumb version keeps no state: after every event it recomputes everything from the list of all
//! events so far, by the definitions. Histories are walked as a graph: two histories in which every
//! node said the same things in the same order, which were decided alike, and after which the machine
//! is in the same state, have the same future in both versions, so what follows is walked once. No
//! symmetry between nodes is used. The number of histories that the graph stands for is counted.

use std::collections::{BTreeSet, HashMap};

use super::*;

/// What one node said, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Granted(u64),
    /// Refused, unknown or timed out: all that matters is that it is no grant.
    NoGrant,
    Confirmed(u64),
    NotOwner,
    /// The publication failed, or was given up.
    NoConfirmation,
}

#[derive(Clone, Debug)]
struct History {
    quorum: Quorum,
    fencing: bool,
    /// All that was said, in order.
    said: Vec<(usize, Said)>,
    decided: Option<Outcome>,
}

impl History {
    fn happened(&mut self, node: usize, said: Said) {
        self.said.push((node, said));
        self.decided = self.decided.or_else(|| self.decide());
    }

    fn nodes_that(&self, wanted: impl Fn(Said) -> bool) -> BTreeSet<usize> {
        let matching = self.said.iter().filter(|(_, said)| wanted(*said));
        matching.map(|(node, _)| *node).collect()
    }

    /// S: the nodes whose grant was received and which still hold the key.
    fn s(&self) -> BTreeSet<usize> {
        let granted = self.nodes_that(|said| matches!(said, Said::Granted(_)));
        let lost = self.nodes_that(|said| said == Said::NotOwner);
        &granted - &lost
    }

    /// t: the largest counter of any grant received; losing a node does not lower it.
    fn t(&self) -> u64 {
        match self.decided {
            Some(Outcome::Won { counter }) => counter,
            _ => (self.said.iter())
                .filter_map(|(_, said)| match said {
                    Said::Granted(counter) if self.fencing => Some(*counter),
                    _ => None,
                })
                .max()
                .unwrap_or(0),
        }
    }

    /// The highest counter that `node` said it has. After a publication failed, nobody knows.
    fn has(&self, node: usize) -> u64 {
        (self.said.iter())
            .filter(|(speaker, _)| *speaker == node)
            .take_while(|(_, said)| *said != Said::NoConfirmation)
            .map(|(_, said)| match said {
                Said::Granted(counter) | Said::Confirmed(counter) if self.fencing => *counter,
                _ => 0,
            })
            .max()
            .unwrap_or(0)
    }

    fn decide(&self) -> Option<Outcome> {
        let (s, t) = (self.s(), self.t());
        let carrying = s.iter().filter(|node| self.has(**node) >= t).count();
        if carrying >= self.quorum.needed() {
            return Some(Outcome::Won { counter: t });
        }
        let out = self.nodes_that(|said| matches!(said, Said::NoGrant | Said::NotOwner));
        let failed = self.nodes_that(|said| said == Said::NoConfirmation);
        let stuck = failed
            .iter()
            .filter(|node| s.contains(node) && self.has(**node) < t)
            .count();
        (self.quorum.nodes() - out.len() - stuck < self.quorum.needed()).then_some(Outcome::Lost)
    }

    /// Whom t is to be published to: nodes of S below it whose publications have not failed.
    fn to_publish(&self) -> BTreeSet<usize> {
        let s = self.s();
        if !self.fencing || s.len() < self.quorum.needed() || self.decided == Some(Outcome::Lost) {
            return BTreeSet::new();
        }
        let failed = self.nodes_that(|said| said == Said::NoConfirmation);
        (&s - &failed)
            .into_iter()
            .filter(|node| self.has(*node) < self.t())
            .collect()
    }
}

/// One point of the graph: both versions, and the publications that are under way.
#[derive(Clone)]
struct Point {
    history: History,
    machine: Acquisition,
    /// (node, counter) of publications without a reply; `true` once they were given up.
    under_way: Vec<(usize, u64, bool)>,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Grant(usize, u64),
    Refuse(usize),
    Unknown(usize),
    TimeOut(usize),
    /// Answers the publication at this place of `under_way`.
    Confirm(usize),
    Deny(usize),
    Fail(usize),
    GiveUpPublishing,
}

impl Point {
    fn nexts(&self, counters: &[u64]) -> Vec<Next> {
        let mut nexts = Vec::new();
        for node in 0..self.history.quorum.nodes() {
            if !self
                .history
                .said
                .iter()
                .any(|(speaker, _)| *speaker == node)
            {
                nexts.extend(counters.iter().map(|counter| Next::Grant(node, *counter)));
                nexts.extend([Next::Refuse(node), Next::Unknown(node), Next::TimeOut(node)]);
            }
        }
        for at in 0..self.under_way.len() {
            nexts.extend([Next::Confirm(at), Next::Deny(at), Next::Fail(at)]);
        }
        if self.under_way.iter().any(|(_, _, given_up)| !given_up) {
            nexts.push(Next::GiveUpPublishing);
        }
        nexts
    }

    /// Tells both versions, and compares them.
    fn follow(&self, next: Next) -> Self {
        let mut point = self.clone();
        match next {
            Next::Grant(node, counter) => {
                point.history.happened(node, Said::Granted(counter));
                point.machine.handle_answer(node, &granted(counter));
            }
            Next::Refuse(node) => {
                point.history.happened(node, Said::NoGrant);
                point.machine.handle_answer(node, &refused());
            }
            Next::Unknown(node) => {
                point.history.happened(node, Said::NoGrant);
                point.machine.handle_answer(node, &unknown());
            }
            Next::TimeOut(node) => {
                point.history.happened(node, Said::NoGrant);
                point.machine.give_up_on(node);
            }
            Next::Confirm(at) => point.published(at, Said::Confirmed(0), &Answer::Confirmed),
            Next::Deny(at) => point.published(at, Said::NotOwner, &not_owner()),
            Next::Fail(at) => point.published(at, Said::NoConfirmation, &unknown()),
            Next::GiveUpPublishing => point.give_up(),
        }
        point.compare(self, next);
        point
    }

    fn published(&mut self, at: usize, said: Said, answer: &Answer) {
        let (node, counter, given_up) = self.under_way.remove(at);
        match said {
            Said::Confirmed(_) => self.history.happened(node, Said::Confirmed(counter)),
            Said::NoConfirmation if given_up => {}
            _ => self.history.happened(node, said),
        }
        self.machine.handle_publish_answer(node, counter, answer);
    }

    /// All at once: the outcome is judged after the last.
    fn give_up(&mut self) {
        for (node, _, given_up) in &mut self.under_way {
            if !std::mem::replace(given_up, true) {
                self.history.said.push((*node, Said::NoConfirmation));
            }
        }
        self.history.decided = self.history.decided.or_else(|| self.history.decide());
        self.machine.give_up_publishing();
    }

    fn compare(&mut self, before: &Self, next: Next) {
        let context = || format!("{:?} after {:?}", next, before.history);
        assert_eq!(
            self.machine.outcome(),
            self.history.decided,
            "{}",
            context()
        );
        if before.history.decided.is_some() {
            assert_eq!(self.history.decided, before.history.decided);
        }
        if self.history.decided == Some(Outcome::Lost) {
            return;
        }
        let s: BTreeSet<_> = self.machine.granted().collect();
        assert_eq!(s, self.history.s(), "{}", context());
        let target = self.history.t();
        for (node, counter) in steps(&mut self.machine) {
            assert_eq!(counter, target, "{}", context());
            self.under_way.push((node, counter, false));
        }
        self.under_way.sort_unstable();
        let asked: BTreeSet<_> = (self.under_way.iter())
            .filter(|(_, counter, given_up)| *counter == target && !given_up)
            .map(|(node, ..)| *node)
            .collect();
        let missing = &self.history.to_publish() - &asked;
        assert!(missing.is_empty(), "{missing:?} not asked: {}", context());
    }

    /// All that the future of both versions depends on.
    fn key(&self) -> Vec<u8> {
        let small = |number: u64| u8::try_from(number).unwrap();
        let mut key = Vec::new();
        fingerprint(&self.machine, &mut key);
        for node in 0..self.history.quorum.nodes() {
            for (_, said) in self
                .history
                .said
                .iter()
                .filter(|(speaker, _)| *speaker == node)
            {
                key.push(match said {
                    Said::Granted(counter) => 10 + small(*counter),
                    Said::Confirmed(counter) => 20 + small(*counter),
                    Said::NoGrant => 1,
                    Said::NotOwner => 2,
                    Said::NoConfirmation => 3,
                });
            }
            key.push(0);
        }
        for (node, counter, given_up) in &self.under_way {
            key.extend([
                u8::try_from(*node).unwrap(),
                small(*counter),
                u8::from(*given_up),
            ]);
        }
        key
    }
}

#[derive(Default)]
struct Walk {
    /// For each point, how many histories begin there.
    seen: HashMap<Vec<u8>, u128>,
    compared: u64,
}

impl Walk {
    fn histories_from(&mut self, point: &Point, counters: &[u64]) -> u128 {
        let key = point.key();
        if let Some(known) = self.seen.get(&key) {
            return *known;
        }
        let mut histories = 0;
        let mut ends = true;
        for next in point.nexts(counters) {
            ends = false;
            self.compared += 1;
            let after = point.follow(next);
            // After a loss there is nothing left but to stay lost, which the step above showed.
            let over = point.history.decided == Some(Outcome::Lost);
            histories += if over {
                1
            } else {
                self.histories_from(&after, counters)
            };
        }
        let histories = if ends { 1 } else { histories };
        self.seen.insert(key, histories);
        histories
    }
}

/// Walks all histories of `nodes` nodes for every quorum; returns (comparisons, histories).
fn walk(nodes: usize, fencing: bool, counters: &[u64]) -> (u64, u128) {
    let mut total = (0, 0);
    for needed in nodes / 2 + 1..=nodes {
        let quorum = Quorum::new(nodes, needed).unwrap();
        let start = Point {
            history: History {
                quorum,
                fencing,
                said: Vec::new(),
                decided: None,
            },
            machine: Acquisition::new(quorum, fencing),
            under_way: Vec::new(),
        };
        let mut walk = Walk::default();
        total.1 += walk.histories_from(&start, counters);
        total.0 += walk.compared;
    }
    total
}

// The numbers are (comparisons, histories), so that the walk cannot shrink unnoticed.

#[test]
fn agrees_with_the_dumb_version_without_fencing() {
    let walked: Vec<_> = (1..=5).map(|nodes| walk(nodes, false, &[5, 6])).collect();
    let known = [
        (5, 5),
        (40, 50),
        (465, 1_140),
        (2_340, 13_980),
        (17_175, 499_800),
    ];
    assert_eq!(walked, known);
}

#[test]
fn agrees_with_the_dumb_version_on_up_to_three_nodes() {
    let walked: Vec<_> = (1..=3).map(|nodes| walk(nodes, true, &[5, 6, 7])).collect();
    assert_eq!(walked, [(6, 6), (102, 132), (6_279, 20_382)]);
}

#[test]
fn agrees_with_the_dumb_version_on_four_nodes() {
    assert_eq!(walk(4, true, &[5, 6, 7]), (178_980, 3_895_992));
}

#[test]
fn agrees_with_the_dumb_version_on_five_nodes() {
    assert_eq!(walk(5, true, &[5, 6]), (230_035, 38_296_800));
}
