//! Goals: each is reached by a history made for it, and by no other reason.

use simulator::{checkers::Checker, history::EventKind, truth::Goal};

use crate::story::Story;

fn reached(story: &Story, goal: Goal) -> u64 {
    story.report().goals[&goal]
}

#[test]
fn a_quiet_run_reaches_nothing_and_says_so_when_something_was_declared() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.release("A1", 100);
    story.acquire("B1", 200..=202);
    story.write("B1", 203, 204);
    let report = story.report();
    assert!(
        report.goals.values().all(|count| *count == 0),
        "{:?}",
        report.goals
    );
    assert_eq!(report.goals.len(), Goal::ALL.len());
    assert!(report.is_ok());
    story
        .facts
        .goals
        .extend([Goal::Quarantine, Goal::Contention]);
    assert_eq!(
        story.says(Checker::Goals),
        "violated at 0.204 s: the run was to show contention, quarantine, and it never happened (2 in all)"
    );
}

#[test]
fn contention() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.fails("A2", 3..=4);
    assert_eq!(
        reached(&story, Goal::Contention),
        0,
        "with oneself it is none"
    );
    story.fails("B1", 5..=6);
    story.facts.goals.insert(Goal::Contention);
    assert_eq!(reached(&story, Goal::Contention), 1);
    assert_eq!(story.says(Checker::Goals), "ok");
}

#[test]
fn expiry_while_paused() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.pause("A", 100..=9_900);
    assert_eq!(reached(&story, Goal::ExpiryWhilePaused), 0);
    story.pause("A", 9_900..=9_901);
    assert_eq!(reached(&story, Goal::ExpiryWhilePaused), 1);
}

#[test]
fn restart_inside_a_ttl() {
    for (start, expected) in [(9_899, 1), (9_900, 0)] {
        let mut story = Story::new(3);
        story.acquire("A1", 0..=2).on(&[1, 2]);
        story.crash("node-1", 500, false);
        story.crash("node-3", 500, false);
        story.start("node-1", start);
        story.start("node-3", 600);
        assert_eq!(reached(&story, Goal::RestartInsideTtl), expected);
    }
}

#[test]
fn late_grants_and_lost_replies() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=4).on(&[1, 2]).set_at(1);
    story.sets(3, 2, "A1", Some("A"));
    story.attempt("A1", 3, true, &[1, 2]);
    assert_eq!(reached(&story, Goal::LostReply), 1, "node-3 had set it");
    assert_eq!(reached(&story, Goal::LateGrant), 0);
    let mut story = Story::new(3);
    story.acquire("A1", 0..=4).on(&[1, 2]).set_at(1);
    story.attempt("A1", 3, true, &[1, 2]);
    story.sets(3, 5, "A1", Some("A"));
    story.extend("A1", 6..=8, &[1, 2, 3]);
    assert_eq!(reached(&story, Goal::LateGrant), 1, "an extension is none");
    assert_eq!(reached(&story, Goal::LostReply), 0);
    assert_eq!(reached(&story, Goal::Extension), 1);
}

#[test]
fn split_votes() {
    let mut story = Story::new(5);
    story.sets(1, 1, "A1", Some("A"));
    story.sets(2, 1, "A1", Some("A"));
    story.sets(3, 1, "B1", Some("B"));
    story.sets(4, 1, "B1", Some("B"));
    assert_eq!(reached(&story, Goal::SplitVote), 1);
    story.sets(5, 1, "B1", Some("B"));
    assert_eq!(
        reached(&story, Goal::SplitVote),
        0,
        "at no instant: B had three at once"
    );
}

#[test]
fn quarantine_is_counted_when_a_node_had_voted() {
    let mut story = Story::new(3);
    story.votes(1, 0, false);
    story.votes(1, 10, true);
    assert_eq!(
        reached(&story, Goal::Quarantine),
        0,
        "not yet admitted is another thing"
    );
    story.votes(1, 20, false);
    story.votes(1, 21, false);
    assert_eq!(reached(&story, Goal::Quarantine), 1);
}

#[test]
fn acquired_under_a_fault() {
    let mut story = Story::new(3);
    let began = |window| EventKind::FaultBegan {
        window,
        fault: "cut".to_owned(),
        hosts: Vec::new(),
    };
    story.event(0, "world", began(0));
    story.event(5, "world", began(1));
    story.event(6, "world", EventKind::FaultEnded { window: 0 });
    story.acquire("A1", 0..=7);
    story.event(8, "world", EventKind::FaultEnded { window: 1 });
    story.acquire("B1", 0..=9);
    assert_eq!(reached(&story, Goal::AcquiredUnderFault), 1);
    story.event(20, "world", began(2));
    story.healed(30);
    story.acquire("C1", 0..=31);
    assert_eq!(
        reached(&story, Goal::AcquiredUnderFault),
        1,
        "the heal ends what had no end"
    );
}

#[test]
fn publish_rounds_and_refusals() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=4).token(3);
    story.event(
        3,
        "A",
        EventKind::Attempt {
            operation: "A1".into(),
            owner: None,
            won: true,
            granted: Vec::new(),
            published: true,
        },
    );
    story.refused("A1", 5, 6, 9);
    assert_eq!(reached(&story, Goal::PublishRound), 1);
    assert_eq!(reached(&story, Goal::StoreRefusal), 1);
}
