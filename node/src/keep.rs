//! Logs that this node is given to keep, by callers or by routers: analyzed, archived, remembered, and what of them may
//! leave handed to the one door. Given again, they count once.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use flowlore_analyzer::options::Options;
use flowlore_analyzer::report::Analysis;
use flowlore_analyzer::settle::{Contacted, Witness};
use flowlore_analyzer::source::Opening;
use flowlore_common::env::SystemRng;
use flowlore_common::label::Purpose;

use crate::analyze::{Effort, analyze_and};
use crate::days::Gathered;
use crate::limits::ANALYSES_MAX;
use crate::node::Node;
use crate::observe::{observed, suspicions};
use crate::publish::{Draft, draft};

/// Logs, and how they are looked at.
pub(crate) struct Given<'a> {
    pub(crate) paths: &'a [PathBuf],
    pub(crate) opening: &'a Opening,
    pub(crate) options: &'a Options,
    /// Of all their bytes, and of the mapping by which they are read: what they are recognised by when they come again.
    pub(crate) digest: blake3::Hash,
    /// Whether nothing of them may be published.
    pub(crate) keep_here: bool,
    /// How often flows had been erased when they began to come.
    pub(crate) erasures: u64,
}

/// What of logs is on its way out.
pub(crate) struct Publication {
    /// Names, by purpose, and those that must never become a token.
    pub(crate) contacted: u64,
    pub(crate) suspected: u64,
    pub(crate) never: u64,
    /// Why it is not, if it is not.
    pub(crate) withheld: Option<&'static str>,
}

/// Why logs were not kept.
pub(crate) enum Failed {
    /// They, or what is known beside them, cannot be used.
    Unusable(anyhow::Error),
    /// Flows were erased while they came: nothing of them was kept, which may be of those.
    Erased,
    /// Their report is larger than may be told: nothing of them was kept.
    TooMuch(io::Error),
    /// This node could not keep what they say.
    NotKept(anyhow::Error),
}

impl From<Failed> for anyhow::Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unusable(error) | Failed::NotKept(error) => error,
            Failed::Erased => anyhow::anyhow!("flows were erased meanwhile"),
            Failed::TooMuch(error) => error.into(),
        }
    }
}

impl Failed {
    pub(crate) fn here(error: impl Into<anyhow::Error>) -> Self {
        Self::NotKept(error.into())
    }
}

/// Of the bytes of all logs, in their order.
pub(crate) fn digest() -> blake3::Hasher {
    blake3::Hasher::new_derive_key("flowlore upload v1")
}

/// Of logs of this digest that are read by a mapping. The same lines read in another way are other flows, and lines that
/// were sent once without their mapping, or with a wrong one, must not be taken for known when they come with the right
/// one. Its bytes count, not what it means: who only rewords one is told twice rather than never.
pub(crate) fn digest_mapped(logs: blake3::Hash, mapping: blake3::Hash) -> blake3::Hash {
    let mut both = blake3::Hasher::new_derive_key("flowlore upload v1 mapped");
    both.update(logs.as_bytes()).update(mapping.as_bytes());
    both.finalize()
}

/// How much of this machine one analysis may use.
pub(crate) fn effort(node: &Node) -> Effort {
    let memory_bytes = usize::try_from(node.config.memory_mib).unwrap_or(usize::MAX) << 20;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Effort { threads, memory_bytes: memory_bytes / ANALYSES_MAX }
}

/// The report of logs, and what of them may leave; nothing is kept. Blocks.
///
/// # Errors
/// They cannot be read.
pub(crate) fn look(
    node: &Node,
    paths: &[PathBuf],
    opening: &Opening,
    options: &Options,
    witness: Option<&dyn Witness>,
) -> anyhow::Result<(Analysis, Vec<Contacted>, Draft)> {
    let (analysis, contacted) =
        analyze_and(paths, opening.clone().into(), effort(node), options, witness, |part| {
            part.contacted()
        })?;
    let drafted = drafted(node, &contacted, &analysis);
    Ok((analysis, contacted, drafted))
}

/// What of this may leave.
fn drafted(node: &Node, contacted: &[Contacted], analysis: &Analysis) -> Draft {
    let roster = node.store.roster();
    let policy = node.own_policy(&roster);
    let suspicions = suspicions(analysis.report.findings.iter().chain(&analysis.unlisted.findings));
    draft(&observed(contacted), &suspicions, &policy, node.slots(&roster), &mut SystemRng)
}

/// The report of logs, whose flows and destinations are kept from here on, what of them is on its way out, and what was
/// written of the report: before anything is kept, since it may be too much. Blocks.
///
/// # Errors
/// As [`Failed`] says; given again, they count as if for the first time.
pub(crate) fn keep<T>(
    node: &Node,
    given: &Given<'_>,
    write: impl FnOnce(&mut Analysis) -> io::Result<T>,
) -> Result<(T, Analysis, Publication), Failed> {
    let keeper = node.flows.keeper(given.digest.to_hex().as_str()).map_err(Failed::here)?;
    let witness = keeper.as_ref().map(|keeper| keeper as &dyn Witness);
    let (mut analysis, contacted, drafted) =
        look(node, given.paths, given.opening, given.options, witness).map_err(Failed::Unusable)?;
    let written = write(&mut analysis).map_err(Failed::TooMuch)?;
    let still = node.flows.since(given.erasures).ok_or(Failed::Erased)?;
    if let Some(keeper) = keeper {
        keeper.commit().map_err(Failed::here)?;
    }
    drop(still);
    let incidents = analysis.report.incidents.iter().chain(&analysis.unlisted.incidents);
    node.here().saw(*given.digest.as_bytes(), &contacted, incidents).map_err(Failed::here)?;
    let withheld = if given.keep_here {
        Some("keep_here")
    } else {
        (!node.config.publish.enabled).then_some("disabled")
    };
    let publication = Publication {
        contacted: drafted.count(Purpose::Contacted),
        suspected: drafted.count(Purpose::Suspected),
        never: drafted.kept.values().sum(),
        withheld,
    };
    if withheld.is_none() {
        let slots = node.slots(&node.store.roster());
        node.outbox().observe(drafted.statements, slots).map_err(Failed::here)?;
    }
    Ok((written, analysis, publication))
}

/// The report of all that is in hand of a day. Each of its uploads was kept when it came, so of this only what the whole
/// shows is added: its incidents, and its suspicions, which say nothing new where an upload alone showed them. Blocks.
///
/// # Errors
/// As [`Failed`] says.
pub(crate) fn keep_whole(
    node: &Node,
    day: &Gathered,
    options: &Options,
    publication: &mut Publication,
) -> Result<Analysis, Failed> {
    let openings = day.openings().clone();
    let (analysis, ()) = analyze_and(&day.paths(), openings, effort(node), options, None, |_| ())
        // Of its cause alone: paths have the sender's names, which no log may have.
        .map_err(|error| Failed::here(anyhow::anyhow!("a day in hand: {}", error.root_cause())))?;
    let incidents = analysis.report.incidents.iter().chain(&analysis.unlisted.incidents);
    node.here().also_saw(incidents).map_err(Failed::here)?;
    // A finding of the whole may stand on flows of which nothing is to leave.
    if publication.withheld.is_none() && !day.keep_here() {
        let drafted = drafted(node, &[], &analysis);
        publication.suspected = publication.suspected.max(drafted.count(Purpose::Suspected));
        let slots = node.slots(&node.store.roster());
        node.outbox().observe(drafted.statements, slots).map_err(Failed::here)?;
    }
    Ok(analysis)
}
