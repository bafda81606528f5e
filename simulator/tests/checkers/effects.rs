//! Effect order.

use simulator::checkers::Checker;

use crate::story::Story;

const ORDER: Checker = Checker::EffectOrder;

fn two_leases() -> Story {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).token(1);
    story.acquire("B1", 10_100..=10_102).token(2);
    story
}

#[test]
fn writes_in_the_order_of_leases_are_fine() {
    let mut story = two_leases();
    story.write("A1", 100, 10_200);
    story.write("B1", 10_300, 10_301);
    let report = story.report();
    assert_eq!(report.finding(ORDER).verdict.to_string(), "ok");
    assert_eq!(report.finding(ORDER).counts["writes"], 2);
}

#[test]
fn the_late_write_of_an_older_holder_is_found() {
    let mut story = two_leases();
    story.write("A1", 9_000, 11_000);
    story.write("B1", 10_500, 10_501);
    assert_eq!(
        story.says(ORDER),
        "violated at 11.000 s: the store applied a write of A's lease A1 (token 1) at 11.000 s, sent at 9.000 s, \
         after one of B's lease B1 (token 2) at 10.501 s; the latter started at 10.101 s, the former had been \
         acquired at 0.002 s"
    );
    let verdict = story.verdict(ORDER);
    let events = &verdict.evidence().unwrap().events;
    let events: Vec<_> = events.iter().map(ToString::to_string).collect();
    // Acquired, sent, the first key of B, its write, A's write.
    assert_eq!(events, ["A#1", "A#3", "node-1#1", "store#1", "store#0"]);
}

#[test]
fn what_the_store_refused_has_no_effect() {
    let mut story = two_leases();
    story.write("B1", 10_500, 10_501);
    story.refused("A1", 9_000, 11_000, 2);
    assert_eq!(story.says(ORDER), "ok");
    assert_eq!(story.says(Checker::Fencing), "ok");
}

#[test]
fn leases_acquired_at_the_same_time_have_no_order() {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=20).on(&[1, 2, 3]).set_at(3);
    story.acquire("B1", 0..=10).on(&[3, 4, 5]).set_at(4);
    story.write("B1", 21, 22);
    story.write("A1", 23, 24);
    story.write("B1", 25, 26);
    assert_eq!(
        story.says(ORDER),
        "ok",
        "neither returned before the other started"
    );
}

#[test]
fn without_owner_tokens_the_invocation_counts_as_the_start() {
    let with = |invoked: u64| {
        let mut story = Story::new(0);
        story.acquire("A1", 0..=100).keyless();
        story.acquire("B1", invoked..=9_999).keyless();
        story.write("B1", 10_000, 10_001);
        story.write("A1", 9_000, 10_002);
        story.verdict(ORDER).is_violated()
    };
    assert!(
        !with(100),
        "at the same instant: nobody knows which was first"
    );
    assert!(with(101));
}

/// S37: the store lets the old write in between the new holder's read and write.
#[test]
fn lost_updates_are_counted() {
    let mut story = two_leases();
    story.read("B1", 10_200, 10_201);
    story.write("A1", 9_000, 10_202);
    story.write("B1", 10_203, 10_204);
    story.write("B1", 10_205, 10_206);
    let report = story.report();
    let finding = report.finding(ORDER);
    assert_eq!(finding.verdict.to_string(), "ok", "the writes are in order");
    assert_eq!(finding.counts["lost_updates"], 1, "A's update is gone");
    assert!(
        report.finding(Checker::Fencing).verdict.is_violated(),
        "the read had sealed the store"
    );
}
