//! A server's changes, in the words of the history.

use std::collections::BTreeMap;

use crate::{
    history::{NodeChange, Removal},
    redis::{Change, Server, Value, Why},
};

/// Picks out what concerns locks: strings, which lock keys are, the counters in the guard record, and whether the node
/// votes.
pub(super) struct Translator {
    guard_key: String,
    /// A string, and no lock.
    quarantine_key: String,
    /// Owners by key, and when their keys expire.
    held: BTreeMap<String, (String, Option<i64>)>,
    /// What memory held when the process ended.
    before: BTreeMap<String, (String, Option<i64>)>,
    /// Whether clients ask what it admitted.
    guarded: bool,
    admitted: Option<String>,
    voted: Option<bool>,
}

impl Translator {
    pub(super) fn new(prefix: &str, guarded: bool) -> Self {
        Self {
            guarded,
            guard_key: format!("{prefix}:guard"),
            quarantine_key: format!("{prefix}:quarantine"),
            held: BTreeMap::new(),
            before: BTreeMap::new(),
            admitted: None,
            voted: None,
        }
    }

    pub(super) fn holds(&self, owner: &str) -> bool {
        self.held.values().any(|(held, _)| held == owner)
    }

    pub(super) fn has_vote(&self) -> bool {
        self.voted == Some(true)
    }

    pub(super) fn translate(&mut self, server: &Server, changes: Vec<Change>) -> Vec<NodeChange> {
        let mut said = Vec::new();
        let mut restarted = false;
        for change in changes {
            restarted |= matches!(change, Change::Started { .. });
            self.one(change, &mut said);
        }
        if restarted {
            self.lost(&mut said);
        }
        self.votes(server, &mut said);
        said
    }

    fn one(&mut self, change: Change, said: &mut Vec<NodeChange>) {
        match change {
            Change::Set {
                key,
                value: Value::String(owner),
                expires_at_ms,
                ..
            } if key.to_string() != self.quarantine_key => {
                self.set(key.to_string(), owner.to_string(), expires_at_ms, said);
            }
            Change::Set {
                key,
                value: Value::Hash(hash),
                ..
            } if key.to_string() == self.guard_key => {
                self.admitted = None;
                let fields = hash
                    .in_order()
                    .into_iter()
                    .map(|(field, value)| (field.to_string(), Some(value.to_string())));
                self.fields(fields, said);
            }
            Change::Fields { key, fields, .. } if key.to_string() == self.guard_key => {
                let fields = fields.into_iter();
                self.fields(
                    fields.map(|(field, value)| {
                        (field.to_string(), value.map(|value| value.to_string()))
                    }),
                    said,
                );
            }
            Change::Set { .. } | Change::Fields { .. } | Change::Lost { .. } => {}
            Change::Expiry {
                key, expires_at_ms, ..
            } => {
                let key = key.to_string();
                if let Some((owner, _)) = self.held.get(&key).cloned() {
                    self.held
                        .insert(key.clone(), (owner.clone(), expires_at_ms));
                    said.push(NodeChange::Set {
                        key,
                        owner,
                        expires_wall_ms: expires_at_ms,
                    });
                }
            }
            Change::Deleted { key, why, .. } => {
                let key = key.to_string();
                if key == self.guard_key {
                    self.admitted = None;
                }
                let why = match why {
                    Why::Deleted => Removal::Deleted,
                    Why::Expired => Removal::Expired,
                    Why::Evicted => Removal::Evicted,
                };
                self.remove(key, why, said);
            }
            Change::Flushed { .. } => {
                self.admitted = None;
                let keys: Vec<_> = self.held.keys().cloned().collect();
                for key in keys {
                    self.remove(key, Removal::Flushed, said);
                }
            }
            Change::Stopped => self.before = std::mem::take(&mut self.held),
            Change::Started { .. } => self.admitted = None,
        }
    }

    fn set(
        &mut self,
        key: String,
        owner: String,
        expires_wall_ms: Option<i64>,
        said: &mut Vec<NodeChange>,
    ) {
        if self.held.get(&key).is_some_and(|(held, _)| *held != owner) {
            self.remove(key.clone(), Removal::Overwritten, said);
        }
        self.before.remove(&key);
        self.held
            .insert(key.clone(), (owner.clone(), expires_wall_ms));
        said.push(NodeChange::Set {
            key,
            owner,
            expires_wall_ms,
        });
    }

    fn remove(&mut self, key: String, why: Removal, said: &mut Vec<NodeChange>) {
        if let Some((owner, _)) = self.held.remove(&key) {
            said.push(NodeChange::Removed { key, owner, why });
        }
    }

    /// What the disk did not bring back.
    fn lost(&mut self, said: &mut Vec<NodeChange>) {
        for (key, (owner, _)) in std::mem::take(&mut self.before) {
            said.push(NodeChange::Removed {
                key,
                owner,
                why: Removal::Lost,
            });
        }
    }

    fn fields(
        &mut self,
        fields: impl Iterator<Item = (String, Option<String>)>,
        said: &mut Vec<NodeChange>,
    ) {
        for (field, value) in fields {
            if field == "identity" {
                self.admitted = value;
            } else if let (Some(stripe), Some(counter)) = (field.strip_prefix('f'), value)
                && stripe.bytes().all(|digit| digit.is_ascii_digit())
                && let Ok(counter) = counter.parse()
            {
                said.push(NodeChange::Counter {
                    stripe: stripe.to_owned(),
                    counter,
                });
            }
        }
    }

    /// A node votes while the identity that its guard record admitted is its own; without the restart guard nobody asks, and
    /// it votes whenever it runs. A replica grants nothing to anybody.
    fn votes(&mut self, server: &Server, said: &mut Vec<NodeChange>) {
        let run_id = self
            .admitted
            .as_deref()
            .and_then(|identity| identity.split(':').next());
        let admitted = !self.guarded || run_id == Some(server.run_id());
        let votes = server.is_running() && admitted && server.master().is_none();
        if self.voted != Some(votes) {
            self.voted = Some(votes);
            said.push(NodeChange::Votes { votes });
        }
    }
}
