//! Goal: a federation of three by hand, as people make it, and what happens when parts of it are missing. Method:
//! three nodes of one process on loopback, ports from the system, calls through the local ports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use flowlore_proto::v1;
use running::{Running, known, make, settled, shared, three};

#[tokio::test(flavor = "multi_thread")]
async fn labels_travel_open_shared_answers_and_survive_absence() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    let erased = || !a.dir.join("keys/dealt").exists();
    a.until("the dealer erased what was taken", |_| erased()).await;

    // One org's word, read by another; a batch with every kind of question, in any order of arrival.
    let put = a.put("evil.example:443", v1::Verdict::Malicious).await;
    assert_eq!(put.status(), v1::LabelStatus::Sealed);
    assert_eq!(put.block_id.len(), 32);
    settled(&[&a, &b, &c]).await;
    let asked = ["evil.example", "quiet.example", "10.1.2.3", "no such thing!", "printer"];
    let mut answers = b.lookup(&asked).await;
    answers.sort_by_key(|answer| answer.index);
    let states: Vec<_> = answers.iter().map(v1::Answer::state).collect();
    use v1::AnswerState as State;
    let wanted = [State::Answered, State::Unseen, State::Private, State::Invalid, State::Private];
    assert_eq!(states, wanted);
    let json = shared(&answers[0]);
    assert_eq!(json["host"]["tally"]["malicious"]["by_people"], 1);
    assert_eq!(json["host"]["verdict"], "suspicious", "one group is not enough for malicious");
    assert!(answers[3].problem.is_some());

    // All members give the same shared bytes.
    let at_c = c.lookup(&["evil.example"]).await;
    assert_eq!(at_c[0].shared, answers[0].shared);

    // Three groups: the verdict.
    b.put("evil.example", v1::Verdict::Malicious).await;
    c.put("evil.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b, &c]).await;
    let json = shared(&a.lookup(&["evil.example"]).await.remove(0));
    assert_eq!(json["host"]["verdict"], "malicious");

    // A and B away, C restarted: what it knows it still answers; what it never asked it cannot ask.
    let before = c.lookup(&["evil.example"]).await.remove(0);
    let dir = c.dir.clone();
    for node in [a, b, c] {
        node.stop().await;
    }
    let c = Running::start(&dir).await;
    let after = c.lookup(&["evil.example", "never-asked.example"]).await;
    assert_eq!(after[0].shared, before.shared);
    assert_eq!(after[1].state(), State::NotAsked);
    assert_eq!((after[1].evaluators_up, after[1].evaluators_needed), (1, 2));
    // A label about a new name waits, on disk.
    let put = c.put("new.example", v1::Verdict::Malicious).await;
    assert_eq!(put.status(), v1::LabelStatus::Waiting);
    c.stop().await;
    let c = Running::start(&dir).await;
    assert_eq!(c.status().await.names.unwrap().waiting, 1);
    c.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_its_end_is_refused_and_publishes_nothing() {
    use v1::analyze_request::Part;
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&make(root.path(), "Alone", true)).await;
    let row = "{\"ts\":1795507200.5,\"uid\":\"C1\",\"id.orig_h\":\"10.0.0.1\",\"id.orig_p\":40000,\
        \"id.resp_h\":\"203.0.113.9\",\"id.resp_p\":443,\"proto\":\"tcp\",\"conn_state\":\"SF\",\
        \"orig_bytes\":900,\"resp_bytes\":9000,\"duration\":2.5,\"history\":\"ShADadFf\",\
        \"orig_pkts\":9,\"orig_ip_bytes\":1400,\"resp_pkts\":12,\"resp_ip_bytes\":9600}\n";
    let open = v1::FileOpen { path: "conn.log".to_owned(), ..v1::FileOpen::default() };
    let parts = [Part::Open(open), Part::Data(row.into()), Part::End(v1::UploadEnd {})];
    let parts = parts.map(|part| v1::AnalyzeRequest { part: Some(part) });
    let mut flows = node.local().await.flows;
    let sealed = |status: &v1::StatusResponse| status.store.as_ref().unwrap().own_blocks;

    let broken = flows.analyze(tokio_stream::iter(parts[..2].to_vec())).await.unwrap_err();
    assert_eq!(broken.code(), tonic::Code::InvalidArgument);
    assert!(broken.message().contains("broke off"), "{broken}");
    assert_eq!(own_blocks(&node).await, 0);
    assert_eq!(node.lookup(&["203.0.113.9"]).await[0].state(), v1::AnswerState::Unseen);

    flows.analyze(tokio_stream::iter(parts)).await.unwrap();
    node.until("is published", |status| sealed(status) > 0).await;
    assert_eq!(node.lookup(&["203.0.113.9"]).await[0].state(), v1::AnswerState::Answered);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_says_why_and_a_held_label_can_be_taken_back() {
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&make(root.path(), "Alone", true)).await;
    let mut labels = node.local().await.labels;
    let dispute = |reason: &str| v1::DisputeRequest {
        destination: "cdn.example".to_owned(),
        reason: reason.to_owned(),
    };
    for reason in ["", "none", "mood"] {
        let refused = labels.dispute(dispute(reason)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{reason}");
    }
    let put = labels.dispute(dispute("known_service")).await.unwrap().into_inner();
    assert_eq!(put.status(), v1::LabelStatus::Sealed);
    let json = shared(&node.lookup(&["cdn.example"]).await.remove(0));
    assert_eq!(json["host"]["tally"]["benign"]["by_people"], 1);

    let held = v1::PutLabelRequest {
        destination: "slow.example".to_owned(),
        verdict: v1::Verdict::Malicious.into(),
        hold_hours: 72,
        ..v1::PutLabelRequest::default()
    };
    let long = v1::PutLabelRequest { hold_hours: 721, ..held.clone() };
    assert_eq!(labels.put(long).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(labels.put(held).await.unwrap().into_inner().status(), v1::LabelStatus::Waiting);
    assert_eq!(node.lookup(&["slow.example"]).await[0].state(), v1::AnswerState::Unseen);
    let retract = v1::RetractLabelRequest { destination: "slow.example".to_owned() };
    let blocks = own_blocks(&node).await;
    assert_eq!(labels.retract(retract.clone()).await.unwrap().into_inner().retracted, 1);
    // Nobody is told of the end of what nobody was told of.
    assert_eq!(node.status().await.names.unwrap().waiting, 0);
    assert_eq!(own_blocks(&node).await, blocks);
    labels.retract(retract).await.unwrap_err();

    // What was told is taken back in a block of its own.
    let retract = v1::RetractLabelRequest { destination: "cdn.example".to_owned() };
    assert_eq!(labels.retract(retract).await.unwrap().into_inner().retracted, 1);
    assert_eq!(own_blocks(&node).await, blocks + 1);
    node.stop().await;
}

async fn own_blocks(node: &Running) -> u64 {
    node.status().await.store.unwrap().own_blocks
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_and_how_they_closed_is_read_by_others_who_know_the_name() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    let mut labels = a.local().await.labels;
    let said = v1::PutLabelRequest {
        destination: "evil.example:443".to_owned(),
        verdict: v1::Verdict::Malicious.into(),
        title: "A kit that asks for mail passwords".to_owned(),
        note: "Came with an invoice.\nTwo pages, then post-relay.example.".to_owned(),
        tags: vec!["threat:phishing".to_owned(), "impact:credentials_entered".to_owned()],
        outcome: "true_positive".to_owned(),
        minutes: 40,
        ..v1::PutLabelRequest::default()
    };
    // Each wrong in one way.
    type Change = fn(&mut v1::PutLabelRequest);
    let wrong: [(Change, &str); 8] = [
        (|said| said.note = "seen at 10.20.4.31".to_owned(), "10.20.4.31"),
        (|said| said.title = "two\nlines".to_owned(), "one line"),
        (|said| said.title = "x".repeat(256), "255 bytes"),
        (|said| said.note = "x".repeat(4_096), "4 KB"),
        (|said| said.tags = vec!["evil".to_owned()], "threat:phishing"),
        (|said| said.outcome = "benign_expected".to_owned(), "true_positive"),
        (|said| said.outcome = String::new(), "minutes"),
        (
            |said| (said.outcome, said.minutes, said.reason) = (String::new(), 0, "x".to_owned()),
            "outcome",
        ),
    ];
    for (change, told) in wrong {
        let mut wrong = said.clone();
        change(&mut wrong);
        let refused = labels.put(wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(told), "{refused}");
    }
    assert_eq!(own_blocks(&a).await, 0);
    let put = labels.put(said.clone()).await.unwrap().into_inner();
    assert_eq!(put.status(), v1::LabelStatus::Sealed);
    settled(&[&a, &b, &c]).await;
    let host = shared(&b.lookup(&["evil.example"]).await[0])["host"].clone();
    assert_eq!(host["titles"], serde_json::json!([said.title]));
    assert_eq!(host["notes"], serde_json::json!([said.note]));
    assert_eq!(host["tags"], serde_json::json!(["impact:credentials_entered", "threat:phishing"]));
    assert_eq!(host["closed_elsewhere"]["true_positive"], 1);
    assert_eq!(host["tally"]["malicious"]["by_people"], 1);

    // Said again without: the note goes, the label stays. Disputed by B: both are shown.
    let bare = v1::PutLabelRequest {
        destination: "evil.example".to_owned(),
        verdict: v1::Verdict::Malicious.into(),
        ..v1::PutLabelRequest::default()
    };
    labels.put(bare).await.unwrap();
    let dispute = v1::DisputeRequest {
        destination: "evil.example".to_owned(),
        reason: "cleaned_up".to_owned(),
    };
    b.local().await.labels.dispute(dispute).await.unwrap();
    settled(&[&a, &b, &c]).await;
    let host = shared(&c.lookup(&["evil.example"]).await[0])["host"].clone();
    assert_eq!((&host["titles"], &host["notes"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(host["closed_elsewhere"], serde_json::Value::Null);
    assert_eq!((&host["disputed"], &host["verdict"]), (&true.into(), &"suspicious".into()));
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_label_is_shown_here_and_never_leaves() {
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&make(root.path(), "Alone", true)).await;
    let mut labels = node.local().await.labels;
    for destination in ["odd.example", "10.20.4.31"] {
        let said = v1::PutLabelRequest {
            destination: destination.to_owned(),
            verdict: v1::Verdict::Suspicious.into(),
            title: "printer of 10.20.4.31".to_owned(),
            local: true,
            ..v1::PutLabelRequest::default()
        };
        let put = labels.put(said).await.unwrap().into_inner();
        assert_eq!((put.status(), put.block_id.len()), (v1::LabelStatus::Local, 0));
        let answer = node.lookup(&[destination]).await.remove(0);
        assert_ne!(answer.state(), v1::AnswerState::Answered);
        let local = known(&answer);
        assert_eq!(local["labels"][0]["title"], "printer of 10.20.4.31");
        assert_eq!(local["labels"][0]["stays_here"], true);
    }
    assert_eq!(own_blocks(&node).await, 0);
    assert_eq!(node.status().await.names.unwrap().waiting, 0);
    let retract = v1::RetractLabelRequest { destination: "10.20.4.31".to_owned() };
    assert_eq!(labels.retract(retract).await.unwrap().into_inner().retracted, 1);
    assert_eq!(own_blocks(&node).await, 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_labels_retracts_and_keeps_its_own_to_itself() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "Alone", true);
    let path = dir.join("flowlore.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("own_zones = []", "own_zones = [\"acme.example\"]");
    std::fs::write(&path, text).unwrap();
    let node = Running::start(&dir).await;
    let keys = node.status().await.keys.unwrap();
    assert_eq!((keys.threshold, keys.evaluators), (1, 1));
    assert!(keys.origin.contains("single"), "{}", keys.origin);

    node.put("evil.example", v1::Verdict::Malicious).await;
    let mut local = node.local().await;
    let own = v1::PutLabelRequest {
        destination: "mail.acme.example".to_owned(),
        verdict: v1::Verdict::Malicious.into(),
        ..v1::PutLabelRequest::default()
    };
    let refused = local.labels.put(own).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert_eq!(node.lookup(&["mail.acme.example"]).await[0].state(), v1::AnswerState::Private);

    // Changing one's mind withdraws what was said before.
    node.put("evil.example", v1::Verdict::Benign).await;
    let json = shared(&node.lookup(&["evil.example"]).await.remove(0));
    assert_eq!(json["host"]["tally"]["benign"]["orgs"], 1);
    assert_eq!(json["host"]["tally"].get("malicious"), None, "{json}");
    let retract = v1::RetractLabelRequest { destination: "evil.example".to_owned() };
    assert_eq!(local.labels.retract(retract.clone()).await.unwrap().into_inner().retracted, 1);
    let again = local.labels.retract(retract).await.unwrap_err();
    assert_eq!(again.code(), tonic::Code::NotFound);
    assert_eq!(node.lookup(&["evil.example"]).await[0].state(), v1::AnswerState::Unseen);

    // No destination's name is readable in the node's folder.
    node.stop().await;
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(12).any(|window| window == b"evil.example");
                assert!(!found, "{} holds the name", path.display());
            }
        }
    }
}
