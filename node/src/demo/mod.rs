//! Three orgs as three processes on loopback, each with its own sample logs and a third of the evaluation key.
//! Every number is read back by gRPC from the node that is named beside it, and held against the sample's key.
//!
//! | module | owns |
//! |---|---|
//! | `sample` | the logs, and what is known to be in them |
//! | `cluster` | the three processes and their federation |
//! | `forge` | a block that A never signed, offered to B |
//! | `show` | printing, timing, and counting what differs |

mod cluster;
mod forge;
pub mod ports;
mod sample;
mod show;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use flowlore_common::wire;
use serde_json::Value;

use crate::rpc::client::Told;
use crate::serve::told_to_stop;
use cluster::Cluster;
use sample::{Sample, Subject, Subjects};
use show::Show;

/// The three orgs.
const ORGS: [&str; 3] = ["A", "B", "C"];

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// End when all has been shown.
    pub once: bool,
    /// Decides the sample.
    pub seed: u64,
    /// This org analyzes nothing.
    pub skip_org: Option<String>,
}

impl Options {
    fn takes_part(&self, org: usize) -> bool {
        self.skip_org.as_deref() != Some(ORGS[org])
    }
}

/// Runs the demo; returns how many numbers differed from what the sample's key says.
///
/// # Errors
/// A child died, a port was taken, or the disk refused.
pub async fn run(dir: &Path, options: &Options) -> Result<u32> {
    let empty = std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    ensure!(empty, "{} holds something: name an empty or a new folder", dir.display());
    let stop = told_to_stop(false)?;
    tokio::pin!(stop);
    let mut cluster = Cluster::default();
    let mut show = Show::default();
    let shown = tokio::select! {
        shown = tell(dir, options, &mut cluster, &mut show) => shown,
        () = &mut stop => Err(anyhow::anyhow!("interrupted")),
    };
    // The children end with us, whatever happened; their last words help when one of them failed.
    if let Err(error) = shown {
        cluster.stop().await;
        return Err(error.context(cluster.last_words()));
    }
    if !options.once {
        show.line("The nodes stay up until Ctrl-C. Try, in another terminal:");
        for org in 0..ORGS.len() {
            show.line(&format!("  flowlore --dir {} lookup NAME", cluster.dir(org).display()));
        }
        stop.await;
    }
    cluster.stop().await;
    show.verdict();
    Ok(show.differences())
}

async fn tell(dir: &Path, options: &Options, cluster: &mut Cluster, show: &mut Show) -> Result<()> {
    let sample = Sample::generate(&dir.join("logs"), options.seed)?;
    show.step("sample logs", &sample.told());
    cluster.start(&dir.join("nodes")).await?;
    show.step("federation", "A founded it, invited B and C; evaluation key 2 of 3");
    let reports = analyze(&sample, options, cluster, show).await?;
    cluster.settle().await?;
    show.step("publish, replicate", "all three hold the same objects");
    let subjects = sample.subjects(&reports)?;
    found_at_b(&subjects, &reports, options, show);
    told_at_c(&subjects, &reports, options, cluster, show).await?;
    label(&subjects, cluster, show).await?;
    let refused = forge::offer(cluster).await?;
    show.check("B, offered a block that A never signed", "refused: signature", &refused);
    show.step("forgery", "refused");
    for (org, name) in ORGS.iter().enumerate() {
        let status = cluster.status(org).await?;
        let (sent, received) = (status.peer_bytes_sent, status.peer_bytes_received);
        show.line(&format!("  {name} sent {sent} bytes to its peers and received {received}"));
    }
    alone(&subjects, cluster, show).await
}

/// Each org analyzes its own logs; the reports by org.
async fn analyze(
    sample: &Sample,
    options: &Options,
    cluster: &Cluster,
    show: &mut Show,
) -> Result<[Option<Value>; 3]> {
    let mut reports = [None, None, None];
    for (org, report) in reports.iter_mut().enumerate().filter(|(org, _)| options.takes_part(*org))
    {
        let mut local = cluster.local(org).await?;
        let analyzed = local.analyze(&[sample.logs(org)], &sample.home_nets(org)).await?;
        let found: Value = serde_json::from_slice(&analyzed.report)?;
        let flows = found["input"]["flows"].as_u64().unwrap_or(0);
        let name = ORGS[org];
        let rows = sample.conn_rows(org)?;
        show.check(
            &format!("{name}'s flows are its conn rows"),
            &rows.to_string(),
            &flows.to_string(),
        );
        show.line(&format!(
            "  {name}: {flows} flows, {} findings; queued {} contacted and {} suspected names, kept {} here",
            found["findings"].as_array().map_or(0, Vec::len),
            analyzed.publication.contacted_names,
            analyzed.publication.suspected_names,
            analyzed.publication.never_tokenised_names
        ));
        *report = Some(found);
    }
    show.step("analyze", "each its own logs");
    Ok(reports)
}

/// What B's own report says of the server that A's and B's hosts call.
fn found_at_b(
    subjects: &Subjects,
    reports: &[Option<Value>; 3],
    options: &Options,
    show: &mut Show,
) {
    if !options.takes_part(1) {
        return;
    }
    let shared = &subjects.shared;
    let found = sample::findings(reports[1].as_ref(), &shared.destination);
    let host = found.first().map_or("nothing".to_owned(), |finding| {
        finding["source"]["address"].as_str().unwrap_or_default().to_owned()
    });
    show.check(
        &format!("B found a C2 beacon to {} from", shared.destination),
        &shared.source(1),
        &host,
    );
    for finding in found {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        show.line(&format!(
            "  B: {} {} -> {}, {} flows, confidence {}",
            text("severity").to_uppercase(),
            text("behaviour"),
            shared.destination,
            finding["flows"],
            finding["confidence"]
        ));
    }
}

/// What C, whose logs have none of these, is told about them.
async fn told_at_c(
    subjects: &Subjects,
    reports: &[Option<Value>; 3],
    options: &Options,
    cluster: &Cluster,
    show: &mut Show,
) -> Result<()> {
    for subject in [&subjects.shared, &subjects.only_a] {
        let (told, shared) = lookup(cluster, 2, &subject.destination).await?;
        let name = &subject.destination;
        let callers: Vec<&str> = (0..ORGS.len())
            .filter(|org| options.takes_part(*org) && subject.seen_by(*org))
            .map(|org| ORGS[org])
            .collect();
        let orgs = callers.len();
        let what = match orgs {
            0 => "which nobody who takes part has called".to_owned(),
            _ => format!("called from {}", callers.join(" and ")),
        };
        show.line(&format!("  C asks about {name}, {what}; its own logs never name it"));
        let state = if orgs == 0 { "unseen" } else { "answered" };
        show.check(&format!("C's answer about {name}"), state, &told.state);
        if orgs == 0 {
            continue;
        }
        let host = &shared["host"];
        let seen = &host["contacted"];
        show.check("  contacted by orgs", &orgs.to_string(), &seen["orgs"].to_string());
        show.check("  of members", "3", &seen["members"].to_string());
        show.check(
            "  first seen, claimed",
            &subject.day,
            host["first_seen"]["claimed"].as_str().unwrap_or(""),
        );
        let expected = expected_behaviours(subject, reports);
        show.check("  behaviours", &expected, &behaviours(host));
        show.line(&format!(
            "  C is told: {} of {} orgs, first seen {}, verdict {} at confidence {}, behaviours {}",
            seen["orgs"],
            seen["members"],
            subject.day,
            host["verdict"],
            host["confidence"],
            behaviours(host)
        ));
    }
    show.step("look up at C", "without a log line of its own");
    Ok(())
}

/// Codes of behaviours that orgs' own reports found at medium or above, as `code port/transport xORGS`.
fn expected_behaviours(subject: &Subject, reports: &[Option<Value>; 3]) -> String {
    let mut by_code =
        std::collections::BTreeMap::<String, std::collections::BTreeSet<usize>>::new();
    for (org, report) in reports.iter().enumerate() {
        for finding in sample::findings(report.as_ref(), &subject.destination) {
            let (code, to) = (finding["behaviour"].as_str(), &finding["destination"]);
            let transport = to["transport"].as_str().unwrap_or_default();
            let key = format!("{} {}/{transport}", code.unwrap_or_default(), to["port"]);
            by_code.entry(key).or_default().insert(org);
        }
    }
    let shown = by_code.iter().map(|(key, orgs)| format!("{key} x{}", orgs.len()));
    shown.collect::<Vec<_>>().join(", ")
}

/// The same of an answer, flow categories left out.
fn behaviours(host: &Value) -> String {
    let all = host["behaviours"].as_array().cloned().unwrap_or_default();
    let known = |code: &str| code.parse::<flowlore_common::label::Behaviour>().is_ok();
    let mut shown: Vec<_> = all
        .iter()
        .filter(|one| one["code"].as_str().is_some_and(known))
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}/{} x{}", text("code"), one["port"], text("transport"), one["orgs"])
        })
        .collect();
    shown.sort();
    shown.join(", ")
}

/// A person at A says what they think; somebody at B reads it.
async fn label(subjects: &Subjects, cluster: &Cluster, show: &mut Show) -> Result<()> {
    let name = &subjects.labelled.destination;
    let mut local = cluster.local(0).await?;
    let status = local.call_malicious(name, "phishing_page_visit").await?;
    show.check(&format!("A's label about {name}"), "sealed", &status);
    cluster.settle().await?;
    let (_, shared) = lookup(cluster, 1, name).await?;
    let said = &shared["host"]["tally"]["malicious"];
    show.check("B reads: malicious, orgs", "1", &said["orgs"].to_string());
    show.check("B reads: said by people at orgs", "1", &said["by_people"].to_string());
    show.step("a person's label", "made at A, read at B");
    Ok(())
}

/// C alone, restarted: what it was told it still knows.
async fn alone(subjects: &Subjects, cluster: &mut Cluster, show: &mut Show) -> Result<()> {
    let name = &subjects.shared.destination;
    let (before, then) = lookup(cluster, 2, name).await?;
    cluster.kill(0);
    cluster.kill(1);
    cluster.restart(2).await.context("C alone")?;
    let (after, now) = lookup(cluster, 2, name).await?;
    // Midnight in between makes another day, and so other bytes.
    if then["day"] == now["day"] {
        let hash = |told: &Told| hex::encode(&blake3::hash(&told.shared).as_bytes()[..8]);
        show.check("C alone gives the same shared bytes", &hash(&before), &hash(&after));
    }
    let (new, _) = lookup(cluster, 2, "never-asked-before.example").await?;
    show.check("C alone about a name it never asked", "not_asked", &new.state);
    show.step("C restarted, A and B down", "the same answer from its own store");
    Ok(())
}

/// What a node says of a destination: the answer, and its shared part read.
async fn lookup(cluster: &Cluster, org: usize, name: &str) -> Result<(Told, Value)> {
    let told = cluster.local(org).await?.lookup(name).await?;
    let shared = match &*told.shared {
        [] => Value::Null,
        _ => serde_json::to_value(wire::shared_in(told.shared.clone())?)?,
    };
    Ok((told, shared))
}
