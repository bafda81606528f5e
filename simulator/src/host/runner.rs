//! The gate before a process, and the kernel beside it.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::FutureExt as _;
use tokio::{sync::mpsc, task::LocalSet};

use super::{
    process::{Process, Program, panic_message, spawn},
    state::{Breakdown, Host},
};
use crate::{network, time::TrueTime};

/// How often the tasks of one process may ask to go on at one instant. True time stands still while they do, so without
/// a bound a task that waits for time by asking for it over and over would hang the world. Busy hosts need fewer than 40.
const MOST_TURNS: u32 = 10_000;

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
        host: host.clone(),
        program,
        running: None,
        turns: Turns::default(),
    });
    match AssertUnwindSafe(accept).catch_unwind().await {
        Ok(ended) => ended,
        Err(panic) => {
            host.panicked(network::now(), panic_message(&*panic));
            Ok(())
        }
    }
}

struct Running {
    process: Process,
    tasks: Pin<Box<LocalSet>>,
    start: u32,
    /// What its tasks trace is in here.
    span: tracing::Span,
}

/// How often a process was polled since time last moved.
#[derive(Default)]
struct Turns {
    at: TrueTime,
    count: u32,
}

impl Turns {
    fn are_too_many(&mut self, now: TrueTime) -> bool {
        if self.at != now {
            *self = Self { at: now, count: 0 };
        }
        self.count += 1;
        self.count > MOST_TURNS
    }
}

/// Polls the tasks of a process while it is up and not paused.
struct Runner {
    host: Arc<Host>,
    program: Program,
    running: Option<Running>,
    turns: Turns,
}

impl Runner {
    fn start(&mut self, start: u32) {
        let process = Process::new(self.host.clone(), start - 1);
        let tasks = LocalSet::new();
        {
            let _within = tasks.enter();
            let (program, own) = (self.program.clone(), process.clone());
            // Made inside of its task: a program may do much before it has a future.
            spawn(self.host.clone(), async move { program(own).await });
        }
        self.running = Some(Running {
            process,
            tasks: Box::pin(tasks),
            start,
            span: tracing::info_span!("host", name = %self.host.name()),
        });
    }

    fn turn(&mut self, cx: &mut Context<'_>) {
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
            return;
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
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let now = network::now();
        if self.turns.are_too_many(now) {
            // Not polled again at this instant, so that it ends; the world looks after every tick.
            self.host.broke_down(Breakdown::Spinning(now));
            return Poll::Pending;
        }
        // Tasks catch their own panics; this is for monitors, and for what is dropped with a process that dies.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.turn(cx))) {
            self.host.panicked(now, panic_message(&*panic));
        }
        Poll::Pending
    }
}
