//! The JSON Schema of scenarios, for editors.

use super::file::Scenario;

/// The schema, as text: generated from the types that read the files.
///
/// # Errors
///
/// None that can happen: a schema is JSON.
pub fn schema() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Scenario))?;
    text.push('\n');
    Ok(text)
}
