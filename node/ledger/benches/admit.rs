//! How many labels a second a member can take: checks alone on one core, sled alone with the same
//! rows, and both together from block bytes to a durable log and state.
//!
//! `cargo bench -p flowlore-ledger [-- LABELS [PURPOSE]]`; blocks of 256 labels, every token new. Estimate
//! before measuring: a signature 59 us a block and 25 us a label for its proof and record make about
//! 38,000 labels a second and core; two rows a label at 49,000 rows a second make 24,500; one after
//! the other 15,000.

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use flowlore_common::block::{PayloadKind, UnverifiedBlock};
use flowlore_common::label::{Purpose, Source, Verdict};
use flowlore_ledger::ledger::{Engine, Ledger};
use flowlore_ledger::store::row::{LabelPlace, LabelRow, LogEnd, Place, TokenRow, Weeks};
use flowlore_ledger::store::sled::SledStore;
use flowlore_ledger::store::{Changes, Store as _};
use flowlore_veil::label::Label;
use flowlore_veil::proof::{Claim, verify_proofs};
use flowlore_veil::token::{TokenRecord, token_of};
use world::{At, NOW, World, after, assessment, first, sighting};

/// Labels without an argument: enough for seconds of work.
const LABELS: usize = 20_480;
const BLOCK: usize = 256;

type Made = Vec<(Vec<u8>, Vec<Vec<u8>>)>;

fn main() {
    let labels = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(LABELS);
    println!("{labels} labels of distinct tokens in blocks of {BLOCK}");
    let asked = |purpose: &Purpose| std::env::args().any(|argument| argument == purpose.name());
    let measured = [Purpose::Contacted, Purpose::Flagged];
    let all = !measured.iter().any(asked);
    for purpose in measured.into_iter().filter(|purpose| all || asked(purpose)) {
        let mut world = World::with_policy(&[1, 2], |policy| {
            policy.blocks_per_hour = u16::MAX;
            policy.blocks_per_day = u16::MAX;
        });
        let made = make(&mut world, purpose, labels);
        let bytes: usize = made.iter().map(|(block, _)| block.len()).sum();
        let (now, _) = memory();
        println!("\n{purpose}: {} B a label in its block; blocks made: {now} MiB", bytes / labels);
        report("checks alone, one core", labels, checks(&mut world, purpose, &made));
        report("sled alone, two rows a label", labels, sled_alone(&made));
        report("admitted on sled, durable", labels, admitted(&mut world, &made, Engine::Sled));
        report("admitted in memory", labels, admitted(&mut world, &made, Engine::Memory));
    }
}

fn report(what: &str, labels: usize, (took, cpu): (Duration, Duration)) {
    let labels = u128::try_from(labels).unwrap_or(0);
    let rate = |time: Duration| labels * 1_000_000 / time.as_micros().max(1);
    let (wall_s, cpu_s) = (took.as_secs_f64(), cpu.as_secs_f64());
    println!(
        "  {what:<30} {:>7} labels/s {wall_s:>7.3} s   {:>7} labels a CPU second {cpu_s:>6.2} s",
        rate(took),
        rate(cpu)
    );
    let (now, most) = memory();
    println!("    memory {now} MiB now, {most} MiB at most so far");
}

/// Wall and CPU time of some work: on a machine that does other things, the second is the cost.
fn timed(work: impl FnOnce()) -> (Duration, Duration) {
    let (begin, cpu) = (Instant::now(), cpu());
    work();
    (begin.elapsed(), self::cpu().saturating_sub(cpu))
}

/// User and system time of this process, all threads, by /proc in hundredths of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse().ok()).unwrap_or(0);
    Duration::from_millis(10 * (ticks(12) + ticks(13)))
}

/// Blocks as their author seals them, with all their records; made without a ledger, so that the
/// memory printed is that of what is measured and of these.
fn make(world: &mut World, purpose: Purpose, labels: usize) -> Made {
    let body = match purpose {
        Purpose::Contacted => sighting(),
        _ => assessment(Verdict::Malicious, Source::Person, 80),
    };
    let (kind, number) = (PayloadKind::LABELS, purpose.number());
    let mut at = At { kind, purpose: number, ..first() };
    let mut made = Made::new();
    for begin in (0..labels).step_by(BLOCK) {
        let names = begin..labels.min(begin + BLOCK);
        let mut own: Vec<_> =
            names.map(|name| world.label(1, &format!("n{name}.example"), purpose, &body)).collect();
        own.sort_by(|a, b| a.item.cmp(&b.item));
        let items: Vec<&[u8]> = own.iter().map(|label| label.item.as_slice()).collect();
        let block = world.block(1, at, &items);
        at = At { kind, purpose: number, ..after(&block) };
        let records = own.into_iter().map(|label| label.record).collect();
        made.push((block.bytes().to_vec(), records));
    }
    made
}

fn checks(world: &mut World, purpose: Purpose, made: &Made) -> (Duration, Duration) {
    let author = world::org(1, 2);
    timed(|| {
        for (block, records) in made {
            let block = UnverifiedBlock::parse(block.clone()).expect("sealed by us");
            let block = block.verify(&author.key.public()).expect("sealed by us");
            let records: Vec<_> = records
                .iter()
                .map(|record| TokenRecord::parse(record, &token_of(record)).expect("made by us"))
                .collect();
            let labels: Vec<_> = block
                .items()
                .map(|item| Label::parse(item, purpose).expect("made by us"))
                .collect();
            let claims: Vec<_> = labels
                .iter()
                .zip(&records)
                .map(|(label, record)| Claim {
                    record,
                    proof: label.proof(),
                    org: author.id,
                    share_group: author.share_group,
                })
                .collect();
            assert!(verify_proofs(&claims, &mut world.rng).iter().all(|holds| *holds));
        }
    })
}

fn sled_alone(made: &Made) -> (Duration, Duration) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = SledStore::open(dir.path()).expect("a new folder");
    let row = LabelRow {
        at: LabelPlace::default(),
        retracted: false,
        sealed: NOW,
        roster_version: 0,
        latest: NOW,
        weeks: Weeks::only(1),
        item: Place::default(),
    };
    let org = world::org(1, 2).id;
    timed(|| {
        for (_, records) in made {
            let tokens: Vec<_> = records.iter().map(|record| token_of(record)).collect();
            let labels = tokens.iter().map(|token| (*token, org, Some(row))).collect();
            let record = TokenRow { void: false, record: Place::default() };
            let tokens = tokens.into_iter().map(|token| (token, record)).collect();
            let changes =
                Changes { folded: LogEnd::default(), tokens, labels, ..Changes::default() };
            store.apply(&changes).expect("a working disk");
        }
        store.flush().expect("a working disk");
    })
}

fn admitted(world: &mut World, made: &Made, engine: Engine) -> (Duration, Duration) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut ledger = Ledger::create(dir.path(), engine, &world.first).expect("a new folder");
    let took = timed(|| {
        for (block, records) in made {
            let admitted = ledger.admit(block.clone(), records.clone(), NOW, &mut world.rng);
            admitted.expect("a good block");
        }
        ledger.flush().expect("a working disk");
    });
    drop(ledger);
    if engine == Engine::Sled {
        let labels: usize = made.iter().map(|(_, records)| records.len()).sum();
        let state = SledStore::open(&dir.path().join("state")).expect("closed by us");
        // The log's end, a document and a feed; a row for each block.
        let rows = state.rows() - 3 - made.len();
        println!("  rows of the state, blocks aside: {rows} for {labels} labels");
        assert!(rows <= 2 * labels, "at most two rows a label");
    }
    took
}

/// Resident memory of this process, MiB: now, and the most so far.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
    };
    (field("VmRSS:"), field("VmHWM:"))
}
