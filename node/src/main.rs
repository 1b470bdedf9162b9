//! The Flowlore node: see the library for what is where.

use std::process::ExitCode;

use clap::Parser as _;
use flowlore_node::command::{Cli, run};
use mimalloc::MiMalloc;

/// An analysis frees large buffers and then makes a million small texts: this allocator does not search for their room.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    run(Cli::parse())
}
