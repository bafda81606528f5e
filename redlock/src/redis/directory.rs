//! Which server each node of a client turned out to be.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The servers behind the nodes of one client, by `run_id`: two URLs that lead to one server would
/// give it two votes.
#[derive(Debug, Default)]
pub struct Directory {
    nodes: Mutex<BTreeMap<usize, Entry>>,
}

#[derive(Debug)]
struct Entry {
    run_id: Arc<str>,
    name: Arc<str>,
}

impl Directory {
    /// Registers the server behind node `index`, in place of the one it was before.
    ///
    /// # Errors
    ///
    /// The name of the other node that is this server already.
    pub(super) fn register(
        &self,
        index: usize,
        name: &Arc<str>,
        run_id: &Arc<str>,
    ) -> Result<(), Arc<str>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let other = nodes
            .iter()
            .find(|(other, entry)| **other != index && entry.run_id == *run_id);
        if let Some((_, entry)) = other {
            return Err(Arc::clone(&entry.name));
        }
        nodes.insert(
            index,
            Entry {
                run_id: Arc::clone(run_id),
                name: Arc::clone(name),
            },
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_is_one_node() {
        let directory = Directory::default();
        let register = |index, name: &str, run_id: &str| {
            directory.register(index, &Arc::from(name), &Arc::from(run_id))
        };
        assert_eq!(register(0, "a", "r1"), Ok(()));
        assert_eq!(register(0, "a", "r1"), Ok(()), "a reconnection");
        assert_eq!(register(1, "b", "r1"), Err(Arc::from("a")));
        assert_eq!(register(0, "a", "r2"), Ok(()), "a restart");
        assert_eq!(register(1, "b", "r1"), Ok(()));
    }
}
