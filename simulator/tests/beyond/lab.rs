//! A cluster in which a break shows as soon as there is one, and the way to look for it.

use std::{collections::BTreeSet, future::Future, rc::Rc, time::Duration};

use simulator::{
    checkers::{Checker, Report, check_all},
    contender::RedlockSettings,
    network::Latency,
    plan::{
        Assumption, Assumptions, ClusterFacts, Fault, Plan, Promise,
        draw::{Profile, Shape, just_beyond},
    },
    truth::Facts,
    workload::Session,
    world::{ClientProgram, ClockErrors, World, WorldConfig},
};

/// The TTL of leases, and `max_ttl`.
pub(crate) const TTL: Duration = Duration::from_secs(5);
/// The bound on rates, on both sides. A tenth of it in a TTL is 25 ms.
pub(crate) const RATE_PPM: u32 = 50_000;
/// What a break has to gain at least to show.
pub(crate) const SLACK: Duration = Duration::from_millis(8);

/// A cluster, what clients do in it, and what is asked of it.
pub(crate) struct Lab {
    pub(crate) config: WorldConfig,
    pub(crate) profile: Profile,
    pub(crate) program: ClientProgram,
    /// Changes what checkers know.
    pub(crate) facts: fn(&mut Facts),
}

/// A plan that was found to break a rule.
pub(crate) struct Shown {
    pub(crate) plan: Plan,
    pub(crate) report: Report,
}

impl Lab {
    /// Three nodes and two clients that do what `program` says; perfect clocks and no allowance for others, for what is allowed
    /// and not used hides breaks; constant latency; no other faults.
    pub(crate) fn new<F, Fut>(length_ttls: u32, program: F) -> Self
    where
        F: Fn(Session) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let shape = Shape {
            nodes: 3,
            clients: 2,
            ttl: TTL,
            latency: Duration::from_micros(500),
            tick: Duration::from_millis(1),
        };
        let ttl_ms = u64::try_from(TTL.as_millis()).unwrap();
        let config = WorldConfig {
            nodes: shape.nodes,
            clients: shape.clients,
            tick_ms: 1,
            latency: Latency::constant(500),
            clocks: ClockErrors {
                rate_error_ppm: 0,
                wall_offset_us: 0,
                ..ClockErrors::default()
            },
            redlock: RedlockSettings {
                ttl_ms,
                max_ttl_ms: ttl_ms,
                rate_error_ppm: Some(0),
                // A waiter asks often, and again just when the key is due.
                backoff_ms: (1, 20),
                ..RedlockSettings::default()
            },
            safety_ms: ttl_ms * u64::from(length_ttls),
            liveness_ms: ttl_ms / 2,
            ..WorldConfig::default()
        };
        let profile = Profile {
            shape,
            length_ttls,
            odds: Vec::new(),
            ..Profile::default()
        };
        Self {
            config,
            profile,
            program: Rc::new(move |session| Box::pin(program(session))),
            facts: |_| {},
        }
    }

    pub(crate) fn cluster_facts(&self) -> ClusterFacts {
        self.config.cluster_facts(0)
    }

    pub(crate) fn assumed(&self) -> Assumptions {
        Assumptions::of(&self.config.redlock.drift(), &self.cluster_facts())
    }

    pub(crate) fn judge(&self, plan: &Plan) -> Report {
        let run = World::new(self.config.clone(), plan.clone(), 1)
            .with_program(self.program.clone())
            .run();
        assert!(run.failure.is_none(), "{run}");
        let mut facts = self.config.facts();
        (self.facts)(&mut facts);
        check_all(&run.history, &facts)
    }

    /// Draws `plans` plans just beyond `which`, and returns those that violate `rule`. Each of them names the assumption, and
    /// violates nothing when it is pulled back.
    pub(crate) fn break_by_a_little(
        &self,
        which: Assumption,
        rule: Checker,
        plans: u64,
    ) -> Vec<Shown> {
        let (facts, assumed) = (self.cluster_facts(), self.assumed());
        let mut shown = Vec::new();
        for seed in 0..plans {
            let plan = just_beyond(seed, &self.profile, &assumed, &facts, which).unwrap();
            assert_eq!(assumed.violated_by(&plan, &facts), [which], "seed {seed}");
            let report = self.judge(&plan);
            let told: Vec<_> = plan.windows.iter().map(ToString::to_string).collect();
            let told = format!("seed {seed}\n{}\n{report}", told.join("\n"));
            let Some(evidence) = report.finding(rule).verdict.evidence() else {
                // A window that outlived its protection, and nobody came in time.
                let near_miss = [Checker::ValidityBound].into();
                assert!(violated(&report).is_subset(&near_miss), "{told}");
                continue;
            };
            let named: BTreeSet<_> = evidence.broken.iter().map(|one| one.assumption).collect();
            assert_eq!(named, [which].into(), "{told}");
            assert!(report.finding(rule).assumes.contains(&which));
            let back = pulled_back(&plan, &assumed, &facts);
            assert!(back.windows.len() + 1 >= plan.windows.len());
            let report_back = self.judge(&back);
            assert!(violated(&report_back).is_empty(), "{told}\n{report_back}");
            shown.push(Shown { plan, report });
        }
        shown
    }
}

/// The rules that are violated, goals aside.
pub(crate) fn violated(report: &Report) -> BTreeSet<Checker> {
    let violated = report.violations().map(|found| found.checker);
    violated.filter(|rule| *rule != Checker::Goals).collect()
}

/// Whether the promise that a rule is about rests on the assumption.
pub(crate) fn protects(which: Assumption, promise: Promise) -> bool {
    which.protects().contains(&promise)
}

/// The same plan with the faults that break an assumption right at its bound.
fn pulled_back(plan: &Plan, assumed: &Assumptions, facts: &ClusterFacts) -> Plan {
    let mut back = plan.clone();
    for index in 0..back.windows.len() {
        if assumed.violated_by(&back, facts).is_empty() {
            break;
        }
        let usual = back.windows[index].clone();
        let may_hit_nodes = usual.fault.target().is_some_and(|target| {
            let hit = facts.hosts.possibly(target);
            hit.iter().any(|host| facts.hosts.nodes.contains(host))
        });
        let window = &mut back.windows[index];
        match &mut window.fault {
            Fault::ClockDrift { rate_error_ppm, .. } => {
                *rate_error_ppm =
                    (*rate_error_ppm).clamp(-assumed.client_rate_ppm, assumed.node_rate_ppm);
            }
            Fault::ClockStep { by_micros, .. } => {
                let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap();
                let least = if may_hit_nodes {
                    -micros(assumed.wall_disagreement)
                } else {
                    -micros(assumed.client_step)
                };
                *by_micros = (*by_micros).clamp(least, micros(assumed.node_step));
            }
            Fault::StopMachine { .. } => window.duration = Some(assumed.client_step),
            Fault::Slow {
                extra_min,
                extra_max,
                ..
            } => {
                *extra_max = assumed.effect_delay.unwrap();
                *extra_min = *extra_max;
            }
            // A crash of a whole max_ttl forgets nothing that matters.
            Fault::Crash { .. } if !facts.restart_guard => window.duration = Some(facts.max_ttl),
            // One fewer forgets.
            Fault::Crash { .. } | Fault::FlushAll { .. } => {
                back.windows.remove(index);
                break;
            }
            _ => {}
        }
        // What is not to blame stays as it was: only one that mends is kept.
        let mends = assumed.violated_by(&back, facts).is_empty();
        let is_stepwise = matches!(usual.fault, Fault::ClockStep { .. });
        if !mends && !is_stepwise {
            back.windows[index] = usual;
        }
    }
    assert_eq!(assumed.violated_by(&back, facts), []);
    back
}

/// Waits on the host's timers.
pub(crate) async fn pause(session: &Session, time: Duration) {
    use redlock::Runtime as _;
    session.process().runtime().sleep(time).await;
}

/// Uses every lease to its very end, and takes the lock as soon as it is free.
pub(crate) async fn to_the_end(session: Session) {
    loop {
        let Ok(lease) = session.acquire("r1", TTL * 2).await else {
            continue;
        };
        lease.lost().await;
        // The keys are left to expire, and the other one is first.
        pause(&session, TTL / 50).await;
        drop(lease);
    }
}
