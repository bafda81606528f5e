//! The world that a profile and a seed make.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;

use crate::{
    contender::RedlockSettings,
    network::Latency,
    plan::draw::Profile,
    random::{Purpose, below, stream},
    workload::{Range, Workload},
    world::{ClockErrors, WorldConfig},
};

/// The world of `seed` under `profile`: the profile's cluster, and a workload that is drawn.
///
/// Times are multiples of the profile's TTL. Clients think for up to a quarter of it, and work for up to a quarter before each of
/// two or three accesses; in a third of the seeds for so long that leases are lost before the work is done. Half of the seeds have
/// leases renewed, a quarter have two workers per client, a quarter two resources; a quarter extend leases by hand. In a third of the
/// seeds clients are in a hurry and hold the lease for a few round trips only, so that leases which miss different nodes follow
/// each other within the time by which the proposals for their tokens are apart. A profile may ask for patient clients in half of the
/// seeds instead.
pub fn setting(profile: &Profile, seed: u64) -> WorldConfig {
    let mut random = stream(seed, Purpose::Workload, "setting", 0, 0);
    let shape = &profile.shape;
    let ttl_ms = millis(shape.ttl);
    let latency_us = u64::try_from(shape.latency.as_micros()).unwrap_or(u64::MAX);
    WorldConfig {
        nodes: shape.nodes,
        clients: shape.clients,
        tick_ms: millis(shape.tick).max(1),
        latency: Latency {
            min_us: latency_us / 2,
            max_us: latency_us.saturating_mul(3) / 2,
            ..profile
                .late_ppm
                .map_or_else(Latency::default, |late_ppm| Latency {
                    tail_ppm: late_ppm,
                    tail_max_us: ttl_ms.saturating_mul(400),
                    ..Latency::default()
                })
        },
        // Apart enough that a client proposes a counter which others have passed; nodes agree to within what the
        // order of tokens allows.
        clocks: ClockErrors {
            wall_offset_us: u32::try_from(ttl_ms.saturating_mul(200)).unwrap_or(u32::MAX),
            client_wall_offset_us: profile.client_wall_ttls.map(|ttls| {
                u32::try_from(ttl_ms.saturating_mul(1_000).saturating_mul(ttls.into()))
                    .unwrap_or(u32::MAX)
            }),
            ..ClockErrors::default()
        },
        redlock: RedlockSettings {
            ttl_ms,
            max_ttl_ms: ttl_ms,
            node_timeout_ms: (ttl_ms / 10).max(10),
            connect_timeout_ms: (ttl_ms / 2).max(20),
            backoff_ms: ((ttl_ms / 50).max(1), (ttl_ms / 4).max(2)),
            ..RedlockSettings::default()
        },
        workload: workload(profile, ttl_ms, &mut random),
        safety_ms: millis(profile.heal()),
        liveness_ms: ttl_ms.saturating_mul(4),
        // A quarantine, and the second after which a client gives up a connection that is silent.
        recovery_ms: ttl_ms.saturating_mul(2).saturating_add(2_000),
        ..WorldConfig::default()
    }
}

fn workload(profile: &Profile, ttl_ms: u64, random: &mut ChaCha8Rng) -> Workload {
    let mut one_in = |count| below(random, count) == 0;
    let renews = one_in(2);
    let overruns = one_in(3);
    let drawn = Workload {
        resources: if one_in(4) { 2 } else { 1 },
        workers: if one_in(4) { 2 } else { 1 },
        think_ms: Range(0, ttl_ms / 4),
        accesses: if one_in(3) { 3 } else { 2 },
        work_ms: match (overruns, renews) {
            (true, false) => Range(ttl_ms / 4, ttl_ms),
            (true, true) => Range(0, ttl_ms * 2),
            (false, _) => Range(0, ttl_ms / 4),
        },
        renews,
        // Half of these ask for less than there is, and some for more than the nodes' maximum.
        extends_to_ms: one_in(4).then_some(Range(ttl_ms / 3, ttl_ms * 3 / 2)),
        within_ms: ttl_ms.saturating_mul(4),
        store_patience_ms: ttl_ms,
        ..Workload::default()
    };
    if profile.patience_ttls > 0 && one_in(2) {
        return Workload {
            think_ms: Range(0, ttl_ms.saturating_mul(profile.patience_ttls.into())),
            ..drawn
        };
    }
    if !one_in(3) {
        return drawn;
    }
    Workload {
        think_ms: Range(0, ttl_ms / 25),
        accesses: 1,
        work_ms: Range(0, ttl_ms / 50),
        ..drawn
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
