//! Reading TOML files that people write: plans, and whatever else of a run is described in a file.
//!
//! [`read`] hands the document to a closure as [`Fields`], which takes typed values out by name and keeps going
//! after a problem, so that one reading reports everything that is wrong with a file. Fields that nobody asked for are
//! problems too. A [`FileError`] shows each [`Problem`] under an excerpt of the file.

mod error;
mod fields;
mod names;
mod number;
mod value;

pub use self::{
    error::{FileError, Problem},
    fields::{Fields, read},
    names::{did_you_mean, nearest},
    value::Value,
};
