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
            rows.map_or_else(|| "·".to_owned(), |rows| cell(rows))
        });
        table.add_row(std::iter::once(scenario.name.clone()).chain(letters));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Center);
        column.set_padding((0, 1));
    }
    let mut text = table.to_string();
    if terminal.colour {
        text = painted(&text);
    }
    format!("{text}\n\n{}\n", legend(&contenders, made))
}

/// The same table in colours. They come when all columns are laid out, as colours have no width.
fn painted(table: &str) -> String {
    let (head, rows) = table.split_once('\n').unwrap_or((table, ""));
    let mut text = head.to_owned();
    for row in rows.lines() {
        text.push('\n');
        let mut is_name = true;
        for part in row.split_inclusive(' ') {
            let cell = part.trim_end();
            if cell.is_empty() || std::mem::take(&mut is_name) {
                text += part;
            } else {
                text += &format!("\x1b[{}m{cell}\x1b[0m{}", colour(cell), &part[cell.len()..]);
            }
        }
    }
    text
}

/// The letters of all seeds, once each; with `!` and what was expected if that is something else.
fn cell(rows: &[&Row]) -> String {
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
    letters.join(",")
}

/// What a terminal is told for a cell.
fn colour(text: &str) -> &'static str {
    match text {
        _ if text.contains('!') => "1;41;37",
        _ if text.contains('X') => "31",
        _ if text.contains('F') => "33",
        _ if text.contains(['L', 'D']) => "35",
        "·" => "2",
        _ => "32",
    }
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
