//! A connection in use: what was written to it and is not answered yet.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use redis::{Pipeline, RedisResult, Value};

use super::{
    connect::{Driver, Earlier, Established},
    info::ServerInfo,
    inspect::{self, Standing},
    node::Shared,
    pack::{Packed, pack},
    queue::Job,
    reply::split,
    stream::Health,
    wake::{DriverWaker, unheard},
};
use crate::{protocol::OwnerToken, runtime::BoxFuture};

/// The most batches in flight; more calls wait in the queue and then travel together.
pub(super) const MAX_BATCHES: usize = 256;
/// The most jobs in one batch: its answers arrive together.
pub(super) const MAX_JOBS: usize = 128;

/// Jobs that were written together.
struct Batch {
    written: Duration,
    packed: Packed,
    replies: BoxFuture<'static, RedisResult<Vec<Value>>>,
}

/// One job and what the server replied, `None` if nothing.
pub(super) type Answered = (Job, Option<Value>);

/// A connection that calls are written to.
pub(super) struct Link {
    // The driver, and with it the stream, goes first when a link is dropped.
    driver: Driver,
    waker: DriverWaker,
    connection: redis::aio::MultiplexedConnection,
    batches: VecDeque<Batch>,
    others: usize,
    releases: usize,
    client_id: i64,
    pub(super) health: Arc<Health>,
    pub(super) server: ServerInfo,
}

impl Link {
    pub(super) fn new(established: Established) -> Self {
        Self {
            driver: established.driver,
            waker: DriverWaker::new(),
            connection: established.connection,
            batches: VecDeque::new(),
            others: 0,
            releases: 0,
            client_id: established.client_id,
            health: established.health,
            server: established.server,
        }
    }

    /// What its successor has to know about it.
    pub(super) fn earlier(&self) -> Earlier {
        Earlier {
            run_id: Arc::clone(&self.server.run_id),
            identity: Arc::clone(&self.server.identity),
            client_id: self.client_id,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.batches.len() < MAX_BATCHES
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.batches.is_empty()
    }

    /// Jobs in flight that somebody asked for, releases not counted.
    pub(super) const fn others(&self) -> usize {
        self.others
    }

    /// Releases in flight.
    pub(super) const fn releases(&self) -> usize {
        self.releases
    }

    /// When the oldest unanswered batch was written.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.batches.front().map(|batch| batch.written)
    }

    pub(super) fn has_release_of(&self, owner: &OwnerToken) -> bool {
        self.batches
            .iter()
            .flat_map(|batch| &batch.packed.jobs)
            .any(|job| {
                job.release()
                    .is_some_and(|(released, _)| released == *owner)
            })
    }

    /// Hands `jobs` to the connection, behind everything before them and in the order that [`pack`] gives them.
    pub(super) fn write(
        &mut self,
        jobs: Vec<Job>,
        shared: &Shared,
        standing: &Standing<'_>,
        now: Duration,
    ) {
        let packed = pack(jobs, shared.scripts.packs_acquires());
        let jobs = &packed.jobs;
        let mut pipe = Pipeline::with_capacity(jobs.len());
        let mut written = 0;
        for &(start, length) in &packed.packs {
            self.command_each(&mut pipe, &jobs[written..start], shared, standing);
            written = start + length;
            let calls = jobs[start..written].iter().filter_map(Job::request);
            let calls: Vec<_> = calls.collect();
            let identity = &self.server.identity;
            pipe.add_command(shared.scripts.pack(&calls, identity, standing));
        }
        self.command_each(&mut pipe, &jobs[written..], shared, standing);
        if pipe.is_empty() {
            return;
        }
        self.releases += count_releases(jobs);
        self.others += jobs.iter().filter(|job| job.is_asked_for()).count();
        let mut connection = self.connection.clone();
        let mut replies: BoxFuture<'static, _> = Box::pin(async move {
            let count = pipe.len();
            connection.send_packed_commands(&pipe, 0, count).await
        });
        // The first poll puts the batch into the connection's queue, which has room for all of
        // them: that is what fixes the order. It cannot be answered yet.
        let mut cx = Context::from_waker(Waker::noop());
        let first = unheard(|| replies.as_mut().poll(&mut cx));
        if let Poll::Ready(result) = first {
            replies = Box::pin(std::future::ready(result));
        }
        self.batches.push_back(Batch {
            written: now,
            packed,
            replies,
        });
    }

    /// Adds a command, or what it takes, for each of `jobs`.
    fn command_each(
        &self,
        pipe: &mut Pipeline,
        jobs: &[Job],
        shared: &Shared,
        standing: &Standing<'_>,
    ) {
        for job in jobs {
            match job {
                Job::Call(call) => {
                    let identity = &self.server.identity;
                    let scripts = &shared.scripts;
                    let command = scripts.command(&call.request, identity, standing, call.whole);
                    pipe.add_command(command);
                }
                Job::Inspect(look) => {
                    // Looks that need no command are answered without being written; see the actor.
                    if let Some(command) = inspect::command(look.what, shared, &self.server) {
                        pipe.add_command(command);
                    }
                }
                Job::Load => shared.scripts.load(pipe),
                Job::Look => inspect::look(pipe, shared, &self.server, standing),
            }
        }
    }

    /// Moves bytes. Ready when the connection has ended.
    pub(super) fn poll_driver(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.as_mut().poll(&mut self.waker.context(cx))
    }

    /// The oldest batch, once it is answered. `Err` when the connection can answer nothing more; the
    /// batch then stays.
    ///
    /// Replies are ordered and only the driver makes them ready, which is polled just before: so
    /// only the front is looked at, and no waker is needed.
    pub(super) fn next_answered(&mut self, shared: &Shared) -> Option<Result<Vec<Answered>, ()>> {
        let front = self.batches.front_mut()?;
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(result) = front.replies.as_mut().poll(&mut cx) else {
            return None;
        };
        let Ok(values) = result else {
            front.replies = Box::pin(std::future::pending());
            return Some(Err(()));
        };
        let Packed { jobs, packs } = self.batches.pop_front()?.packed;
        self.releases -= count_releases(&jobs);
        self.others -= jobs.iter().filter(|job| job.is_asked_for()).count();
        let mut values = values.into_iter();
        let mut packs = packs.into_iter().peekable();
        let mut split_values = Vec::new().into_iter();
        let pair = |(place, job)| {
            if let Some((_, length)) = packs.next_if(|(start, _)| *start == place) {
                split_values = split(values.next(), length).into_iter();
            }
            let value = split_values.next().or_else(|| match &job {
                Job::Load => values.by_ref().take(shared.scripts.count()).last(),
                Job::Look => {
                    let count = inspect::look_count(shared);
                    Some(Value::Array(values.by_ref().take(count).collect()))
                }
                _ => values.next(),
            });
            (job, value)
        };
        Some(Ok(jobs.into_iter().enumerate().map(pair).collect()))
    }

    /// Closes the connection and gives back what it did not answer.
    pub(super) fn abandon(self) -> Vec<Job> {
        self.health.reset_on_close(true);
        let Self {
            driver, batches, ..
        } = self;
        drop(driver);
        batches
            .into_iter()
            .flat_map(|batch| batch.packed.jobs)
            .collect()
    }
}

fn count_releases(jobs: &[Job]) -> usize {
    jobs.iter().filter(|job| job.release().is_some()).count()
}
