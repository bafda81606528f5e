//! Faults in words, for people who read histories and reports.

use std::{fmt, time::Duration};

use super::{
    fault::{Fault, FaultWindow, Links},
    target::{Role, Target},
};
use crate::clock::ClockName;

/// A clock as files and reports call it.
pub(super) const fn clock_name(clock: ClockName) -> &'static str {
    match clock {
        ClockName::Wall => "wall",
        ClockName::Monotonic => "monotonic",
        ClockName::Raw => "raw",
        ClockName::Boot => "boot",
    }
}

/// When, and what: `from 1.2 s to 4.2 s: hold what client-1 sends to node-1 and node-2`.
impl fmt::Display for FaultWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = time(self.start);
        if self.fault.family().is_instant() {
            write!(f, "at {start}: {}", self.fault)
        } else if let Some(end) = self.end() {
            write!(f, "from {start} to {}: {}", time(end), self.fault)
        } else {
            write!(f, "from {start} until the world heals: {}", self.fault)
        }
    }
}

/// What, without when.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold { links } => write!(f, "hold {}", Sent(links)),
            Self::Cut { links } => write!(f, "drop {}", Sent(links)),
            Self::Slow {
                links,
                extra_min,
                extra_max,
            } => {
                let (least, most) = (time(*extra_min), time(*extra_max));
                write!(f, "delay {} by {least} to {most} more", Sent(links))
            }
            Self::Lose { links, loss_ppm } => {
                write!(f, "lose {} of {}", percent((*loss_ppm).into()), Sent(links))
            }
            Self::Reset { links } => {
                let (from, to) = (list(&links.from), list(&links.to));
                write!(f, "reset the connections between {from} and {to}")
            }
            Self::Flap { links, down, up } => {
                let (down, up) = (time(*down), time(*up));
                write!(f, "drop {} for {down} of every {down} + {up}", Sent(links))
            }
            Self::Ring { hosts } => {
                write!(
                    f,
                    "let each of {} reach only its neighbours in this ring",
                    list(hosts)
                )
            }
            Self::Bridge {
                left,
                right,
                bridge,
            } => {
                let (left, right, bridge) = (list(left), list(right), list(bridge));
                write!(f, "part {left} from {right}, with {bridge} reaching both")
            }
            _ => self.fmt_on_host(f),
        }
    }
}

impl Fault {
    fn fmt_on_host(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { target } => write!(f, "pause {target}"),
            Self::Suspend { target } => write!(f, "suspend the machine of {target}"),
            Self::StopMachine { target } => {
                write!(f, "stop the machine of {target} with all its clocks")
            }
            Self::Crash { target, lose_data } => {
                write!(f, "crash {target}{}", emptied(*lose_data))
            }
            Self::PowerLoss { target, lose_data } => {
                write!(f, "cut the power of {target}{}", emptied(*lose_data))
            }
            Self::ClockStep {
                target,
                clocks,
                by_micros,
            } => {
                let by = time(Duration::from_micros(by_micros.unsigned_abs()));
                let way = if *by_micros < 0 { "back" } else { "forward" };
                write!(f, "step {} of {target} {way} by {by}", clock_list(clocks))
            }
            Self::ClockDrift {
                target,
                clocks,
                rate_error_ppm,
            } => {
                let by = percent(rate_error_ppm.unsigned_abs());
                let way = if *rate_error_ppm < 0 {
                    "slower"
                } else {
                    "faster"
                };
                write!(f, "run {} of {target} {by} {way}", clock_list(clocks))
            }
            Self::ClockFreeze { target, clocks } => {
                write!(f, "freeze {} of {target}", clock_list(clocks))
            }
            Self::FlushAll { target } => write!(f, "flush {target}"),
            Self::ScriptFlush { target } => write!(f, "flush the scripts of {target}"),
            Self::ClientPause { target } => write!(f, "have {target} pause its clients"),
            Self::ReadOnly { target } => write!(f, "have {target} refuse writes"),
            Self::MemoryFull { target } => write!(f, "fill the memory of {target}"),
            _ => Ok(()),
        }
    }
}

/// What travels on links.
struct Sent<'a>(&'a Links);

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Links { from, to, one_way } = self.0;
        let (senders, receivers) = (list(from), list(to));
        if !*one_way {
            return write!(f, "what {senders} and {receivers} send each other");
        }
        let is_one = matches!(from.as_slice(), [target] if target.is_one());
        let sends = if is_one { "sends" } else { "send" };
        write!(f, "what {senders} {sends} to {receivers}")
    }
}

impl Target {
    /// Whether it is never more than one host.
    const fn is_one(&self) -> bool {
        match self {
            Self::Host(_) => true,
            Self::Role(role) => matches!(
                role,
                Role::Holder | Role::NextWaiter | Role::NodeOfHolder | Role::Store
            ),
        }
    }
}

const fn emptied(lose_data: bool) -> &'static str {
    if lose_data { " and empty its disk" } else { "" }
}

/// `a`, `a and b`, `a, b and c`.
fn joined(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn list(targets: &[Target]) -> String {
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    joined(&names)
}

fn clock_list(clocks: &[ClockName]) -> String {
    let names: Vec<String> = clocks
        .iter()
        .map(|clock| clock_name(*clock).to_owned())
        .collect();
    let clocks = if names.len() == 1 { "clock" } else { "clocks" };
    format!("the {} {clocks}", joined(&names))
}

/// Exactly, in the largest unit that leaves something before the point.
fn time(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (unit, size) = match nanos {
        0 => return "0 s".to_owned(),
        1_000_000_000.. => ("s", 1_000_000_000),
        1_000_000.. => ("ms", 1_000_000),
        1_000.. => ("µs", 1_000),
        _ => ("ns", 1),
    };
    format!("{} {unit}", decimal(nanos, size))
}

/// Parts per million as a percentage.
fn percent(ppm: u64) -> String {
    format!("{} %", decimal(ppm.into(), 10_000))
}

/// `number / size`, exactly; `size` is a power of ten.
fn decimal(number: u128, size: u128) -> String {
    let digits = size.to_string().len() - 1;
    let fraction = format!("{:0digits$}", number % size);
    let shown = format!("{}.{}", number / size, &fraction[..digits]);
    shown.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;

    /// One fault of every kind, and what is said of it.
    #[test]
    fn every_kind_is_told() {
        let told = [
            (
                "kind='hold'\nfrom='client-1'\nto=['node-1','node-2']\ndirection='one_way'\nstart_ms=1200\nduration_ms=3000",
                "from 1.2 s to 4.2 s: hold what client-1 sends to node-1 and node-2",
            ),
            (
                "kind='cut'\nfrom=['minority','client-1']\nto='majority'\nstart_ms=0",
                "from 0 s until the world heals: drop what minority and client-1 and majority send each other",
            ),
            (
                "kind='slow'\nfrom='clients'\nto='nodes'\ndirection='one_way'\nextra_ms_min=0.5\nextra_ms_max=20\nstart_ms=1\nduration_ms=0.001",
                "from 1 ms to 1.001 ms: delay what clients send to nodes by 500 µs to 20 ms more",
            ),
            (
                "kind='lose'\nfrom='clients'\nto='nodes'\nloss_ppm=12500\nstart_ms=1\nduration_ms=9",
                "from 1 ms to 10 ms: lose 1.25 % of what clients and nodes send each other",
            ),
            (
                "kind='reset'\nfrom='holder'\nto='nodes'\nstart_ms=1",
                "at 1 ms: reset the connections between holder and nodes",
            ),
            (
                "kind='flap'\nfrom='holder'\nto='nodes'\ndown_ms=10\nup_ms=5\nstart_ms=1\nduration_ms=100",
                "from 1 ms to 101 ms: drop what holder and nodes send each other for 10 ms of every 10 ms + 5 ms",
            ),
            (
                "kind='ring'\nhosts=['node-1','client-1','node-2']\nstart_ms=1\nduration_ms=1",
                "from 1 ms to 2 ms: let each of node-1, client-1 and node-2 reach only its neighbours in this ring",
            ),
            (
                "kind='bridge'\nleft='node-1'\nright='node-2'\nbridge='client-1'\nstart_ms=1\nduration_ms=1",
                "from 1 ms to 2 ms: part node-1 from node-2, with client-1 reaching both",
            ),
            (
                "kind='crash'\ntarget='node-1'\nlose_data=true\nstart_ms=1\nduration_ms=1",
                "from 1 ms to 2 ms: crash node-1 and empty its disk",
            ),
            (
                "kind='clock_step'\ntarget='node-3'\nclocks='wall'\nby_ms=150\nstart_ms=1200",
                "at 1.2 s: step the wall clock of node-3 forward by 150 ms",
            ),
            (
                "kind='clock_drift'\ntarget='client-1'\nclocks=['wall','raw','boot']\nrate_error_ppm=-5026\nstart_ms=0\nduration_ms=1000",
                "from 0 s to 1 s: run the wall, raw and boot clocks of client-1 0.5026 % slower",
            ),
        ];
        for (fields, expected) in told {
            let plan = Plan::parse("told.toml", &format!("[[fault]]\n{fields}\n")).unwrap();
            assert_eq!(plan.windows[0].to_string(), expected);
        }
    }

    /// The verb agrees with who sends, whether they are named or play a role.
    #[test]
    fn one_sends_and_many_send() {
        for (from, expected) in [
            ("'client-1'", "client-1 sends"),
            ("'holder'", "holder sends"),
            ("'next_waiter'", "next_waiter sends"),
            ("'store'", "store sends"),
            ("'node_of(holder)'", "node_of(holder) sends"),
            ("'quorum_of(holder)'", "quorum_of(holder) send"),
            ("'minority'", "minority send"),
            ("'majority'", "majority send"),
            ("'nodes'", "nodes send"),
            ("'clients'", "clients send"),
            ("['holder','next_waiter']", "holder and next_waiter send"),
        ] {
            let fields = format!("kind='hold'\nfrom={from}\nto='node-1'\ndirection='one_way'");
            let text = format!("[[fault]]\n{fields}\nstart_ms=0\nduration_ms=1\n");
            let plan = Plan::parse("told.toml", &text).unwrap();
            let told = plan.windows[0].fault.to_string();
            assert_eq!(told, format!("hold what {expected} to node-1"));
        }
    }

    /// The kinds that say no more than whom they hit.
    #[test]
    fn no_kind_is_told_as_nothing() {
        for kind in [
            "pause",
            "suspend",
            "stop_machine",
            "power_loss",
            "flush_all",
            "script_flush",
            "client_pause",
            "read_only",
            "memory_full",
        ] {
            let text = format!("[[fault]]\nkind='{kind}'\ntarget='node-7'\nstart_ms=0\n");
            let plan = Plan::parse("told.toml", &text).unwrap();
            let told = plan.windows[0].fault.to_string();
            assert!(told.contains("node-7") && told.len() > 10, "{kind}: {told}");
        }
    }
}
