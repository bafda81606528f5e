//! From tables to faults.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use crate::{
    clock::{ClockName, Ppm},
    plan::{
        Family, Fault, FaultWindow, Hosts, Links, Plan, Role, Target,
        check::{self, Complaint},
        file::{Fields, Problem, Value, did_you_mean},
        words::clock_name,
    },
};

/// A rate of −1,000,000 ppm is a clock that stands still; none runs backwards.
const FROZEN: Ppm = -1_000_000;
/// A clock that runs a thousand times too fast is the fastest.
const FASTEST: Ppm = 1_000_000_000;

pub(super) fn plan(
    fields: &mut Fields<'_>,
    end: Option<Duration>,
    hosts: Option<&Hosts>,
) -> Option<Plan> {
    let mut read = Vec::new();
    let mut complete = true;
    for table in fields.tables("fault", "this fault") {
        match Table::new(table).window() {
            Some(window) => read.push(window),
            None => complete = false,
        }
    }
    read.sort_by_key(|(window, _)| window.start);
    let (windows, places): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    for complaint in check::complaints(&windows, end, hosts) {
        fields.report(problem(&complaint, &places));
    }
    complete.then_some(Plan { windows })
}

/// Where the fields of a fault are in the file; the empty name is the table.
type Places = BTreeMap<&'static str, Range<usize>>;

fn problem(complaint: &Complaint, places: &[Places]) -> Problem {
    let place = |window: usize, field: &str| {
        let places = &places[window];
        places
            .get(field)
            .or_else(|| places.get(""))
            .cloned()
            .unwrap_or_default()
    };
    let mut problem = Problem::new(
        place(complaint.window, complaint.field),
        &complaint.message,
        &complaint.expected,
    )
    .with_help(complaint.help.clone());
    problem.other = complaint
        .other
        .as_ref()
        .map(|(window, said)| (place(*window, "start_ms"), said.clone()));
    problem
}

/// The table of one fault.
struct Table<'a> {
    fields: Fields<'a>,
    places: Places,
}

impl<'a> Table<'a> {
    fn new(fields: Fields<'a>) -> Self {
        let places = Places::from([("", fields.span())]);
        Self { fields, places }
    }

    fn required(&mut self, name: &'static str) -> Option<Value<'a>> {
        let value = self.fields.required(name)?;
        self.places.insert(name, value.span());
        Some(value)
    }

    fn optional(&mut self, name: &'static str) -> Option<Value<'a>> {
        let value = self.fields.optional(name)?;
        self.places.insert(name, value.span());
        Some(value)
    }

    fn window(mut self) -> Option<(FaultWindow, Places)> {
        let family = self.required("kind").and_then(|value| family(&value));
        let start = self.required("start_ms").and_then(|value| value.ms());
        let duration = match self.optional("duration_ms") {
            Some(value) => value.positive_ms().map(Some),
            None => Some(None),
        };
        let Some(family) = family else {
            // Which fields it has depends on the kind.
            self.fields.abandon();
            return None;
        };
        let fault = self.fault(family);
        self.fields.finish();
        let window = FaultWindow {
            start: start?,
            duration: duration?,
            fault: fault?,
        };
        Some((window, self.places))
    }

    fn fault(&mut self, family: Family) -> Option<Fault> {
        match family {
            Family::Hold
            | Family::Cut
            | Family::Slow
            | Family::Lose
            | Family::Reset
            | Family::Flap => self.link_fault(family),
            Family::Ring => Some(Fault::Ring {
                hosts: self.hosts("hosts")?,
            }),
            Family::Bridge => {
                let sides = [
                    self.hosts("left"),
                    self.hosts("right"),
                    self.hosts("bridge"),
                ];
                let [left, right, bridge] = sides;
                Some(Fault::Bridge {
                    left: left?,
                    right: right?,
                    bridge: bridge?,
                })
            }
            Family::ClockStep | Family::ClockDrift | Family::ClockFreeze => {
                self.clock_fault(family)
            }
            _ => self.host_fault(family),
        }
    }

    fn link_fault(&mut self, family: Family) -> Option<Fault> {
        let (from, to) = (self.hosts("from"), self.hosts("to"));
        let direction = match self.optional("direction") {
            Some(value) => direction(&value),
            None => Some(false),
        };
        let links = || {
            Some(Links {
                from: from?,
                to: to?,
                one_way: direction?,
            })
        };
        match family {
            Family::Hold => Some(Fault::Hold { links: links()? }),
            Family::Cut => Some(Fault::Cut { links: links()? }),
            Family::Reset => Some(Fault::Reset { links: links()? }),
            Family::Slow => {
                let least = self.required("extra_ms_min").and_then(|value| value.ms());
                let most = self.required("extra_ms_max").and_then(|value| value.ms());
                Some(Fault::Slow {
                    links: links()?,
                    extra_min: least?,
                    extra_max: most?,
                })
            }
            Family::Lose => {
                let loss = self
                    .required("loss_ppm")
                    .and_then(|value| value.integer(0, 1_000_000));
                Some(Fault::Lose {
                    links: links()?,
                    loss_ppm: u32::try_from(loss?).ok()?,
                })
            }
            _ => {
                let down = self
                    .required("down_ms")
                    .and_then(|value| value.positive_ms());
                let up = self.required("up_ms").and_then(|value| value.positive_ms());
                Some(Fault::Flap {
                    links: links()?,
                    down: down?,
                    up: up?,
                })
            }
        }
    }

    fn clock_fault(&mut self, family: Family) -> Option<Fault> {
        let target = self.host();
        let clocks = self.required("clocks").and_then(|value| clocks(&value));
        match family {
            Family::ClockStep => {
                let by = self.required("by_ms").and_then(|value| value.signed_ms());
                Some(Fault::ClockStep {
                    target: target?,
                    clocks: clocks?,
                    by_micros: by?,
                })
            }
            Family::ClockDrift => {
                let rate = self
                    .required("rate_error_ppm")
                    .and_then(|value| value.integer(FROZEN, FASTEST));
                Some(Fault::ClockDrift {
                    target: target?,
                    clocks: clocks?,
                    rate_error_ppm: rate?,
                })
            }
            _ => Some(Fault::ClockFreeze {
                target: target?,
                clocks: clocks?,
            }),
        }
    }

    fn host_fault(&mut self, family: Family) -> Option<Fault> {
        let target = self.host();
        let lose_data = if matches!(family, Family::Crash | Family::PowerLoss) {
            match self.optional("lose_data") {
                Some(value) => value.truth(),
                None => Some(false),
            }
        } else {
            Some(false)
        };
        let repoint = match family {
            Family::Failover => self.optional("repoint"),
            _ => None,
        };
        let repoint = repoint.map_or(Some(true), |value| value.truth());
        let (target, lose_data, repoint) = (target?, lose_data?, repoint?);
        Some(match family {
            Family::Pause => Fault::Pause { target },
            Family::Suspend => Fault::Suspend { target },
            Family::StopMachine => Fault::StopMachine { target },
            Family::Crash => Fault::Crash { target, lose_data },
            Family::PowerLoss => Fault::PowerLoss { target, lose_data },
            Family::FlushAll => Fault::FlushAll { target },
            Family::ScriptFlush => Fault::ScriptFlush { target },
            Family::ClientPause => Fault::ClientPause { target },
            Family::ReadOnly => Fault::ReadOnly { target },
            Family::MemoryFull => Fault::MemoryFull { target },
            Family::Failover => Fault::Failover { target, repoint },
            _ => return None,
        })
    }

    fn host(&mut self) -> Option<Target> {
        self.required("target").and_then(|value| target(&value))
    }

    fn hosts(&mut self, name: &'static str) -> Option<Vec<Target>> {
        let items = self.required(name)?.one_or_more()?;
        // Each is looked at before any is missed.
        let read: Vec<Option<Target>> = items.iter().map(target).collect();
        read.into_iter().collect()
    }
}

fn family(value: &Value<'_>) -> Option<Family> {
    let names = Family::ALL.map(|(_, name)| name);
    word(value, "kind of fault", &names).map(|index| Family::ALL[index].0)
}

fn direction(value: &Value<'_>) -> Option<bool> {
    word(value, "direction", &["both", "one_way"]).map(|index| index == 1)
}

fn clocks(value: &Value<'_>) -> Option<Vec<ClockName>> {
    let names = ClockName::ALL.map(clock_name);
    let items = value.one_or_more()?;
    let read: Vec<Option<usize>> = items
        .iter()
        .map(|item| word(item, "clock", &names))
        .collect();
    read.into_iter()
        .map(|index| index.map(|index| ClockName::ALL[index]))
        .collect()
}

/// One of a few words, by its place among them.
fn word(value: &Value<'_>, what: &str, words: &[&str]) -> Option<usize> {
    let text = value.text()?;
    let found = words.iter().position(|word| *word == text);
    if found.is_none() {
        value.wrong(
            format!("there is no {what} called `{text}`"),
            format!("expected a {what}"),
            did_you_mean(text, words),
        );
    }
    found
}

fn target(value: &Value<'_>) -> Option<Target> {
    let text = value.text()?;
    let target = text.parse().ok();
    if target.is_none() {
        let roles = Role::ALL.map(|(_, name)| name);
        value.wrong(
            format!("`{text}` is neither a role nor the name of a host"),
            "expected a host",
            did_you_mean(text, &roles),
        );
    }
    target
}
