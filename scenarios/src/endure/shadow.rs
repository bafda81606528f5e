//! A counter without a fence, and why it lost what it lost.

use std::collections::{BTreeMap, VecDeque};

/// How many writes are remembered: far more than happen during one pause.
const REMEMBERED: usize = 4096;

/// A counter that takes whatever it is given. A write that overwrites somebody else's, because it rests on a value that was
/// read before, loses that one.
///
/// A lease does not prevent this, and is not supposed to: a holder may be stopped between looking at its lease and writing.
/// But it prevents everything else, so of two writes one of which lost the other, one must be *late*: it left before the
/// deadline of its lease and arrived after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadow {
    pub(super) value: u64,
    writes: u64,
    /// How many writes there had been when a hand read.
    reads: BTreeMap<usize, u64>,
    recent: VecDeque<Write>,
    pub(super) lost: u64,
    /// Lost updates that no late write explains: the numbers of the hands that lost and overwrote them.
    pub(super) unexplained: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    number: u64,
    hand: usize,
    late: bool,
}

impl Shadow {
    /// A hand reads.
    pub(super) fn read(&mut self, hand: usize) -> u64 {
        self.reads.insert(hand, self.writes);
        self.value
    }

    /// A hand writes what it made of the value it read; `late` when the lease was over by then.
    pub(super) fn write(&mut self, hand: usize, value: u64, late: bool) {
        let read = self.reads.remove(&hand).unwrap_or_default();
        for other in self.recent.iter().filter(|other| other.number > read) {
            self.lost += 1;
            if !late && !other.late {
                self.unexplained.push((other.hand, hand));
            }
        }
        self.value = value;
        self.writes += 1;
        let number = self.writes;
        self.recent.push_back(Write { number, hand, late });
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_one_after_the_other_lose_nothing() {
        let mut shadow = Shadow::default();
        for hand in 0..4 {
            let read = shadow.read(hand);
            shadow.write(hand, read + 1, false);
        }
        assert_eq!((shadow.value, shadow.lost), (4, 0));
    }

    #[test]
    fn a_late_write_explains_what_it_overwrites() {
        let mut shadow = Shadow::default();
        let old = shadow.read(0);
        for _ in 0..3 {
            let read = shadow.read(1);
            shadow.write(1, read + 1, false);
        }
        shadow.write(0, old + 1, true);
        assert_eq!((shadow.value, shadow.lost), (1, 3));
        assert!(shadow.unexplained.is_empty());
    }

    #[test]
    fn a_late_write_explains_that_it_is_overwritten() {
        let mut shadow = Shadow::default();
        let old = shadow.read(0);
        let read = shadow.read(1);
        shadow.write(0, old + 1, true);
        shadow.write(1, read + 1, false);
        assert_eq!(shadow.lost, 1);
        assert!(shadow.unexplained.is_empty());
    }

    #[test]
    fn two_holders_that_are_both_in_time_are_found() {
        let mut shadow = Shadow::default();
        let (one, other) = (shadow.read(0), shadow.read(1));
        shadow.write(0, one + 1, false);
        shadow.write(1, other + 1, false);
        assert_eq!(shadow.unexplained, [(0, 1)]);
    }
}
