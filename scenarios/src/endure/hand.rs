//! What a hand of a worker does: acquire a lease in one of many ways, work under it, let go.
//!
//! Every hand looks at its lease before it writes. It can be stopped between looking and writing all the same, and the
//! supervisor sees to it that it is.

use std::{cell::Cell, ops::ControlFlow, time::Duration};

use redlock::{Lease, Redlock, WithError, error::AcquireError};

use super::{
    clock::{self, Moment, now},
    dice::Dice,
    error::Error,
    lease::deadline,
    link::Link,
    options::{MAX_TTL, TTL},
    wire::{Ask, Event, Failure, Reply, Style},
};

/// How often a working holder looks whether its lease was renewed.
const SAMPLE: Duration = Duration::from_millis(10);
/// How often a style turns up.
const STYLES: [Style; 12] = [
    Style::Plain,
    Style::Plain,
    Style::Plain,
    Style::With,
    Style::With,
    Style::Renewed,
    Style::Extended,
    Style::Polling,
    Style::Dropped,
    Style::Dropped,
    Style::Cancelled,
    Style::Cancelled,
];
/// How often a polling hand tries.
const TRIES: u32 = 20;
/// How long the last lease may be waited for.
const LAST: Duration = Duration::from_secs(6);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One of the wishes that a worker pursues at a time.
pub(super) struct Hand<'a> {
    pub(super) link: &'a Link,
    pub(super) redlock: &'a Redlock,
    pub(super) number: usize,
    pub(super) resource: usize,
}

/// Ends the window when it is dropped. It is declared before the lease that it belongs to, so that the end is reported
/// before anything is released, whatever is dropped.
struct Window<'a> {
    hand: &'a Hand<'a>,
    open: Cell<bool>,
}

impl Window<'_> {
    fn close(&self) {
        if self.open.replace(false) {
            self.hand.event(Event::Releasing { at: now() });
        }
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

struct Held<'a> {
    window: Window<'a>,
    lease: Lease,
}

impl<'a> Hand<'a> {
    fn event(&self, event: Event) {
        self.link.event(self.number, event);
    }

    fn name(&self) -> String {
        format!("resource-{}", self.resource)
    }

    /// One wish for a lease, and the work under it. Errors are those after which no worker can go on.
    pub(super) async fn cycle(&'a self, dice: &mut Dice) -> Result<(), Error> {
        clock::sleep(dice.between(millis(1), millis(60))).await;
        let style = STYLES[dice.index(STYLES.len())];
        let length = match style {
            // Past a third of the TTL, when the renewal comes; short enough to leave the others their turn.
            Style::Renewed => dice.between(TTL * 36 / 100, TTL / 2),
            Style::Extended => dice.between(TTL / 10, TTL * 3 / 10),
            _ => dice.between(millis(2), millis(60)),
        };
        // Some leases are shorter than the others.
        let ttl = if dice.index(5) == 0 { TTL / 2 } else { TTL };
        let patience = dice.between(TTL, TTL * 2);
        let request = self.redlock.request(self.name()).ttl(ttl).within(patience);
        let started = now();
        match style {
            Style::With => return self.with(request, length).await,
            Style::Polling => {
                for _ in 0..TRIES {
                    match request.try_acquire().await {
                        Ok(Some(lease)) => {
                            return self.hold(lease, started, style, length).await;
                        }
                        Ok(None) => {}
                        Err(error) => self.failed(&error).await,
                    }
                    clock::sleep(dice.between(millis(10), millis(40))).await;
                }
                Ok(())
            }
            Style::Cancelled => {
                let most = dice.between(Duration::ZERO, millis(30));
                let got = tokio::select! {
                    biased;
                    () = clock::sleep(most) => ControlFlow::Break(()),
                    got = request.acquire() => ControlFlow::Continue(got),
                };
                match got {
                    ControlFlow::Break(()) => {
                        self.event(Event::Cancelled);
                        Ok(())
                    }
                    ControlFlow::Continue(got) => {
                        self.hold_if_any(got, started, style, length).await
                    }
                }
            }
            _ => {
                let got = request.acquire().await;
                self.hold_if_any(got, started, style, length).await
            }
        }
    }

    /// A lease with the longest TTL, released in one of two ways, and an acquisition that is dropped in the middle: what the
    /// nodes keep of these would still be there when they are looked at.
    pub(super) async fn last(&'a self) {
        let request = self.redlock.request(self.name()).ttl(MAX_TTL).within(LAST);
        let started = now();
        match request.acquire().await {
            Ok(lease) => {
                let held = self.held(lease, started, Style::Plain);
                clock::sleep(millis(2)).await;
                if self.number == 0 {
                    held.window.close();
                    held.lease.release().await;
                }
            }
            Err(error) => self.failed(&error).await,
        }
        tokio::select! {
            biased;
            () = clock::sleep(millis(1)) => self.event(Event::Cancelled),
            lease = request.acquire() => if let Ok(lease) = lease {
                drop(self.held(lease, now(), Style::Cancelled));
            },
        }
    }

    fn held(&'a self, lease: Lease, started: Moment, style: Style) -> Held<'a> {
        let window = self.acquired(&lease, started, style);
        Held { window, lease }
    }

    fn acquired(&'a self, lease: &Lease, started: Moment, style: Style) -> Window<'a> {
        let at = now();
        self.event(Event::Acquired {
            resource: self.resource,
            token: lease.fencing_token().as_u64(),
            at,
            // A lease that ended meanwhile has an empty window.
            deadline: deadline(lease).unwrap_or(at),
            took: at - started,
            style,
        });
        Window {
            hand: self,
            open: Cell::new(true),
        }
    }

    async fn hold_if_any(
        &'a self,
        got: Result<Lease, AcquireError>,
        started: Moment,
        style: Style,
        length: Duration,
    ) -> Result<(), Error> {
        match got {
            Ok(lease) => self.hold(lease, started, style, length).await,
            Err(error) => {
                self.failed(&error).await;
                Ok(())
            }
        }
    }

    async fn hold(
        &'a self,
        lease: Lease,
        started: Moment,
        style: Style,
        length: Duration,
    ) -> Result<(), Error> {
        let held = self.held(lease, started, style);
        if style == Style::Renewed {
            held.lease.keep_renewed();
        }
        self.work(&held.lease, style, length).await?;
        if style != Style::Dropped {
            held.window.close();
            held.lease.release().await;
        }
        Ok(())
    }

    async fn with(&'a self, request: redlock::Request, length: Duration) -> Result<(), Error> {
        let started = now();
        let body = async |lease: &Lease| {
            let _window = self.acquired(lease, started, Style::With);
            self.work(lease, Style::With, length).await
        };
        match request.with(body).await {
            Ok(done) => done,
            Err(WithError::Acquire(error)) => {
                self.failed(&error).await;
                Ok(())
            }
            Err(_) => {
                self.event(Event::Lost);
                Ok(())
            }
        }
    }

    /// What the lock is for: read both counters, work, look at the lease, write both back plus one.
    async fn work(&self, lease: &Lease, style: Style, length: Duration) -> Result<(), Error> {
        let (resource, token) = (self.resource, lease.fencing_token().as_u64());
        // The read seals the fenced counter for all older tokens. A stale reader has nothing to write.
        let read = self.ask(Ask::Read { resource, token }).await?;
        if let Reply::Values { fenced, unfenced } = read {
            self.spend(lease, style, length).await;
            let Some(deadline) = deadline(lease) else {
                self.event(Event::Lost);
                return Ok(());
            };
            self.ask(Ask::MayWrite).await?;
            self.ask(Ask::Write {
                resource,
                token,
                fenced: fenced + 1,
                unfenced: unfenced + 1,
                deadline,
            })
            .await?;
        }
        Ok(())
    }

    /// Spends the time of the work, and reports when the lease was prolonged.
    async fn spend(&self, lease: &Lease, style: Style, length: Duration) {
        let mut known = deadline(lease);
        let mut left = length;
        while !left.is_zero() {
            let slice = left.min(SAMPLE);
            clock::sleep(slice).await;
            let half = length / 2;
            let midway = left > half && left - slice <= half;
            if style == Style::Extended && midway && lease.extend(TTL).await.is_err() {
                self.event(Event::NotExtended);
            }
            left -= slice;
            // A renewal moves the deadline by far more than two samples of an unchanged one differ.
            let later = deadline(lease);
            if let (Some(before), Some(later)) = (known, later)
                && later - before > SAMPLE / 2
            {
                known = Some(later);
                self.event(Event::Prolonged { deadline: later });
            }
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Reply, Error> {
        self.link.ask(self.number, ask).await
    }

    async fn failed(&self, error: &AcquireError) {
        let failure = if error.is_contended() {
            Failure::Contended
        } else if error.is_unavailable() {
            Failure::Unavailable
        } else if error.is_too_slow() {
            Failure::TooSlow
        } else {
            Failure::Misconfigured
        };
        self.event(Event::Failed {
            failure,
            message: error.to_string(),
        });
        clock::sleep(TTL / 20).await;
    }
}
