//! Nodes and clients with clocks that are wrong in every way that an allowance covers, and nothing else.

use std::time::Duration;

use redlock::protocol::{
    Answer, Drift, Ppm, Quorum, Reading,
    claim::{Action, Call, Claim, Terms},
    extend::State,
};
use simulator::{TrueTime, clock::ClockMap, redis::ExpiryRule};

/// How wrong clocks are at most, and what is done about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) client_ppm: u32,
    pub(crate) node_ppm: u32,
    pub(crate) client_step: Duration,
    pub(crate) node_step: Duration,
    pub(crate) expiry: ExpiryRule,
    pub(crate) ttl_ms: u64,
}

impl Setting {
    pub(crate) const fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// The allowance for exactly that. Clocks and core both count whole nanoseconds: that is r.
    pub(crate) fn allowance(&self) -> Drift {
        Drift {
            client_rate: Ppm(self.client_ppm),
            node_rate: Ppm(self.node_ppm),
            client_step: self.client_step,
            node_step: self.node_step,
            expiry_granularity: match self.expiry {
                ExpiryRule::After => Duration::ZERO,
                ExpiryRule::At => Duration::from_millis(1),
            },
            rounding: Duration::from_nanos(2),
        }
    }

    /// What an attempt at `needed` of `nodes` is made with, by a client that relies on its lease for `more` than it may. The
    /// nodes are asked for the same TTL; only the client believes in a longer one.
    pub(crate) fn terms(&self, nodes: usize, more: Duration) -> Terms {
        let drift = self.allowance();
        let wanted = drift.validity(self.ttl()) + more;
        let mut ttl = self.ttl();
        while drift.validity(ttl) < wanted {
            ttl += wanted - drift.validity(ttl);
        }
        Terms {
            quorum: Quorum::majority(nodes),
            drift,
            fencing: false,
            min_validity: Duration::ZERO,
            ttl,
            node_timeout: Duration::from_millis(50),
        }
    }
}

/// The clocks that a client looks at: boot, raw and wall.
#[derive(Clone, Debug)]
pub(crate) struct Client(pub(crate) [ClockMap; 3]);

impl Client {
    fn reading(&self, at: TrueTime) -> Reading {
        let show = |clock: &ClockMap| {
            Duration::from_nanos(u64::try_from(clock.at(at)).unwrap_or_default())
        };
        let [boot, raw, wall] = &self.0;
        Reading {
            boot: show(boot),
            raw: show(raw),
            wall: Some(show(wall)),
        }
    }
}

/// A Redis server, as far as the expiry of one key goes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    wall: ClockMap,
    expiry: ExpiryRule,
    /// The expiry of the key that was set last, on this node's clock.
    when_ms: i64,
    /// From when on it is gone; never, when nothing makes the clock show it.
    pub(crate) gone: Option<TrueTime>,
}

impl Node {
    pub(crate) const fn new(wall: ClockMap, expiry: ExpiryRule) -> Self {
        Self {
            wall,
            expiry,
            when_ms: 0,
            gone: Some(TrueTime::ZERO),
        }
    }

    /// The next moment at which its clock shows the last nanosecond of a millisecond: of all moments to set a key the one that
    /// gives it the shortest life.
    pub(crate) fn worst_moment(&self, from: TrueTime) -> Option<TrueTime> {
        let last = self.wall.at(from).div_euclid(1_000_000) * 1_000_000 + 999_999;
        self.wall.first_reaching(from, last)
    }

    fn is_free(&self, at: TrueTime) -> bool {
        self.gone.is_some_and(|gone| gone <= at)
    }

    /// The clock's whole milliseconds and the TTL, as Redis computes it.
    fn expire(&mut self, at: TrueTime, ttl_ms: u64, at_least_ms: i64) {
        let now_ms = self.wall.at(at).div_euclid(1_000_000);
        self.when_ms = at_least_ms.max(now_ms + i64::try_from(ttl_ms).unwrap());
        let gone = self.expiry.gone_from(self.when_ms);
        self.gone = self.wall.first_reaching(at, gone);
    }

    fn answer(&mut self, call: Call, at: TrueTime, ttl_ms: u64) -> Answer {
        match (call, self.is_free(at)) {
            (Call::Acquire, true) => {
                self.expire(at, ttl_ms, i64::MIN);
                Answer::Granted { counter: 0 }
            }
            (Call::Acquire, false) => Answer::Contended { remaining: None },
            (_, true) => Answer::NotOwner {
                gone: true,
                same_identity: true,
            },
            (_, false) => {
                self.expire(at, ttl_ms, self.when_ms);
                Answer::Confirmed
            }
        }
    }
}

/// When the request of a round reaches a node, and its reply the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trip {
    pub(crate) node: usize,
    pub(crate) arrives: TrueTime,
    pub(crate) replied: TrueTime,
}

/// The nodes, and the TTL that they are asked for.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) ttl_ms: u64,
}

impl Cluster {
    /// Executes a round; its answers come in the order of the replies.
    fn round(&mut self, call: Call, trips: &[Trip]) -> Vec<(Trip, Answer)> {
        let mut trips = trips.to_vec();
        trips.sort_by_key(|trip| trip.arrives);
        let answer = |trip: Trip| {
            let answer = self.nodes[trip.node].answer(call, trip.arrives, self.ttl_ms);
            (trip, answer)
        };
        let mut answers: Vec<_> = trips.into_iter().map(answer).collect();
        answers.sort_by_key(|(trip, _)| trip.replied);
        answers
    }
}

/// A lease with its window in true time: from the moment at which it was handed out to the first at which the core says that it
/// is over.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    claim: Claim,
    client: &'a Client,
    pub(crate) start: TrueTime,
    pub(crate) end: TrueTime,
}

impl<'a> Held<'a> {
    /// Makes one attempt from `t1` on; what it wins is handed out `late` after it was decided.
    pub(crate) fn attempt(
        client: &'a Client,
        terms: Terms,
        (t1, late): (TrueTime, Duration),
        trips: &[Trip],
        cluster: &mut Cluster,
    ) -> Option<Self> {
        let mut claim = Claim::new(terms, client.reading(t1));
        let mut decided = None;
        for (trip, answer) in cluster.round(Call::Acquire, trips) {
            let now = client.reading(trip.replied);
            claim.handle_answer(trip.node, Call::Acquire, answer, &now);
            if std::iter::from_fn(|| claim.poll_action()).any(|action| action == Action::Decided) {
                // What comes later changes no deadline.
                decided = Some(trip.replied);
                break;
            }
        }
        let start = decided? + late;
        claim.hand_out(&client.reading(start)).ok()?;
        let end = end_of(&claim, client, start);
        Some(Self {
            claim,
            client,
            start,
            end,
        })
    }

    /// Makes one round of renewal from `t1` on, which must be within the window.
    pub(crate) fn renew(&mut self, t1: TrueTime, trips: &[Trip], cluster: &mut Cluster) {
        let ttl = self.claim.terms().ttl;
        assert!(
            self.claim
                .start_round(ttl, self.client.reading(t1))
                .is_some()
        );
        let mut asked = Vec::new();
        while let Some(action) = self.claim.poll_action() {
            if let Action::Send { node, call } = action {
                asked.push((node, call));
            }
        }
        let call = asked[0].1;
        let trips = trips.iter().copied();
        let trips: Vec<_> = trips
            .filter(|trip| asked.iter().any(|(node, _)| *node == trip.node))
            .collect();
        for (trip, answer) in cluster.round(call, &trips) {
            if trip.replied >= self.end {
                return;
            }
            let now = self.client.reading(trip.replied);
            self.claim.handle_answer(trip.node, call, answer, &now);
            self.end = if self.claim.is_held() {
                end_of(&self.claim, self.client, trip.replied)
            } else {
                trip.replied
            };
        }
    }
}

/// The core's own word for it: held until a nanosecond before, and not at the end.
fn end_of(claim: &Claim, client: &Client, from: TrueTime) -> TrueTime {
    let (since, left) = claim.ends().unwrap();
    let since = [since.boot, since.raw, since.wall.unwrap()];
    let ends = client.0.iter().zip(since).filter_map(|(clock, since)| {
        clock.first_reaching(from, i64::try_from((since + left).as_nanos()).unwrap())
    });
    let end = ends.min().unwrap();
    let at = |nanos| {
        claim
            .clone()
            .check(&client.reading(TrueTime::from_nanos(nanos)))
    };
    assert_eq!(at(end.as_nanos() - 1), State::Held);
    assert_ne!(at(end.as_nanos()), State::Held);
    end
}
