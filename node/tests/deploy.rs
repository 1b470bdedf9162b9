//! Goal: what stands in deploy/ is what this program takes. Method: command lines go through the program's own parser,
//! settings and times are compared with the code, the table of metrics with the page of a node.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use flowlore_node::command::Cli;
use flowlore_node::config::{Config, OVERRIDABLE, template};
use flowlore_node::limits::DRAIN_TIME_MAX;
use flowlore_node::metrics;
use flowlore_node::netflow::Dropped;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// What stands behind a key, once in the file.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let mut found = text.lines().filter_map(|line| line.trim().strip_prefix(key));
    let first = found.next().unwrap_or_else(|| panic!("{key} is missing"));
    assert!(found.next().is_none(), "{key} stands twice");
    first.trim()
}

fn accepts(words: &[&str]) {
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("{words:?}: {error}");
    }
}

#[test]
fn the_unit_starts_and_stops_the_node_as_it_wants_to_be() {
    let unit = read("deploy/systemd/flowlore-node.service");
    let words: Vec<_> = value(&unit, "ExecStart=").split_whitespace().collect();
    assert!(words[0].ends_with("/flowlore-node"));
    accepts(&words);
    let init = unit.lines().find(|line| line.contains("flowlore-node init")).unwrap();
    let init = &init[init.find("flowlore-node init").unwrap()..];
    accepts(&init.split_whitespace().collect::<Vec<_>>());
    let patience = Duration::from_secs(value(&unit, "TimeoutStopSec=").parse().unwrap());
    assert!(patience > DRAIN_TIME_MAX, "the system kills before open calls have ended");
    assert_eq!(value(&unit, "KillSignal="), "SIGTERM");
    assert_eq!(value(&unit, "UMask="), "0077");
}

#[test]
fn the_container_runs_the_commands_that_there_are() {
    let file = read("deploy/Containerfile");
    let list = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();
    let mut words = list(value(&file, "ENTRYPOINT"));
    words.extend(list(value(&file, "CMD")));
    words.extend(["--dir".to_owned(), "x".to_owned()]);
    accepts(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(file.contains(&format!("/rust:{rust}-")), "the compiler that the workspace asks for");
    let port = value(&file, "EXPOSE");
    let config = Config::parse(&template("x"), Path::new("/"), &|_| None).unwrap();
    assert_eq!(port, config.peer_listen.port().to_string());

    let compose = read("deploy/compose.yml");
    assert!(compose.contains(&format!("\"{port}:{port}\"")));
    let grace = value(&compose, "stop_grace_period:").trim_end_matches('s').parse().unwrap();
    assert!(Duration::from_secs(grace) > DRAIN_TIME_MAX);
    let known: BTreeSet<_> = OVERRIDABLE
        .iter()
        .map(|(section, key, _)| format!("FLOWLORE_{section}_{key}").to_uppercase())
        .chain(["FLOWLORE_DIR".to_owned()])
        .collect();
    let mut used = 0;
    for text in [&file, &compose] {
        for name in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            if name.starts_with("FLOWLORE_") {
                assert!(known.contains(name), "{name} is no setting");
                used += 1;
            }
        }
    }
    assert!(used >= 3);
    let target = config.metrics_listen.unwrap().to_string();
    assert!(read("deploy/prometheus.yml").contains(&target), "{target}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_explained_and_none_that_is_not() {
    let text = read("deploy/OPERATING.md");
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let mut explained: BTreeSet<_> = words.filter(|word| word.starts_with("flowlore_")).collect();
    let root = tempfile::tempdir().unwrap();
    let node = running::Running::start(&running::make(root.path(), "A", true)).await;
    node.status().await;
    node.node.metrics.connection_refused("no_tls");
    node.node.board.refuse(node.node.org, "frame");
    node.node.netflow.counts.drop(Dropped::Disk, 1);
    let page = metrics::text(&node.node).unwrap();
    node.stop().await;
    let mut found = BTreeSet::new();
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        found.insert(if kind == "counter" { format!("{name}_total") } else { name.to_owned() });
    }
    // A node alone has no peers to count by state.
    assert!(explained.remove("flowlore_peers"));
    found.remove("flowlore_peers");
    let found: BTreeSet<_> = found.iter().map(String::as_str).collect();
    assert_eq!(explained, found);
}
