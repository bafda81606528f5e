//! [`Claim`]: what is sent to whom, and when it is over, whatever nodes and clocks do.

use super::*;
use crate::protocol::Ppm;
use proptest::prelude::*;

const TTL: Duration = ms(1_000);
/// V(TTL) with [`terms`].
const VALIDITY: Duration = ms(998);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// All clocks at `at`, the wall clock `ahead` of the others.
fn clocks(at: Duration, ahead: Duration) -> Reading {
    Reading {
        boot: at,
        raw: at,
        wall: Some(at + ahead),
    }
}

fn at(at: Duration) -> Reading {
    clocks(at, ms(10_000_000))
}

fn terms(nodes: usize) -> Terms {
    Terms {
        quorum: Quorum::majority(nodes),
        drift: Drift {
            client_rate: Ppm(0),
            node_rate: Ppm(0),
            ..Drift::CUSTOMARY
        },
        fencing: true,
        min_validity: ms(10),
        ttl: TTL,
        node_timeout: ms(50),
    }
}

const fn granted(counter: u64) -> Answer {
    Answer::Granted { counter }
}

const fn contended() -> Answer {
    Answer::Contended { remaining: None }
}

const fn not_owner() -> Answer {
    Answer::NotOwner {
        gone: true,
        same_identity: true,
    }
}

const fn unknown() -> Answer {
    Answer::Unknown(Reason::NoRuntime)
}

fn actions(claim: &mut Claim) -> Vec<Action> {
    std::iter::from_fn(|| claim.poll_action()).collect()
}

/// The nodes that are sent a release, in order.
fn released(actions: &[Action]) -> Vec<usize> {
    let releases = actions.iter().filter_map(|action| match action {
        Action::Send {
            node,
            call: Call::Release,
        } => Some(*node),
        _ => None,
    });
    releases.collect()
}

/// A lease that `grants` of `nodes` nodes granted one millisecond after its start.
fn won(nodes: usize, grants: usize) -> Claim {
    let mut claim = Claim::new(terms(nodes), at(ms(0)));
    for node in 0..grants {
        claim.handle_answer(node, Call::Acquire, granted(5), &at(ms(1)));
    }
    assert_eq!(actions(&mut claim), [Action::Decided]);
    assert_eq!(claim.hand_out(&at(ms(1))), Ok(()));
    claim
}

#[test]
fn even_split_terminates() {
    for nodes in [2, 4, 6] {
        let mut claim = Claim::new(terms(nodes), at(ms(0)));
        let half = nodes / 2;
        for node in 0..half {
            claim.handle_answer(node, Call::Acquire, granted(5), &at(ms(1)));
        }
        for node in half..nodes {
            assert_eq!(actions(&mut claim), [], "node {node} of {nodes}");
            claim.handle_answer(node, Call::Acquire, contended(), &at(ms(1)));
            if node + 1 < nodes {
                assert!(claim.is_asking());
            }
        }
        assert_eq!(claim.failure(), Some(Failure::NoQuorum));
        let after = actions(&mut claim);
        assert_eq!(released(&after), (0..half).collect::<Vec<_>>());
        assert!(after.contains(&Action::Decided));
    }
}

#[test]
fn expired_on_arrival_rejected() {
    for (late, slow) in [(987, false), (988, true), (5_000, true)] {
        let mut claim = Claim::new(terms(3), at(ms(0)));
        claim.handle_answer(0, Call::Acquire, granted(5), &at(ms(1)));
        claim.handle_answer(1, Call::Acquire, granted(5), &at(ms(late)));
        let failure = Failure::TooSlow {
            elapsed: ms(late),
            validity: VALIDITY,
        };
        assert_eq!(claim.failure(), slow.then_some(failure), "at {late} ms");
        let releases = released(&actions(&mut claim));
        assert_eq!(releases, if slow { vec![0, 1, 2] } else { vec![] });
    }
}

#[test]
fn a_holder_that_is_scheduled_late_gets_nothing() {
    let mut claim = won(3, 2);
    let failure = Failure::TooSlow {
        elapsed: ms(988),
        validity: VALIDITY,
    };
    assert_eq!(claim.hand_out(&at(ms(988))), Err(failure));
    let after = actions(&mut claim);
    assert_eq!(released(&after), [0, 1, 2]);
    assert_eq!(claim.hand_out(&at(ms(1))), Err(failure), "for good");
    assert_eq!(claim.check(&at(ms(1))), State::Released);
}

#[test]
fn validity_per_attempt() {
    let mut first = Claim::new(terms(3), at(ms(0)));
    for node in 0..2 {
        first.handle_answer(node, Call::Acquire, contended(), &at(ms(400)));
    }
    assert_eq!(first.failure(), Some(Failure::NoQuorum));
    let mut second = Claim::new(terms(3), at(ms(500)));
    for node in 0..2 {
        second.handle_answer(node, Call::Acquire, granted(5), &at(ms(600)));
    }
    assert_eq!(second.remaining(&at(ms(600))), VALIDITY - ms(100));
    assert_eq!(
        second.check(&at(ms(500) + VALIDITY)),
        State::Lost(Loss::Expired)
    );
}

#[test]
fn loss_is_final() {
    let mut claim = won(3, 3);
    let hour = ms(3_600_000);
    let stepped = clocks(ms(2), ms(10_000_000) + hour);
    assert_eq!(claim.check(&stepped), State::Lost(Loss::Expired));
    assert_eq!(
        actions(&mut claim),
        [Action::Over],
        "and nothing is released"
    );
    assert_eq!(claim.check(&at(ms(3))), State::Lost(Loss::Expired));
    assert_eq!(claim.remaining(&at(ms(3))), Duration::ZERO);
    assert_eq!(claim.start_round(TTL, at(ms(3))), None);
    assert!(claim.release());
    assert_eq!(released(&actions(&mut claim)), [0, 1, 2]);
    assert_eq!(claim.loss(), Some(Loss::Expired));
}

#[test]
fn a_late_grant_joins_and_is_published_to() {
    let mut claim = won(5, 3);
    assert_eq!(claim.holding().unwrap().slack(), 0);
    claim.handle_answer(4, Call::Acquire, granted(3), &at(ms(20)));
    let publish = Action::Send {
        node: 4,
        call: Call::Publish { counter: 5 },
    };
    assert_eq!(actions(&mut claim), [publish]);
    assert_eq!(
        claim.holding().unwrap().holders().collect::<Vec<_>>(),
        [0, 1, 2, 4]
    );
    claim.handle_acquire_deadline(&at(ms(50)));
    assert_eq!(released(&actions(&mut claim)), [3]);
    claim.handle_answer(3, Call::Acquire, granted(9), &at(ms(60)));
    assert_eq!(actions(&mut claim), []);
    assert_eq!(
        claim.holding().unwrap().held(),
        4,
        "released, so it never counts"
    );
    assert_eq!(claim.counter(), 5);
}

#[test]
fn a_failed_round_releases_nothing_and_a_release_wins_over_a_round() {
    let mut claim = won(3, 3);
    let round = claim.start_round(TTL, at(ms(100))).unwrap();
    let sent = actions(&mut claim);
    assert_eq!(sent.len(), 3);
    let Action::Send { call, .. } = sent[0] else {
        panic!("extensions are sent")
    };
    claim.handle_answer(0, call, Answer::Confirmed, &at(ms(101)));
    claim.handle_round_deadline(round, &at(ms(150)));
    let ended = Round::Unknown;
    assert_eq!(actions(&mut claim), [Action::RoundEnded { round, ended }]);
    assert_eq!(claim.remaining(&at(ms(150))), VALIDITY - ms(150));
    assert!(claim.release());
    assert!(!claim.release());
    assert_eq!(released(&actions(&mut claim)), [0, 1, 2]);
    for node in 1..3 {
        claim.handle_answer(node, call, Answer::Confirmed, &at(ms(160)));
    }
    assert_eq!(claim.check(&at(ms(160))), State::Released);
    assert_eq!(actions(&mut claim), []);
}

#[test]
fn a_key_that_vanished_before_its_time_is_an_incident() {
    let mut claim = won(3, 3);
    claim.start_round(TTL, at(ms(100))).unwrap();
    let Some(Action::Send { call, .. }) = claim.poll_action() else {
        panic!("extensions are sent")
    };
    actions(&mut claim);
    claim.handle_answer(2, call, not_owner(), &at(ms(101)));
    assert_eq!(actions(&mut claim), [Action::KeyVanished { node: 2 }]);
    claim.release();
    actions(&mut claim);
    claim.handle_answer(1, call, not_owner(), &at(ms(102)));
    let vanished = Action::KeyVanished { node: 1 };
    assert!(
        !actions(&mut claim).contains(&vanished),
        "released on purpose"
    );
}

#[test]
fn a_key_that_merely_expired_is_no_incident() {
    // Node 2 missed the renewal, and is asked again when its key has run out.
    let mut claim = won(3, 3);
    claim.start_round(TTL, at(ms(900))).unwrap();
    let Some(Action::Send { call, .. }) = claim.poll_action() else {
        panic!("extensions are sent")
    };
    actions(&mut claim);
    claim.handle_answer(0, call, Answer::Confirmed, &at(ms(901)));
    claim.handle_answer(1, call, Answer::Confirmed, &at(ms(901)));
    actions(&mut claim);
    claim.handle_answer(2, call, not_owner(), &at(ms(1_200)));
    assert_eq!(actions(&mut claim), []);
    assert_eq!(claim.check(&at(ms(1_200))), State::Held);

    // The lease has expired when a late publication finds the key gone.
    let mut claim = won(5, 3);
    claim.handle_answer(3, Call::Acquire, granted(4), &at(ms(2)));
    actions(&mut claim);
    let publish = Call::Publish { counter: 5 };
    claim.handle_answer(3, publish, not_owner(), &at(ms(2_000)));
    assert_eq!(actions(&mut claim), [Action::Over]);
}

/// What happens next to a claim, drawn at random.
#[derive(Clone, Debug)]
enum Event {
    /// Answers one of the calls without an answer.
    Answer(proptest::sample::Index, Answer),
    AcquireDeadline,
    PublishDeadline,
    RoundDeadline(u32),
    StartRound,
    HandOut,
    Release,
    Check,
}

fn any_event() -> impl Strategy<Value = Event> {
    let answer = prop_oneof![
        5 => prop_oneof![5..7_u64, any::<u64>()].prop_map(granted),
        4 => Just(Answer::Confirmed),
        2 => Just(contended()),
        1 => Just(Answer::Refused(Reason::NotSent)),
        1 => Just(Answer::Quarantined { remaining: Duration::MAX }),
        1 => Just(unknown()),
        1 => Just(not_owner()),
        2 => Just(Answer::Released),
    ];
    prop_oneof![
        14 => (any::<proptest::sample::Index>(), answer).prop_map(|(call, answer)| Event::Answer(call, answer)),
        2 => Just(Event::AcquireDeadline),
        1 => Just(Event::PublishDeadline),
        1 => (0..4_u32).prop_map(Event::RoundDeadline),
        2 => Just(Event::StartRound),
        1 => Just(Event::HandOut),
        1 => Just(Event::Release),
        1 => Just(Event::Check),
    ]
}

/// The calls of one claim, as a shell would carry them.
#[derive(Debug, Default)]
struct Calls {
    open: Vec<(usize, Call)>,
    /// Everything that was sent, in order; the acquire calls go out by themselves.
    sent: Vec<(usize, Call)>,
    /// Nodes that answered their acquire call with a refusal before a release was sent.
    refused: Vec<usize>,
    /// Nodes whose grant arrived before a release was sent.
    granted: Vec<usize>,
}

impl Calls {
    fn new(nodes: usize) -> Self {
        let acquires: Vec<_> = (0..nodes).map(|node| (node, Call::Acquire)).collect();
        Self {
            open: acquires.clone(),
            sent: acquires,
            ..Self::default()
        }
    }

    fn carry(&mut self, claim: &mut Claim) {
        while let Some(action) = claim.poll_action() {
            if let Action::Send { node, call } = action {
                self.open.push((node, call));
                self.sent.push((node, call));
            }
        }
    }

    fn was_released(&self, node: usize) -> bool {
        self.sent.contains(&(node, Call::Release))
    }

    fn answer(&mut self, claim: &mut Claim, which: usize, answer: Answer, now: &Reading) {
        let (node, call) = self.open.remove(which);
        if call == Call::Acquire && !self.was_released(node) {
            if answer.leaves_nothing() {
                self.refused.push(node);
            } else if matches!(answer, Answer::Granted { .. }) {
                self.granted.push(node);
            }
        }
        claim.handle_answer(node, call, answer, now);
    }
}

fn any_reading() -> impl Strategy<Value = (u64, u64, Option<u64>)> {
    // Milliseconds that each clock moves; the wall clock steps both ways.
    (0..60_u64, 0..60_u64, proptest::option::of(0..4_000_u64))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever happens and in whatever order, in the end every node not known to have refused was
    /// sent exactly one release, after its acquire call, and nothing after it.
    #[test]
    fn every_node_that_may_hold_the_key_is_released_once(
        nodes in 1..6_usize, fencing in any::<bool>(),
        ttl in prop_oneof![4 => 500..2_000_u64, 1 => any::<u64>()],
        min_validity in prop_oneof![4 => 0..50_u64, 1 => any::<u64>()],
        events in proptest::collection::vec((any_event(), any_reading()), 0..60),
    ) {
        let terms = Terms { ttl: ms(ttl), min_validity: ms(min_validity), fencing, ..terms(nodes) };
        let (mut boot, mut raw, mut wall) = (ms(0), ms(0), ms(1_000_000));
        let start = Reading { boot, raw, wall: Some(wall) };
        let mut claim = Claim::new(terms, start);
        let mut calls = Calls::new(nodes);
        let (mut elapsed, mut over) = (Duration::ZERO, None);
        for (event, (boots, raws, walls)) in events {
            boot += ms(boots);
            raw += ms(raws);
            wall = (wall + ms(walls.unwrap_or(50))).saturating_sub(ms(if walls.is_some() { 2_000 } else { 0 }));
            let now = Reading { boot, raw, wall: Some(wall) };
            let deadline = claim.holding().map(Holding::deadline);
            match event {
                Event::Answer(which, answer) => if !calls.open.is_empty() {
                    calls.answer(&mut claim, which.index(calls.open.len()), answer, &now);
                },
                Event::AcquireDeadline => claim.handle_acquire_deadline(&now),
                Event::PublishDeadline => claim.handle_publish_deadline(&now),
                Event::RoundDeadline(round) => claim.handle_round_deadline(round, &now),
                Event::StartRound => drop(claim.start_round(ms(ttl / 2), now)),
                Event::HandOut => if !claim.is_asking() && claim.hand_out(&now).is_ok() {
                    prop_assert!(claim.remaining(&now) > terms.min_validity);
                },
                Event::Release => drop(claim.release()),
                Event::Check => drop(claim.check(&now)),
            }
            calls.carry(&mut claim);
            if let (Some(before), Some(holding)) = (deadline, claim.holding()) {
                prop_assert!(holding.deadline() >= before);
            }
            if let Some(holding) = claim.holding() {
                for holder in holding.holders() {
                    prop_assert!(calls.granted.contains(&holder));
                }
            }
            let seen = claim.elapsed(&now);
            prop_assert!(seen >= elapsed && seen >= boot && seen >= raw);
            elapsed = seen;
            if !claim.is_asking() {
                let state = claim.check(&now);
                if over.is_none() && state != State::Held {
                    over = Some(state);
                }
                prop_assert!(over.is_none() || state != State::Held, "over is over");
            }
        }
        claim.release();
        calls.carry(&mut claim);
        for node in 0..nodes {
            let to_node: Vec<_> =
                calls.sent.iter().filter(|(to, _)| *to == node).map(|(_, call)| *call).collect();
            prop_assert_eq!(to_node[0], Call::Acquire);
            let releases = to_node.iter().filter(|call| **call == Call::Release).count();
            prop_assert_eq!(releases, usize::from(!calls.refused.contains(&node)), "node {}", node);
            if releases == 1 {
                prop_assert_eq!(to_node.last(), Some(&Call::Release), "nothing after it");
            }
        }
    }

    /// A release is sent early only to nodes that are in doubt, never to one that granted a lease
    /// which still stands.
    #[test]
    fn a_lease_that_stands_keeps_its_keys(
        nodes in 1..6_usize,
        events in proptest::collection::vec((any::<proptest::sample::Index>(), 0..6_u8), 0..40),
    ) {
        let mut claim = Claim::new(terms(nodes), at(ms(0)));
        let mut calls = Calls::new(nodes);
        for (which, kind) in events {
            if calls.open.is_empty() {
                break;
            }
            let which = which.index(calls.open.len());
            let answer = match kind {
                0 => unknown(),
                1 => contended(),
                2 => not_owner(),
                _ if calls.open[which].1 == Call::Acquire => granted(5 + u64::from(kind % 2)),
                _ => Answer::Confirmed,
            };
            calls.answer(&mut claim, which, answer, &at(ms(1)));
            calls.carry(&mut claim);
            if claim.failure().is_none() {
                for node in &calls.granted {
                    prop_assert!(!calls.was_released(*node));
                }
            }
        }
    }
}
