//! What a server has written down, and what of it survives what.
//!
//! An append-only file is a list of changes. What was handed to the operating system survives the process; what was fsynced
//! survives the machine. A snapshot is durable as a whole once it is made.

use super::{
    change::{Change, Why},
    config::{Now, Persistence, SavePoint},
    db::Dataset,
    state::State,
};

/// The disk of one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// What a power loss leaves.
    durable: Dataset,
    /// Changes after that which the operating system has but the disk has not.
    buffered: Vec<Change>,
    /// The wall clock's second in which the file was last fsynced. Redis asks no other clock: a wall clock that steps back
    /// leaves the file without an fsync until it has caught up.
    fsynced_s: i64,
}

impl Disk {
    /// Takes note of a change, in memory already.
    pub(super) fn append(&mut self, change: &Change, persistence: &Persistence) {
        match persistence {
            Persistence::AofAlways => self.durable.apply(change),
            Persistence::AofEverysec => self.buffered.push(change.clone()),
            Persistence::None | Persistence::Rdb { .. } => {}
        }
    }

    /// Whether changes wait for an fsync.
    pub(super) fn has_buffered(&self) -> bool {
        !self.buffered.is_empty()
    }

    /// Does what Redis does before it sleeps: an fsync in every second of the wall clock.
    pub(super) fn fsync_when_due(&mut self, now: Now) {
        if now.wall_s() > self.fsynced_s {
            self.fsync(now);
        }
    }

    /// When the next fsync is due if the wall clock runs evenly, in microseconds of the wall clock.
    pub(super) fn next_fsync_us(&self) -> Option<u64> {
        let second = u64::try_from(self.fsynced_s + 1).unwrap_or_default();
        self.has_buffered()
            .then_some(second.saturating_mul(1_000_000))
    }

    /// Makes everything durable.
    pub(super) fn fsync(&mut self, now: Now) {
        self.fsynced_s = now.wall_s();
        for change in self.buffered.drain(..) {
            self.durable.apply(&change);
        }
    }

    /// Starts the once-a-second fsyncs of a new process.
    pub(super) fn open(&mut self, now: Now) {
        self.fsynced_s = now.wall_s();
    }

    /// Writes a snapshot.
    pub(super) fn save(&mut self, data: &Dataset) {
        self.durable = data.clone();
    }

    /// The machine loses power.
    pub(super) fn lose_power(&mut self) {
        self.buffered.clear();
    }

    /// What a process that starts now finds.
    pub(super) fn load(&mut self) -> Dataset {
        for change in self.buffered.drain(..) {
            self.durable.apply(&change);
        }
        self.durable.clone()
    }
}

impl State {
    /// Writes a snapshot, whatever the mode: it is only loaded in one.
    pub(super) fn save(&mut self) {
        self.last_save_s = self.now.wall_s();
        self.dirty = 0;
        if matches!(self.config.persistence, Persistence::Rdb { .. }) {
            self.disk.save(&self.data);
        }
    }

    /// Writes a snapshot if enough has changed for long enough.
    pub(super) fn save_when_due(&mut self) {
        let since = self.now.wall_s() - self.last_save_s;
        if self
            .save_points()
            .any(|point| self.dirty >= point.changes && since > i64::from(point.seconds))
        {
            self.save();
        }
    }

    /// When the next snapshot is due if nothing else changes, in microseconds of the wall clock.
    pub(super) fn next_save_us(&self) -> Option<u64> {
        let reached = self
            .save_points()
            .filter(|point| self.dirty >= point.changes);
        let due = reached
            .map(|point| self.last_save_s + i64::from(point.seconds) + 1)
            .min()?;
        u64::try_from(due)
            .ok()
            .map(|seconds| seconds.saturating_mul(1_000_000))
    }

    fn save_points(&self) -> impl Iterator<Item = &SavePoint> {
        match &self.config.persistence {
            Persistence::Rdb { save_points } => save_points.iter(),
            _ => [].iter(),
        }
    }

    /// A snapshot is loaded without the keys whose time is over; an append-only file is replayed with them.
    pub(super) fn drop_expired_at_load(&mut self) {
        let gone = self
            .data
            .all()
            .filter(|(_, _, entry)| self.is_past(entry.expires_at_ms));
        let gone: Vec<_> = gone.map(|(db, key, _)| (db, key.clone())).collect();
        for (db, key) in gone {
            let why = Why::Expired;
            self.data.apply(&Change::Deleted { db, key, why });
        }
    }
}
