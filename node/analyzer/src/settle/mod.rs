//! Buckets to groups, counts and candidates: everything that is decided per client.
//!
//! ```text
//! chunks -> load -> drop duplicates -> name -> group -> fold: counts, conversations, detectors
//! ```
//!
//! A bucket holds all flows of its clients, so buckets are settled apart, on as many threads as there
//! are; what they add up to is kept in [`Part`]s, which merge in any order.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    direction::Home,
    intake::{Chunks, Intake, Seen, Spill},
    limits::BUCKETS,
    lists::Lists,
    options::Options,
    pair::{Arrival, Surroundings},
    places::Places,
    stats,
};

mod bucket;
mod chains;
mod contacted;
mod destination;
mod fold;
mod giving;
mod group;
mod habits;
mod hosts;
mod lateral;
mod logons;
mod lookups;
mod mismatch;
mod pages;
mod part;
mod sessions;
mod ssh;
mod uploads;
mod witness;

pub(crate) use bucket::Lease;
pub use contacted::Contacted;
pub(crate) use destination::Destination;
pub(crate) use lateral::is_sign;
pub(crate) use logons::Identity;
pub use part::Part;
pub(crate) use part::{Candidate, Matter, Pivot, Probes, Row, Sums, Where};
pub use witness::{LookUp, Settled, Witness};

/// All intakes together, ready to be settled bucket by bucket.
pub struct Settlement {
    buckets: Vec<Mutex<Chunks>>,
    spill: Option<Arc<dyn Spill>>,
    pub(crate) seen: Seen,
    home: Home,
    places: Arc<Places>,
    lists: Arc<Lists>,
    conversations: Option<usize>,
    keep_visitors: bool,
}

/// Memory that settling uses again for each bucket.
#[derive(Default)]
pub struct Workspace {
    bucket: bucket::Bucket,
    fold: fold::Fold,
    stats: stats::Scratch,
}

impl Settlement {
    /// Puts intakes together.
    ///
    /// # Errors
    /// When an intake could not spill.
    pub fn new(
        intakes: Vec<Intake>,
        spill: Option<Arc<dyn Spill>>,
        options: &Options,
    ) -> io::Result<Self> {
        let mut intakes = intakes.into_iter();
        let mut whole = intakes.next().unwrap_or_else(|| Intake::new(0, None));
        intakes.for_each(|intake| whole.merge(intake));
        let (buckets, seen) = whole.finish()?;
        Ok(Self {
            buckets: buckets.into_iter().map(Mutex::new).collect(),
            spill,
            seen,
            home: options.home.clone(),
            places: Arc::clone(&options.places),
            lists: Arc::clone(&options.lists),
            conversations: options.conversations,
            keep_visitors: options.history.is_some(),
        })
    }

    /// How many buckets there are to settle, each once.
    #[must_use]
    pub fn buckets(&self) -> usize {
        BUCKETS
    }

    /// Settles a bucket into `part`, tells its flows to the witness, and lets go of them.
    ///
    /// # Errors
    /// When what was spilled cannot be read back whole, or the witness cannot keep a flow.
    pub fn settle(
        &self,
        bucket: usize,
        part: &mut Part,
        space: &mut Workspace,
        witness: Option<&dyn Witness>,
    ) -> io::Result<()> {
        let mut chunks = std::mem::take(
            &mut *self.buckets[bucket].lock().unwrap_or_else(PoisonError::into_inner),
        );
        if let Some(spill) = &self.spill {
            chunks.extend(spill.read(bucket)?);
        }
        if chunks.is_empty() {
            return Ok(());
        }
        part.limit_conversations(self.conversations);
        space.bucket.load(chunks)?;
        space.bucket.drop_duplicates(part);
        space.bucket.name(&self.home);
        if let Some(witness) = witness {
            witness::tell(&space.bucket, witness)?;
        }
        space.fold.keep_visitors = self.keep_visitors;
        let around = (&self.surroundings(), &self.home);
        let lists = (&*self.places, &*self.lists);
        space.fold.run(&space.bucket, around, lists, part, &mut space.stats);
        Ok(())
    }

    /// What is known before the input has been counted: the time that it covers.
    pub(crate) fn surroundings(&self) -> Surroundings {
        let second = |us: Option<i64>| {
            let second = us.unwrap_or(0).div_euclid(1_000_000);
            u32::try_from(second.max(0)).unwrap_or(u32::MAX)
        };
        Surroundings {
            first_second: second(self.seen.first_us),
            last_second: second(self.seen.last_start_us),
            inside_hosts: 0,
            hosts_contacting: 0,
            history_days: 0,
            first_seen_days: None,
            arrival: Arrival::Unknown,
            weak_evidence: false,
            nothing_named: false,
            critical_asset: false,
        }
    }
}
