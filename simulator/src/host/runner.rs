//! The gate before a process, and the kernel beside it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{sync::mpsc, task::LocalSet};

use super::{
    process::{Process, Program, spawn},
    state::Host,
};
use crate::network;

/// Everything of a host, for as long as the world lasts.
#[expect(
    clippy::disallowed_methods,
    reason = "kernel tasks outlive every process of their host"
)]
pub(crate) async fn run(host: Arc<Host>, program: Program) -> std::io::Result<()> {
    let (sender, mut kernel) = mpsc::unbounded_channel();
    host.network().set_kernel(host.id(), sender);
    tokio::task::spawn_local(async move {
        while let Some(task) = kernel.recv().await {
            tokio::task::spawn_local(task);
        }
    });
    let accept = network::accept(host.network().clone(), host.id());
    tokio::task::spawn_local(Runner {
        host,
        program,
        running: None,
    });
    accept.await
}

struct Running {
    process: Process,
    tasks: Pin<Box<LocalSet>>,
    start: u32,
    /// What its tasks trace is in here.
    span: tracing::Span,
}

/// Polls the tasks of a process while it is up and not paused.
struct Runner {
    host: Arc<Host>,
    program: Program,
    running: Option<Running>,
}

impl Runner {
    fn start(&mut self, start: u32) {
        let process = Process::new(self.host.clone(), start - 1);
        let tasks = LocalSet::new();
        let main = (self.program)(process.clone());
        {
            let _within = tasks.enter();
            spawn(self.host.clone(), main);
        }
        self.running = Some(Running {
            process,
            tasks: Box::pin(tasks),
            start,
            span: tracing::info_span!("host", name = %self.host.name()),
        });
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (up, paused, start) = self.host.process(|process| {
            process.runner = Some(cx.waker().clone());
            (process.up, process.pauses > 0, process.starts)
        });
        if self
            .running
            .as_ref()
            .is_some_and(|running| !up || running.start != start)
        {
            // Drops every task, and closes every socket with it.
            self.running = None;
        }
        if !up || paused {
            return Poll::Pending;
        }
        if self.running.is_none() {
            self.start(start);
        }
        if let Some(running) = &mut self.running {
            let _within = running.span.enter();
            // A task set is done when its last task is; a process whose program ended stays up and idle.
            let _ = running.tasks.as_mut().poll(cx);
            running.process.run_monitors(network::now());
        }
        Poll::Pending
    }
}
