//! Did you mean.

/// The known name that is nearest to what was typed, when one is near.
pub(crate) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let likeness = strsim::jaro_winkler(&typed, &name.to_lowercase().replace('-', "_"));
        if likeness > 0.8 && best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| name)
}

/// `; did you mean "x"?`, or nothing.
pub(crate) fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known)
        .map(|name| format!("; did you mean \"{name}\"?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_near_and_other_words_are_not() {
        let known = ["tight", "default", "network", "paused_holder"];
        assert_eq!(nearest("tigth", known), Some("tight"));
        assert_eq!(nearest("Network", known), Some("network"));
        assert_eq!(nearest("paused-holdr", known), Some("paused_holder"));
        assert_eq!(nearest("zebra", known), None);
    }
}
