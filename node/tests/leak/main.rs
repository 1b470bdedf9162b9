//! Goal: nothing inside, and no destination's name, comes out of a node. Method: words that stand nowhere else in
//! every field of the logs of org A, of three kinds and of what a router sends it; three nodes as processes with a tap in front of every port; then everything
//! that went over, that they logged, and that lies on their disks is searched for these words in many encodings.
//! Controls: the same search finds every word at the local port; finds them between peers when somebody with A's
//! keys sends them; and finds the tokens of own and inside names when the gate of `publish.rs` is opened.
//!
//! `cargo test -p flowlore-node --test leak -- --nocapture` prints what was searched.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod canaries;
mod cluster;
mod control;
#[allow(dead_code, reason = "one version of three is enough here")]
#[path = "../datagrams/mod.rs"]
mod datagrams;
mod logs;
mod others;
mod search;
mod tap;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::time::SECONDS_PER_DAY;
use flowlore_node::rpc::client::{Local, StatusResponse};
use flowlore_proto::v1;
use rand_core::RngCore as _;
use tokio_stream::StreamExt as _;

use canaries::Secrets;
use cluster::Cluster;
use search::{Findings, Search};
use tap::Recorder;

/// Folders of a node that may hold inside things, encrypted or the org's own.
const PRIVATE: [&str; 2] = ["private", "archive"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_inside_stays_inside() {
    let seed = SystemRng.next_u64();
    let yesterday =
        SystemClock.now().seconds() / SECONDS_PER_DAY * SECONDS_PER_DAY - SECONDS_PER_DAY;
    let secrets = Secrets::new(seed, yesterday);
    println!("seed {seed}");
    let root = tempfile::tempdir().unwrap();
    let logs = root.path().join("logs");
    logs::write(&logs, &secrets);
    let recorder = Arc::<Recorder>::default();
    let keeps = [
        ("own_zones".to_owned(), vec![secrets.own_zone.clone()].into()),
        ("private".to_owned(), vec![secrets.partner.clone()].into()),
    ];
    let keeps = keeps.into_iter().collect();
    let mut cluster = Cluster::start(root.path(), &keeps, &recorder).await;

    let bodies = a_day_of_use(&cluster, &secrets, &logs).await;
    cluster.settle(2).await;
    let metrics = metrics(&cluster, &secrets).await;
    cluster.orgs[0].crash().await;
    cannot_read_its_names(&mut cluster).await;
    cluster.run(0, &[]).await;
    cluster.settle(2).await;
    cluster.stop().await;

    let (words, tokens) = (secrets.canaries(), control::tokens(&cluster, &secrets));
    let search = Search::new(words.iter().chain(&tokens));
    println!("{} canaries in {} forms", search.kinds().len(), search.forms());
    println!("Nothing may be found:");
    let bodies = search.through("bodies before sealing", &bodies);
    let metrics = search.through("metrics ports", &metrics);
    for findings in outside(&search, &cluster, &recorder).into_iter().chain([bodies, metrics]) {
        println!("  {}", findings.row());
        findings.expect_none();
    }

    println!("Controls, where all must be found:");
    let all = |findings: &Findings, of: &[canaries::Canary]| {
        println!("  {}", findings.row());
        let kinds = of.iter().map(|canary| canary.kind);
        let missed: Vec<_> = kinds.filter(|kind| !findings.has(kind)).collect();
        assert!(missed.is_empty(), "{}: the search misses {missed:?}", findings.channel);
    };
    let (local, _) = recorder.of("local port");
    all(&search.through("local port", &local), &words);

    // The gate open: what must never become a token does.
    cluster.run(0, &[("FLOWLORE_OPEN_GATE", "1")]).await;
    cluster.run(1, &[]).await;
    cluster.run(2, &[]).await;
    let before = cluster.local(0).await.status().await.unwrap().store.unwrap().own_blocks;
    cluster.local(0).await.analyze(&[logs], &home_nets()).await.unwrap();
    cluster.settle(before + 1).await;
    let (peers, _) = recorder.of("peers");
    all(&search.through("peers, gate open", &peers), &tokens);

    control::send_all(&cluster, &words).await;
    cluster.stop().await;
    for channel in ["peers", "evaluators"] {
        let (pieces, _) = recorder.of(channel);
        all(&search.through(&format!("{channel}, all sent by hand"), &pieces), &words);
    }
    // A level that is none is named in what the node says before it ends.
    cluster.orgs[0].fail_to_start(&[("FLOWLORE_LOG_LEVEL", &secrets.host)]).await;
    let log = [log_of(&cluster.orgs[0])];
    let said: Vec<_> =
        secrets.canaries().into_iter().filter(|one| one.kind == "host name").collect();
    all(&search.through("log of A, one made to be said", &log), &said);
    let at_c = at_rest(&cluster.orgs[2].dir, &|_| true);
    all(&search.through("at rest at C, all sent by hand", &at_c), &words);
}

/// What the metrics ports of all nodes say, also when they are asked for what they do not have.
async fn metrics(cluster: &Cluster, secrets: &Secrets) -> Vec<(String, Vec<u8>)> {
    let mut said = vec![];
    for (org, name) in cluster.orgs.iter().zip(["A", "B", "C"]) {
        for path in ["/metrics".to_owned(), format!("/{}", secrets.host), secrets.url.clone()] {
            said.push((format!("metrics of {name}"), org.metrics(&path).await));
        }
        let page = String::from_utf8_lossy(&said[said.len() - 3].1);
        assert!(page.contains("200 OK") && page.contains("# TYPE"), "{page}");
    }
    said
}

fn home_nets() -> Vec<String> {
    ["10.77.0.0/16", "fd77:1234::/32"].map(str::to_owned).into()
}

/// What people and programs do with a node, the mistakes included.
/// Gives what is sealed for those who know a name, before it is sealed.
async fn a_day_of_use(cluster: &Cluster, secrets: &Secrets, logs: &Path) -> Vec<(String, Vec<u8>)> {
    let logs = [logs.to_owned()];
    let mut a = cluster.local(0).await;
    let analyzed = a.analyze(&logs, &home_nets()).await.unwrap();
    let published = analyzed.publication;
    assert!(published.contacted_names > 0 && published.suspected_names > 0, "{published:?}");
    assert!(published.never_tokenised_names >= 5, "{published:?}");
    let report = String::from_utf8(analyzed.report).unwrap();
    assert!(report.contains(&secrets.host) && report.contains(&secrets.beacon), "{report}");
    let shown = a.dry_run(&logs).await.unwrap();
    let bodies = shown.iter().filter_map(|line| line.trim().strip_prefix("sealed bytes: "));
    let bodies = bodies.map(|body| ("a body".to_owned(), hex::decode(body).unwrap())).collect();
    // B sees one of A's destinations, so that there is something to agree on.
    cluster.local(1).await.call_malicious(&secrets.labelled, "c2_beacon_http_tls").await.unwrap();
    // A's people write down why.
    let said = v1::PutLabelRequest {
        destination: secrets.labelled.clone(),
        verdict: v1::Verdict::Malicious.into(),
        title: secrets.written.clone(),
        note: format!("It is {}.", secrets.written),
        ..v1::PutLabelRequest::default()
    };
    a.labels.put(said.clone()).await.unwrap();
    for inside in [&secrets.inside_name, &secrets.laptop.to_string(), &secrets.own_zone] {
        let note = format!("seen at {inside}");
        a.labels.put(v1::PutLabelRequest { note, ..said.clone() }).await.unwrap_err();
    }
    let kept = v1::PutLabelRequest {
        destination: secrets.inside_name.clone(),
        note: secrets.host.clone(),
        local: true,
        ..said
    };
    a.labels.put(kept).await.unwrap();
    for at in 0..3 {
        let mut local = cluster.local(at).await;
        for asked in [&secrets.asked, &secrets.contacted, &secrets.beacon, &secrets.own_zone] {
            local.lookup(asked).await.unwrap();
        }
    }
    other_ways_in(cluster, secrets, &mut a).await;
    // Refused, each with the word in what is wrong.
    for net in [&secrets.host, &secrets.user] {
        a.analyze(&logs, std::slice::from_ref(net)).await.unwrap_err();
    }
    for name in [&secrets.own_zone, &secrets.inside_name, &secrets.url, &secrets.mail] {
        a.call_malicious(name, "c2_beacon_http_tls").await.unwrap_err();
    }
    a.call_malicious(&secrets.labelled, &secrets.user).await.unwrap_err();
    let open = v1::FileOpen {
        tenant: secrets.user.clone(),
        path: secrets.file.clone(),
        ..Default::default()
    };
    let part = v1::AnalyzeRequest { part: Some(v1::analyze_request::Part::Open(open)) };
    a.flows.analyze(tokio_stream::iter([part])).await.unwrap_err();
    bodies
}

/// Other formats, a part of a day sent twice, a mapping that is refused, and a router.
async fn other_ways_in(cluster: &Cluster, secrets: &Secrets, a: &mut Local) {
    let [eve, again, mapped, wrong] = others::uploads(secrets).map(tokio_stream::iter);
    for (upload, is_read) in [(eve, true), (again, true), (mapped, true), (wrong, false)] {
        let answer = a.flows.analyze(upload).await;
        assert_eq!(answer.is_ok(), is_read, "{:?}", answer.map(|_| ()));
        let Ok(answer) = answer else { continue };
        let report: Vec<_> = answer.into_inner().map(|part| part.unwrap().part).collect().await;
        let Some(Some(v1::analyze_response::Part::Report(first))) = report.first() else {
            panic!("no report");
        };
        let report = String::from_utf8_lossy(&first.document).into_owned();
        assert!(report.contains(&secrets.laptop.to_string()), "it was read: {report}");
    }
    let org = &cluster.orgs[0];
    assert!(others::has_files(&org.dir.join("private/days")));
    others::send_datagrams(org.netflow, secrets);
    let heard = |status: &StatusResponse| {
        let netflow = status.netflow.as_ref().unwrap();
        (netflow.datagrams, netflow.periods_analyzed > 0) == (2, true)
    };
    cluster.until(0, "what the router sent is analyzed", heard).await;
    assert!(others::has_files(&org.dir.join("private/reports")));
}

/// A node whose private file is damaged says so and ends.
async fn cannot_read_its_names(cluster: &mut Cluster) {
    let path = cluster.orgs[0].dir.join("private/names");
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let before = std::fs::metadata(&cluster.orgs[0].log).unwrap().len();
    cluster.orgs[0].fail_to_start(&[]).await;
    assert!(std::fs::metadata(&cluster.orgs[0].log).unwrap().len() > before);
    std::fs::write(&path, whole).unwrap();
}

/// All channels out of a node, searched.
fn outside(search: &Search, cluster: &Cluster, recorder: &Recorder) -> Vec<Findings> {
    let mut all = vec![];
    for channel in ["peers", "evaluators"] {
        let (pieces, compressed) = recorder.of(channel);
        println!("  ({channel}: {} pieces, {compressed} messages were compressed)", pieces.len());
        all.push(search.through(channel, &pieces));
    }
    for (org, name) in cluster.orgs.iter().zip(["A", "B", "C"]) {
        let log = [log_of(org)];
        all.push(search.through(&format!("log of {name}, everything logged"), &log));
        // A's configuration names its own zones: the operator wrote them there.
        let files = at_rest(&org.dir, &|path| !path.ends_with("flowlore.toml"));
        all.push(search.through(&format!("at rest at {name}"), &files));
    }
    all
}

/// All that a node's processes wrote to standard output and standard error.
fn log_of(org: &cluster::Org) -> (String, Vec<u8>) {
    (org.log.display().to_string(), std::fs::read(&org.log).unwrap())
}

/// The files of a node outside its private folders.
fn at_rest(dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![];
    let mut folders: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let private = PRIVATE.iter().any(|name| path == dir.join(name));
            if path.is_dir() && !private {
                folders.push(path);
            } else if path.is_file() && wanted(&path) {
                files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    files
}
