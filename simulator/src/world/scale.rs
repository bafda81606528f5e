//! A case at another speed.

use std::time::Duration;

use super::{config::WorldConfig, replay::Replay};
use crate::{
    plan::{Fault, FaultWindow, Plan},
    workload::{Range, Workload},
};

impl Replay {
    /// The same case with leases of this TTL, and every other time in proportion: of the workload, of the lock, of the plan. What
    /// the network takes, and how wrong clocks are without a fault, stays as it is.
    #[must_use]
    pub fn at_ttl(&self, ttl: Duration) -> Self {
        let own = match &self.config.single {
            Some(single) => single.ttl(),
            None => self.config.redlock.ttl(),
        };
        let scale = Scale {
            to: ttl.as_nanos(),
            from: own.as_nanos().max(1),
        };
        Self {
            config: scale.config(&self.config),
            plan: Plan {
                windows: self
                    .plan
                    .windows
                    .iter()
                    .map(|it| scale.window(it))
                    .collect(),
            },
            seed: self.seed,
        }
    }
}

/// A ratio of durations.
struct Scale {
    to: u128,
    from: u128,
}

impl Scale {
    fn nanos(&self, nanos: u128) -> u128 {
        (nanos.saturating_mul(self.to) + self.from / 2) / self.from
    }

    fn duration(&self, duration: Duration) -> Duration {
        // To whole microseconds, as plans count.
        let micros = self.nanos(duration.as_nanos()) / 1_000;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// What was above zero stays so.
    fn whole(&self, value: u64) -> u64 {
        let scaled = u64::try_from(self.nanos(value.into())).unwrap_or(u64::MAX);
        scaled.max(u64::from(value > 0))
    }

    fn range(&self, Range(least, most): Range) -> Range {
        Range(self.whole(least), self.whole(most))
    }

    fn config(&self, config: &WorldConfig) -> WorldConfig {
        let mut scaled = config.clone();
        scaled.safety_ms = self.whole(config.safety_ms);
        scaled.liveness_ms = self.whole(config.liveness_ms);
        scaled.recovery_ms = self.whole(config.recovery_ms);
        scaled.workload = self.workload(&config.workload);
        scaled.parts = config.parts.iter().map(|it| self.workload(it)).collect();
        let lock = &mut scaled.redlock;
        for value in [
            &mut lock.ttl_ms,
            &mut lock.max_ttl_ms,
            &mut lock.node_timeout_ms,
            &mut lock.connect_timeout_ms,
            &mut lock.node_step_us,
            &mut lock.client_step_us,
            &mut lock.backoff_ms.0,
            &mut lock.backoff_ms.1,
        ] {
            *value = self.whole(*value);
        }
        lock.effect_delay_ms = lock.effect_delay_ms.map(|delay| self.whole(delay));
        if let Some(single) = &mut scaled.single {
            for value in [
                &mut single.ttl_ms,
                &mut single.poll_ms,
                &mut single.node_timeout_ms,
            ] {
                *value = self.whole(*value);
            }
        }
        scaled
    }

    fn workload(&self, workload: &Workload) -> Workload {
        Workload {
            start_ms: self.whole(workload.start_ms),
            think_ms: self.range(workload.think_ms),
            work_ms: self.range(workload.work_ms),
            hesitates_ms: self.range(workload.hesitates_ms),
            extends_to_ms: workload.extends_to_ms.map(|range| self.range(range)),
            within_ms: self.whole(workload.within_ms),
            store_patience_ms: self.whole(workload.store_patience_ms),
            ..workload.clone()
        }
    }

    fn window(&self, window: &FaultWindow) -> FaultWindow {
        let mut fault = window.fault.clone();
        match &mut fault {
            Fault::Slow {
                extra_min,
                extra_max,
                ..
            } => {
                *extra_min = self.duration(*extra_min);
                *extra_max = self.duration(*extra_max);
            }
            Fault::Flap { down, up, .. } => {
                *down = self.duration(*down);
                *up = self.duration(*up);
            }
            Fault::ClockStep { by_micros, .. } => {
                let size = self.whole(by_micros.unsigned_abs());
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                *by_micros = size * by_micros.signum();
            }
            _ => {}
        }
        FaultWindow {
            start: self.duration(window.start),
            duration: window.duration.map(|duration| self.duration(duration)),
            fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_times_grow_with_the_ttl_and_come_back() {
        let text = "
            [[fault]]
            kind = 'clock_step'
            target = 'node-1'
            clocks = 'wall'
            by_ms = -12.5
            start_ms = 100

            [[fault]]
            kind = 'flap'
            from = 'client-1'
            to = 'node-1'
            down_ms = 3
            up_ms = 4
            start_ms = 200.25
            duration_ms = 50
        ";
        let mut config = WorldConfig::default();
        config.redlock.ttl_ms = 50;
        config.parts.push(Workload {
            start_ms: 7,
            hesitates_ms: Range(0, 3),
            ..Workload::default()
        });
        let case = Replay {
            config,
            plan: Plan::parse("plan.toml", text).unwrap(),
            seed: 1,
        };
        let slow = case.at_ttl(Duration::from_secs(1));
        assert_eq!(slow.config.redlock.ttl_ms, 1_000);
        assert_eq!(slow.config.safety_ms, case.config.safety_ms * 20);
        assert_eq!(slow.config.parts[0].start_ms, 140);
        assert_eq!(slow.config.parts[0].hesitates_ms, Range(0, 60));
        assert_eq!(slow.plan.windows[0].start, Duration::from_secs(2));
        assert!(matches!(
            slow.plan.windows[0].fault,
            Fault::ClockStep {
                by_micros: -250_000,
                ..
            }
        ));
        assert_eq!(slow.at_ttl(Duration::from_millis(50)), case);
    }
}
