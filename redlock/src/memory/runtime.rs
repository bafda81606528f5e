//! A runtime on tokio's virtual time, with clocks that lie on request.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    clock::{ScriptedClock, micros},
    lock,
};
use crate::{
    protocol::Reading,
    runtime::{BoxFuture, NoRuntime, Runtime},
};

/// The clocks of a host by which leases are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostClock {
    /// CLOCK_BOOTTIME.
    Boot,
    /// CLOCK_MONOTONIC_RAW.
    Raw,
    /// CLOCK_REALTIME.
    Wall,
}

/// A host whose time is tokio's: with `#[tokio::test(start_paused = true)]` it passes only when
/// every task waits, and then in no time.
///
/// True time, [`Runtime::monotonic`] and timers follow tokio's clock. [`HostClock`]s start perfect
/// and can be stepped, frozen and given a rate. Random bytes come from the seed, so that a run can
/// be repeated: never use this outside of tests. Make it inside the tokio runtime whose time it shows.
///
/// ```
/// use std::time::Duration;
/// use redlock::{Runtime, memory::{HostClock, VirtualRuntime}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let host = VirtualRuntime::new(1);
/// let before = host.read_clocks();
/// host.set_rate(HostClock::Raw, -500_000);
/// host.sleep(Duration::from_secs(3_600)).await;
/// let after = host.read_clocks();
/// assert_eq!(after.boot - before.boot, Duration::from_secs(3_600));
/// assert_eq!(after.raw - before.raw, Duration::from_secs(1_800));
/// # });
/// ```
#[derive(Debug)]
pub struct VirtualRuntime {
    origin: Instant,
    host: Mutex<Host>,
}

#[derive(Debug)]
struct Host {
    boot: ScriptedClock,
    raw: ScriptedClock,
    wall: ScriptedClock,
    reads_wall: bool,
    random: u64,
}

impl VirtualRuntime {
    /// What the wall clock shows at first: the start of 2025.
    pub const EPOCH: Duration = Duration::from_secs(1_735_689_600);

    /// What the boot and raw clocks show at first: the host is up for a day.
    pub const UPTIME: Duration = Duration::from_secs(86_400);

    /// A host with perfect clocks and random bytes drawn from `seed`.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is a runtime: the seam that reads clocks for everyone else"
    )]
    pub fn new(seed: u64) -> Self {
        Self {
            origin: Instant::now(),
            host: Mutex::new(Host {
                boot: ScriptedClock::new(Duration::ZERO, Self::UPTIME),
                raw: ScriptedClock::new(Duration::ZERO, Self::UPTIME),
                wall: ScriptedClock::new(Duration::ZERO, Self::EPOCH),
                reads_wall: true,
                random: seed,
            }),
        }
    }

    /// Leaves the wall clock out of [`Runtime::read_clocks`], as a client may be configured to.
    #[must_use]
    pub fn without_wall_clock(mut self) -> Self {
        let host = self.host.get_mut().unwrap_or_else(PoisonError::into_inner);
        host.reads_wall = false;
        self
    }

    /// Steps `clock` forward.
    pub fn step_forward(&self, clock: HostClock, by: Duration) {
        self.change(clock, |clock, now| clock.step_forward(now, by));
    }

    /// Steps `clock` back.
    pub fn step_back(&self, clock: HostClock, by: Duration) {
        self.change(clock, |clock, now| clock.step_back(now, by));
    }

    /// Makes `clock` gain `ppm` microseconds per second from now on; negative for a slow one.
    pub fn set_rate(&self, clock: HostClock, ppm: i32) {
        self.change(clock, |clock, now| clock.set_rate(now, ppm));
    }

    /// Stops `clock` where it stands.
    pub fn freeze(&self, clock: HostClock) {
        self.change(clock, |clock, now| clock.set_frozen(now, true));
    }

    /// Lets a frozen clock go on from where it stopped.
    pub fn thaw(&self, clock: HostClock) {
        self.change(clock, |clock, now| clock.set_frozen(now, false));
    }

    /// The machine slept for `nap`: the boot and wall clocks counted it, the raw clock, the
    /// monotonic clock and timers did not.
    pub fn suspend(&self, nap: Duration) {
        self.step_forward(HostClock::Boot, nap);
        self.step_forward(HostClock::Wall, nap);
    }

    fn change(&self, which: HostClock, change: impl FnOnce(&mut ScriptedClock, Duration)) {
        let now = self.monotonic();
        let mut host = lock(&self.host);
        let clock = match which {
            HostClock::Boot => &mut host.boot,
            HostClock::Raw => &mut host.raw,
            HostClock::Wall => &mut host.wall,
        };
        change(clock, now);
    }
}

impl Runtime for VirtualRuntime {
    fn read_clocks(&self) -> Reading {
        let now = self.monotonic();
        let host = lock(&self.host);
        Reading {
            boot: host.boot.read(now),
            raw: host.raw.read(now),
            wall: host.reads_wall.then(|| host.wall.read(now)),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is a runtime: the seam that reads clocks for everyone else"
    )]
    fn monotonic(&self) -> Duration {
        Instant::now().saturating_duration_since(self.origin)
    }

    fn wall_micros(&self) -> u64 {
        micros(lock(&self.host).wall.read(self.monotonic()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is a runtime: the seam that sleeps for everyone else"
    )]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        let handle = tokio::runtime::Handle::try_current().map_err(|_| NoRuntime)?;
        drop(handle.spawn(task));
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        let mut host = lock(&self.host);
        for chunk in bytes.chunks_mut(8) {
            let word = split_mix(&mut host.random).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// SplitMix64: enough for tests, and the same on every platform for ever.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_clock_lies_on_its_own() {
        let host = VirtualRuntime::new(1);
        host.freeze(HostClock::Boot);
        host.set_rate(HostClock::Raw, 1_000);
        host.sleep(Duration::from_secs(1_000)).await;
        host.step_back(HostClock::Wall, Duration::from_secs(400));
        let now = host.read_clocks();
        assert_eq!(now.boot, VirtualRuntime::UPTIME);
        assert_eq!(now.raw, VirtualRuntime::UPTIME + Duration::from_secs(1_001));
        assert_eq!(
            now.wall,
            Some(VirtualRuntime::EPOCH + Duration::from_secs(600))
        );
        assert_eq!(host.wall_micros(), 1_735_690_200_000_000);
        assert_eq!(host.monotonic(), Duration::from_secs(1_000));
        host.thaw(HostClock::Boot);
        host.suspend(Duration::from_secs(5));
        let later = host.read_clocks();
        assert_eq!(later.most_since(&now), Duration::from_secs(5));
        assert_eq!(later.raw, now.raw);
    }

    #[tokio::test(start_paused = true)]
    async fn random_bytes_repeat_with_the_seed_and_only_with_it() {
        let draw = |seed| {
            let host = VirtualRuntime::new(seed).without_wall_clock();
            assert_eq!(host.read_clocks().wall, None);
            let mut bytes = [0; 41];
            host.fill_random(&mut bytes);
            host.fill_random(&mut bytes[..20]);
            bytes
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn outside_of_tokio_nothing_is_spawned() {
        let host = VirtualRuntime::new(1);
        assert_eq!(host.spawn(Box::pin(async {})), Err(NoRuntime));
    }
}
