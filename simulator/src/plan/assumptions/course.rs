//! What is wrong with the clocks of one host, whether a plan would make them or a history tells of them.

use std::{collections::BTreeMap, time::Duration};

use super::{Assumption, Assumptions};
use crate::{
    TrueTime,
    clock::{ClockMap, ClockName, Ppm},
};

/// The clocks by which a client measures a lease.
pub(crate) const MEASURING: [ClockName; 3] = [ClockName::Boot, ClockName::Raw, ClockName::Wall];
const FROZEN: Ppm = -1_000_000;

/// The clocks of one host; those that are missing are right.
#[derive(Debug)]
pub(crate) struct Course(pub(crate) BTreeMap<ClockName, ClockMap>);

/// How an assumption is broken by a host's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    /// Which.
    pub(crate) assumption: Assumption,
    /// From when on; of a client, where a lease would begin that it breaks.
    pub(crate) at: TrueTime,
    /// The rate error in parts per million, or the step in nanoseconds. Of a client, whose clocks are all wrong, the bound.
    pub(crate) size: i128,
}

/// What is wrong with one clock of a client in the time that a lease can take.
#[derive(Clone, Copy)]
struct Wrong {
    slow: bool,
    lost: bool,
}

impl Course {
    fn pieces(
        &self,
        clock: ClockName,
        end: TrueTime,
    ) -> impl Iterator<Item = (TrueTime, TrueTime, Ppm)> {
        self.0
            .get(&clock)
            .into_iter()
            .flat_map(move |map| map.pieces(end))
    }

    fn steps(&self, clock: ClockName) -> impl Iterator<Item = (TrueTime, i64)> {
        self.0.get(&clock).into_iter().flat_map(ClockMap::steps)
    }

    /// Where a node's wall clock runs too fast first, and where it has first gained too much by steps, before `end`. A step
    /// matters for `max_ttl`.
    pub(crate) fn of_node(
        &self,
        assumed: &Assumptions,
        max_ttl: Duration,
        end: TrueTime,
    ) -> Vec<Break> {
        let mut found = Vec::new();
        let too_fast = |(_, _, rate): &(_, _, Ppm)| *rate > assumed.node_rate_ppm;
        if let Some((at, _, rate)) = self.pieces(ClockName::Wall, end).find(too_fast) {
            found.push(Break {
                assumption: Assumption::NodeRate,
                at,
                size: rate.into(),
            });
        }
        let steps: Vec<_> = self
            .steps(ClockName::Wall)
            .take_while(|(at, _)| *at <= end)
            .collect();
        found.extend(gained(&steps, max_ttl, nanos(assumed.node_step)));
        found
    }

    /// Where a lease could begin all through which none of a client's clocks is honest, before `end`: the first for each
    /// assumption that this breaks.
    ///
    /// What is wrong with a clock in the `max_ttl` that begins at some instant changes only when a piece or a step
    /// enters or leaves it, so it is enough to look at those instants and between them.
    pub(crate) fn of_client(
        &self,
        clocks: &[ClockName],
        assumed: &Assumptions,
        max_ttl: Duration,
        end: TrueTime,
    ) -> Vec<Break> {
        let mut found: Vec<Break> = Vec::new();
        if clocks.is_empty() {
            return found;
        }
        for at in self.instants(clocks, max_ttl, end) {
            let during = (at, at + max_ttl);
            let wrong: Vec<Wrong> = clocks
                .iter()
                .map(|clock| self.wrong(*clock, during, assumed, end))
                .collect();
            if !wrong.iter().all(|clock| clock.slow || clock.lost) {
                continue;
            }
            let all_slow = wrong.iter().all(|clock| clock.slow);
            let all_lost = wrong.iter().all(|clock| clock.lost);
            // With one clock slow and another lost, either of the two bounds would have saved the lease.
            let broken = [
                (
                    all_slow || !all_lost,
                    Assumption::ClientRate,
                    assumed.client_rate_ppm.into(),
                ),
                (
                    all_lost || !all_slow,
                    Assumption::ClientStep,
                    nanos(assumed.client_step),
                ),
            ];
            for (is_broken, assumption, size) in broken {
                if is_broken && found.iter().all(|known| known.assumption != assumption) {
                    found.push(Break {
                        assumption,
                        at,
                        size,
                    });
                }
            }
        }
        found
    }

    fn instants(&self, clocks: &[ClockName], length: Duration, end: TrueTime) -> Vec<TrueTime> {
        let mut at: Vec<u64> = vec![0];
        for clock in clocks {
            for (from, to, _) in self.pieces(*clock, end) {
                at.extend([from.as_nanos(), to.as_nanos()]);
            }
            at.extend(self.steps(*clock).map(|(step, _)| step.as_nanos()));
        }
        let length = TrueTime::from(length).as_nanos();
        let left: Vec<u64> = at.iter().map(|at| at.saturating_sub(length)).collect();
        at.extend(left);
        at.sort_unstable();
        at.dedup();
        let between: Vec<u64> = at
            .windows(2)
            .map(|pair| pair[0].midpoint(pair[1]))
            .collect();
        at.extend(between);
        at.sort_unstable();
        at.dedup();
        at.retain(|at| *at < end.as_nanos());
        at.into_iter().map(TrueTime::from_nanos).collect()
    }

    fn wrong(
        &self,
        clock: ClockName,
        (from, to): (TrueTime, TrueTime),
        assumed: &Assumptions,
        end: TrueTime,
    ) -> Wrong {
        let pieces: Vec<_> = self
            .pieces(clock, end)
            .filter(|(start, stop, _)| *stop > from && *start < to)
            .collect();
        let slow = pieces
            .iter()
            .any(|(_, _, rate)| *rate > FROZEN && *rate < -assumed.client_rate_ppm);
        // A freeze is charged in full as soon as the lease meets it.
        let frozen = pieces
            .iter()
            .filter(|(_, _, rate)| *rate <= FROZEN)
            .map(|(start, stop, _)| (*start, nanos(stop.since(*start))));
        let stepped = self
            .steps(clock)
            .filter(|(at, _)| *at <= end && (from..=to).contains(at))
            .map(|(at, nanos)| (at, -i128::from(nanos)));
        let mut losses: Vec<(TrueTime, i128)> = frozen.chain(stepped).collect();
        losses.sort_by_key(|(at, _)| *at);
        let (mut running, mut most) = (0_i128, 0_i128);
        for (_, loss) in losses {
            running = (running + loss).max(0);
            most = most.max(running);
        }
        Wrong {
            slow,
            lost: most > nanos(assumed.client_step),
        }
    }

    /// The least and the most that the wall clock is ahead of true time before `end`, in nanoseconds since 1970. It is linear
    /// in between the ends of its pieces.
    pub(crate) fn errors(&self, end: TrueTime) -> Option<(i128, i128)> {
        let wall = self.0.get(&ClockName::Wall)?;
        let error = |at: TrueTime| i128::from(wall.at(at)) - i128::from(at.as_nanos());
        let (mut least, mut most) = (error(end), error(end));
        for segment in wall.segments().iter().take_while(|one| one.from <= end) {
            // Just before a step as well as after it.
            let before = TrueTime::from_nanos(segment.from.as_nanos().saturating_sub(1));
            for at in [before, segment.from] {
                least = least.min(error(at));
                most = most.max(error(at));
            }
        }
        Some((least, most))
    }
}

/// Where steps within `length` of each other first add up to more than `allowed`.
fn gained(steps: &[(TrueTime, i64)], length: Duration, allowed: i128) -> Option<Break> {
    let mut found: Option<Break> = None;
    for (index, (first, _)) in steps.iter().enumerate() {
        let mut size = 0;
        for (at, nanos) in &steps[index..] {
            if at.since(*first) > length {
                break;
            }
            size += i128::from(*nanos);
            if size > allowed && found.is_none_or(|known| *at < known.at) {
                found = Some(Break {
                    assumption: Assumption::NodeStep,
                    at: *at,
                    size,
                });
            }
        }
    }
    found
}

pub(crate) fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}
