//! Did you mean.

/// The known name that is nearest to what was typed, when one is near. Case does not matter, nor whether words are joined by `-`
/// or `_`.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let typed = plain(typed);
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let likeness = strsim::jaro_winkler(&typed, &plain(name));
        if likeness > 0.8 && best.is_none_or(|(most, _)| likeness >= most) {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| name)
}

/// "did you mean …?", or which words there are when none is near; nothing when there are none at all.
pub fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    if let Some(nearest) = nearest(word, known.iter().copied()) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    (!known.is_empty()).then(|| format!("there are {}", known.join(", ")))
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
