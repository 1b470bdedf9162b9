//! How fast logs are read, beside what the machine can do at most in the same run.
//!
//! `cargo bench -p flowlore-analyzer --bench source [-- FILE...]`. Without files a small day of
//! conn.log is made up in memory, in both notations. With files each is read whole; names tell nothing.
//! One thread; seconds of CPU where the system counts them for a thread (Linux), else of wall time.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use flowlore_analyzer::record::{
    CaptureLoss, Conn, Dhcp, Dns, File, Http, Logon, Notice, Remote, Sink, Tls, X509,
};
use flowlore_analyzer::source::Reader;

/// Uses each record a little, so that reading it cannot be left out.
#[derive(Default)]
struct Sum(u64);

impl Sink for Sum {
    fn conn(&mut self, record: &Conn<'_>) {
        self.0 = self
            .0
            .wrapping_add(record.start_us.unsigned_abs())
            .wrapping_add(u64::from(record.ends.resp_port))
            .wrapping_add(record.orig_bytes.unwrap_or(0))
            .wrapping_add(record.resp_ip_bytes.unwrap_or(0));
        black_box(record);
    }
    fn dns(&mut self, record: &Dns<'_>) {
        black_box(record);
    }
    fn tls(&mut self, record: &Tls<'_>) {
        black_box(record);
    }
    fn http(&mut self, record: &Http<'_>) {
        black_box(record);
    }
    fn file(&mut self, record: &File<'_>) {
        black_box(record);
    }
    fn x509(&mut self, record: &X509<'_>) {
        black_box(record);
    }
    fn dhcp(&mut self, record: &Dhcp<'_>) {
        black_box(record);
    }
    fn logon(&mut self, record: &Logon<'_>) {
        black_box(record);
    }
    fn remote(&mut self, record: &Remote<'_>) {
        black_box(record);
    }
    fn notice(&mut self, record: &Notice<'_>) {
        black_box(record);
    }
    fn capture_loss(&mut self, record: &CaptureLoss<'_>) {
        black_box(record);
    }
}

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if files.is_empty() {
        let rows = 200_000;
        report("conn.log, tab-separated", made_up(rows, false).as_bytes());
        report("conn.log, JSON", made_up(rows, true).as_bytes());
    }
    for file in files {
        match std::fs::read(&file) {
            Ok(bytes) => report(&file, &bytes),
            Err(error) => println!("{file}: {error}"),
        }
    }
}

fn report(name: &str, bytes: &[u8]) {
    let newlines = timed(|| memchr::memchr_iter(b'\n', bytes).count() as u64);
    let tabs = timed(|| memchr::memchr2_iter(b'\t', b'\n', bytes).count() as u64);
    let mut records = 0;
    let read = timed(|| {
        let (mut sink, mut reader) = (Sum::default(), Reader::new("log"));
        reader.feed(bytes, &mut sink);
        records = reader.finish(&mut sink).used();
        sink.0
    });
    println!(
        "{name}: {records} records, {:.1} MB; newline scan {newlines:.3} s, tab and newline scan \
         {tabs:.3} s, read {read:.3} s: {:.2} M records/s, {:.0} MB/s, {:.2} times the scan",
        bytes.len() as f64 / 1e6,
        records as f64 / read / 1e6,
        bytes.len() as f64 / read / 1e6,
        read / tabs,
    );
}

/// The best of three runs, seconds.
fn timed(mut work: impl FnMut() -> u64) -> f64 {
    let run = |_| {
        let (begin, cpu) = (Instant::now(), cpu_seconds());
        black_box(work());
        match (cpu, cpu_seconds()) {
            (Some(before), Some(after)) => after - before,
            _ => begin.elapsed().as_secs_f64(),
        }
    };
    (0..3).map(run).fold(f64::INFINITY, f64::min)
}

/// What this thread has spent on a processor; a machine shared with others then does not matter much.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

fn made_up(rows: u32, json: bool) -> String {
    let mut out = String::new();
    if !json {
        out.push_str(
            "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\t\
             id.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\t\
             local_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\n",
        );
    }
    for row in 0..rows {
        let (host, server, port) = (row % 250 + 1, row * 7 % 251, 1_024 + row % 60_000);
        let (sent, received, micros) = (row * 31 % 9_000, row * 77 % 90_000, row * 13 % 1_000_000);
        let done = if json {
            writeln!(
                out,
                "{{\"ts\":{}.{micros:06},\"uid\":\"C{row:017}\",\"id.orig_h\":\"192.0.2.{host}\",\
                 \"id.orig_p\":{port},\"id.resp_h\":\"198.51.100.{server}\",\"id.resp_p\":443,\
                 \"proto\":\"tcp\",\"service\":\"ssl\",\"duration\":0.{micros:06},\"orig_bytes\":{sent},\
                 \"resp_bytes\":{received},\"conn_state\":\"SF\",\"local_orig\":true,\
                 \"local_resp\":false,\"missed_bytes\":0,\"history\":\"ShADadFf\",\"orig_pkts\":9,\
                 \"orig_ip_bytes\":{},\"resp_pkts\":8,\"resp_ip_bytes\":{}}}",
                1_700_000_000 + row / 3,
                sent + 360,
                received + 320,
            )
        } else {
            writeln!(
                out,
                "{}.{micros:06}\tC{row:017}\t192.0.2.{host}\t{port}\t198.51.100.{server}\t443\ttcp\t\
                 ssl\t0.{micros:06}\t{sent}\t{received}\tSF\tT\tF\t0\tShADadFf\t9\t{}\t8\t{}",
                1_700_000_000 + row / 3,
                sent + 360,
                received + 320,
            )
        };
        done.expect("writing to a string cannot fail");
    }
    out
}
