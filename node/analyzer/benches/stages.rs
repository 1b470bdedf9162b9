//! Where the time of an analysis goes, stage by stage, on one thread.
//!
//! `cargo bench -p flowlore-analyzer --bench stages -- conn.log`. Seconds of CPU where the system counts them for a thread
//! (Linux), else of wall time. The hash is that of the report's JSON: the same before and after a change that is to change
//! nothing.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::{io, num::NonZeroUsize, time::Instant};

use flowlore_analyzer::{
    intake::Intake,
    options::Options,
    report::Analysis,
    settle::{Part, Settlement, Workspace},
    source::Reader,
};
use flowlore_common::label::Severity;
use mimalloc::MiMalloc;

/// The node's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> io::Result<()> {
    for file in std::env::args().skip(1).filter(|arg| !arg.starts_with('-')) {
        analyze(&std::fs::read(&file)?)?;
    }
    Ok(())
}

fn analyze(bytes: &[u8]) -> io::Result<()> {
    let options = Options { severity_min: Severity::Info, ..Options::default() };
    let mut clock = Clock::new();
    let (mut intake, mut reader) = (Intake::new(usize::MAX, None), Reader::new("conn.log"));
    reader.feed(bytes, &mut intake);
    reader.finish(&mut intake);
    clock.lap("read and pack");
    let settlement = Settlement::new(vec![intake], None, &options)?;
    let (mut part, mut space) = (Part::default(), Workspace::default());
    for bucket in 0..settlement.buckets() {
        settlement.settle(bucket, &mut part, &mut space, None)?;
    }
    clock.lap("settle");
    let one = NonZeroUsize::MIN;
    let analysis = Analysis::new(&settlement, part, Vec::new(), Vec::new(), &options, one);
    clock.lap("judge and report");
    let mut json = Vec::new();
    analysis.report.write_json(&mut json)?;
    clock.lap("write JSON");
    println!("{} bytes of JSON, {}", json.len(), blake3::hash(&json).to_hex());
    std::mem::forget(analysis);
    Ok(())
}

struct Clock {
    wall: Instant,
    cpu: Option<f64>,
}

impl Clock {
    fn new() -> Self {
        Self { wall: Instant::now(), cpu: cpu_seconds() }
    }

    fn lap(&mut self, stage: &str) {
        let now = Self::new();
        let seconds = match (self.cpu, now.cpu) {
            (Some(before), Some(after)) => after - before,
            _ => now.wall.duration_since(self.wall).as_secs_f64(),
        };
        println!("{stage:20} {seconds:8.3} s");
        *self = now;
    }
}

/// What this thread has spent on a processor; a machine shared with others then does not matter much.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}
