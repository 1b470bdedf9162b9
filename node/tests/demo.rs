//! Goal: the demo checks its own numbers, and learns nothing about what an org that did not take part saw.
//! Method: the program itself, three child processes, a seed of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

#[test]
fn without_a_nobody_is_told_what_only_a_saw() {
    let demo = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
        .args(["demo", "--once", "--seed", "5", "--skip-org", "A"])
        .output()
        .unwrap();
    let (said, failed) =
        (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{said}\n{failed}");
    assert!(said.contains(": unseen"), "{said}");
    assert!(said.contains("refused: signature"), "{said}");
    assert!(said.contains(" 0 differ,"), "{said}");
    assert!(!said.contains("DIFFERS"), "{said}");
}
