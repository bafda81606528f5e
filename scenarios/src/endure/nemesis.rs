//! How nodes are hit.

use std::{sync::Arc, time::Duration};

use redlock_testkit::{Error as ServerError, RedisCluster};
use tokio::sync::{Mutex, mpsc};

use super::{clock, nodes::Deed, script::Hit, stage::Input};

impl Hit {
    /// How a node looks from when it is hit, and when that is over. None where it keeps voting.
    pub(super) const fn seen(self) -> Option<(Deed, Deed)> {
        match self {
            Self::Stop(_) | Self::PauseClients(_) => Some((Deed::Stop, Deed::Continue)),
            Self::Restart(_) | Self::RestartEmpty(_) => Some((Deed::Kill, Deed::RestartEmpty)),
            Self::Flush => Some((Deed::RestartEmpty, Deed::RestartEmpty)),
            Self::ForgetScripts | Self::DropClients => None,
        }
    }

    const fn lasting(self) -> Duration {
        match self {
            Self::Stop(time)
            | Self::Restart(time)
            | Self::RestartEmpty(time)
            | Self::PauseClients(time) => time,
            Self::Flush | Self::ForgetScripts | Self::DropClients => Duration::ZERO,
        }
    }

    fn begin(self, cluster: &RedisCluster, node: usize) -> Result<(), ServerError> {
        let server = &cluster[node];
        let pause;
        let command: &[&str] = match self {
            Self::Stop(_) => {
                server.stop();
                return Ok(());
            }
            Self::Restart(_) | Self::RestartEmpty(_) => {
                server.kill();
                return Ok(());
            }
            Self::Flush => &["FLUSHALL"],
            Self::ForgetScripts => &["SCRIPT", "FLUSH"],
            Self::DropClients => &["CLIENT", "KILL", "TYPE", "normal"],
            Self::PauseClients(time) => {
                pause = time.as_millis().to_string();
                &["CLIENT", "PAUSE", &pause]
            }
        };
        server.try_command(command).map(drop)
    }

    fn end(self, cluster: &RedisCluster, node: usize) -> Result<(), ServerError> {
        let server = &cluster[node];
        match self {
            Self::Stop(_) => server.cont(),
            Self::Restart(_) => return server.restart(),
            Self::RestartEmpty(_) => return server.restart_empty(),
            Self::Flush | Self::ForgetScripts | Self::DropClients | Self::PauseClients(_) => {}
        }
        Ok(())
    }
}

/// The nodes, and who is at them.
#[derive(Debug)]
pub(super) struct Nemesis {
    cluster: Arc<RedisCluster>,
    /// One fault at a time: on a busy machine one may take longer than the script thought.
    busy: Vec<Arc<Mutex<()>>>,
}

impl Nemesis {
    pub(super) fn new(cluster: Arc<RedisCluster>) -> Self {
        let busy = (0..cluster.len()).map(|_| Arc::default()).collect();
        Self { cluster, busy }
    }

    /// Hits a node in the background, from beginning to end.
    pub(super) fn hit(&self, node: usize, hit: Hit, tell: &mpsc::UnboundedSender<Input>) {
        let (cluster, busy, tell) = (self.cluster.clone(), self.busy[node].clone(), tell.clone());
        clock::spawn(async move {
            let _turn = busy.lock().await;
            let done = apart(&cluster, move |cluster| hit.begin(cluster, node)).await;
            clock::sleep(hit.lasting()).await;
            let over = apart(&cluster, move |cluster| hit.end(cluster, node)).await;
            let _ = tell.send(match over {
                Ok(()) => Input::Recovered {
                    node,
                    hit,
                    // A server that is too busy to take the command was not hit; that is no reason to stop.
                    missed: done.is_err(),
                },
                Err(reason) => Input::Broken(reason),
            });
        });
    }
}

/// On a thread of its own: the testkit blocks.
async fn apart(
    cluster: &Arc<RedisCluster>,
    deed: impl FnOnce(&RedisCluster) -> Result<(), ServerError> + Send + 'static,
) -> Result<(), String> {
    let cluster = cluster.clone();
    match tokio::task::spawn_blocking(move || deed(&cluster)).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("a deed of the nemesis panicked".into()),
    }
}

/// The lock keys that a node holds.
pub(super) async fn lock_keys(
    cluster: &Arc<RedisCluster>,
    node: usize,
) -> Result<Vec<String>, String> {
    let cluster = cluster.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let keys = cluster[node].try_command(&["KEYS", "redlock:lock:*"]);
        keys.map_err(|error| error.to_string())
            .and_then(|keys| redis::from_redis_value(keys).map_err(|error| error.to_string()))
    });
    asked
        .await
        .unwrap_or_else(|_| Err("looking at a node panicked".into()))
}
