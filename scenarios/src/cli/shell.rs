//! Commands that people can paste.

use std::path::Path;

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |sign: char| sign.is_alphanumeric() || "/._-+=:@%,".contains(sign);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_has_them() {
        let of = |text: &str| quoted(Path::new(text));
        assert_eq!(of("target/hunt/a-1.toml"), "target/hunt/a-1.toml");
        assert_eq!(of("my runs/a"), "'my runs/a'");
        assert_eq!(of("it's"), r"'it'\''s'");
        assert_eq!(of(""), "''");
    }
}
