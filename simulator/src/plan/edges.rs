//! The plan as a timeline: what begins and what ends, in order.

use std::time::Duration;

use super::{Plan, fault::Fault};
use crate::time::TrueTime;

/// What happens to a window at an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// It ends: what it did is undone.
    End,
    /// A flap is whole for a while: its cut is undone, the window goes on.
    Mend,
    /// A flap is cut again, on the links found when it began.
    CutAgain,
    /// It begins: its targets are resolved, and it is done.
    Begin,
    /// It is done at once, and never ends: its targets are resolved.
    Once,
}

/// Something to do at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: TrueTime,
    /// The window's place in the plan, from 0.
    pub window: usize,
    /// What.
    pub kind: EdgeKind,
}

impl EdgeKind {
    /// At one instant, what ends comes before what begins.
    const fn rank(self) -> u8 {
        match self {
            Self::End | Self::Mend => 0,
            Self::CutAgain | Self::Begin | Self::Once => 1,
        }
    }
}

impl Plan {
    /// Everything that there is to do until the world heals at `heal`, in order. At one instant, what ends comes
    /// before what begins, and each in the order of the plan.
    ///
    /// Windows that would go on beyond `heal` end there, so that each `Begin` has its `End`; those that would begin
    /// there or later are left out. A flap is mended by its end at the latest.
    pub fn edges(&self, heal: Duration) -> Vec<Edge> {
        let mut edges = Vec::new();
        for (index, window) in self.windows.iter().enumerate() {
            let mut edge = |at: Duration, kind| {
                edges.push(Edge {
                    at: at.into(),
                    window: index,
                    kind,
                });
            };
            if window.start >= heal {
                continue;
            }
            if window.fault.family().is_instant() {
                edge(window.start, EdgeKind::Once);
                continue;
            }
            let end = window.end().map_or(heal, |end| end.min(heal));
            if end <= window.start {
                continue;
            }
            edge(window.start, EdgeKind::Begin);
            if let Fault::Flap { down, up, .. } = &window.fault {
                for (at, kind) in flaps(window.start, *down, *up, end) {
                    edge(at, kind);
                }
            }
            edge(end, EdgeKind::End);
        }
        edges.sort_by_key(|edge| (edge.at, edge.kind.rank(), edge.window));
        edges
    }
}

/// What happens inside of a flap, strictly before its end.
fn flaps(
    start: Duration,
    down: Duration,
    up: Duration,
    end: Duration,
) -> impl Iterator<Item = (Duration, EdgeKind)> {
    let mut at = start;
    let mut is_down = true;
    std::iter::from_fn(move || {
        let length = if is_down { down } else { up };
        // A flap without length would never get anywhere.
        at = at.saturating_add(length.max(Duration::from_micros(1)));
        let kind = if is_down {
            EdgeKind::Mend
        } else {
            EdgeKind::CutAgain
        };
        is_down = !is_down;
        (at < end).then_some((at, kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(text: &str, heal_ms: u64) -> Vec<(u64, usize, EdgeKind)> {
        let plan = Plan::parse("plan.toml", text).unwrap();
        plan.edges(Duration::from_millis(heal_ms))
            .into_iter()
            .map(|edge| (edge.at.as_nanos() / 1_000_000, edge.window, edge.kind))
            .collect()
    }

    fn fault(kind: &str, times: &str) -> String {
        let target = match kind {
            "flap" => "from='clients'\nto='nodes'\ndown_ms=10\nup_ms=5",
            _ => "target='node-1'",
        };
        format!("[[fault]]\nkind='{kind}'\n{target}\n{times}\n")
    }

    #[test]
    fn what_ends_comes_before_what_begins() {
        let text = [
            fault("pause", "start_ms=10\nduration_ms=10"),
            fault("flush_all", "start_ms=20"),
            fault("read_only", "start_ms=20\nduration_ms=10"),
            fault("client_pause", "start_ms=5\nduration_ms=15"),
        ]
        .concat();
        use EdgeKind::{Begin, End, Once};
        assert_eq!(
            edges(&text, 100),
            [
                (5, 0, Begin),
                (10, 1, Begin),
                (20, 0, End),
                (20, 1, End),
                (20, 2, Once),
                (20, 3, Begin),
                (30, 3, End)
            ]
        );
    }

    #[test]
    fn the_heal_ends_what_goes_on_and_comes_before_what_is_late() {
        let text = [
            fault("pause", "start_ms=10"),
            fault("suspend", "start_ms=20\nduration_ms=100"),
            fault("flush_all", "start_ms=50"),
            fault("read_only", "start_ms=60"),
        ]
        .concat();
        use EdgeKind::{Begin, End};
        assert_eq!(
            edges(&text, 50),
            [(10, 0, Begin), (20, 1, Begin), (50, 0, End), (50, 1, End)]
        );
    }

    #[test]
    fn a_flap_is_cut_and_mended_in_turn() {
        use EdgeKind::{Begin, CutAgain, End, Mend};
        let flap = fault("flap", "start_ms=100\nduration_ms=30");
        let expected = [
            (100, 0, Begin),
            (110, 0, Mend),
            (115, 0, CutAgain),
            (125, 0, Mend),
            (130, 0, End),
        ];
        assert_eq!(edges(&flap, 1_000), expected);
        let open = fault("flap", "start_ms=100");
        assert_eq!(edges(&open, 130), expected);
    }
}
