use proptest::prelude::*;

use super::{super::queue::tests::*, *};
use crate::protocol::OwnerToken;

/// Any job: one for another script now and then, and one that is sent again whole.
fn job(kind: u8, resource: u8, owner: u8) -> Job {
    match kind {
        0..4 => acquire(resource, owner),
        4..8 => release(resource, owner),
        8 => call(resource, owner, Verb::Publish { counter: 1 }),
        _ => match acquire(resource, owner) {
            Job::Call(mut call) => {
                call.whole = true;
                Job::Call(call)
            }
            job => job,
        },
    }
}

type Described = (bool, u8, OwnerToken);

/// Those of `jobs` that are about `resource`, or all that are not packed, in order.
fn of(jobs: &[Described], resource: u8) -> Vec<Described> {
    let jobs = jobs.iter().filter(|(_, of, _)| *of == resource);
    jobs.copied().collect()
}

#[test]
fn few_calls_are_written_as_they_always_were() {
    let jobs = vec![acquire(1, 1), release(2, 2), acquire(3, 3)];
    let packed = pack(jobs, true);
    assert!(packed.packs.is_empty());
    let order: Vec<_> = packed.jobs.iter().map(|job| describe(job).1).collect();
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn releases_come_first_in_a_pack_and_another_call_ends_it() {
    let publish = || call(9, 9, Verb::Publish { counter: 1 });
    let jobs = || {
        vec![
            acquire(1, 1),
            release(2, 2),
            acquire(3, 3),
            release(4, 4),
            publish(),
            release(5, 5),
            acquire(6, 6),
        ]
    };
    let packed = pack(jobs(), true);
    assert_eq!(packed.packs, [(0, 4)], "the last two are too few");
    let order: Vec<_> = packed.jobs.iter().map(|job| describe(job).1).collect();
    assert_eq!(order, [2, 4, 1, 3, 9, 5, 6]);
    assert!(pack(jobs(), false).packs.is_empty(), "two releases only");
}

#[test]
fn a_release_behind_an_acquire_call_of_its_key_starts_another_pack() {
    let first = (0..4).map(|resource| acquire(resource, resource));
    let then = (0..4).map(|resource| release(resource, resource));
    let packed = pack(first.chain(then).collect(), true);
    assert_eq!(packed.packs, [(0, 4), (4, 4)]);
}

proptest! {
    /// Nothing is lost, calls about one key keep their order, and packs are what their script expects.
    #[test]
    fn order_holds_where_it_matters(
        submitted in proptest::collection::vec((0_u8..10, 0_u8..6, any::<u8>()), 0..60),
        acquires_too in any::<bool>(),
    ) {
        let jobs: Vec<_> = submitted.iter().map(|(kind, of, owner)| job(*kind, *of, *owner)).collect();
        let before: Vec<_> = jobs.iter().map(describe).collect();
        let Packed { jobs, packs } = pack(jobs, acquires_too);
        let after: Vec<_> = jobs.iter().map(describe).collect();
        prop_assert_eq!(after.len(), before.len());
        for resource in 0..6 {
            prop_assert_eq!(of(&after, resource), of(&before, resource));
        }
        let mut free = 0;
        for (start, length) in packs {
            prop_assert!(start >= free && length >= LEAST_PACKED);
            free = start + length;
            let pack = &jobs[start..free];
            let releases = pack.iter().take_while(|job| matches!(kind(job), Kind::Release)).count();
            prop_assert!(pack[releases..].iter().all(|job| matches!(kind(job), Kind::Acquire)));
            prop_assert!(acquires_too || releases == length);
        }
        prop_assert!(free <= jobs.len());
    }
}
