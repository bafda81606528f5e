//! Nodes that forget: two holders when they vote, tokens out of order when their clocks disagree, nobody when all are out.

use std::time::Duration;

use simulator::{
    checkers::Checker,
    plan::{Assumption, Promise},
    workload::Session,
};

use crate::lab::{Lab, TTL, pause, protects, to_the_end, violated};

/// Without the restart guard, and so without tokens.
#[test]
fn a_node_that_forgot_and_votes_has_two_holders() {
    let which = Assumption::ForgetfulVoters;
    assert!(protects(which, Promise::Exclusion));
    let mut lab = Lab::new(3, to_the_end);
    lab.config.redlock.restart_guard = false;
    lab.config.redlock.fencing = false;
    lab.config.fencing = simulator::store::Fencing::Off;
    let shown = lab.break_by_a_little(which, Checker::WindowExclusion, 4);
    assert!(shown.len() >= 2, "{}", shown.len());
}

/// Takes turns many times in a second; one client more often than the other, so that it mostly is the last.
async fn short_turns(session: Session) {
    let is_first = &**session.process().host().name() == "client-1";
    let think = Duration::from_millis(if is_first { 20 } else { 150 });
    loop {
        if let Ok(lease) = session.acquire("r1", TTL * 2).await {
            pause(&session, Duration::from_millis(10)).await;
            // How it ended is in the history.
            let _ = lease.release().await;
        }
        pause(&session, think).await;
    }
}

/// The lock is free as the world heals, and asked for: it is to be had before a quarantine is over.
#[test]
fn nobody_acquires_while_a_quorum_is_out() {
    let which = Assumption::QuarantinedNodes;
    assert!(protects(which, Promise::Progress));
    // So short that what forgets is still out when the world heals.
    let mut lab = Lab::new(1, short_turns);
    lab.facts = |facts| facts.progress.acquire_within_ms = facts.max_ttl_ms / 10;
    let shown = lab.break_by_a_little(which, Checker::Liveness, 4);
    assert!(shown.len() >= 2, "{}", shown.len());
    for one in shown {
        assert_eq!(violated(&one.report), [Checker::Liveness].into());
    }
}

#[test]
fn tokens_go_back_where_nodes_forget_and_disagree() {
    let which = Assumption::WallDisagreement;
    assert!(protects(which, Promise::TokenOrder));
    let lab = Lab::new(4, short_turns);
    let shown = lab.break_by_a_little(which, Checker::Fencing, 6);
    // It takes the one client last before the loss, and the other first after the quarantine.
    assert!(!shown.is_empty());
    for one in shown {
        let rules = violated(&one.report);
        assert!(!rules.contains(&Checker::WindowExclusion), "{}", one.report);
    }
}
