//! One direction between two hosts: its faults, and when a segment crosses it.

use std::time::Duration;

use super::segment::Segment;
use crate::{
    random::{Purpose, below, stream},
    time::TrueTime,
};

/// What keeps segments from crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// They wait.
    Hold,
    /// They are dropped.
    Cut,
}

/// What can be wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing crosses.
    Blocked(Block),
    /// Every segment takes longer, by an amount drawn between these.
    Slow {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// Segments are lost, this many of a million.
    Lossy(u32),
}

#[derive(Clone, Debug)]
struct Spell {
    from: TrueTime,
    until: Option<TrueTime>,
    trouble: Trouble,
}

impl Spell {
    fn covers(&self, at: TrueTime) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// One direction between two hosts, with the past of its faults.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    seed: u64,
    /// `from>to`: the place of its random streams.
    name: String,
    spells: Vec<Spell>,
}

/// Whether and when a segment crosses, as far as is known at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// It arrives then, unless something happens to the link before.
    At(TrueTime),
    /// What was sent so far is lost; it is sent again then, and nobody knows yet how that goes.
    SentAgain(TrueTime),
    /// Something keeps it that has not ended yet.
    Blocked,
    /// It never does: its sender gave up.
    Never,
}

/// The longest between two retransmissions (RFC 6298 asks for at least 60 s; Linux has 120 s).
const LONGEST_WAIT: Duration = Duration::from_secs(120);

impl Link {
    pub(crate) const fn new(seed: u64, name: String) -> Self {
        Self {
            seed,
            name,
            spells: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn begin(&mut self, at: TrueTime, trouble: Trouble) {
        self.spells.push(Spell {
            from: at,
            until: None,
            trouble,
        });
    }

    /// Ends one such trouble: the one that began first.
    pub(crate) fn end(&mut self, at: TrueTime, trouble: Trouble) {
        let open = self
            .spells
            .iter_mut()
            .find(|spell| spell.until.is_none() && spell.trouble == trouble);
        if let Some(spell) = open {
            spell.until = Some(at);
        }
    }

    /// Whether something blocks the link at `at`.
    pub(crate) fn is_blocked(&self, at: TrueTime) -> bool {
        self.spells
            .iter()
            .any(|spell| spell.covers(at) && matches!(spell.trouble, Trouble::Blocked(_)))
    }

    /// When `segment` crosses, as far as is known at `now`. `receiver_off` says until when the receiving machine is without power at an
    /// instant: `Some(None)` when that has not ended.
    pub(crate) fn crossing(
        &self,
        now: TrueTime,
        segment: &Segment,
        receiver_off: impl Fn(TrueTime) -> Option<Option<TrueTime>>,
    ) -> Crossing {
        let mut wait = segment.retransmits_after;
        let mut leaves = segment.sent;
        for transmission in 0.. {
            if segment
                .given_up
                .is_some_and(|given_up| transmission > 0 && leaves >= given_up)
            {
                return Crossing::Never;
            }
            if transmission > 0 && leaves > now {
                return Crossing::SentAgain(leaves);
            }
            match self.transmission(segment, transmission, leaves, &receiver_off) {
                Transmission::Arrives(at) => return Crossing::At(at),
                Transmission::Pending => return Crossing::Blocked,
                Transmission::Lost if wait.is_zero() => return Crossing::Never,
                Transmission::Lost => {}
            }
            leaves = leaves + wait;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        Crossing::Never
    }

    fn transmission(
        &self,
        segment: &Segment,
        transmission: u64,
        leaves: TrueTime,
        receiver_off: &impl Fn(TrueTime) -> Option<Option<TrueTime>>,
    ) -> Transmission {
        let mut arrives = leaves + segment.latency + self.slowed(segment, leaves);
        if self.is_lost(segment, transmission, leaves) {
            return Transmission::Lost;
        }
        loop {
            match receiver_off(arrives) {
                Some(Some(_)) => return Transmission::Lost,
                // Nobody knows yet which retransmission finds the machine up.
                Some(None) => return Transmission::Pending,
                None => {}
            }
            let block = self.spells.iter().find_map(|spell| match spell.trouble {
                Trouble::Blocked(block) if spell.covers(arrives) => Some((block, spell.until)),
                _ => None,
            });
            match block {
                None => return Transmission::Arrives(arrives),
                Some((_, None)) => return Transmission::Pending,
                Some((Block::Cut, Some(_))) => return Transmission::Lost,
                Some((Block::Hold, Some(until))) => arrives = until,
            }
        }
    }

    fn slowed(&self, segment: &Segment, leaves: TrueTime) -> Duration {
        let mut extra = Duration::ZERO;
        for spell in self.spells.iter().filter(|spell| spell.covers(leaves)) {
            if let Trouble::Slow { min, max } = spell.trouble {
                let mut random = stream(
                    self.seed,
                    Purpose::Loss,
                    &self.name,
                    segment.connection,
                    segment.sequence | SLOWED,
                );
                let range = u64::try_from(max.saturating_sub(min).as_nanos()).unwrap_or(u64::MAX);
                extra += min + Duration::from_nanos(below(&mut random, range.saturating_add(1)));
            }
        }
        extra
    }

    fn is_lost(&self, segment: &Segment, transmission: u64, leaves: TrueTime) -> bool {
        self.spells
            .iter()
            .filter(|spell| spell.covers(leaves))
            .any(|spell| {
                let Trouble::Lossy(ppm) = spell.trouble else {
                    return false;
                };
                let which = segment.sequence | transmission << 48;
                let mut random = stream(
                    self.seed,
                    Purpose::Loss,
                    &self.name,
                    segment.connection,
                    which,
                );
                below(&mut random, 1_000_000) < u64::from(ppm)
            })
    }
}

/// Tells the draws of extra latency from those of losses.
const SLOWED: u64 = 1 << 63;

enum Transmission {
    Arrives(TrueTime),
    Lost,
    Pending,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> TrueTime = TrueTime::from_millis;

    fn link() -> Link {
        Link::new(1, "client-1>node-1".into())
    }

    fn sent_at(ms: u64) -> Segment {
        Segment::data(1, 2, MS(ms), Duration::from_millis(1), 10)
    }

    fn crossing(link: &Link, segment: &Segment) -> Crossing {
        link.crossing(TrueTime::MAX, segment, |_| None)
    }

    #[test]
    fn a_held_segment_arrives_when_the_hold_ends() {
        let mut link = link();
        link.begin(MS(10), Trouble::Blocked(Block::Hold));
        assert_eq!(crossing(&link, &sent_at(5)), Crossing::At(MS(6)));
        assert_eq!(
            crossing(&link, &sent_at(9)),
            Crossing::Blocked,
            "it would arrive as the hold begins"
        );
        link.end(MS(500), Trouble::Blocked(Block::Hold));
        assert_eq!(crossing(&link, &sent_at(9)), Crossing::At(MS(500)));
        assert_eq!(
            crossing(&link, &sent_at(499)),
            Crossing::At(MS(500)),
            "what arrives as it ends does arrive"
        );
    }

    #[test]
    fn a_cut_segment_arrives_with_the_first_retransmission_after_it() {
        let mut link = link();
        link.begin(MS(10), Trouble::Blocked(Block::Cut));
        assert_eq!(crossing(&link, &sent_at(20)), Crossing::Blocked);
        link.end(MS(700), Trouble::Blocked(Block::Cut));
        // 20, 220, 620 are dropped; 1,420 gets through.
        assert_eq!(crossing(&link, &sent_at(20)), Crossing::At(MS(1_421)));
        assert_eq!(crossing(&link, &sent_at(600)), Crossing::At(MS(801)));
    }

    #[test]
    fn how_a_retransmission_goes_is_not_known_before_it_leaves() {
        let mut link = link();
        link.begin(MS(10), Trouble::Lossy(1_000_000));
        let at = |link: &Link, now| link.crossing(MS(now), &sent_at(20), |_| None);
        assert_eq!(at(&link, 20), Crossing::SentAgain(MS(220)));
        assert_eq!(at(&link, 220), Crossing::SentAgain(MS(620)));
        link.end(MS(500), Trouble::Lossy(1_000_000));
        assert_eq!(at(&link, 619), Crossing::SentAgain(MS(620)));
        assert_eq!(at(&link, 620), Crossing::At(MS(621)));
    }

    #[test]
    fn what_its_sender_gave_up_is_not_sent_again() {
        let mut link = link();
        link.begin(MS(10), Trouble::Blocked(Block::Cut));
        link.end(MS(700), Trouble::Blocked(Block::Cut));
        let given_up = |ms| Segment {
            given_up: Some(MS(ms)),
            ..sent_at(20)
        };
        assert_eq!(crossing(&link, &given_up(1_000)), Crossing::Never);
        assert_eq!(crossing(&link, &given_up(1_500)), Crossing::At(MS(1_421)));
        let on_its_way = Segment {
            given_up: Some(MS(20)),
            ..sent_at(5)
        };
        assert_eq!(
            crossing(&link, &on_its_way),
            Crossing::At(MS(6)),
            "it had been sent once"
        );
    }

    #[test]
    fn a_machine_without_power_gets_the_first_retransmission_after_it_is_up() {
        let link = link();
        let off = |until| move |at| (at >= MS(10) && at < MS(700)).then_some(until);
        assert_eq!(
            link.crossing(MS(30), &sent_at(20), off(None)),
            Crossing::Blocked
        );
        assert_eq!(
            link.crossing(TrueTime::MAX, &sent_at(20), off(Some(MS(700)))),
            Crossing::At(MS(1_421))
        );
    }

    #[test]
    fn every_transmission_is_lost_on_its_own() {
        let mut link = link();
        link.begin(MS(0), Trouble::Lossy(500_000));
        let waits: Vec<_> = (0..400)
            .map(|sequence| {
                match crossing(
                    &link,
                    &Segment {
                        sequence,
                        ..sent_at(0)
                    },
                ) {
                    Crossing::At(at) => at.since(MS(1)).as_millis(),
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        let share = |wait| waits.iter().filter(|found| **found == wait).count();
        assert!((160..240).contains(&share(0)), "{waits:?}");
        assert!(
            (70..130).contains(&share(200)) && (25..75).contains(&share(600)),
            "{waits:?}"
        );
        link.begin(MS(0), Trouble::Lossy(1_000_000));
        link.end(MS(300), Trouble::Lossy(1_000_000));
        link.end(MS(0), Trouble::Lossy(500_000));
        assert_eq!(crossing(&link, &sent_at(0)), Crossing::At(MS(601)));
    }

    #[test]
    fn a_slow_link_adds_what_it_says() {
        let mut link = link();
        let slow = Trouble::Slow {
            min: Duration::from_millis(30),
            max: Duration::from_millis(40),
        };
        link.begin(MS(10), slow);
        link.end(MS(20), slow);
        let Crossing::At(at) = crossing(&link, &sent_at(15)) else {
            panic!("it crosses")
        };
        assert!(at >= MS(46) && at <= MS(56), "{at}");
        assert_eq!(crossing(&link, &sent_at(20)), Crossing::At(MS(21)));
    }
}
