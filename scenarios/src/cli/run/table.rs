//! The verdict table.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::{row::Row, work::Made};
use crate::{
    cli::output::Terminal,
    scenario::{Contender, Outcome, Scenario},
};

/// A row per scenario, a column per lock, a letter per verdict, and what the letters mean.
pub(super) fn of(scenarios: &[Scenario], made: &Made, terminal: Terminal) -> String {
    let contenders: BTreeSet<Contender> = made.rows.iter().map(|row| row.contender).collect();
    let contenders: Vec<_> = Contender::ALL
        .into_iter()
        .filter(|it| contenders.contains(it))
        .collect();
    let mut cells: BTreeMap<(&str, Contender), Vec<&Row>> = BTreeMap::new();
    for row in &made.rows {
        cells
            .entry((&row.scenario, row.contender))
            .or_default()
            .push(row);
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    let heads = contenders
        .iter()
        .map(|contender| contender.short().to_owned());
    table.set_header(std::iter::once(String::new()).chain(heads));
    for scenario in scenarios {
        let ran = contenders
            .iter()
            .any(|it| cells.contains_key(&(scenario.name.as_str(), *it)));
        if !ran {
            continue;
        }
        let letters = contenders.iter().map(|contender| {
            let rows = cells.get(&(scenario.name.as_str(), *contender));
            rows.map_or_else(|| "·".to_owned(), |rows| cell(rows, terminal.colour))
        });
        table.add_row(std::iter::once(scenario.name.clone()).chain(letters));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Center);
        column.set_padding((0, 1));
    }
    format!("{table}\n\n{}\n", legend(&contenders, made))
}

/// The letters of all seeds, once each; with `!` and what was expected if that is something else.
fn cell(rows: &[&Row], colour: bool) -> String {
    let mut letters: Vec<String> = Vec::new();
    for row in rows {
        let came = row.outcome.as_ref().map_or('?', |outcome| outcome.letter());
        let mut letter = came.to_string();
        if let Some(simulated) = &row.simulated {
            let simulated = simulated.as_ref().map_or('?', |outcome| outcome.letter());
            letter = format!("{simulated}/{came}");
        }
        if !row.is_as_expected() {
            let expected = row.expected.map_or('-', Outcome::letter);
            letter = format!("{letter}!{expected}");
        }
        if !letters.contains(&letter) {
            letters.push(letter);
        }
    }
    let text = letters.join(",");
    if !colour {
        return text;
    }
    let code = match &*text {
        _ if text.contains('!') => "1;41;37",
        _ if text.contains('X') => "31",
        _ if text.contains('F') => "33",
        _ if text.contains(['L', 'D']) => "35",
        _ => "32",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

fn legend(contenders: &[Contender], made: &Made) -> String {
    let names: Vec<_> = contenders
        .iter()
        .map(|it| format!("{} {it}", it.short()))
        .collect();
    let outcomes: Vec<_> = Outcome::ALL
        .map(|it| format!("{} {it}", it.letter()))
        .into_iter()
        .collect();
    let mut text = format!(
        "{}\n{}; · does not apply",
        names.join(", "),
        outcomes.join(", ")
    );
    if made.rows.iter().any(|row| row.simulated.is_some()) {
        text += "; simulated/live";
    }
    if made.rows.iter().any(|row| !row.is_as_expected()) {
        text += "; a!b came to a, and b was expected; ? the run shows nothing";
    }
    text
}
