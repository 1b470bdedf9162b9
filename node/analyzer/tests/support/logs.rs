//! Small logs of our own, and the way through the analyzer that the product takes. Names and addresses are those set
//! aside for documentation.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its part; a test that cannot go on has failed"
)]

use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use flowlore_analyzer::{
    intake::{Intake, Spill},
    limits::BUCKETS,
    options::Options,
    record::FileSink as _,
    report::{Analysis, Report, model::InputFile},
    settle::{Part, Settlement, Witness, Workspace},
    source::Reader,
};
use flowlore_common::label::Severity;

/// 2026-11-23 00:00 UTC, a Monday.
pub(crate) const DAY: u64 = 1_795_392_000;

/// A file of a log: its name and its text.
pub(crate) type File = (String, String);

/// Keeps spilled chunks in memory, and counts them.
#[derive(Default)]
struct Kept(Mutex<(Vec<Vec<Vec<u8>>>, u64)>);

impl Spill for Kept {
    fn append(&self, bucket: usize, chunk: &[u8]) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        kept.0.resize(BUCKETS, Vec::new());
        kept.0[bucket].push(chunk.to_vec());
        kept.1 += 1;
        Ok(())
    }

    fn read(&self, bucket: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut kept = self.0.lock().unwrap();
        Ok(kept.0.get_mut(bucket).map(std::mem::take).unwrap_or_default())
    }
}

/// How a run is cut up; nothing of it may show.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) intakes: usize,
    pub(crate) parts: usize,
    pub(crate) share_bytes: usize,
}

pub(crate) const WHOLE: Cut = Cut { intakes: 1, parts: 1, share_bytes: usize::MAX };

pub(crate) fn analyze(files: &[File], options: &Options, cut: Cut) -> (Analysis, u64) {
    let (analysis, spilled, ()) = analyze_and(files, options, cut, None, |_| ());
    (analysis, spilled)
}

/// As [`analyze`], with a witness of each flow and a look at the sums.
pub(crate) fn analyze_and<T>(
    files: &[File],
    options: &Options,
    cut: Cut,
    witness: Option<&dyn Witness>,
    look: impl FnOnce(&Part) -> T,
) -> (Analysis, u64, T) {
    let kept = Arc::new(Kept::default());
    let spill: Arc<dyn Spill> = kept.clone();
    let intake = || Intake::new(cut.share_bytes, Some(Arc::clone(&spill)));
    let mut intakes: Vec<Intake> = (0..cut.intakes).map(|_| intake()).collect();
    let mut inputs = Vec::new();
    for (number, (name, text)) in files.iter().enumerate() {
        let intake = &mut intakes[number % cut.intakes];
        intake.enter(u32::try_from(number).unwrap());
        let mut reader = Reader::new(name);
        reader.feed(text.as_bytes(), intake);
        let tally = reader.finish(intake);
        inputs.push(InputFile {
            path: name.clone(),
            format: tally.format(),
            records: tally.records,
            flows: 0,
            skipped: tally.skipped.iter().map(|(skip, count)| (skip.name(), *count)).collect(),
            note: None,
        });
    }
    let settlement = Settlement::new(intakes, Some(spill), options).unwrap();
    let mut parts: Vec<Part> = (0..cut.parts).map(|_| Part::default()).collect();
    let mut space = Workspace::default();
    // Backwards, so that merging cannot lean on the order of buckets.
    for bucket in (0..settlement.buckets()).rev() {
        settlement.settle(bucket, &mut parts[bucket % cut.parts], &mut space, witness).unwrap();
    }
    let mut whole = Part::default();
    parts.into_iter().rev().for_each(|part| whole.merge(part));
    let spilled = kept.0.lock().unwrap().1;
    let looked = look(&whole);
    let threads = NonZeroUsize::new(cut.parts).unwrap_or(NonZeroUsize::MIN);
    (Analysis::new(&settlement, whole, inputs, Vec::new(), options, threads), spilled, looked)
}

pub(crate) fn report(files: &[File], options: &Options) -> Report {
    analyze(files, options, WHOLE).0.report
}

pub(crate) fn all() -> Options {
    Options { severity_min: Severity::Info, conversations: None, ..Options::default() }
}

pub(crate) const CONN: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
    #path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\t\
    duration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\t\
    orig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n";
pub(crate) const DNS: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
    #path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tquery\tqtype\t\
    rcode\tanswers\tTTLs\n";
pub(crate) const SSL: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
    #path\tssl\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tversion\tserver_name\t\
    established\n";
pub(crate) const HTTP: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
    #path\thttp\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tmethod\thost\turi\t\
    user_agent\trequest_body_len\tresponse_body_len\tstatus_code\n";

/// A row of conn.log with the sizes of a short exchange.
pub(crate) fn conn(
    ms: u64,
    uid: &str,
    orig: &str,
    port: u16,
    resp: &str,
    resp_port: u16,
) -> String {
    let (second, milli) = (DAY + ms / 1000, ms % 1000);
    format!(
        "{second}.{milli:03}000\t{uid}\t{orig}\t{port}\t{resp}\t{resp_port}\ttcp\tssl\t0.400000\t\
         900\t1400\tSF\t-\t-\t0\tShADadFf\t8\t1328\t8\t1820\t-\n"
    )
}

pub(crate) fn ssl(ms: u64, uid: &str, orig: &str, port: u16, resp: &str, name: &str) -> String {
    let (second, milli) = (DAY + ms / 1000, ms % 1000);
    format!("{second}.{milli:03}000\t{uid}\t{orig}\t{port}\t{resp}\t443\tTLSv13\t{name}\tT\n")
}

pub(crate) fn dns(ms: u64, orig: &str, query: &str, answers: &str) -> String {
    let (second, milli) = (DAY + ms / 1000, ms % 1000);
    format!(
        "{second}.{milli:03}000\tCdns\t{orig}\t5353\t10.0.0.53\t53\tudp\t{query}\t1\t0\t{answers}\t\
         60\n"
    )
}

/// Numbers that only look random: the same on every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A working day: 20 hosts that browse three names by TLS after DNS, one that also beacons every
/// 300 s to a name that nobody else uses, and one that is probed from outside. One text a log.
pub(crate) fn day() -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut conns, mut names, mut hellos) = (Vec::new(), Vec::new(), Vec::new());
    let mut numbers = Numbers(7);
    for host in 1..=20 {
        let address = format!("10.20.0.{host}");
        for visit in 0..60 {
            let ms = numbers.below(86_400_000);
            let site = numbers.below(3);
            let (name, server) =
                (format!("www{site}.news.example"), format!("198.51.100.{}", 10 + site));
            let uid = format!("Cv{host}x{visit}");
            let port = u16::try_from(40_000 + visit).unwrap();
            names.push(dns(ms.saturating_sub(50), &address, &name, &server));
            conns.push(conn(ms, &uid, &address, port, &server, 443));
            // Only some handshakes are seen; the others are named by DNS.
            if visit % 2 == 0 {
                hellos.push(ssl(ms + 20, &uid, &address, port, &server, &name));
            }
        }
    }
    for tick in 0..288 {
        let ms = tick * 300_000 + numbers.below(4_000);
        let uid = format!("Cbeacon{tick}");
        let port = u16::try_from(30_000 + tick).unwrap();
        conns.push(conn(ms, &uid, "10.20.0.7", port, "203.0.113.77", 443));
        hellos.push(ssl(ms + 20, &uid, "10.20.0.7", port, "203.0.113.77", "c2.evil.example"));
    }
    for probe in 0..30_u16 {
        let ms = u64::from(probe) * 1_000;
        let row = conn(ms, &format!("Cp{probe}"), "192.0.2.99", 55_000, "10.20.0.3", 1_000 + probe);
        let row = row.replace("\tssl\t0.400000\t900\t1400\tSF", "\t-\t-\t-\t-\tS0");
        conns.push(row.replace("ShADadFf\t8\t1328\t8\t1820", "S\t1\t60\t0\t0"));
    }
    (conns, names, hellos)
}

pub(crate) fn file(name: &str, header: &str, rows: &[String]) -> File {
    (name.to_owned(), header.to_owned() + &rows.concat())
}

pub(crate) fn day_files() -> Vec<File> {
    let (conns, names, hellos) = day();
    vec![
        file("conn.log", CONN, &conns),
        file("dns.log", DNS, &names),
        file("ssl.log", SSL, &hellos),
    ]
}

pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut numbers = Numbers(seed);
    for at in (1..items.len()).rev() {
        let other = numbers.below(at as u64 + 1);
        items.swap(at, usize::try_from(other).unwrap());
    }
}
