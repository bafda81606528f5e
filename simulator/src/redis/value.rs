//! What a key holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::binary::Binary;

/// What a key holds, as histories and checkers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A string.
    String(Binary),
    /// A hash.
    Hash(Hash),
}

impl Value {
    /// The type as TYPE answers it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Hash(_) => "hash",
        }
    }

    /// Roughly what it takes in memory.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::String(bytes) => bytes.0.len(),
            Self::Hash(hash) => hash
                .fields
                .iter()
                .map(|(field, (_, value))| field.0.len() + value.0.len() + 16)
                .sum(),
        }
    }
}

/// Fields and their values. A small hash of Redis lists them in the order in which they were first set; so does this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash {
    fields: BTreeMap<Binary, (u64, Binary)>,
    next: u64,
}

impl Hash {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, field: &[u8]) -> Option<&Binary> {
        self.fields.get(field).map(|(_, value)| value)
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none; a key never holds such a hash.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Fields and values in the order in which they were first set.
    #[must_use]
    pub fn in_order(&self) -> Vec<(&Binary, &Binary)> {
        let mut all: Vec<_> = self.fields.iter().collect();
        all.sort_by_key(|(_, (order, _))| *order);
        all.into_iter()
            .map(|(field, (_, value))| (field, value))
            .collect()
    }

    /// Sets a field; true if it is new.
    pub(super) fn set(&mut self, field: Binary, value: Binary) -> bool {
        if let Some((_, old)) = self.fields.get_mut(&field) {
            *old = value;
            return false;
        }
        self.fields.insert(field, (self.next, value));
        self.next += 1;
        true
    }

    /// Removes a field; true if it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        self.fields.remove(field).is_some()
    }
}
