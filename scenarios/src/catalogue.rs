//! The scenarios that come with the laboratory.
//!
//! The folder `catalogue`, a hazard per file, is in the program itself, so that it runs anywhere. Beside it is `regressions`: cases that the
//! search found, for `redlock-lab replay`.

use rust_embed::{EmbeddedFile, RustEmbed};
use simulator::plan::file::FileError;

use crate::scenario::Scenario;

#[derive(RustEmbed)]
#[folder = "catalogue"]
#[include = "*.toml"]
struct Hazards;

/// All hazards, by name.
///
/// # Errors
///
/// What is wrong with the first file that is wrong: none is, in a program that passed its tests.
pub fn hazards() -> Result<Vec<Scenario>, Box<FileError>> {
    let mut names: Vec<_> = Hazards::iter().collect();
    names.sort_unstable();
    let files = names
        .iter()
        .filter_map(|file| Some((file, Hazards::get(file)?)));
    files
        .map(|(file, EmbeddedFile { data, .. })| {
            let name = file.trim_end_matches(".toml");
            let shown = format!("scenarios/catalogue/{file}");
            Scenario::parse(name, &shown, &String::from_utf8_lossy(&data)).map_err(Box::new)
        })
        .collect()
}
