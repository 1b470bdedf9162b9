//! Rows a second and peak memory: `cargo bench -p flowlore-synth`, or with `-- ROWS SCENARIO` for
//! another amount than ten million conn rows of background. Bytes are counted and dropped. Run by
//! another command than `cargo bench` (which passes `--bench`) it is a quick check only.

use std::io;

use flowlore_synth::{Output, Params, Scenario, generate};

#[derive(Default)]
struct Counted(u64);

impl Output for Counted {
    fn append(&mut self, _path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0 += bytes.len() as u64;
        Ok(())
    }
    fn finish(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }
}

/// Highest resident size so far, MiB, where the system tells it.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1_024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bench = std::env::args().any(|arg| arg == "--bench");
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let usual = if bench { 10_000_000 } else { 20_000 };
    let rows = args.next().map_or(Ok(usual), |text| text.parse())?;
    let scenarios = Scenario::list(&args.next().unwrap_or_else(|| "all".to_owned()))?;
    let params = Params { rows: Some(rows), scenarios, ..Params::default() };
    let mut out = Counted::default();
    let begun = std::time::Instant::now();
    let summary = generate(&params, &mut out)?;
    let seconds = begun.elapsed().as_secs_f64();
    let all: u64 = summary.rows.values().sum();
    println!("{} machines, {:?}", summary.hosts, summary.rows);
    println!(
        "{all} rows, {} MB in {seconds:.1} s: {:.0} rows a second; peak memory {} MiB",
        out.0 / 1_000_000,
        all as f64 / seconds,
        peak_mib().map_or("unknown".to_owned(), |mib| mib.to_string()),
    );
    Ok(())
}
