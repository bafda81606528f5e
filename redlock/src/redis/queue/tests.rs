use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    node::{ReplySink, ReplyTag},
    protocol::{Answer, claim, key::LockKey},
};

struct Nobody;

impl ReplySink for Nobody {
    fn answered(self: Arc<Self>, _: usize, _: ReplyTag, _: Answer) {}
}

pub(in crate::redis) fn call(resource: u8, owner: u8, verb: Verb) -> Job {
    Job::Call(Box::new(Call {
        request: Request {
            lock: Arc::new(LockKey::new("p", &[resource], 1)),
            owner: OwnerToken::from_random([owner; 20]),
            verb,
        },
        reply: Reply::new(Arc::new(Nobody), 0, claim::Call::Acquire),
        whole: false,
    }))
}

pub(in crate::redis) fn acquire(resource: u8, owner: u8) -> Job {
    let verb = Verb::Acquire {
        ttl: Duration::from_secs(1),
        proposal: 0,
        expires: Duration::from_secs(9),
    };
    call(resource, owner, verb)
}

pub(in crate::redis) fn release(resource: u8, owner: u8) -> Job {
    call(
        resource,
        owner,
        Verb::Release {
            give_up: Duration::from_secs(9),
        },
    )
}

/// What a job is: whether a release, its resource and its owner.
pub(in crate::redis) fn describe(job: &Job) -> (bool, u8, OwnerToken) {
    match job {
        Job::Call(call) => (
            job.release().is_some(),
            call.request.lock.resource()[0],
            call.request.owner,
        ),
        _ => panic!("only calls here"),
    }
}

#[test]
fn jobs_are_written_in_order_while_there_is_room() {
    let mut queue = Queue::default();
    for job in [release(1, 1), acquire(2, 2), release(2, 2), acquire(3, 3)] {
        queue.push_back(job);
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.next(true))
        .map(|job| describe(&job).0)
        .collect();
    assert_eq!(order, [true, false, true, false]);
    assert!(queue.is_empty());
}

#[test]
fn without_room_others_overtake_all_releases_but_those_of_their_own_key() {
    let mut queue = Queue::default();
    for job in [release(1, 1), release(2, 2), acquire(3, 3), acquire(2, 4)] {
        queue.push_back(job);
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.next(false))
        .map(|job| {
            let (is_release, resource, _) = describe(&job);
            (is_release, resource)
        })
        .collect();
    assert_eq!(order, [(false, 3), (true, 2), (false, 2)]);
    assert_eq!(queue.releases(), 1, "the release that nobody waits for");
}

proptest! {
    /// No release overtakes the acquire call of its owner, no acquire call a release of its key that
    /// was submitted before it, and nothing is lost.
    #[test]
    fn order_holds_where_it_matters(
        submitted in proptest::collection::vec((any::<bool>(), 0u8..4, 0u8..6), 0..40),
        room in proptest::collection::vec(any::<bool>(), 0..80),
        fronts in proptest::collection::vec(0u8..4, 0..4),
    ) {
        let mut queue = Queue::default();
        let mut order = Vec::new();
        for (is_release, resource, owner) in &submitted {
            let job = if *is_release { release(*resource, *owner) } else { acquire(*resource, *owner) };
            order.push(describe(&job));
            queue.push_back(job);
        }
        for resource in fronts {
            let job = release(resource, 99);
            order.insert(0, describe(&job));
            queue.push_front(job);
        }
        let mut written = Vec::new();
        for room in room.into_iter().chain(std::iter::repeat_n(true, 100)) {
            written.extend(queue.next(room).map(|job| describe(&job)));
        }
        prop_assert!(queue.is_empty());
        prop_assert_eq!(written.len(), order.len());
        // Every acquire call sees before it exactly the releases of its key that were submitted before.
        let before = |sequence: &[(bool, u8, OwnerToken)]| -> Vec<Vec<OwnerToken>> {
            let mut seen = Vec::new();
            for (at, (is_release, resource, _)) in sequence.iter().enumerate() {
                if !is_release {
                    let mut owners: Vec<_> = sequence[..at]
                        .iter()
                        .filter(|(is_release, of, _)| *is_release && of == resource)
                        .map(|(_, _, owner)| *owner)
                        .collect();
                    owners.sort_unstable();
                    seen.push(owners);
                }
            }
            seen
        };
        prop_assert_eq!(before(&written), before(&order));
    }
}
