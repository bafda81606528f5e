//! Named fault scenarios and the command line that runs them.
