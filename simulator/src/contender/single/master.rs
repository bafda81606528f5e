//! Which server to use: the only one, or of two the one that is master.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use redis::{Cmd, Value, cmd, from_redis_value};

use super::server::{CallError, Server};

/// All servers of one lock.
#[derive(Debug)]
pub(super) struct Servers {
    servers: Vec<Server>,
    /// The one in use, as long as nothing speaks against it.
    current: Mutex<Option<usize>>,
}

/// What a server that says it is master knows of its past.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lineage {
    own: String,
    /// The id that it had as a replica; all zeros when it never was one.
    inherited: String,
}

impl Servers {
    pub(super) fn new(servers: Vec<Server>) -> Self {
        Self {
            servers,
            current: Mutex::default(),
        }
    }

    /// Sends a command to the master; with a reply, its host.
    ///
    /// A server that answers READONLY is no master any more: another is looked for, once. The command had no effect there.
    pub(super) async fn call(&self, command: &Cmd) -> Result<(Value, String), CallError> {
        let mut again = true;
        loop {
            let index = self.master().await?;
            let server = self.server(index)?;
            let reply = server.call(command).await;
            if reply.is_err() {
                *self.current() = None;
            }
            match reply {
                Ok(value) => return Ok((value, server.host())),
                Err(error) if again && error.is_readonly() && self.servers.len() > 1 => {
                    again = false;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks anew who is master, before the next call. Clients of a Sentinel hear of a promotion at once; here, whoever acquires
    /// asks.
    pub(super) fn look_again(&self) {
        if self.servers.len() > 1 {
            *self.current() = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<usize>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self, index: usize) -> Result<&Server, CallError> {
        let server = self.servers.get(index);
        server.ok_or_else(|| CallError::Unsent("there is no server".to_owned()))
    }

    async fn master(&self) -> Result<usize, CallError> {
        if self.servers.len() == 1 {
            return Ok(0);
        }
        let known = *self.current();
        if let Some(index) = known {
            return Ok(index);
        }
        let found = self.find().await;
        *self.current() = found;
        found.ok_or_else(|| CallError::Unsent("no server that answers is master".to_owned()))
    }

    /// The server that says it is master; of two, the one that was promoted last.
    async fn find(&self) -> Option<usize> {
        let roles = join_all(self.servers.iter().map(is_master)).await;
        let masters = roles.iter().enumerate().filter(|(_, master)| **master);
        let masters: Vec<usize> = masters.map(|(index, _)| index).collect();
        if let [] | [_] = *masters {
            return masters.first().copied();
        }
        let asked = masters.iter().filter_map(|index| {
            let server = self.servers.get(*index)?;
            Some(async move { (*index, lineage(server).await) })
        });
        let known = join_all(asked).await;
        newest(&known).or(masters.first().copied())
    }
}

async fn is_master(server: &Server) -> bool {
    let reply = server.call(&cmd("ROLE")).await;
    let role = reply.ok().and_then(|reply| match reply {
        Value::Array(fields) => fields.into_iter().next(),
        _ => None,
    });
    role.and_then(|role| from_redis_value::<String>(role).ok())
        .is_some_and(|role| role == "master")
}

async fn lineage(server: &Server) -> Lineage {
    let mut info = cmd("INFO");
    info.arg("replication");
    let reply = server.call(&info).await;
    let text = reply
        .ok()
        .and_then(|text| from_redis_value::<String>(text).ok());
    let text = text.unwrap_or_default();
    let field = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default().trim().to_owned()
    };
    Lineage {
        own: field("master_replid"),
        inherited: field("master_replid2"),
    }
}

/// The master that others were masters before: it inherited the id of one of them, or at least of somebody.
fn newest(known: &[(usize, Lineage)]) -> Option<usize> {
    let heir = known.iter().find(|(_, heir)| {
        let mut others = known.iter().map(|(_, other)| other);
        !heir.inherited.is_empty() && others.any(|other| other.own == heir.inherited)
    });
    let promoted = || {
        known
            .iter()
            .find(|(_, lineage)| lineage.inherited.bytes().any(|digit| digit != b'0'))
    };
    heir.or_else(promoted).map(|(index, _)| *index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(own: &str, inherited: &str) -> Lineage {
        Lineage {
            own: own.to_owned(),
            inherited: inherited.to_owned(),
        }
    }

    #[test]
    fn of_two_masters_the_heir_of_the_other_is_the_newest() {
        let old = || lineage("a1", "00");
        assert_eq!(newest(&[(0, old()), (1, lineage("b2", "a1"))]), Some(1));
        assert_eq!(newest(&[(0, lineage("b2", "a1")), (1, old())]), Some(0));
        // Both were promoted once, the second last.
        let twice = [(0, lineage("c3", "x9")), (1, lineage("d4", "c3"))];
        assert_eq!(newest(&twice), Some(1));
        // The old master restarted since, and nothing ties the two.
        assert_eq!(newest(&[(0, old()), (1, lineage("b2", "e5"))]), Some(1));
        assert_eq!(newest(&[(0, old()), (1, old())]), None);
        // One of them did not answer.
        assert_eq!(newest(&[(0, old()), (1, Lineage::default())]), None);
    }
}
