//! Goal: "A federation by hand" works as README.md says. Method: the commands are read out of its code blocks and run,
//! as they stand there, by the two programs in a temporary folder; then the label that A made is asked for at B and C.
//!
//! Replaced are ports (free ones), the words that stand for something (DEST, /path/to/zeek/logs, the invitation), and
//! "C joins like B", which is B's block under another name. Where a person would wait, the test waits for what the
//! README says is to be seen.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use flowlore_node::demo::ports;
use serde_json::Value;

/// How long any one condition may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A name that no rule keeps private. Nothing is resolved or contacted.
const DESTINATION: &str = "c2.flowlore-walk.net";
/// What A calls it.
const BEHAVIOUR: &str = "c2_beacon_http_tls";
/// What a walk without would be no walk.
const STEPS: [&str; 12] = [
    "flowlore-node init",
    "flowlore-node federation create",
    "flowlore-node run",
    "flowlore-node federation invite",
    "flowlore-node federation join",
    "flowlore-node federation approve",
    "flowlore-node federation keygen",
    "flowlore label",
    "flowlore lookup",
    "flowlore retract",
    "flowlore upload",
    "flowlore-node publish --dry-run",
];

#[test]
fn a_federation_by_hand() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let blocks = blocks(&fs::read_to_string(readme).unwrap(), "A federation by hand");
    let [founding, evaluators, people] = &blocks[..] else { panic!("three blocks: {blocks:?}") };
    let mut walk = Walk::begin();

    founding.iter().for_each(|command| walk.type_in(command));
    let join = founding.iter().position(|command| command.contains("invite")).unwrap();
    let as_c = |command: &String| {
        let words = command.split(' ').map(|word| if word == "B" { "C" } else { word });
        words.collect::<Vec<_>>().join(" ").replace("7173", "7174")
    };
    let until_run = founding[join..].iter().take_while(|command| !command.contains("status"));
    until_run.map(as_c).for_each(|command| walk.type_in(&command));
    walk.until("federation status --dir A", |said| said.contains("WAITS"));
    evaluators.iter().for_each(|command| walk.type_in(command));

    let lookups = ["B", "C"].map(|org| format!("flowlore lookup DEST --dir {org}"));
    for command in people {
        walk.type_in(command);
        match command.split(' ').nth(1) {
            Some("label") => lookups.iter().for_each(|lookup| walk.until_told(lookup, true)),
            Some("retract") => lookups.iter().for_each(|lookup| walk.until_told(lookup, false)),
            _ => {}
        }
    }
    let mut missing = STEPS.to_vec();
    missing.retain(|step| !walk.typed.iter().any(|command| command.starts_with(step)));
    assert!(missing.is_empty(), "the README has none of {missing:?}");
}

/// The commands of the code blocks under a heading, comments left out.
fn blocks(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks =
        section.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let command = |line: &str| {
        let typed = line.strip_prefix("$ ")?.split(" #").next()?;
        Some(typed.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    blocks.map(|block| block.lines().filter_map(command).collect()).collect()
}

/// Three terminals and what goes on in them.
struct Walk {
    root: tempfile::TempDir,
    /// What `export` said last.
    variables: Vec<(String, String)>,
    ports: BTreeMap<&'static str, String>,
    invitation: String,
    nodes: BTreeMap<String, Child>,
    typed: Vec<String>,
}

impl Walk {
    fn begin() -> Self {
        let ports = ports::free::<3>().unwrap().map(|port| port.port().to_string());
        let walk = Self {
            root: tempfile::tempdir().unwrap(),
            variables: vec![],
            ports: ["7172", "7173", "7174"].into_iter().zip(ports).collect(),
            invitation: String::new(),
            nodes: BTreeMap::new(),
            typed: vec![],
        };
        walk.finish("flowlore-node synth --out logs --seed 7 --hosts 14");
        walk
    }

    /// A command of the README, with all that somebody who reads it would see to.
    fn type_in(&mut self, command: &str) {
        self.typed.push(command.to_owned());
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["export", ..] => {
                let pairs = words[1..].iter().map(|pair| pair.split_once('=').unwrap());
                let pairs = pairs.map(|(name, value)| (name.to_owned(), self.replaced(value)));
                self.variables = pairs.collect();
            }
            [_, "run", "--dir", org] => self.run(command, org),
            [_, "federation", "status", "--dir", "A"] => {
                self.until("federation status --dir A", |said| said.contains("WAITS"));
            }
            [_, "federation", "status", "--dir", _] => self.until(command, |said| {
                let seen = ["3 members", "2 of 3", "share here: yes"];
                seen.iter().all(|seen| said.contains(seen))
            }),
            [_, "federation", "invite", ..] => {
                self.until("federation status --dir A", |_| true);
                self.invitation = self.finish(command).trim().to_owned();
            }
            [_, "federation", "approve", "--dir", _, applicant, ..] => {
                self.finish(command);
                self.until(&format!("federation status --dir {applicant}"), |_| true);
            }
            _ => drop(self.finish(command)),
        }
    }

    fn run(&mut self, command: &str, org: &str) {
        let log = File::create(self.log(org)).unwrap();
        let mut node = self.command(command);
        node.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.nodes.insert(org.to_owned(), node.spawn().unwrap());
    }

    /// What a command says that has to work at once.
    fn finish(&self, command: &str) -> String {
        let Output { status, stdout, stderr } = self.command(command).output().unwrap();
        let [said, failed] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(status.success(), "{command}: {status}\n{said}{failed}{}", self.last_words());
        said
    }

    /// Repeats a question of `flowlore-node` until the answer is as wanted.
    fn until(&mut self, command: &str, holds: impl Fn(&str) -> bool) {
        let command = format!("flowlore-node {}", command.trim_start_matches("flowlore-node "));
        self.repeat(&command, |output| {
            output.status.success() && holds(&String::from_utf8_lossy(&output.stdout))
        });
    }

    /// Repeats a look-up until its answer tells, or no longer tells, what A says.
    fn until_told(&mut self, command: &str, told: bool) {
        self.repeat(&format!("{command} --json"), |output| {
            let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) else { return false };
            let host = &answer["shared"]["host"];
            let malicious = &host["tally"]["malicious"];
            if told {
                malicious["by_people"] == 1 && host["behaviours"][0]["code"] == BEHAVIOUR
            } else {
                let was_asked = answer["state"] == "unseen" || answer["state"] == "answered";
                was_asked && malicious.is_null()
            }
        });
    }

    fn repeat(&mut self, command: &str, holds: impl Fn(&Output) -> bool) {
        let begun = Instant::now();
        loop {
            let output = self.command(command).output().unwrap();
            if holds(&output) {
                return;
            }
            for (org, node) in &mut self.nodes {
                assert!(node.try_wait().unwrap().is_none(), "{org} has ended");
            }
            let words = self.last_words();
            assert!(begun.elapsed() < PATIENCE, "{command}: never as wanted: {output:?}{words}");
        }
    }

    fn command(&self, command: &str) -> Command {
        let replaced = self.replaced(command);
        let mut words = replaced.split(' ');
        let mut command = Command::new(program(words.next().unwrap()));
        command.args(words).current_dir(self.root.path());
        for name in std::env::vars_os().map(|(name, _)| name) {
            if name.to_string_lossy().starts_with("FLOWLORE_") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn replaced(&self, text: &str) -> String {
        let text = text.replace("DEST", DESTINATION).replace("/path/to/zeek/logs", "logs/org-a");
        let text = text.replace("flowlore1...", &self.invitation);
        self.ports
            .iter()
            .fold(text, |text, (port, free)| text.replace(&format!(":{port}"), &format!(":{free}")))
    }

    fn log(&self, org: &str) -> PathBuf {
        self.root.path().join(format!("{org}.log"))
    }

    /// The nodes' logs, for when something fails.
    fn last_words(&self) -> String {
        let read = |org: &String| fs::read_to_string(self.log(org)).unwrap_or_default();
        self.nodes.keys().map(|org| format!("\n{org}: {}", read(org))).collect()
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            // It may have ended by itself; either way it is gone.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

/// The node's program, or the client's, which is built beside it: by `make test` with all the others, else here.
fn program(name: &str) -> PathBuf {
    let node = Path::new(env!("CARGO_BIN_EXE_flowlore-node"));
    let program = node.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "-p", "flowlore-client", "--bin", "flowlore"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(
            cargo.status().unwrap().success() && program.exists(),
            "{} is missing",
            program.display()
        );
    }
    program
}
