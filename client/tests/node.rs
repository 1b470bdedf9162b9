//! Goal: the commands against a node, without the node's crate. Method: a scripted gRPC server on a
//! Unix socket and on loopback, which checks every call's signature as a node does; commands run in
//! this process, and, for exit codes and standard error, as the binary.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "node/scripted.rs"]
mod scripted;

use std::process::{Command, Output};
use std::sync::Arc;

use clap::Parser as _;
use flowlore_client::cli::Cli;
use flowlore_client::cmd::{Console, run};
use flowlore_client::failure::{Ending, Failure};
use flowlore_common::env::{Clock as _, SystemClock};
use flowlore_proto::v1;
use scripted::Node;
use serde_json::Value;

/// Runs a command in this process: how it ended, and what it printed.
async fn flowlore(node: &Node, arguments: &[&str]) -> (Result<Ending, Failure>, String) {
    let mut out = Vec::new();
    let mut console = Console {
        out: &mut out,
        json: arguments.contains(&"--json"),
        out_is_terminal: false,
        colour: false,
        progress: false,
        now: SystemClock.now(),
    };
    let dir = node.folder.path().to_str().unwrap();
    let all = ["flowlore", "--dir", dir].into_iter().chain(arguments.iter().copied());
    let cli = Cli::try_parse_from(all).unwrap();
    let ended = run(cli, |_| None, Arc::new(SystemClock), &mut console).await;
    (ended, String::from_utf8(out).unwrap())
}

/// Runs the binary, beside the runtime that serves it.
async fn binary(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowlore"));
    command.env_remove("FLOWLORE_NODE").env_remove("FLOWLORE_CREDENTIAL");
    command.envs(variables.iter().copied()).args(arguments);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn answers_stand_in_the_order_asked() {
    let node = Node::on_socket().await;
    // The scripted node answers a batch backwards.
    let asked = ["unseen.example", "answered.example:443", "private.example", "a..b"];
    let (ended, out) = flowlore(&node, &[&["lookup", "--json"], &asked[..]].concat()).await;
    assert_eq!(ended, Ok(Ending::Failed), "one of them cannot be read");
    let answers = lines(&out);
    let inputs: Vec<&str> =
        answers.iter().map(|answer| answer["query"]["input"].as_str().unwrap()).collect();
    assert_eq!(inputs, asked);
    let states: Vec<&str> =
        answers.iter().map(|answer| answer["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["unseen", "answered", "private", "invalid"]);
    assert!(answers.iter().all(|answer| answer["schema"] == "flowlore.answer.v1"));
    assert_eq!(answers[1]["shared"]["host"]["contacted"]["orgs"], 2);
    assert_eq!(answers[1]["query"]["port"], 443);
    assert_eq!(answers[3]["problem"]["code"], "bad_destination");
}

#[tokio::test]
async fn what_could_not_be_asked_is_no_success() {
    let node = Node::on_socket().await;
    for destination in ["not-asked.example", "quota.example"] {
        let (ended, out) =
            flowlore(&node, &["lookup", destination, "unseen.example", "a..b"]).await;
        assert_eq!(ended, Ok(Ending::NotAsked), "{out}");
        assert!(out.contains("NOT ASKED") && out.contains("NOT SEEN by any of 3 orgs"), "{out}");
        assert!(out.contains("CANNOT BE READ: a part between dots is empty"), "{out}");
    }
    let (ended, out) = flowlore(&node, &["lookup", "unseen.example", "private.example"]).await;
    assert_eq!(ended, Ok(Ending::Done), "{out}");
}

#[tokio::test]
async fn a_large_batch_is_split() {
    let node = Node::on_socket().await;
    let many: Vec<String> = (0..10_001).map(|number| format!("unseen-{number}.example")).collect();
    let mut arguments = vec!["lookup", "--json"];
    arguments.extend(many.iter().map(String::as_str));
    let (ended, out) = flowlore(&node, &arguments).await;
    assert_eq!(ended, Ok(Ending::Done));
    let inputs: Vec<Value> =
        lines(&out).into_iter().map(|answer| answer["query"]["input"].clone()).collect();
    assert_eq!(inputs, many);
    assert_eq!(node.seen().batches, [10_000, 1]);
}

#[tokio::test]
async fn look_ups_of_one_connection_are_signed_once() {
    let node = Node::on_socket().await;
    let client = node.client().await;
    let asked = ["unseen.example".to_owned()];
    for signed in [1, 1, 1, 2, 2] {
        if signed == 2 && node.seen().nonces.len() == 1 {
            node.forget_session();
        }
        assert_eq!(client.lookup(&asked).await.unwrap().len(), 1);
        assert_eq!(node.seen().nonces.len(), signed);
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_what_was_asked_is_not_believed() {
    let node = Node::on_socket().await;
    for (destination, told) in [
        ("twice.example", "answered twice"),
        ("elsewhere.example", "what was not asked"),
        ("silent.example", "without an answer"),
        ("garbled.example", "the shared part of an answer cannot be read"),
    ] {
        let failure = flowlore(&node, &["lookup", destination]).await.0.unwrap_err();
        assert_eq!(failure.code, "protocol");
        assert!(failure.message.contains(told), "{failure}");
    }
}

#[tokio::test]
async fn as_of_is_refused_before_anything_is_asked() {
    let node = Node::on_socket().await;
    let arguments = ["lookup", "unseen.example", "--as-of", "2026-11-01"];
    let failure = flowlore(&node, &arguments).await.0.unwrap_err();
    assert_eq!(failure.code, "not_served");
    assert!(failure.message.contains("not served by this version"), "{failure}");
    assert!(node.seen().batches.is_empty());
}

#[tokio::test]
async fn labels_arrive_as_they_were_meant() {
    let node = Node::on_socket().await;
    let arguments =
        ["label", "evil.example", "--port", "8443", "--verdict", "malicious", "--behaviour"];
    let rest = ["c2_beacon_http_tls", "--confidence", "90"];
    let (ended, out) = flowlore(&node, &[&arguments[..], &rest[..]].concat()).await;
    assert_eq!(ended, Ok(Ending::Done));
    assert!(out.starts_with("evil.example:8443: MALICIOUS, C2 beacon: sealed in block "), "{out}");
    assert_eq!(node.seen().labels, ["evil.example:8443 Malicious c2_beacon_http_tls 90"]);

    let (ended, out) =
        flowlore(&node, &["label", "late.example", "--verdict", "benign", "--json"]).await;
    assert_eq!(ended, Ok(Ending::Done));
    let label = &lines(&out)[0];
    assert_eq!((&label["status"], &label["verdict"]), (&"waiting".into(), &"benign".into()));
    assert_eq!((&label["block_id"], &label["behaviour"]), (&Value::Null, &Value::Null));

    let arguments = ["label", "slow.example", "--verdict", "suspicious", "--hold", "3d"];
    flowlore(&node, &arguments).await.0.unwrap();
    let arguments = ["dispute", "evil.example", "--reason", "cleaned_up", "--port", "443"];
    let (_, out) = flowlore(&node, &arguments).await;
    assert!(out.starts_with("evil.example:443: BENIGN: sealed in block "), "{out}");
    assert_eq!(
        node.seen().labels[2..],
        ["slow.example Suspicious  0 held 72 h", "evil.example:443 disputed cleaned_up"]
    );

    let arguments =
        ["label", "kit.example", "--verdict", "malicious", "--title", "A kit", "--note"];
    let rest = ["Two pages.", "--tag", "threat:phishing", "--tag", "impact:execution", "--outcome"];
    let last = ["true_positive", "--reason", "authorised_test", "--minutes", "40", "--local"];
    flowlore(&node, &[&arguments[..], &rest[..], &last[..]].concat()).await.0.unwrap();
    let put = node.seen().put.unwrap();
    assert_eq!((&*put.title, &*put.note, put.local), ("A kit", "Two pages.", true));
    assert_eq!(put.tags, ["threat:phishing", "impact:execution"]);
    assert_eq!((&*put.outcome, &*put.reason), ("true_positive", "authorised_test"));
    assert_eq!(put.minutes, 40);

    let (_, out) = flowlore(&node, &["retract", "evil.example", "--json"]).await;
    assert_eq!(out, "{\"destination\":\"evil.example\",\"retracted\":1}\n");
    let failure = flowlore(&node, &["retract", "never.example"]).await.0.unwrap_err();
    assert_eq!(failure.code, "not_found");
    let own = flowlore(&node, &["label", "own.example", "--verdict", "benign"]).await;
    let failure = own.0.unwrap_err();
    assert_eq!(failure.code, "failed_precondition");
    // What the node says is shown, but cannot steer the terminal.
    assert!(failure.message.ends_with(r"the org's own zone\u{1b}[2J"), "{failure}");
}

#[tokio::test]
async fn uploads_arrive_whole_and_in_order() {
    let node = Node::on_socket().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let large: Vec<u8> = (0..600_000_u32).map(|at| (at / 7) as u8).collect();
    std::fs::write(path("a.log"), &large).unwrap();
    std::fs::write(path("b.log"), b"").unwrap();
    std::fs::write(path(".c.log"), b"").unwrap();
    let upload = ["upload", folder.path().to_str().unwrap(), "--keep-here", "--min-severity"];
    let rest = ["high", "--home-net", "192.0.2.0/24", "--conversations", "5", "--tz", "Asia/Tokyo"];
    let arguments = [&upload[..], &rest[..]].concat();
    let (ended, out) = flowlore(&node, &arguments).await;
    assert_eq!(ended, Ok(Ending::Done));
    // The text is the node's, but it cannot steer the terminal.
    assert!(out.starts_with("NO INTERESTING ACTIVITY\n\\u{1b}[2J\n\n"), "{out}");
    assert!(out.ends_with("Nothing of this is published: keep here.\n"), "{out}");
    let files = node.seen().files;
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].path, path("a.log").to_str().unwrap());
    assert_eq!(files[0].bytes, large);
    assert_eq!(files[0].parts, [262_144, 262_144, 75_712]);
    let hidden = "hidden files and folders, not read: 1";
    assert_eq!(
        files[0].options,
        format!("192.0.2.0/24 high 5 true text false Asia/Tokyo {hidden}")
    );
    assert_eq!((files[1].bytes.len(), &*files[1].options), (0, "none"));

    let (_, out) = flowlore(&node, &[&arguments[..], &["--json"]].concat()).await;
    let report = &lines(&out)[0];
    assert_eq!((&report["schema"], &report["later"]), (&"flowlore.report.v1".into(), &true.into()));
    // What is listed where nobody says: as much as `flowlore-node analyze` lists.
    for (form, least) in [("text", "medium"), ("json", "info")] {
        let arguments = ["upload", upload[1]];
        let json = ["--json"];
        let json = if form == "json" { &json[..] } else { &[] };
        flowlore(&node, &[&arguments[..], json].concat()).await.0.unwrap();
        assert_eq!(
            node.seen().files[0].options.split(' ').nth(1),
            Some(least),
            "{form}: {}",
            node.seen().files[0].options
        );
    }
}

#[tokio::test]
async fn a_question_goes_with_its_files() {
    use v1::triage_question::About;
    let node = Node::on_socket().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["conn.log", "eve.json", "assets.csv"] {
        std::fs::write(path(name), name).unwrap();
    }
    let logs = path("conn.log");
    let with = ["--alert", &path("eve.json"), "--assets", &path("assets.csv"), "--before", "2h"];
    let (ended, out) = flowlore(&node, &[&["triage", &logs, "--json"], &with[..]].concat()).await;
    assert_eq!(ended, Ok(Ending::Done));
    assert_eq!(lines(&out)[0]["schema"], "flowlore.triage.v1");
    let files = node.seen().files;
    let purposes: Vec<_> = files.iter().map(|file| &*file.purpose).collect();
    assert_eq!(purposes, ["flows", "assets", "alerts"]);
    assert_eq!(files[2].bytes, b"eve.json");
    let question = files[0].question.clone().unwrap();
    assert_eq!((question.before_s, question.after_s), (Some(7_200), Some(1_800)));
    assert_eq!(question.about, None, "the alerts of the call");

    // No file of this name: an id.
    flowlore(&node, &["triage", &logs, "--alert", "7c1e9a04"]).await.0.unwrap();
    let question = node.seen().files[0].question.clone().unwrap();
    assert_eq!(question.about, Some(About::Finding("7c1e9a04".to_owned())));

    let moment =
        ["--at", "2026-11-23 09:22:30", "--host", "10.0.0.1", "--destination", "x.example"];
    let (ended, out) = flowlore(&node, &[&["triage", &logs], &moment[..]].concat()).await;
    assert_eq!(ended, Ok(Ending::Done));
    assert_eq!(out, "NO INTERESTING ACTIVITY\n\\u{1b}[2J\n");
    let question = node.seen().files[0].question.clone().unwrap();
    let [at, host, destination] = [moment[1], moment[3], moment[5]].map(str::to_owned);
    assert_eq!(question.about, Some(About::Moment(v1::Moment { at, host, destination })));

    let arguments = ["triage", &logs, "--alert", &path("none.json")];
    let failure = flowlore(&node, &arguments).await.0.unwrap_err();
    assert_eq!(failure.code, "file");
    assert!(failure.message.contains("none.json"), "{failure}");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_never_taken_for_the_whole() {
    let node = Node::on_socket().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    let client = node.client().await;
    let gone = folder.path().join("gone.log");
    let options = flowlore_client::api::UploadOptions::default();
    let failure = client.upload(&[path, gone], &options, |_| ()).await.unwrap_err();
    assert_eq!(failure.code, "file");
    assert!(failure.message.contains("gone.log"), "{failure}");
    let end = node.end_of_upload().await.unwrap_err();
    assert_eq!(end.message(), "broken off");
}

#[tokio::test]
async fn a_refused_upload_says_what_the_node_said() {
    let node = Node::on_socket().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refused.log");
    std::fs::write(&path, vec![7; 3_000_000]).unwrap();
    let failure = flowlore(&node, &["upload", path.to_str().unwrap()]).await.0.unwrap_err();
    assert_eq!(failure.code, "resource_exhausted");
    assert!(failure.message.contains("too many analyses"), "{failure}");
}

#[tokio::test]
async fn an_upload_that_its_caller_drops_is_broken_off() {
    let node = Node::on_socket().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, vec![7; 3_000_000]).unwrap();
    let client = node.client().await;
    let options = flowlore_client::api::UploadOptions::default();
    let mut begun = false;
    let (files, begin) = ([path], |_| begun = true);
    let mut upload = Box::pin(client.upload(&files, &options, begin));
    // Polled until bytes are on their way, then dropped with the rest unsent.
    std::future::poll_fn(|cx| {
        assert!(upload.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(upload);
    let end = node.end_of_upload();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), end).await;
    // A call may also have died before its first message: then nothing was ever received.
    assert!(ended.is_err() || ended.unwrap().is_err(), "taken for the whole");
}

#[tokio::test]
async fn lines_come_out_as_they_went_in_with_their_answers() {
    let node = Node::on_socket().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.ndjson");
    let text = "{\"ts\": 1.50, \"server_name\":\"answered.example\"}\n\
        {\"id.resp_h\":\"192.0.2.7\"}\n{\"other\":1}\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let (ended, out) = flowlore(&node, &["enrich", path]).await;
    assert_eq!(ended, Ok(Ending::Done), "{out}");
    assert!(out.starts_with("{\"ts\": 1.50, \"server_name\":\"answered.example\",\"flowlore\":{"));
    let lines = lines(&out);
    assert_eq!(lines[0]["flowlore"]["state"], "answered");
    assert_eq!(lines[1]["flowlore"]["query"]["address"], "192.0.2.7");
    assert_eq!(lines[2]["flowlore"], Value::Null);

    std::fs::write(path, format!("{text}no JSON\n")).unwrap();
    let (ended, out) = flowlore(&node, &["enrich", path]).await;
    let failure = ended.unwrap_err();
    assert!(
        failure.message.contains("1 of 4 lines") && failure.message.contains("line 4"),
        "{failure}"
    );
    assert!(out.ends_with("\nno JSON\n"), "nothing is lost: {out}");

    std::fs::write(path, "{\"dst\":\"not-asked.example\"}\n").unwrap();
    let (ended, out) = flowlore(&node, &["enrich", path, "--field", "dst", "--into", "seen"]).await;
    assert_eq!(ended, Ok(Ending::NotAsked));
    assert!(out.contains("\"seen\":{"), "{out}");
}

#[tokio::test]
async fn a_history_is_told_by_day() {
    let node = Node::on_socket().await;
    let (ended, out) = flowlore(&node, &["history", "answered.example"]).await;
    assert_eq!(ended, Ok(Ending::Done));
    assert!(out.contains("2026-11-20  first seen, as an org claims"), "{out}");
    assert!(out.contains("our own label: malicious, waiting here"), "{out}");
    let (_, out) = flowlore(&node, &["history", "unseen.example", "--json"]).await;
    let history = &lines(&out)[0];
    assert_eq!(history["schema"], "flowlore.history.v1");
    assert_eq!((&history["state"], &history["events"]), (&"unseen".into(), &serde_json::json!([])));
}

#[tokio::test]
async fn status_as_text_and_json() {
    let node = Node::on_socket().await;
    let (_, out) = flowlore(&node, &["status"]).await;
    assert!(out.contains("org A (aaaaaaaa)"), "{out}");
    assert!(out.contains("Refused    2 bad_signature from B"), "{out}");
    let (_, out) = flowlore(&node, &["status", "--json"]).await;
    let status = &lines(&out)[0];
    assert_eq!(status["store"]["objects_digest"], "9f".repeat(32));
    assert_eq!(status["members"][0]["name"], "B");
}

#[tokio::test]
async fn a_stranger_is_refused_and_told_what_to_do() {
    let node = Node::on_socket().await;
    let stranger = node.stranger();
    let arguments = ["--credential", stranger.to_str().unwrap(), "status"];
    let failure = flowlore(&node, &arguments).await.0.unwrap_err();
    assert_eq!(failure.code, "unauthenticated");
    assert!(failure.hint.contains("credential"), "{failure}");
}

#[tokio::test]
async fn no_call_is_signed_like_another() {
    let node = Node::on_socket().await;
    for _ in 0..3 {
        flowlore(&node, &["status"]).await.0.unwrap();
    }
    let nonces = node.seen().nonces;
    assert_eq!(nonces.len(), 3);
    assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[0] != nonces[2]);
}

#[tokio::test]
async fn the_binary_over_loopback_ends_as_documented() {
    let node = Node::on_loopback().await;
    let credential = node.folder.path().join("credentials/admin.cred");
    let variables =
        [("FLOWLORE_NODE", &*node.address), ("FLOWLORE_CREDENTIAL", credential.to_str().unwrap())];
    for (arguments, code, out, err) in [
        (&["lookup", "unseen.example"][..], 0, "does not mean benign", ""),
        (&["lookup", "answered.example"], 0, "SUSPICIOUS, confidence 60", ""),
        (&["lookup", "quota.example"], 4, "NOT ASKED", ""),
        (&["lookup", "a..b"], 1, "CANNOT BE READ", ""),
        (&["lookup"], 2, "", "were not provided: <DEST>...: see flowlore --help"),
        (&["label", "x", "--verdict", "bad"], 2, "", "takes back what was said): see flowlore"),
        (&["label", "own.example", "--verdict", "benign"], 1, "", "flowlore status"),
        (&["label", "x.example:80", "--port", "81", "--verdict", "benign"], 2, "", "port once"),
        (&["upload", "no-such.log"], 1, "", "flowlore: no-such.log: "),
        (&["--node", "192.0.2.1:7070", "status"], 2, "", "by a tunnel"),
        (&["--node", "127.0.0.1:1", "status"], 1, "", "is the node running?"),
    ] {
        let output = binary(&variables, arguments).await;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
        assert!(stdout.contains(out) && stderr.contains(err), "{arguments:?}: {stdout}{stderr}");
        assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "no colour in a pipe");
        assert!(stderr.lines().count() <= 1, "{stderr}");
    }
}

#[tokio::test]
async fn errors_are_json_when_json_is_asked_for() {
    for (arguments, exit, code) in [
        (&["--json", "status"][..], 2, "usage"),
        (&["--json", "label", "x.example"], 2, "usage"),
        (&["--json", "--dir", "no-such-folder", "status"], 1, "file"),
        (&["--json", "lookup", "x.example", "--as-of", "2026-11-01"], 1, "not_served"),
    ] {
        let output = binary(&[], arguments).await;
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["code"], code);
        assert!(error["message"].is_string() && error["hint"].is_string(), "{error}");
    }
    let output = binary(&[], &["--json", "--help"]).await;
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
