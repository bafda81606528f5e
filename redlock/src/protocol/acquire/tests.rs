//! [`Acquisition`] against a deliberately dumb second version, and its fencing tokens against a
//! model of nodes.

use super::*;
use crate::protocol::Reason;
use proptest::prelude::*;

/// Every reply vector in every order, for up to five nodes.
mod exhaustive;
/// The fencing tokens of concurrent acquisitions.
mod fencing;

const fn granted(counter: u64) -> Answer {
    Answer::Granted { counter }
}

const fn refused() -> Answer {
    Answer::Contended { remaining: None }
}

const fn unknown() -> Answer {
    Answer::Unknown(Reason::NoRuntime)
}

const fn not_owner() -> Answer {
    Answer::NotOwner {
        gone: true,
        same_identity: true,
    }
}

fn steps(acquisition: &mut Acquisition) -> Vec<(usize, u64)> {
    let mut steps: Vec<_> = std::iter::from_fn(|| acquisition.poll_step())
        .map(|Step::Publish { node, counter }| (node, counter))
        .collect();
    steps.sort_unstable();
    steps
}

/// Everything that the machine knows, as bytes: two machines with equal fingerprints behave alike.
/// Counters are below 30.
fn fingerprint(acquisition: &Acquisition, into: &mut Vec<u8>) {
    let small = |number: u64| u8::try_from(number).unwrap();
    for member in &acquisition.members {
        into.push(match *member {
            Member::Asked => 0,
            Member::Out => 1,
            Member::Mute { holds } => 2 + small(holds),
            Member::Granted { holds, .. } => 32 + small(holds),
        });
        into.push(match *member {
            Member::Granted {
                asked: Some(asked), ..
            } => 1 + small(asked),
            _ => 0,
        });
    }
    into.push(small(acquisition.target));
    into.push(u8::from(acquisition.publishing));
    into.push(match acquisition.outcome {
        None => 0,
        Some(Outcome::Lost) => 1,
        Some(Outcome::Won { counter }) => 2 + small(counter),
    });
    assert!(acquisition.steps.is_empty());
}

#[test]
fn an_even_split_is_decided_by_the_refusal_after_half() {
    for (nodes, deciding) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)] {
        let mut acquisition = Acquisition::new(Quorum::majority(nodes), true);
        for refusal in 1..=deciding {
            assert_eq!(acquisition.outcome(), None, "{refusal} of {nodes}");
            acquisition.handle_answer(refusal - 1, &refused());
        }
        assert_eq!(acquisition.outcome(), Some(Outcome::Lost), "{nodes} nodes");
    }
}

#[test]
fn counters_that_differ_are_published_to_those_below() {
    let mut acquisition = Acquisition::new(Quorum::majority(3), true);
    acquisition.handle_answer(0, &granted(5));
    acquisition.handle_answer(1, &granted(6));
    assert!(acquisition.is_publishing());
    assert_eq!(steps(&mut acquisition), [(0, 6)]);
    acquisition.handle_answer(2, &granted(9));
    assert_eq!(
        steps(&mut acquisition),
        [(0, 9), (1, 9)],
        "a late grant raises the token before it is decided"
    );
    acquisition.handle_publish_answer(0, 6, &Answer::Confirmed);
    assert_eq!(acquisition.outcome(), None, "of the token before");
    acquisition.handle_publish_answer(1, 9, &Answer::Confirmed);
    assert_eq!(acquisition.outcome(), Some(Outcome::Won { counter: 9 }));
}

#[test]
fn a_grant_after_the_win_is_published_to_and_changes_nothing() {
    for (late, published) in [(4, vec![(2, 5)]), (5, vec![]), (9, vec![])] {
        let mut acquisition = Acquisition::new(Quorum::majority(3), true);
        acquisition.handle_answer(0, &granted(5));
        acquisition.handle_answer(1, &granted(5));
        let won = Some(Outcome::Won { counter: 5 });
        assert_eq!(acquisition.outcome(), won);
        acquisition.handle_answer(2, &granted(late));
        assert_eq!(steps(&mut acquisition), published);
        assert_eq!(acquisition.outcome(), won);
        assert_eq!(acquisition.granted().count(), 3);
    }
}

#[test]
fn a_node_that_lost_the_key_leaves_the_set_even_after_it_was_given_up() {
    let mut acquisition = Acquisition::new(Quorum::majority(3), true);
    acquisition.handle_answer(0, &granted(5));
    acquisition.handle_answer(1, &granted(6));
    acquisition.give_up_publishing();
    acquisition.handle_publish_answer(0, 6, &not_owner());
    acquisition.handle_answer(2, &granted(6));
    assert_eq!(acquisition.outcome(), Some(Outcome::Won { counter: 6 }));
    assert_eq!(acquisition.granted().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn failed_publications_decide_as_early_as_refusals() {
    let mut acquisition = Acquisition::new(Quorum::majority(4), true);
    for (node, counter) in [(0, 5), (1, 5), (2, 6)] {
        acquisition.handle_answer(node, &granted(counter));
    }
    acquisition.handle_publish_answer(0, 6, &not_owner());
    assert_eq!(
        acquisition.outcome(),
        None,
        "nodes 1 to 3 may still carry 6"
    );
    acquisition.handle_publish_answer(1, 6, &unknown());
    assert_eq!(acquisition.outcome(), Some(Outcome::Lost));
}

#[derive(Clone, Debug)]
enum Event {
    Answer(usize, Answer),
    Published(usize, u64, Answer),
    GiveUp(usize),
    GiveUpPublishing,
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => prop_oneof![Just(0), Just(5), Just(6), Just((1 << 53) - 1), any::<u64>()].prop_map(granted),
        1 => Just(refused()),
        1 => Just(unknown()),
        1 => Just(not_owner()),
        2 => Just(Answer::Confirmed),
        1 => Just(Answer::Released),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let node = 0..9_usize;
    let counter = prop_oneof![Just(5), Just(6), any::<u64>()];
    prop_oneof![
        4 => (node.clone(), any_answer()).prop_map(|(node, answer)| Event::Answer(node, answer)),
        3 => (node.clone(), counter, any_answer())
            .prop_map(|(node, counter, answer)| Event::Published(node, counter, answer)),
        1 => node.prop_map(Event::GiveUp),
        1 => Just(Event::GiveUpPublishing),
    ]
}

proptest! {
    /// Whatever arrives, in whatever order and however often: no panic, an outcome is final, and a
    /// win means that q nodes of S carry the token.
    #[test]
    fn an_outcome_is_final(
        nodes in 1..8_usize, above in 0..4_usize, fencing in any::<bool>(),
        events in proptest::collection::vec(any_event(), 0..60),
    ) {
        let quorum = Quorum::new(nodes, (nodes / 2 + 1 + above).min(nodes)).unwrap();
        let mut acquisition = Acquisition::new(quorum, fencing);
        let mut decided = None;
        for event in events {
            match event {
                Event::Answer(node, answer) => acquisition.handle_answer(node, &answer),
                Event::Published(node, counter, answer) => {
                    acquisition.handle_publish_answer(node, counter, &answer);
                }
                Event::GiveUp(node) => acquisition.give_up_on(node),
                Event::GiveUpPublishing => acquisition.give_up_publishing(),
            }
            for (node, counter) in steps(&mut acquisition) {
                prop_assert!(fencing && acquisition.granted().any(|granted| granted == node));
                prop_assert_eq!(counter, acquisition.target);
            }
            if decided.is_none() && let Some(Outcome::Won { counter }) = acquisition.outcome() {
                prop_assert!(acquisition.granted().count() >= quorum.needed());
                prop_assert_eq!(counter, acquisition.target);
            }
            decided = decided.or(acquisition.outcome());
            prop_assert_eq!(decided, acquisition.outcome());
        }
    }
}
