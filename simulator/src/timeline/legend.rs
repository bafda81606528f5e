//! What stands below the picture.

use std::collections::BTreeMap;

use super::rows::{self, Names};
use crate::{
    checkers::Report,
    truth::{Margin, Truth},
};

const SIGNS: &str = "~ acquires, letter: holds, ! believes past its end, z paused, x down, q does not vote, \
    + key of an attempt that did not win, r read, w write, - refused, > on its way";

/// Of leases that share a letter, so many are named.
const NAMED: usize = 3;

/// The signs, the leases, the smallest margin, and what the checkers say.
pub(super) fn tell(
    truth: &Truth<'_>,
    names: &Names<'_>,
    report: Option<&Report>,
    long_faults: &[String],
    width: usize,
) -> String {
    let mut text = "\n".to_owned();
    wrap(SIGNS, "  ", width, &mut text);
    leases(truth, names, width, &mut text);
    for fault in long_faults {
        wrap(
            &format!("{}: {fault}", rows::cut(fault)),
            "  ",
            width,
            &mut text,
        );
    }
    let Some(report) = report else { return text };
    if let Some(margin) = report.least_margin() {
        wrap(&told_margin(margin), "  ", width, &mut text);
    }
    for finding in &report.findings {
        if finding.verdict.is_violated() {
            let told = format!("{}: {}", finding.checker, finding.verdict);
            wrap(&told, "  ", width, &mut text);
        }
        for note in &finding.notes {
            let told = format!("{}, legal: {note}", finding.checker);
            wrap(&told, "  ", width, &mut text);
        }
    }
    text
}

fn leases(truth: &Truth<'_>, names: &Names<'_>, width: usize, text: &mut String) {
    let mut shown: BTreeMap<char, Vec<String>> = BTreeMap::new();
    let seen = truth.leases.iter().filter(|lease| names.has(lease.id));
    for lease in seen {
        let token = match lease.token {
            Some(token) => format!(", token {token}"),
            None => String::new(),
        };
        let told = format!("{}'s lease {}{token}", lease.client, lease.id);
        shown.entry(names.letter(lease.id)).or_default().push(told);
    }
    for (letter, mut leases) in shown {
        let more = leases.len().saturating_sub(NAMED);
        leases.truncate(NAMED);
        let mut told = format!("{letter} is {}", leases.join("; "));
        if more > 0 {
            told.push_str(&format!("; and {more} more"));
        }
        wrap(&told, "  ", width, text);
    }
}

fn told_margin(margin: &Margin) -> String {
    let ns = margin.margin_ns.unwrap_or_default();
    let sign = if ns < 0 { "-" } else { "" };
    let micros = ns.unsigned_abs() / 1_000;
    let (ms, rest) = (micros / 1_000, micros % 1_000);
    let percent = margin.margin_percent_of_ttl.unwrap_or_default();
    format!(
        "least safety margin: {sign}{ms}.{rest:03} ms, {percent:.2}% of the TTL ({}'s lease {}, {})",
        margin.client, margin.lease, margin.ended
    )
}

/// Lines of at most `width` characters, broken between words; all but the first begin with `indent`.
pub(super) fn wrap(told: &str, indent: &str, width: usize, text: &mut String) {
    let mut used = 0;
    let mut begins = true;
    for word in words(told) {
        let length = word.chars().count();
        if !begins && used + 1 + length > width {
            text.push('\n');
            text.push_str(indent);
            used = indent.chars().count();
            begins = true;
        }
        if !begins {
            text.push(' ');
            used += 1;
        }
        text.push_str(&word);
        used += length;
        begins = false;
    }
    text.push('\n');
}

/// Words, with units kept beside their numbers.
fn words(told: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in told.split(' ') {
        let bare = word.trim_end_matches([',', ';', ':', ')']);
        match words.last_mut() {
            Some(number) if ["s", "ms"].contains(&bare) => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}
