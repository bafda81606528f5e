//! Did you mean.

use simulator::plan::file::nearest;

/// `; did you mean "x"?`, or nothing.
pub(crate) fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known)
        .map(|name| format!("; did you mean \"{name}\"?"))
        .unwrap_or_default()
}
