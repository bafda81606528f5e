//! How long nobody acquired although a quorum of nodes votes.

use std::time::Duration;

use super::clock::Moment;

/// The acquisitions of one resource. Time counts only while a quorum votes.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    patience: Duration,
    since: Option<Moment>,
    /// The present gap was found too long already.
    found: bool,
    pub(super) longest: Duration,
    /// Gaps that were too long: when they began.
    pub(super) too_long: Vec<Moment>,
}

impl Gaps {
    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            patience,
            since: None,
            found: false,
            longest: Duration::ZERO,
            too_long: Vec::new(),
        }
    }

    /// Time passes, with or without a quorum that votes.
    pub(super) fn tick(&mut self, now: Moment, quorum: bool) {
        self.look(now);
        if !quorum {
            self.since = None;
        } else if self.since.is_none() {
            self.begin(now);
        }
    }

    /// Somebody acquired.
    pub(super) fn acquired(&mut self, now: Moment) {
        self.look(now);
        if self.since.is_some() {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Moment) {
        self.since = Some(now);
        self.found = false;
    }

    fn look(&mut self, now: Moment) {
        let Some(since) = self.since else { return };
        self.longest = self.longest.max(now - since);
        if now - since > self.patience && !self.found {
            self.found = true;
            self.too_long.push(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn gaps() -> Gaps {
        Gaps::new(Duration::from_millis(3000))
    }

    #[test]
    fn a_gap_is_found_once_and_measured() {
        let mut gaps = gaps();
        gaps.tick(at(0), true);
        gaps.acquired(at(1000));
        gaps.tick(at(4000), true);
        assert!(gaps.too_long.is_empty());
        gaps.tick(at(4001), true);
        gaps.tick(at(4500), true);
        gaps.acquired(at(5000));
        assert_eq!(gaps.too_long, [at(1000)]);
        assert_eq!(gaps.longest, Duration::from_millis(4000));
        gaps.tick(at(9000), true);
        assert_eq!(gaps.too_long, [at(1000), at(5000)]);
    }

    #[test]
    fn time_without_a_quorum_does_not_count() {
        let mut gaps = gaps();
        gaps.tick(at(0), true);
        gaps.tick(at(2000), false);
        gaps.acquired(at(8000));
        gaps.tick(at(9000), true);
        gaps.tick(at(11_000), true);
        assert!(gaps.too_long.is_empty());
        assert_eq!(gaps.longest, Duration::from_millis(2000));
    }
}
