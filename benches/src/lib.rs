//! Measurements of client and simulator, side by side with other clients.
