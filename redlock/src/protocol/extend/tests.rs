//! [`Holding`] against a version that recomputes the deadline from the list of all confirmations.

use super::*;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn holding(nodes: usize, granted: usize, until: Duration) -> Holding {
    Holding::new(Quorum::majority(nodes), 0..granted, until)
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
