//! Pairs scored a second on one core, all four parts of the score, by contacts a pair.
//!
//! Run: `cargo bench -p flowlore-analyzer --bench scoring`. The peer to hold it against: RITA's own functions score
//! about 66,000 pairs a second and core at the same four parts (measured on a 2-core AMD EPYC). Estimate beforehand:
//! sorting gaps and sizes is most of it, some 10 ns each at a few hundred, so 288 contacts take 6 us.
//! Shown is the fastest of many batches, each far shorter than a scheduler's slice: on a busy machine the mean
//! measures the neighbours.

use std::hint::black_box;
use std::time::Instant;

use flowlore_analyzer::{
    category::{Shape, categorise},
    pair::Contact,
    stats::{self, Scratch},
};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{DAY, Random, START};

/// Batches a row, and pairs or flows a batch.
const BATCHES: usize = 400;
const BATCH: u32 = 64;
/// What RITA's functions do, pairs a second and core.
const PEER: f64 = 66_000.0;

fn main() {
    println!("{:>10} {:>14} {:>12} {:>8}", "contacts", "pairs/s", "ns/contact", "x RITA");
    let mut scratch = Scratch::default();
    for contacts in [4, 24, 288, 1_440] {
        let pairs: Vec<Vec<Contact>> =
            (0..u64::from(BATCH)).map(|seed| pair(seed, contacts)).collect();
        let each = fastest_ns(|| {
            let mut sum = 0;
            for pair in &pairs {
                for (window, inside) in stats::windows(black_box(pair), START, START + DAY) {
                    let beacon = stats::beacon(window, inside, &mut scratch);
                    sum += beacon.map_or(0, |beacon| u64::from(beacon.score_milli));
                }
            }
            sum
        });
        let (rate, contact) = (1e9 / each, each / f64::from(contacts));
        println!("{contacts:>10} {rate:>14.0} {contact:>12.1} {:>8.1}", rate / PEER);
    }
    let shapes = shapes();
    let each = fastest_ns(|| {
        shapes.iter().map(|shape| u64::from(categorise(black_box(shape)).number())).sum()
    });
    println!("categories: {:.0} flows/s, {each:.1} ns a flow", 1e9 / each);
}

/// Nanoseconds for one of a batch in the fastest of all batches.
fn fastest_ns(mut batch: impl FnMut() -> u64) -> f64 {
    let mut fastest = f64::INFINITY;
    for _ in 0..BATCHES {
        let start = Instant::now();
        assert!(batch() > 0, "something was done");
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    fastest * 1e9 / f64::from(BATCH)
}

/// A pair whose gaps and sizes vary, so that no sort or selection is spared its work.
fn pair(seed: u64, contacts: u32) -> Vec<Contact> {
    let mut random = Random(seed);
    let period = DAY / contacts;
    (0..contacts)
        .map(|at| Contact {
            second: START + at * period + random.below(period),
            bytes: 200 + random.below(4_000),
        })
        .collect()
}

/// Flows of all kinds for the other hot function.
fn shapes() -> Vec<Shape> {
    let mut random = Random(9);
    (0..BATCH)
        .map(|_| Shape {
            packets_out: u64::from(random.below(20)),
            bytes_out: u64::from(random.below(9_000)),
            packets_in: u64::from(random.below(40)),
            bytes_in: u64::from(random.below(90_000)),
            duration_us: u64::from(random.below(20_000_000)),
            port: [53, 80, 443, 853][random.below(4) as usize],
        })
        .collect()
}
