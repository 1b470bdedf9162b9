//! Goal: the rules of CONTRIBUTING.md that a machine can check, checked. Method: `cargo metadata` for who may
//! depend on whom, and a scan of the tracked files for the rest. Each failure names the file, the line and the rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Lines of code a file may have, tests and tables aside.
const FILE_LINES_MAX: usize = 600;
/// Bytes a tracked file may have; the public suffix list is the largest that we need.
const FILE_BYTES_MAX: u64 = 600_000;
/// Columns of a Rust line. rustfmt keeps code below 100; this catches what it leaves alone.
const LINE_COLUMNS_MAX: usize = 140;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("common/ has a parent").to_path_buf()
}

fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files failed");
    let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let paths = text.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from);
    paths.filter(|path| root().join(path).is_file()).collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = tracked().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.map(|path| {
        let text = fs::read_to_string(root().join(&path)).expect("a tracked Rust file is readable");
        (path, text)
    })
    .collect()
}

fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    ["/tests/", "/benches/", "/fuzz/", "/examples/"].iter().any(|part| text.contains(part))
        || text.ends_with("tests.rs")
}

/// The part of a file before its unit tests.
fn product(text: &str) -> &str {
    text.find("#[cfg(test)]").map_or(text, |at| &text[..at])
}

fn report(rule: &str, failures: &[String]) {
    assert!(failures.is_empty(), "{rule}\n  {}", failures.join("\n  "));
}

#[test]
fn data_flows_one_way_through_the_crates() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("flowlore-proto", &[][..]),
        ("flowlore-common", &[][..]),
        ("flowlore-analyzer", &["flowlore-common"][..]),
        ("flowlore-veil", &["flowlore-common"][..]),
        ("flowlore-synth", &["flowlore-common"][..]),
        ("flowlore-archive", &["flowlore-common"][..]),
        ("flowlore-ledger", &["flowlore-common", "flowlore-veil"][..]),
        (
            "flowlore-node",
            &[
                "flowlore-analyzer",
                "flowlore-archive",
                "flowlore-common",
                "flowlore-ledger",
                "flowlore-proto",
                "flowlore-synth",
                "flowlore-veil",
            ][..],
        ),
        ("flowlore-client", &["flowlore-common", "flowlore-proto"][..]),
    ]);
    // Crates that must stay free of I/O, async and clocks: the compiler keeps the promise.
    let pure = ["flowlore-analyzer", "flowlore-veil", "flowlore-ledger", "flowlore-synth"];
    let impure = ["tokio", "tonic", "prost", "hyper", "reqwest", "chrono", "rand", "getrandom"];
    let mut failures = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, manifest) in packages() {
        let Some(may) = allowed.get(name.as_str()) else {
            failures.push(format!("{name} is not in the list of crates in tidy.rs"));
            continue;
        };
        seen.insert(name.clone());
        for (dependency, optional) in manifest {
            let ours = dependency.starts_with("flowlore-");
            let wire = name == "flowlore-common" && dependency == "flowlore-proto" && optional;
            if ours && !may.contains(&dependency.as_str()) && !wire {
                failures.push(format!("{name} depends on {dependency}: data would flow backwards"));
            }
            if pure.contains(&name.as_str()) && impure.contains(&dependency.as_str()) {
                failures.push(format!("{name} depends on {dependency}: it must stay pure"));
            }
        }
    }
    for name in allowed.keys().filter(|name| !seen.contains(**name)) {
        failures.push(format!("{name} is missing from the workspace"));
    }
    report("crates depend downstream only (layout in README.md)", &failures);
}

/// Every workspace crate with its normal dependencies: (name, optional).
fn packages() -> Vec<(String, Vec<(String, bool)>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = metadata["packages"].as_array().expect("a list of packages");
    list.iter()
        .map(|package| {
            let all = package["dependencies"].as_array().expect("a list of dependencies");
            let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
            let pairs = normal
                .map(|one| (text(&one["name"]), one["optional"].as_bool().unwrap_or_default()));
            (text(&package["name"]), pairs.collect())
        })
        .collect()
}

#[test]
fn doors_stay_where_they_are() {
    // (what, the only places that may say it, why)
    let doors: [(&str, &[&str], &str); 4] = [
        ("sled::", &["node/ledger/src/store/sled.rs"], "the engine is behind one trait"),
        (
            "flowlore_proto",
            &["common/src/wire", "node/src/rpc/", "node/src/peer", "client/src/api"],
            "wire types meet domain types in few places",
        ),
        ("unsafe ", &["node/src/follow/map.rs"], "unsafe is for the memory map only"),
        ("SystemTime", &["common/src/env.rs"], "the clock comes in as an argument"),
    ];
    let mut failures = Vec::new();
    for (path, text) in rust_files() {
        let name = path.to_string_lossy().into_owned();
        if is_test(&path) || name.starts_with("proto/") {
            continue;
        }
        for (number, line) in product(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (what, places, why) in &doors {
                let at_home = places.iter().any(|place| name.starts_with(place));
                if code.contains(what) && !at_home {
                    failures.push(format!("{name}:{}: {what} ({why})", number + 1));
                }
            }
        }
    }
    report("each of these has one door", &failures);
}

#[test]
fn files_are_of_a_size_that_a_person_reads() {
    let mut failures = Vec::new();
    for (path, text) in rust_files() {
        let name = path.display();
        let lines = product(&text).lines().count();
        if !is_test(&path) && lines > FILE_LINES_MAX {
            failures.push(format!("{name}: {lines} lines, at most {FILE_LINES_MAX}: split it"));
        }
        for (number, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX && !is_test(&path) {
                failures.push(format!("{name}:{}: {columns} columns", number + 1));
            }
        }
    }
    report("files and lines have a size", &failures);
}

#[test]
fn nothing_is_left_unfinished_or_skipped() {
    // Written in pieces, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[ign", "ore"),
        concat!("thread::sl", "eep"),
        concat!("dbg", "!("),
    ];
    let mut failures = Vec::new();
    for (path, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                failures.push(format!("{}:{}: {mark}", path.display(), number + 1));
            }
        }
    }
    report("nothing unfinished is committed", &failures);
}

#[test]
fn the_tree_holds_only_what_it_should() {
    let kinds: BTreeSet<&str> = BTreeSet::from([
        "csv", "dat", "gz", "hex", "json", "lock", "log", "md", "proto", "py", "rs", "sh", "toml",
        "tsv", "txt", "yml", "yaml", "zst", "service",
    ]);
    let bare = ["LICENSE", "Makefile", ".gitignore", ".ci/run", "deploy/Containerfile"];
    let top = [
        ".ci",
        ".gitignore",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "client",
        "clippy.toml",
        "common",
        "deny.toml",
        "deploy",
        "node",
        "proto",
        "rustfmt.toml",
    ];
    let mut failures = Vec::new();
    for path in tracked() {
        let name = path.to_string_lossy().into_owned();
        let first = name.split('/').next().unwrap_or_default();
        if !top.contains(&first) {
            failures.push(format!("{name}: no such top-level place"));
        }
        let kind = path.extension().map(|end| end.to_string_lossy().into_owned());
        let known = kind.as_deref().is_some_and(|kind| kinds.contains(kind));
        if !known && !bare.contains(&name.as_str()) {
            failures.push(format!("{name}: a kind of file that is not in the list"));
        }
        let bytes = fs::metadata(root().join(&path)).expect("it exists").len();
        if bytes > FILE_BYTES_MAX {
            failures.push(format!("{name}: {bytes} bytes, at most {FILE_BYTES_MAX}"));
        }
    }
    report("the tree holds only what it should", &failures);
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a workspace manifest");
    let contributing =
        fs::read_to_string(root().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md is there");
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    let failures: Vec<String> = names
        .filter(|name| !name.starts_with("flowlore-") && !name.starts_with('#'))
        .filter(|name| !contributing.contains(&format!("| `{name}` |")))
        .map(|name| format!("{name}: no row in CONTRIBUTING.md's table"))
        .collect();
    report("every dependency has a row that says what it is for", &failures);
}

#[test]
fn every_detector_has_a_row_and_a_golden_case() {
    let folder = root().join("node/analyzer/src/detect");
    let table = fs::read_to_string(root().join("node/analyzer/DETECTORS.md"))
        .expect("DETECTORS.md is there");
    let golden: String = rust_files()
        .into_iter()
        .filter(|(path, _)| path.starts_with("node/analyzer/tests"))
        .map(|(_, text)| text)
        .collect();
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("detect/ is there") {
        let path = entry.expect("a readable entry").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // The last two are what detectors share: the protocols that tick by nature, and numbers in words.
        if ["mod", "template", "infrastructure", "words"].contains(&stem.as_str())
            || stem.ends_with("tests")
        {
            continue;
        }
        count += 1;
        if !table.contains(&format!("detect/{stem}.rs")) {
            failures.push(format!("detect/{stem}.rs: no row in DETECTORS.md"));
        }
        if !golden.contains(&stem) {
            failures.push(format!("detect/{stem}.rs: no golden case names it"));
        }
    }
    assert!(count > 0, "no detector found: this test looked in the wrong place");
    report("a detector is a file, a row and a golden case", &failures);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // Absolute paths of somebody's machine, and the folders beside a checkout, have no place in the tree.
    let marks = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("../sha", "red"),
        concat!("/tm", "p/tar", "get"),
    ];
    let mut failures = Vec::new();
    // The public suffix list is data of others, where such a path can stand by chance.
    for path in tracked().into_iter().filter(|path| !path.starts_with("common/data")) {
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                failures.push(format!("{}:{}: {mark}", path.display(), number + 1));
            }
        }
    }
    report("no path of a machine stands in the tree", &failures);
}
