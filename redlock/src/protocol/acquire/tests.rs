//! [`Acquisition`], node by node.

use super::*;
use crate::protocol::Reason;

const fn granted(counter: u64) -> Answer {
    Answer::Granted { counter }
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
