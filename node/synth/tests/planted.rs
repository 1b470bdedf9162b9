//! What the key says is in the logs, measured back from their bytes; and nothing else changes.

mod sample;

use std::collections::BTreeSet;

use flowlore_synth::{Output, Params, generate};
use sample::{Row, Sample, params};

#[test]
fn same_seed_same_bytes_another_seed_others() {
    let of = |seed| sample::sample(&params(seed, 2, 14, "all")).files;
    let (first, again, other) = (of(21), of(21), of(22));
    assert!(first == again);
    assert_ne!(first["key.tsv"], other["key.tsv"]);
    let hour = "org-a/2026-11-23/conn.10:00:00-11:00:00.log";
    assert_ne!(first[hour], other[hour]);
}

/// The same bytes on every machine: this hash was made on x86-64 Linux. It changes with every
/// change of what is generated, on purpose; a change by platform or compiler would be a defect.
#[test]
fn bytes_are_those_of_every_machine() {
    let mut hash = blake3::Hasher::new();
    for (path, bytes) in sample::sample(&params(23, 2, 14, "all")).files {
        hash.update(path.as_bytes()).update(&bytes);
    }
    assert_eq!(&hash.finalize().to_hex()[..16], PINNED);
}
const PINNED: &str = "8d9d7fb7e31c56fa";

/// Clean days can be scored alone first: planting leaves every benign row as it was.
#[test]
fn planting_changes_no_benign_row() {
    let clean = sample::sample(&params(24, 2, 14, "clean"));
    let planted = sample::sample(&params(24, 2, 14, "all"));
    for org in clean.orgs() {
        for log in clean.summary.rows.keys() {
            let lines = |sample: &Sample| -> BTreeSet<String> {
                sample.rows(org, log).iter().map(|row| row.values().join("\t")).collect()
            };
            let (before, after) = (lines(&clean), lines(&planted));
            assert!(before.is_subset(&after), "{org} {log}");
            if *log == "conn" {
                assert!(after.len() > before.len() + 100, "{org}: {}", after.len());
            }
        }
    }
    assert!(clean.summary.planted.is_empty());
    assert_eq!(clean.key().iter().map(|row| row[9]).collect::<Vec<_>>(), ["benign", "benign"]);
}

/// Destinations of a key row: names and addresses.
fn matches(row: &Row<'_>, cell: &str, name: &str) -> bool {
    cell.split('|').any(|want| want == "*" || want == row.text("id.resp_h") || want == name)
}

#[test]
fn every_key_row_is_in_the_logs() {
    for (seed, orgs) in [(31, 1), (32, 3), (33, 4)] {
        let sample = sample::sample(&params(seed, orgs, 18, "all"));
        let key = sample.key();
        for row in key.iter().filter(|row| row[9] == "malicious") {
            let found = count(&sample, row);
            assert!(found > 0, "seed {seed}: {row:?}");
            let least = match row[7] {
                behaviours if behaviours.contains("beacon") => 5,
                behaviours if behaviours.contains("scan") => 40,
                behaviours if behaviours.contains("c2_over_dns") => 400,
                _ => 1,
            };
            assert!(found >= least, "seed {seed}: {found} of {row:?}");
        }
        let benign: Vec<_> = key.iter().filter(|row| row[9] == "benign").collect();
        assert_eq!(benign.len(), usize::from(orgs == 4), "the fourth org is clean");
        assert!(key.iter().all(|row| row.len() == 12 && row[1] == "zeek"));
    }
}

/// Connections of a key row's source to its destination and port.
fn count(sample: &Sample, key: &[&str]) -> usize {
    let (org, source, destination, port) = (key[0], key[3], key[4], key[5]);
    let mut names = std::collections::BTreeMap::new();
    for log in ["ssl", "http", "dns"] {
        let column = match log {
            "ssl" => "server_name",
            "http" => "host",
            _ => "query",
        };
        sample.each(org, log, |row| {
            let name = row.text(column);
            names.insert(row.text("uid"), name.strip_suffix(":443").unwrap_or(name));
        });
    }
    let mut found = 0;
    sample.each(org, "conn", |row| {
        let proxied = row.text("id.resp_p") == "3128" && port == "443";
        let name = names.get(row.text("uid")).copied().unwrap_or("");
        let same_port = port == "*" || port == row.text("id.resp_p") || proxied;
        let transport = row.text("proto") == key[6];
        let from = row.text("id.orig_h") == source;
        if transport && from && same_port && matches(&row, destination, name) {
            // A tunnel's row names resolver and domain: what counts is the domain.
            let tunnel = key[7].contains("c2_over_dns");
            let domain = destination.rsplit('|').next().expect("a domain");
            found += usize::from(!tunnel || name.ends_with(domain));
        }
    });
    found
}

#[test]
fn beacons_have_the_period_the_jitter_and_the_loss_that_are_told() {
    let sample = sample::sample(&params(41, 2, 30, "beacon-grid"));
    let planted = &sample.summary.planted;
    assert_eq!(planted.len(), 64);
    for planted in planted {
        let told = |name: &str| planted.parameters[name].as_u64().expect("a number");
        let carrier = planted.parameters["carrier"].as_str().expect("a word");
        let times = contacts(&sample, planted, carrier);
        let (period, jitter, loss) =
            (told("period_s"), told("jitter_percent"), told("loss_percent"));
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // A lost contact joins two gaps or more: then only the least gap and the count are known.
        let spread = period * jitter / 100;
        let slack = 400_000; // looking a name up
        for gap in &gaps {
            let (low, high) = ((period - spread) * 1_000_000, (period + spread) * 1_000_000);
            assert!(*gap + slack >= low, "{planted:?}: {gap}");
            assert!(loss > 0 || *gap <= high + slack, "{planted:?}: {gap}");
        }
        let day = 86_400;
        let begun = told("start_s") - sample_start_s();
        let expected = (day - begun) * (100 - loss) / 100 / period;
        let got = times.len() as u64;
        let error = 3 + expected / 10 + if jitter > 0 { expected / 50 } else { 0 };
        assert!(got.abs_diff(expected) <= error, "{planted:?}: {got}, expected {expected}");
        if loss == 0 && gaps.len() > 100 {
            let mean = gaps.iter().sum::<u64>() / gaps.len() as u64;
            let off = mean.abs_diff(period * 1_000_000);
            assert!(off <= period * 1_000_000 / 20, "{planted:?}: mean {mean}");
            let widest = gaps.iter().map(|g| g.abs_diff(period * 1_000_000)).max().unwrap_or(0);
            assert!(widest + slack >= spread * 1_000_000 * 9 / 10, "{planted:?}: {widest}");
        }
    }
}

fn sample_start_s() -> u64 {
    u64::from(Params::default().first_day.0) * 86_400
}

/// Start times of a beacon's connections.
fn contacts(sample: &Sample, planted: &flowlore_synth::Planted, carrier: &str) -> Vec<u64> {
    let mut proxied = BTreeSet::new();
    if carrier == "proxy_connect" {
        let authority = format!("{}:443", planted.destination);
        sample.each(&planted.org, "http", |row| {
            if row.text("host") == authority {
                proxied.insert(row.text("uid"));
            }
        });
    }
    let address = planted.parameters["address"].as_str().expect("an address");
    let mut times = Vec::new();
    sample.each(&planted.org, "conn", |row| {
        let there = row.text("id.resp_h") == address && row.text("id.orig_h") == planted.source;
        if there || proxied.contains(row.text("uid")) {
            times.push(row.micros("ts"));
        }
    });
    times.sort_unstable();
    times
}

#[test]
fn two_orgs_share_a_server_and_each_has_its_own() {
    let sample = sample::sample(&params(42, 3, 24, "beacons"));
    let seen_by = |name: &str| -> BTreeSet<&str> {
        let planted = sample.summary.planted.iter().filter(|p| p.destination == name);
        planted.map(|p| p.org.as_str()).collect()
    };
    let names: BTreeSet<&str> =
        sample.summary.planted.iter().map(|p| p.destination.as_str()).collect();
    let shared: Vec<_> = names.iter().filter(|name| seen_by(name).len() > 1).collect();
    assert_eq!(shared.len(), 1);
    assert_eq!(seen_by(shared[0]), BTreeSet::from(["org-a", "org-b"]));
    for org in sample.orgs() {
        let own = names.iter().filter(|name| seen_by(name) == BTreeSet::from([org])).count();
        assert_eq!(own, 2, "{org}");
    }
}

/// The four outcomes, told apart by what the wire shows and by nothing else.
#[test]
fn phishing_grades_are_what_the_wire_shows() {
    let mut grades = BTreeSet::new();
    for seed in 51..54 {
        let sample = sample::sample(&params(seed, 2, 24, "phishing"));
        for planted in &sample.summary.planted {
            let grade = planted.parameters["grade"].as_str().expect("a grade");
            grades.insert(grade.to_owned());
            let times = to_name(&sample, planted, planted.parameters["page"].as_str());
            let collector = planted.parameters["collector"].as_str();
            let sent = to_name(&sample, planted, collector);
            let page: u64 = times.iter().map(|(_, _, down)| down).sum();
            assert!(page >= 200_000, "{planted:?}: {page}");
            let typing = planted.parameters["typing_s"].as_u64().expect("seconds") * 1_000_000;
            let after: Vec<_> =
                sent.iter().filter(|(at, ..)| *at >= times[0].0 + typing - 1_000_000).collect();
            match grade {
                "no_submission_seen" => assert!(collector.is_none()),
                "submission_attempted" => {
                    assert!(!after.is_empty() && after.iter().all(|(_, _, down)| *down == 0));
                }
                _ => assert!(after.iter().any(|(_, up, down)| *up > 300 && *down > 100)),
            }
        }
    }
    assert_eq!(grades.len(), 4);
}

/// Start, bytes up and bytes down of the connections of a plant's source to a name.
fn to_name(
    sample: &Sample,
    planted: &flowlore_synth::Planted,
    name: Option<&str>,
) -> Vec<(u64, u64, u64)> {
    let mut uids = BTreeSet::new();
    for (log, column) in [("ssl", "server_name"), ("http", "host")] {
        sample.each(&planted.org, log, |row| {
            if Some(row.text(column)) == name {
                uids.insert(row.text("uid"));
            }
        });
    }
    let mut found = Vec::new();
    sample.each(&planted.org, "conn", |row| {
        if uids.contains(row.text("uid")) && row.text("id.orig_h") == planted.source {
            found.push((row.micros("ts"), row.number("orig_bytes"), row.number("resp_bytes")));
        }
    });
    found.sort_unstable();
    found
}

/// Refuses everything after so many bytes.
struct Full(usize);

impl Output for Full {
    fn append(&mut self, _path: &str, bytes: &[u8]) -> std::io::Result<()> {
        let left = self.0.checked_sub(bytes.len());
        self.0 = left.ok_or_else(|| std::io::Error::other("disk full"))?;
        Ok(())
    }
    fn finish(&mut self, _path: &str) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_refuses_stops_it() {
    let small = params(1, 1, 14, "clean");
    let error = generate(&small, &mut Full(100_000)).expect_err("no room");
    assert_eq!(error.to_string(), "disk full");
    let nothing = Params { orgs: 0, ..small };
    let error = generate(&nothing, &mut Full(0)).expect_err("no org");
    assert_eq!(error.to_string(), "orgs must be 1 to 26, not 0");
}
