//! Completions and manual pages.

use crate::lab::Lab;

#[test]
fn every_shell_completes_every_command() {
    let lab = Lab::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = lab.run(&["completions", shell]);
        ran.says(0, &["hunt", "merge", "replay", "explain", "keep-going"]);
        assert!(
            !ran.out.contains("endure-worker"),
            "what is hidden stays so"
        );
        assert!(ran.err.is_empty(), "{}", ran.err);
    }
}

#[test]
fn every_command_has_a_page() {
    let lab = Lab::new();
    lab.run(&["man"])
        .says(0, &[".TH redlock-lab 1", "Exit codes", "NO_COLOR"]);
    lab.run(&["man", "--to", "man"])
        .says(0, &["man man/redlock-lab.1"]);
    let pages = lab.files("man");
    for command in [
        "hunt",
        "merge",
        "replay",
        "explain",
        "demo",
        "endure",
        "preflight",
        "man",
    ] {
        let page = &pages[&format!("redlock-lab-{command}.1")];
        assert!(
            page.contains(&format!("redlock\\-lab\\-{command}")),
            "{page}"
        );
    }
    assert!(
        !pages.contains_key("redlock-lab-guard.1"),
        "what is hidden stays so"
    );
}
