//! From the folders that runs leave behind to numbers, plots and a report.
