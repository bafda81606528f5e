//! A store that does not fence, and holders that act until the last moment that the declared delay leaves them.

use std::time::Duration;

use redlock::Runtime as _;
use simulator::{
    checkers::Checker,
    plan::{Assumption, Promise},
    store::Fencing,
    workload::{RecordedLease, Session},
};

use crate::lab::{Lab, TTL, pause, protects, violated};

/// What holders count on.
const DELAY: Duration = Duration::from_millis(50);

/// What is left of the lease, by the host's clocks, which are right.
fn left(session: &Session, lease: &RecordedLease) -> Duration {
    let Some(ends) = lease.held().ends() else {
        return Duration::ZERO;
    };
    let (_, since_ns) = ends.since_ns[0];
    let elapsed = session.process().runtime().read_clocks().boot - Duration::from_nanos(since_ns);
    Duration::from_nanos(ends.left_ns).saturating_sub(elapsed)
}

/// Writes as soon as it holds, and a last time when little more is left than writes may be late.
async fn until_the_last_moment(session: Session) {
    let mut value = 0;
    loop {
        let Ok(lease) = session.acquire("r1", TTL * 2).await else {
            continue;
        };
        value += 1;
        let _ = lease.write(value).await;
        let spare = DELAY + Duration::from_millis(2);
        pause(&session, left(&session, &lease).saturating_sub(spare)).await;
        if left(&session, &lease) > DELAY {
            let _ = lease.write(value).await;
        }
        lease.lost().await;
        pause(&session, TTL / 50).await;
    }
}

#[test]
fn a_write_that_is_too_late_overtakes_nobody_else_but_is_overtaken() {
    let which = Assumption::EffectDelay;
    assert!(protects(which, Promise::UnfencedEffects));
    let mut lab = Lab::new(4, until_the_last_moment);
    lab.config.fencing = Fencing::Off;
    lab.config.redlock.fencing = false;
    lab.config.redlock.effect_delay_ms = Some(50);
    let shown = lab.break_by_a_little(which, Checker::EffectOrder, 8);
    // Who is stopped does not look and act in the same instant; what is late on its way does.
    assert!(!shown.is_empty());
    for one in shown {
        assert_eq!(violated(&one.report), [Checker::EffectOrder].into());
    }
}
