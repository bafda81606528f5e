//! From the folders that runs leave behind to numbers, plots and a report that people look at.
//!
//! It knows the format of these folders and nothing of the programs that wrote them. This crate holds nothing yet.
