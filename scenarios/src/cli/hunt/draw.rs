//! Drawing the plans of a search, in order and again.

use simulator::{
    hunt::{BATCH, Case, Hunt, Pool},
    plan::Plan,
};

use super::{
    book::Book,
    search::{Key, Search, Shard},
};
use crate::cli::Error;

/// Draws plans. A search that steers draws them in batches, and each batch depends on those before.
pub(super) struct Drawer {
    hunts: Vec<Hunt>,
    pools: Vec<Pool>,
}

impl Drawer {
    /// As it is at the beginning of a search.
    ///
    /// # Errors
    ///
    /// When this program does not know one of the search's names.
    pub(super) fn new(search: &Search) -> Result<Self, Error> {
        let hunts = search.hunts()?;
        Ok(Self {
            pools: vec![Pool::default(); hunts.len()],
            hunts,
        })
    }

    /// The case of one plan; none when there is no such plan.
    pub(super) fn case(&self, key: Key) -> Option<Case> {
        let pool = self.pools.get(key.profile)?;
        self.hunts.get(key.profile)?.case(key.seed, pool)
    }

    /// Goes on to the next batch: the margins of this one are known.
    pub(super) fn learn(&mut self, book: &Book, batch: &[Key]) {
        for profile in 0..self.pools.len() {
            let own = batch.iter().filter(|key| key.profile == profile);
            let margins: Vec<(i64, Plan)> = own
                .filter_map(|key| {
                    let seen = book.record(*key)?.seen.as_ref()?;
                    Some((seen.tally.least_margin?, self.case(*key)?.plan))
                })
                .collect();
            self.pools[profile].add(margins);
        }
    }

    /// The case of a plan that was run before.
    ///
    /// # Errors
    ///
    /// When this program does not know one of the search's names.
    pub(super) fn again(book: &Book, key: Key) -> Result<Option<Case>, Error> {
        let mut drawer = Self::new(&book.search)?;
        for batch in batches(&book.search).take_while(|_| book.search.steers) {
            if batch.contains(&key) {
                break;
            }
            drawer.learn(book, &batch);
        }
        Ok(drawer.case(key))
    }
}

/// The plans of a search that steers, batch by batch.
pub(super) fn batches(search: &Search) -> impl Iterator<Item = Vec<Key>> {
    let mut keys = search.keys(Shard::WHOLE);
    let length = usize::try_from(BATCH)
        .unwrap_or(usize::MAX)
        .saturating_mul(search.profiles.len());
    std::iter::from_fn(move || {
        let batch: Vec<_> = keys.by_ref().take(length).collect();
        (!batch.is_empty()).then_some(batch)
    })
}
