//! Nodes and clients with clocks that are wrong in every way that an allowance covers, and nothing else.

use std::time::Duration;

use redlock::protocol::{
    Answer, Drift, Ppm, Quorum, Reading,
    claim::{Action, Call, Claim, Terms},
    extend::State,
};
use simulator::{TrueTime, clock::ClockMap, truth::ExpiryRule};

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
    pub(crate) wall: ClockMap,
    pub(crate) expiry: ExpiryRule,
    /// From when on the key is gone that was set last; never, when nothing makes the clock show it.
    pub(crate) gone: Option<TrueTime>,
}

impl Node {
    /// SET NX PX at `at`: the expiry is the clock's whole milliseconds and the TTL.
    fn set(&mut self, at: TrueTime, ttl_ms: u64) -> bool {
        if self.gone.is_none_or(|gone| at < gone) {
            return false;
        }
        let when = self.wall.at(at).div_euclid(1_000_000) + i64::try_from(ttl_ms).unwrap();
        self.gone = self.wall.first_reaching(at, self.expiry.gone_from(when));
        true
    }
}

/// When the request of an attempt reaches a node, and its reply the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trip {
    pub(crate) node: usize,
    pub(crate) arrives: TrueTime,
    pub(crate) replied: TrueTime,
}

/// Makes one attempt from `t1` on and returns the window that it wins, in true time: from the moment at which the lease is handed out,
/// `late` after it was decided, to the first at which the core says that it is over.
pub(crate) fn attempt(
    client: &Client,
    terms: Terms,
    (t1, late): (TrueTime, Duration),
    trips: &[Trip],
    (nodes, ttl_ms): (&mut [Node], u64),
) -> Option<(TrueTime, TrueTime)> {
    let mut claim = Claim::new(terms, client.reading(t1));
    let mut trips = trips.to_vec();
    trips.sort_by_key(|trip| trip.arrives);
    let mut replies: Vec<_> = trips
        .iter()
        .map(|trip| (*trip, nodes[trip.node].set(trip.arrives, ttl_ms)))
        .collect();
    replies.sort_by_key(|(trip, _)| trip.replied);
    let mut decided = None;
    for (trip, granted) in replies {
        let answer = if granted {
            Answer::Granted { counter: 0 }
        } else {
            Answer::Contended { remaining: None }
        };
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
    Some((start, end))
}

/// The core's own word for it: held until a nanosecond before, and not at the end.
fn end_of(claim: &Claim, client: &Client, start: TrueTime) -> TrueTime {
    let (since, left) = claim.ends().unwrap();
    let since = [since.boot, since.raw, since.wall.unwrap()];
    let ends = client.0.iter().zip(since).filter_map(|(clock, since)| {
        clock.first_reaching(start, i64::try_from((since + left).as_nanos()).unwrap())
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
