//! The linearizable mutex.

use proptest::prelude::*;
use simulator::checkers::Checker;

use crate::{
    oracle::{self, Step},
    story::Story,
};

const MUTEX: Checker = Checker::LinearizableMutex;

#[test]
fn unknown_outcomes_are_dropped_or_act_early() {
    let mut story = Story::new(3);
    // Never returned: it need not have happened.
    story.tries("C1", 0);
    story.acquire("A1", 0..=2);
    // Nobody knows what became of the release; it acts as it is invoked.
    story.releases("A1", 50);
    story.acquire("B1", 3..=50);
    assert_eq!(story.says(MUTEX), "ok");
}

#[test]
fn two_holders_are_not_one_mutex() {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=2).on(&[1, 2, 3]);
    story.acquire("B1", 5..=6).on(&[3, 4, 5]);
    assert_eq!(
        story.says(MUTEX),
        "violated at 0.006 s: no order of a mutex has both A's lease A1 and B's lease B1 on \"r\": both held at 0.006 s"
    );
}

#[test]
fn a_lease_that_was_over_at_once_must_still_have_had_its_instant() {
    // B's acquisition ends, with nothing left, within A's hold; it began before it, or did not.
    let with = |invoked: u64| {
        let mut story = Story::new(3);
        story.acquire("A1", 0..=2);
        story
            .acquire("B1", invoked..=900)
            .keyless()
            .valid(900 - invoked);
        story.verdict(MUTEX).is_violated()
    };
    assert!(
        !with(2),
        "at the instant at which A's hold begins there is room"
    );
    assert!(with(3));
}

/// Leases as (invoked, returned, how it ends, when), at most one per client.
#[derive(Clone, Debug)]
struct Made {
    invoked: u64,
    returned: u64,
    end: Option<u64>,
    by_deadline: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let end = proptest::option::of(0u64..8);
    (0u64..14, 0u64..5, end, any::<bool>()).prop_map(|(invoked, took, after, by_deadline)| Made {
        invoked,
        returned: invoked + took,
        end: after.map(|after| invoked + took + after),
        by_deadline,
    })
}

fn steps(leases: &[Made]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (lease, made) in leases.iter().enumerate() {
        steps.push(Step {
            lease,
            acquires: true,
            first: made.invoked,
            last: made.returned,
        });
        let Some(end) = made.end else { continue };
        // A release acts at its invocation or later, a deadline acts when it passes. A deadline that passed by the time
        // of the return may have passed at any time since the invocation.
        let (first, last) = if !made.by_deadline {
            (end, u64::MAX)
        } else if end <= made.returned {
            (made.invoked, made.returned)
        } else {
            (end, end)
        };
        steps.push(Step {
            lease,
            acquires: false,
            first,
            last,
        });
    }
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Disjoint windows are exactly what a search over all orders of a mutex finds.
    #[test]
    fn disjoint_windows_are_what_a_search_finds(leases in proptest::collection::vec(made(), 1..5)) {
        let mut story = Story::new(0);
        for (index, made) in leases.iter().enumerate() {
            let id = format!("{}1", char::from(b'A' + u8::try_from(index).unwrap()));
            let acquire = story.acquire(&id, made.invoked..=made.returned).keyless();
            match made.end {
                Some(end) if made.by_deadline => drop(acquire.valid(end - made.invoked)),
                Some(end) => {
                    drop(acquire.endless());
                    story.releases(&id, end);
                }
                None => drop(acquire.endless()),
            }
        }
        let found = !story.verdict(MUTEX).is_violated();
        prop_assert_eq!(found, oracle::mutex_order_exists(&steps(&leases)), "{}", story.says(MUTEX));
    }
}
