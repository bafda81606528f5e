//! [`Holding`] against a version that recomputes the deadline from the list of all confirmations.

use super::*;
use proptest::prelude::*;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn not_owner() -> Answer {
    Answer::NotOwner {
        gone: true,
        same_identity: true,
    }
}

const fn unknown() -> Answer {
    Answer::Unknown(crate::protocol::Reason::NoRuntime)
}

fn holding(nodes: usize, granted: usize, until: Duration) -> Holding {
    Holding::new(Quorum::majority(nodes), 0..granted, until)
}

/// A round confirms on one node, is retried, and confirms on another: two nodes confirmed *something*,
/// but only one of them anything after the first deadline.
#[test]
fn renewal_rounds_not_mixed() {
    let mut lease = holding(3, 2, ms(100));
    let (first, asked) = lease.start_round(ms(10)).unwrap();
    assert_eq!(asked, [0, 1]);
    assert_eq!(
        lease.handle_answer(0, first, ms(110), &Answer::Confirmed, ms(11)),
        None
    );
    assert_eq!(
        lease.give_up_round(first, ms(15)),
        Some(Round::Unknown),
        "node 1 has not answered"
    );
    assert_eq!(lease.deadline(), ms(100));
    let (second, _) = lease.start_round(ms(50)).unwrap();
    assert_eq!(
        lease.handle_answer(1, second, ms(150), &Answer::Confirmed, ms(51)),
        None
    );
    assert_eq!(
        lease.deadline(),
        ms(110),
        "node 0 holds the key no longer than its own round says"
    );
    let ended = lease.handle_answer(0, second, ms(150), &Answer::Confirmed, ms(52));
    assert_eq!(ended, Some(Round::Renewed));
    assert_eq!(lease.deadline(), ms(150));
}

#[test]
fn a_late_confirmation_counts_from_its_own_round() {
    let mut lease = holding(3, 3, ms(100));
    let (first, _) = lease.start_round(ms(10)).unwrap();
    assert_eq!(lease.give_up_round(first, ms(20)), Some(Round::Unknown));
    for node in 0..2 {
        let ended = lease.handle_answer(node, first, ms(110), &Answer::Confirmed, ms(60));
        assert_eq!(ended, None, "the round is closed");
    }
    assert_eq!(lease.deadline(), ms(110));
}

#[test]
fn an_extension_to_less_shortens_nothing() {
    let mut lease = holding(3, 3, ms(100));
    let (round, _) = lease.start_round(ms(10)).unwrap();
    for node in 0..3 {
        lease.handle_answer(node, round, ms(20), &Answer::Confirmed, ms(11));
    }
    assert_eq!(lease.deadline(), ms(100));
    assert_eq!(lease.held(), 3);
}

#[test]
fn no_reply_after_the_deadline_brings_the_lease_back() {
    let mut lease = holding(3, 3, ms(100));
    let (round, _) = lease.start_round(ms(10)).unwrap();
    lease.handle_answer(0, round, ms(110), &Answer::Confirmed, ms(99));
    let ended = lease.handle_answer(1, round, ms(110), &Answer::Confirmed, ms(100));
    assert_eq!(ended, Some(Round::Over), "one nanosecond before counts");
    assert_eq!(lease.state(), State::Lost(Loss::Expired));
    assert_eq!(lease.check(ms(1)), State::Lost(Loss::Expired));
    assert_eq!(lease.remaining(ms(1)), Duration::ZERO);
    assert_eq!(lease.start_round(ms(1)), None);
    lease.handle_late_grant(2, ms(900), ms(1));
    assert_eq!(lease.deadline(), ms(100));
}

#[test]
fn a_lost_lease_that_is_released_stays_lost() {
    let mut lease = holding(3, 2, ms(100));
    lease.check(ms(100));
    assert!(lease.release(), "its keys still have to go");
    assert!(!lease.release());
    assert_eq!(lease.state(), State::Lost(Loss::Expired));
    assert!(lease.is_released());
}

#[test]
fn the_lease_is_lost_with_the_node_that_ends_the_quorum() {
    let mut lease = holding(5, 4, ms(100));
    assert_eq!(lease.slack(), 1);
    assert_eq!(lease.mark_gone(0, ms(1)), State::Held);
    assert_eq!(lease.slack(), 0);
    assert_eq!(lease.mark_gone(0, ms(1)), State::Held);
    assert_eq!(lease.mark_gone(3, ms(2)), State::Lost(Loss::TakenOver));
}

/// The deadline is a promise already made. What the loss costs is slack.
#[test]
fn a_node_that_lost_the_key_moves_no_deadline_back() {
    let mut lease = holding(5, 5, ms(100));
    let (round, _) = lease.start_round(ms(10)).unwrap();
    for node in 0..3 {
        lease.handle_answer(node, round, ms(110), &Answer::Confirmed, ms(11));
    }
    assert_eq!(lease.mark_gone(0, ms(12)), State::Held);
    let (second, asked) = lease.start_round(ms(13)).unwrap();
    assert_eq!(asked, [1, 2, 3, 4]);
    lease.handle_answer(3, second, ms(105), &Answer::Confirmed, ms(14));
    assert_eq!((lease.deadline(), lease.held()), (ms(110), 2));
    assert_eq!(lease.slack(), -1);
}

#[test]
fn a_confirmation_of_a_node_that_lost_the_key_renews_nothing() {
    let mut lease = holding(3, 3, ms(100));
    let (round, _) = lease.start_round(ms(10)).unwrap();
    lease.mark_gone(0, ms(11));
    lease.handle_answer(0, round, ms(110), &Answer::Confirmed, ms(12));
    let ended = lease.handle_answer(1, round, ms(110), &Answer::Confirmed, ms(13));
    assert_eq!(ended, None);
    assert_eq!(lease.deadline(), ms(100));
    let ended = lease.handle_answer(2, round, ms(110), &Answer::Confirmed, ms(14));
    assert_eq!((ended, lease.deadline()), (Some(Round::Renewed), ms(110)));
}

/// All that ever happened to a lease; everything is recomputed from it.
#[derive(Debug, Default)]
struct Story {
    /// (node, until) of grants, late grants and confirmations that count.
    confirmed: Vec<(usize, Duration)>,
    /// Nodes that said "not yours".
    gone: Vec<usize>,
    /// The highest that the q-th largest ever was.
    deadline: Duration,
    state: Option<State>,
}

impl Story {
    fn until(&self, node: usize) -> Option<Duration> {
        let of_node = self.confirmed.iter().filter(|(by, _)| *by == node);
        let latest = of_node.map(|(_, until)| *until).max();
        latest.filter(|_| !self.gone.contains(&node))
    }

    fn recompute(&mut self, quorum: Quorum) {
        let mut untils: Vec<_> = (0..quorum.nodes())
            .filter_map(|node| self.until(node))
            .collect();
        untils.sort_unstable();
        if untils.len() >= quorum.needed() {
            let qth = untils[untils.len() - quorum.needed()];
            self.deadline = self.deadline.max(qth);
        }
    }

    fn look(&mut self, now: Duration) -> bool {
        if self.state.is_none() && now >= self.deadline {
            self.state = Some(State::Lost(Loss::Expired));
        }
        self.state.is_none()
    }

    fn lose(&mut self, node: usize, quorum: Quorum, now: Duration) {
        if self.until(node).is_some() {
            self.gone.push(node);
        }
        let left = (0..quorum.nodes()).filter(|node| self.until(*node).is_some());
        if left.count() < quorum.needed() && self.look(now) {
            self.state = Some(State::Lost(Loss::TakenOver));
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Start {
        validity: u64,
    },
    Answer {
        node: usize,
        round: usize,
        answer: Answer,
    },
    GiveUp {
        round: usize,
    },
    LateGrant {
        node: usize,
    },
    Gone {
        node: usize,
    },
    Release,
}

fn any_event() -> impl Strategy<Value = Event> {
    let answer = prop_oneof![
        6 => Just(Answer::Confirmed),
        1 => Just(not_owner()),
        1 => Just(unknown()),
        1 => Just(Answer::Refused(crate::protocol::Reason::Loading)),
    ];
    prop_oneof![
        4 => prop_oneof![4 => 0..300_u64, 1 => any::<u64>()].prop_map(|validity| Event::Start { validity }),
        12 => (0..6_usize, 0..4_usize, answer)
            .prop_map(|(node, round, answer)| Event::Answer { node, round, answer }),
        2 => (0..4_usize).prop_map(|round| Event::GiveUp { round }),
        1 => (0..6_usize).prop_map(|node| Event::LateGrant { node }),
        1 => prop_oneof![0..6_usize, Just(64), Just(usize::MAX)].prop_map(|node| Event::Gone { node }),
        1 => Just(Event::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Random rounds, answers in any order, late and repeated, and time that may even go back.
    #[test]
    fn agrees_with_the_list_of_confirmations(
        nodes in 1..6_usize, above in 0..3_usize, missing in 0..3_usize,
        events in proptest::collection::vec((any_event(), 0..40_u64, any::<bool>()), 1..60),
    ) {
        let quorum = Quorum::new(nodes, (nodes / 2 + 1 + above).min(nodes)).unwrap();
        let granted = nodes.saturating_sub(missing).max(quorum.needed());
        let mut lease = Holding::new(quorum, 0..granted, ms(200));
        let mut story = Story::default();
        story.confirmed.extend((0..granted).map(|node| (node, ms(200))));
        story.recompute(quorum);
        let mut rounds: Vec<(u32, Duration)> = Vec::new();
        let (mut now, mut lost, mut released) = (Duration::ZERO, None, false);
        for (event, passed, back) in events {
            now = if back { now.saturating_sub(ms(passed)) } else { now + ms(passed) };
            let deadline = lease.deadline();
            match event {
                Event::Start { validity } => {
                    let started = lease.start_round(now);
                    prop_assert_eq!(started.is_some(), story.look(now));
                    if let Some((id, asked)) = started {
                        let holders: Vec<_> =
                            (0..nodes).filter(|node| story.until(*node).is_some()).collect();
                        prop_assert_eq!(asked, holders);
                        rounds.push((id, now.saturating_add(ms(validity))));
                    }
                }
                Event::Answer { node, round, answer } => if let Some((id, until)) = rounds.get(round) {
                    let ended = lease.handle_answer(node, *id, *until, &answer, now);
                    if story.look(now) {
                        if answer == not_owner() {
                            story.lose(node, quorum, now);
                        } else if answer == Answer::Confirmed && story.until(node).is_some() {
                            story.confirmed.push((node, *until));
                            story.recompute(quorum);
                        }
                    }
                    if ended == Some(Round::Renewed) {
                        prop_assert!(lease.deadline() >= *until);
                    }
                },
                Event::GiveUp { round } => if let Some((id, _)) = rounds.get(round) {
                    let ended = lease.give_up_round(*id, now);
                    story.look(now);
                    prop_assert_ne!(ended, Some(Round::Renewed));
                    prop_assert_eq!(lease.give_up_round(*id, now), None);
                },
                Event::LateGrant { node } => {
                    lease.handle_late_grant(node, ms(200), now);
                    let new = story.confirmed.iter().all(|(by, _)| *by != node);
                    if story.look(now) && node < nodes && new {
                        story.confirmed.push((node, ms(200)));
                        story.recompute(quorum);
                    }
                }
                Event::Gone { node } => {
                    lease.mark_gone(node, now);
                    story.look(now);
                    story.lose(node, quorum, now);
                }
                Event::Release => {
                    prop_assert_eq!(lease.release(), !released);
                    released = true;
                    story.state = story.state.or(Some(State::Released));
                }
            }
            let held = story.look(now);
            prop_assert_eq!(lease.check(now), story.state.unwrap_or(State::Held));
            prop_assert_eq!(lease.deadline(), story.deadline);
            prop_assert!(lease.deadline() >= deadline);
            let left = if held { story.deadline - now } else { Duration::ZERO };
            prop_assert_eq!(lease.remaining(now), left);
            let until = |node: &usize| story.until(*node).is_some_and(|until| until >= story.deadline);
            let holders = (0..nodes).filter(until).collect::<Vec<_>>();
            prop_assert_eq!(lease.holders().collect::<Vec<_>>(), holders);
            lost = lost.or(story.state);
            prop_assert_eq!(lost, story.state, "what is over stays over");
        }
    }

    /// No time, node or round number is too large.
    #[test]
    fn extremes_do_not_panic(
        numbers in proptest::collection::vec((any::<usize>(), any::<u32>(), any::<u64>(), any::<u64>()), 1..30),
    ) {
        let mut lease = holding(3, 3, Duration::MAX);
        for (node, round, until, now) in numbers {
            let (until, now) = (Duration::from_nanos(until), Duration::from_secs(now));
            for answer in [Answer::Confirmed, unknown(), not_owner()] {
                lease.handle_answer(node, round, until, &answer, now);
            }
            lease.handle_late_grant(node, until, now);
            if let Some((round, _)) = lease.start_round(now) {
                lease.handle_answer(node, round, until, &Answer::Confirmed, now);
            }
        }
        prop_assert!(lease.slack() >= -2);
    }
}
