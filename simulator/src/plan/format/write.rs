//! From faults to the text of a file.

use std::{fmt::Write, time::Duration};

use crate::{
    clock::ClockName,
    plan::{Fault, FaultWindow, Plan, Target, words::clock_name},
};

pub(super) fn plan(plan: &Plan) -> String {
    let tables: Vec<String> = plan.windows.iter().map(window).collect();
    tables.join("\n")
}

/// A table being written.
struct Table(String);

impl Table {
    fn field(&mut self, name: &str, value: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{name} = {value}");
    }

    fn ms(&mut self, name: &str, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.signed_ms(name, micros);
    }

    fn signed_ms(&mut self, name: &str, micros: i64) {
        let size = micros.unsigned_abs();
        let sign = if micros < 0 { "-" } else { "" };
        let fraction = format!(".{:03}", size % 1_000);
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        self.field(name, &format!("{sign}{}{fraction}", size / 1_000));
    }

    fn hosts(&mut self, name: &str, targets: &[Target]) {
        let names: Vec<String> = targets.iter().map(quoted).collect();
        match names.as_slice() {
            [one] => self.field(name, one),
            _ => self.field(name, &format!("[{}]", names.join(", "))),
        }
    }

    fn clocks(&mut self, clocks: &[ClockName]) {
        let names: Vec<String> = clocks
            .iter()
            .map(|clock| format!("\"{}\"", clock_name(*clock)))
            .collect();
        self.field("clocks", &format!("[{}]", names.join(", ")));
    }
}

fn quoted(target: &Target) -> String {
    toml::Value::String(target.to_string()).to_string()
}

fn window(window: &FaultWindow) -> String {
    let mut table = Table("[[fault]]\n".to_owned());
    let fault = &window.fault;
    table.field("kind", &format!("\"{}\"", fault.family()));
    for (name, targets) in fault.targets() {
        table.hosts(name, targets);
    }
    if fault.links().is_some_and(|links| links.one_way) {
        table.field("direction", "\"one_way\"");
    }
    match fault {
        Fault::Slow {
            extra_min,
            extra_max,
            ..
        } => {
            table.ms("extra_ms_min", *extra_min);
            table.ms("extra_ms_max", *extra_max);
        }
        Fault::Lose { loss_ppm, .. } => table.field("loss_ppm", &loss_ppm.to_string()),
        Fault::Flap { down, up, .. } => {
            table.ms("down_ms", *down);
            table.ms("up_ms", *up);
        }
        Fault::Crash { lose_data, .. } | Fault::PowerLoss { lose_data, .. } if *lose_data => {
            table.field("lose_data", "true");
        }
        Fault::Failover { repoint: false, .. } => table.field("repoint", "false"),
        Fault::ClockStep {
            clocks, by_micros, ..
        } => {
            table.clocks(clocks);
            table.signed_ms("by_ms", *by_micros);
        }
        Fault::ClockDrift {
            clocks,
            rate_error_ppm,
            ..
        } => {
            table.clocks(clocks);
            table.field("rate_error_ppm", &rate_error_ppm.to_string());
        }
        Fault::ClockFreeze { clocks, .. } => table.clocks(clocks),
        _ => {}
    }
    table.ms("start_ms", window.start);
    if let Some(duration) = window.duration {
        table.ms("duration_ms", duration);
    }
    table.0
}
