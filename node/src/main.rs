//! The Flowlore node: see the library for what is where.

use std::process::ExitCode;

use clap::Parser as _;
use flowlore_node::command::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
