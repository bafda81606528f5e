//! How late holders acted, against the bound that is declared where the store does not fence.

use crate::{
    checkers::{tell, verdict::Broken},
    plan::Assumption,
    time::TrueTime,
    truth::{Interval, Truth},
};

/// The first client that was stopped, and the first access that was on its way, for longer than allowed.
pub(super) fn effect_delay(truth: &Truth<'_>, until: TrueTime) -> Vec<Broken> {
    let Some(allowed) = truth.facts.assumed.effect_delay else {
        return Vec::new();
    };
    let is_long =
        |span: &Interval| span.start < until && span.length().is_none_or(|length| length > allowed);
    let late = truth.accesses.iter().find(|access| {
        let effect = access.effect();
        // What never arrived has no effect.
        access.arrived.is_some_and(|event| event.at <= until) && is_long(&effect)
    });
    let late = late.map(|access| {
        let effect = access.effect();
        format!(
            "what {} sent to the store at {} arrived at {}",
            access.client, effect.start, effect.end
        )
    });
    let mut holders: Vec<_> = truth.leases.iter().map(|lease| &**lease.client).collect();
    holders.sort_unstable();
    holders.dedup();
    let stopped = holders.into_iter().find_map(|client| {
        let mut paused = truth.hosts.host(client).paused.as_slice().iter();
        let pause = paused.find(|pause| is_long(pause))?;
        Some(format!(
            "{client} was stopped from {} to {}",
            pause.start, pause.end
        ))
    });
    let found = late.into_iter().chain(stopped);
    found
        .map(|how| Broken {
            assumption: Assumption::EffectDelay,
            how: format!("{how}, {} is allowed", tell::length(allowed)),
        })
        .collect()
}
