//! What the lock protects: two counters, one behind a fence and one without.

use serde::{Deserialize, Serialize};

/// The protected store. Workers read a counter, work, and write it back plus one; if nobody else writes in between, the
/// value is the number of writes that were accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) fenced: Fenced,
    pub(crate) unfenced: Unfenced,
}

impl Store {
    /// Answers a question about the counters; none when it is about something else.
    pub(crate) fn answer(&mut self, ask: Ask) -> Option<Reply> {
        Some(match ask {
            Ask::ReadFenced { token } => self.fenced.read(token),
            Ask::WriteFenced { token, value } => self.fenced.write(token, value),
            Ask::ReadUnfenced => Reply::Value(self.unfenced.counter.value),
            Ask::WriteUnfenced { value } => {
                self.unfenced.counter.write(value);
                Reply::Done
            }
            Ask::MayWork => return None,
        })
    }
}

/// A value and the writes that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counter {
    /// What is stored.
    pub(crate) value: u64,
    /// How many writes were accepted, and so acknowledged: each meant to add one.
    pub(crate) accepted: u64,
}

impl Counter {
    fn write(&mut self, value: u64) {
        self.value = value;
        self.accepted += 1;
    }

    /// Acknowledged increments that are not in the value any more.
    pub(crate) const fn lost(self) -> u64 {
        self.accepted.saturating_sub(self.value)
    }
}

/// A counter that takes whatever it is given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unfenced {
    pub(crate) counter: Counter,
}

/// A counter that keeps the highest fencing token it has seen and refuses lower ones, on reads as well: the first read of a
/// holder seals the counter for all older ones. With a check on writes alone, the write of an older holder could still slip
/// in between a newer holder's read and its write.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fenced {
    pub(crate) counter: Counter,
    /// The highest token that read or wrote.
    pub(crate) highest: u64,
    /// The token of the last accepted write.
    pub(crate) last_writer: u64,
    pub(crate) stale_reads: u64,
    pub(crate) stale_writes: u64,
}

impl Fenced {
    pub(crate) fn read(&mut self, token: u64) -> Reply {
        if token < self.highest {
            self.stale_reads += 1;
            return Reply::Stale {
                highest: self.highest,
            };
        }
        self.highest = token;
        Reply::Value(self.counter.value)
    }

    pub(crate) fn write(&mut self, token: u64, value: u64) -> Reply {
        if token < self.highest {
            self.stale_writes += 1;
            return Reply::Stale {
                highest: self.highest,
            };
        }
        self.highest = token;
        self.last_writer = token;
        self.counter.write(value);
        Reply::Done
    }
}

/// What a worker asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Read the fenced counter.
    ReadFenced {
        /// The reader's fencing token.
        token: u64,
    },
    /// Write the fenced counter.
    WriteFenced {
        /// The writer's fencing token.
        token: u64,
        /// The new value.
        value: u64,
    },
    /// Read the unfenced counter.
    ReadUnfenced,
    /// Write the unfenced counter.
    WriteUnfenced {
        /// The new value.
        value: u64,
    },
    /// Everything is read, nothing is written yet: may the work begin? The supervisor stops a holder exactly here.
    MayWork,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The counter's value.
    Value(u64),
    /// Written; or go ahead.
    Done,
    /// The token is below the highest that the store has seen.
    Stale {
        /// The highest.
        highest: u64,
    },
}

/// One value as a line.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    // These types hold nothing that JSON cannot express.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(reply: Option<Reply>) -> u64 {
        match reply {
            Some(Reply::Value(value)) => value,
            other => panic!("no value: {other:?}"),
        }
    }

    #[test]
    fn fencing_sealed_on_read() {
        let mut store = Store::default();
        assert_eq!(value(store.answer(Ask::ReadFenced { token: 10 })), 0);
        assert_eq!(value(store.answer(Ask::ReadFenced { token: 11 })), 0);
        // The older holder's write comes between the newer one's read and write.
        let late = store.answer(Ask::WriteFenced {
            token: 10,
            value: 1,
        });
        assert_eq!(late, Some(Reply::Stale { highest: 11 }));
        let newer = store.answer(Ask::WriteFenced {
            token: 11,
            value: 1,
        });
        assert_eq!(newer, Some(Reply::Done));
        assert_eq!(
            store.fenced.counter,
            Counter {
                value: 1,
                accepted: 1
            }
        );
        assert_eq!(
            (store.fenced.stale_writes, store.fenced.stale_reads),
            (1, 0)
        );
    }

    #[test]
    fn stale_reads_are_refused_too() {
        let mut store = Store::default();
        store.answer(Ask::WriteFenced {
            token: 11,
            value: 1,
        });
        let late = store.answer(Ask::ReadFenced { token: 10 });
        assert_eq!(late, Some(Reply::Stale { highest: 11 }));
        assert_eq!(store.fenced.stale_reads, 1);
    }

    #[test]
    fn a_holder_may_write_as_often_as_it_likes() {
        let mut store = Store::default();
        for value in 1..=3 {
            let reply = store.answer(Ask::WriteFenced { token: 5, value });
            assert_eq!(reply, Some(Reply::Done));
        }
        assert_eq!(store.fenced.counter.lost(), 0);
    }

    #[test]
    fn a_late_write_of_the_unfenced_counter_loses_updates_and_they_are_counted() {
        let mut store = Store::default();
        let old = value(store.answer(Ask::ReadUnfenced));
        for _ in 0..4 {
            let read = value(store.answer(Ask::ReadUnfenced));
            store.answer(Ask::WriteUnfenced { value: read + 1 });
        }
        assert_eq!(store.unfenced.counter.lost(), 0);
        let late = store.answer(Ask::WriteUnfenced { value: old + 1 });
        assert_eq!(late, Some(Reply::Done));
        assert_eq!(
            store.unfenced.counter,
            Counter {
                value: 1,
                accepted: 5
            }
        );
        assert_eq!(store.unfenced.counter.lost(), 4);
    }
}
