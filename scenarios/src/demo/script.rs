//! What is done to nodes and holders, and when.

use std::time::Duration;

use super::{dice::Dice, nodes::Deed, options::Options, wire::Style};

/// How many nodes there are.
pub(super) const NODES: usize = 5;
/// The stream of the script's dice; workers use the small numbers.
const STREAM: u64 = 1 << 32;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Stop the next holder of this style past its TTL, after it read and before it writes.
    PauseHolder(Style),
    /// Do something to this node.
    Node(usize, Deed),
}

/// A fault and its time, since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: Duration,
    pub(super) act: Act,
}

/// When the faults of one round come, in thousandths of the round. The nodes' faults do not overlap with each other, so
/// four nodes of five always vote; the second pause begins when the quarantine (15% of a round) is about over.
const PAUSES: [(u32, Style); 2] = [(70, Style::Plain), (650, Style::Renewed)];
const STOP: u32 = 260;
const CONTINUE: u32 = 370;
const KILL: u32 = 400;
const RESTART: u32 = 450;

/// The faults of the whole run, in order.
pub(super) fn script(options: &Options) -> Vec<Step> {
    let mut dice = Dice::new(options.seed, STREAM);
    let round = options.length() / options.rounds();
    let steps =
        (0..options.rounds()).flat_map(|number| one_round(round * number, round, &mut dice));
    steps.collect()
}

fn one_round(start: Duration, round: Duration, dice: &mut Dice) -> Vec<Step> {
    let stopped = dice.index(NODES);
    // Another one than the one that was stopped.
    let killed = (stopped + 1 + dice.index(NODES - 1)) % NODES;
    let mut at = |thousandths: u32| {
        start + round * thousandths / 1000 + dice.between(Duration::ZERO, round / 100)
    };
    let mut steps: Vec<_> = [
        (STOP, stopped, Deed::Stop),
        (CONTINUE, stopped, Deed::Continue),
        (KILL, killed, Deed::Kill),
        (RESTART, killed, Deed::RestartEmpty),
    ]
    .map(|(when, node, deed)| Step {
        at: at(when),
        act: Act::Node(node, deed),
    })
    .into();
    steps.extend(PAUSES.map(|(when, style)| Step {
        at: at(when),
        act: Act::PauseHolder(style),
    }));
    steps.sort_unstable_by_key(|step| step.at);
    steps
}

/// What happens, and what the audience may expect.
pub(super) fn announce(act: Act, options: &Options) -> (String, String) {
    let (pause, ttl) = (seconds(options.pause()), seconds(options.ttl()));
    match act {
        Act::PauseHolder(style) => {
            let renews = if style == Style::Renewed {
                "; renewal does not help, a stopped process renews nothing"
            } else {
                ""
            };
            (
                format!(
                    "the next {} holder is to be stopped between its read and its write, for {pause}: past its TTL of {ttl}",
                    style.name()
                ),
                format!(
                    "another worker takes over; the late write is refused by the fenced counter and does damage to the unfenced one{renews}"
                ),
            )
        }
        Act::Node(node, Deed::Stop) => (
            format!(
                "node {} is stopped (SIGSTOP): it accepts connections and answers nothing",
                node + 1
            ),
            "nobody waits for it: four of five answer, three are enough".into(),
        ),
        Act::Node(node, Deed::Continue) => (
            format!("node {} goes on (SIGCONT)", node + 1),
            "what it executes late leaves no orphaned lock; it votes again".into(),
        ),
        Act::Node(node, Deed::Kill) => (
            format!(
                "node {} is killed (SIGKILL), with everything it held in memory",
                node + 1
            ),
            "four of five are left, and acquiring goes on".into(),
        ),
        Act::Node(node, Deed::RestartEmpty) => (
            format!(
                "node {} is restarted empty: it may have forgotten leases that are still held",
                node + 1
            ),
            format!(
                "the restart guard keeps it from voting for max_ttl ({})",
                seconds(options.max_ttl())
            ),
        ),
    }
}

/// "2 s", "1.5 s"
pub(super) fn seconds(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths.is_multiple_of(10) {
        format!("{} s", tenths / 10)
    } else {
        format!("{}.{} s", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(seconds: u32, seed: u64) -> Options {
        Options {
            seconds,
            workers: 4,
            seed,
            plain: true,
        }
    }

    fn time_of(steps: &[Step], wanted: impl Fn(Act) -> bool) -> Duration {
        steps
            .iter()
            .find(|step| wanted(step.act))
            .expect("the script has this fault")
            .at
    }

    #[test]
    fn a_seed_gives_one_script_and_hits_different_nodes_over_seeds() {
        assert_eq!(script(&options(20, 3)), script(&options(20, 3)));
        let stopped: std::collections::BTreeSet<_> = (0..50)
            .flat_map(|seed| script(&options(20, seed)))
            .filter_map(|step| match step.act {
                Act::Node(node, Deed::Stop) => Some(node),
                _ => None,
            })
            .collect();
        assert_eq!(stopped.len(), NODES);
    }

    #[test]
    fn every_length_has_every_fault_in_order_and_with_room_to_the_end() {
        for seconds in [6, 8, 20, 39, 60, 3600] {
            for seed in 0..20 {
                let options = options(seconds, seed);
                let steps = script(&options);
                assert!(steps.is_sorted_by_key(|step| step.at));
                let rounds = usize::try_from(options.rounds()).unwrap();
                assert_eq!(steps.len(), 6 * rounds);
                let of_node = |wanted| {
                    time_of(
                        &steps,
                        |act| matches!(act, Act::Node(_, deed) if deed == wanted),
                    )
                };
                assert!(of_node(Deed::Stop) < of_node(Deed::Continue));
                assert!(of_node(Deed::Continue) < of_node(Deed::Kill));
                assert!(of_node(Deed::Kill) < of_node(Deed::RestartEmpty));
                // The wait for a holder, its pause and the rest of its work fit in.
                let last = steps.last().unwrap().at;
                assert!(
                    last + options.pause() + options.ttl() * 3 / 2 < options.length(),
                    "{options:?}"
                );
            }
        }
    }

    #[test]
    fn one_node_at_most_is_out_at_a_time() {
        for seed in 0..200 {
            let steps = script(&options(20, seed));
            let hit = |wanted: Deed| {
                steps
                    .iter()
                    .find_map(|step| match step.act {
                        Act::Node(node, deed) if deed == wanted => Some(node),
                        _ => None,
                    })
                    .unwrap()
            };
            assert_eq!(hit(Deed::Stop), hit(Deed::Continue));
            assert_eq!(hit(Deed::Kill), hit(Deed::RestartEmpty));
            assert_ne!(hit(Deed::Stop), hit(Deed::Kill));
        }
    }

    #[test]
    fn durations_are_short_to_read() {
        let texts = [2000, 1500, 800, 1160].map(|millis| seconds(Duration::from_millis(millis)));
        assert_eq!(texts, ["2 s", "1.5 s", "0.8 s", "1.2 s"]);
    }
}
