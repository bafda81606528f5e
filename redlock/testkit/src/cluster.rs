//! Several independent servers.

use std::ops::Index;

use crate::{Error, RedisServer, ServerOptions};

/// N independent masters that know nothing of each other: what Redlock calls its nodes. (Not Redis Cluster.) Indexing gives
/// one server.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts `n` servers with the same options.
    ///
    /// # Errors
    /// When one of them cannot be started; the others are stopped again.
    pub fn start(n: usize, options: &ServerOptions) -> Result<Self, Error> {
        let servers = (0..n)
            .map(|_| RedisServer::start(options))
            .collect::<Result<_, _>>()?;
        Ok(Self { servers })
    }

    /// The servers' addresses, in order.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(RedisServer::url).collect()
    }

    /// How many servers there are, running or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// Whether there is no server at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// The servers in order.
    pub fn iter(&self) -> std::slice::Iter<'_, RedisServer> {
        self.servers.iter()
    }
}

impl Index<usize> for RedisCluster {
    type Output = RedisServer;

    fn index(&self, node: usize) -> &RedisServer {
        &self.servers[node]
    }
}

impl<'a> IntoIterator for &'a RedisCluster {
    type Item = &'a RedisServer;
    type IntoIter = std::slice::Iter<'a, RedisServer>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
