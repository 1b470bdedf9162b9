//! `vectors`: what a second implementation checks itself against.

use std::process::ExitCode;

use anyhow::Result;

pub(super) fn run() -> Result<ExitCode> {
    for vector in flowlore_ledger::vectors::vectors() {
        println!("{} {}", vector.name, vector.value);
    }
    Ok(ExitCode::SUCCESS)
}
