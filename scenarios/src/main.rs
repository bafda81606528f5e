//! The command line of the laboratory; all of it is in `scenarios::cli`.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    scenarios::cli::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("redlock-lab: live runs stop processes with signals, so it needs Linux or macOS");
    std::process::ExitCode::from(2)
}
