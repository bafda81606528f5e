//! What cannot be made live.

use simulator::world::Replay;

use super::options::Options;

/// Every fault and setting of a case that cannot be made live, each with its reason; empty when the case can be performed.
/// Decided from the case and from what is installed, before anything is started.
pub fn not_possible(_case: &Replay, _options: &Options) -> Vec<String> {
    Vec::new()
}
