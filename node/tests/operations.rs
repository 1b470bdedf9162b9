//! Goal: what supervisors, Prometheus and people with roles meet at a running node. Method: nodes of this process on
//! loopback, real sockets, and the program itself where an exit code is promised.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use flowlore_common::credential::CredentialFile;
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::roster::{Change, Document};
use flowlore_node::config::Config;
use flowlore_node::dial::channel;
use flowlore_node::folder::Folder;
use flowlore_node::keys::Keys;
use flowlore_node::tls::{Identity, Traffic};
use flowlore_proto::v1;
use flowlore_proto::v1::admin_service_client::AdminServiceClient;
use flowlore_proto::v1::label_service_client::LabelServiceClient;
use flowlore_proto::v1::reputation_service_client::ReputationServiceClient;
use running::{PATIENCE, Running, known, make, settled, shared, three};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

fn program(arguments: &[&str], dir: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_flowlore-node");
    Command::new(program).args(arguments).arg("--dir").arg(dir).output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

async fn local(node: &Running) -> Channel {
    let config = Config::load(&Folder::open(&node.dir).unwrap()).unwrap();
    let flowlore_node::config::LocalAddress::Tcp(address) = config.local else { unreachable!() };
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// A request signed with a credential file, for one call of one method.
fn signed<T>(message: T, file: &Path, method: &str) -> Request<T> {
    let text = std::fs::read_to_string(file).unwrap();
    let credential = CredentialFile::parse(&text).unwrap();
    let now = u64::try_from(SystemClock.now().seconds()).unwrap();
    let header = credential.call(method, now, &mut SystemRng).to_string();
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", header.parse().unwrap());
    request
}

/// The metrics page, as text.
async fn metrics(node: &Running) -> String {
    let mut stream = TcpStream::connect(node.metrics.unwrap()).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("application/openmetrics-text"), "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn health_on_both_ports_reflection_on_one_and_counted_calls() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    let serving = |answer: tonic::Response<tonic_health::pb::HealthCheckResponse>| {
        answer.into_inner().status == ServingStatus::Serving as i32
    };
    let check = HealthCheckRequest { service: String::new() };
    // Without a credential on the local port, over a pinned connection on the peers'.
    let here = HealthClient::new(local(&a).await).check(check.clone()).await.unwrap();
    let id = here.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert!(serving(here));
    let status = a.status().await;
    let us = status.members.iter().find(|member| member.name == "A").unwrap();
    let key = Keys::load(&Folder::open(&a.dir).unwrap()).unwrap().transport.public().bytes();
    let identity = Identity::new(&b.node.keys.transport).unwrap();
    let peer = || channel(&identity, &us.address, key, Arc::new(Traffic::default())).unwrap();
    assert!(serving(HealthClient::new(peer()).check(check).await.unwrap()));

    // Which services there are, only people of this org are told.
    let ask = || {
        let message_request = Some(MessageRequest::ListServices(String::new()));
        tokio_stream::once(ServerReflectionRequest { host: String::new(), message_request })
    };
    let method = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let admin = a.dir.join("credentials/admin.cred");
    let mut reflection = ServerReflectionClient::new(local(&a).await);
    let listed = reflection.server_reflection_info(signed(ask(), &admin, method)).await.unwrap();
    let listed = listed.into_inner().next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = listed else { panic!("{listed:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"flowlore.v1.AdminService"), "{names:?}");
    let unsigned = reflection.server_reflection_info(ask()).await.unwrap_err();
    assert_eq!(unsigned.code(), Code::Unauthenticated);
    let from_peer = ServerReflectionClient::new(peer()).server_reflection_info(ask()).await;
    assert_eq!(from_peer.unwrap_err().code(), Code::Unimplemented);

    // What happened stands on the page; a path that somebody makes up does not become a label.
    let made_up = tonic::client::Grpc::new(local(&a).await);
    made_up_call(made_up).await;
    let page = metrics(&a).await;
    for line in [
        r#"flowlore_calls_total{port="local",method="/grpc.health.v1.Health/Check",code="ok"} 1"#,
        r#"flowlore_calls_total{port="peer",method="/grpc.health.v1.Health/Check",code="ok"} 1"#,
        r#"flowlore_calls_total{port="local",method="unknown",code="unauthenticated"} 1"#,
        &format!(r#"flowlore_calls_total{{port="peer",method="{method}",code="unimplemented"}} 1"#),
        r#"flowlore_peers{state="connected"} 2"#,
        "flowlore_members 3",
        "flowlore_key_share_held 1",
        "# EOF",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    for secret in ["evil", "127.0.0.1", &hex::encode(&status.org_id)] {
        assert!(!page.contains(secret), "{secret}\n{page}");
    }
    for node in [a, b, c] {
        node.stop().await;
    }
}

async fn made_up_call(mut grpc: tonic::client::Grpc<Channel>) {
    grpc.ready().await.unwrap();
    let path = "/made.up/Path".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<v1::StatusRequest, v1::StatusResponse>::default();
    let refused = grpc.unary(Request::new(v1::StatusRequest {}), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_granted_listed_and_taken_back_under_a_running_node() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let node = Running::start(&dir).await;
    for (name, role) in [("ray", "reader"), ("cora", "contributor"), ("ann", "analyst")] {
        let issued = program(&["credential", "issue", "--name", name, "--role", role], &dir);
        assert!(issued.status.success(), "{}", said(&issued));
    }
    let file = |name: &str| dir.join(format!("credentials/{name}.cred"));
    let lookup = async |name: &str| {
        let message = v1::LookupRequest { destinations: vec!["evil.example".to_owned()] };
        let request = signed(message, &file(name), "/flowlore.v1.ReputationService/Lookup");
        let answer = ReputationServiceClient::new(local(&node).await).lookup(request).await;
        answer.map(|_| ()).map_err(|status| status.code())
    };
    let label = async |name: &str| {
        let message = v1::PutLabelRequest {
            destination: "evil.example".to_owned(),
            verdict: v1::Verdict::Malicious.into(),
            ..v1::PutLabelRequest::default()
        };
        let request = signed(message, &file(name), "/flowlore.v1.LabelService/Put");
        let answer = LabelServiceClient::new(local(&node).await).put(request).await;
        answer.map(|_| ()).map_err(|status| status.code())
    };
    let invite = async |name: &str| {
        let request = signed(v1::InviteRequest {}, &file(name), "/flowlore.v1.AdminService/Invite");
        let answer = AdminServiceClient::new(local(&node).await).invite(request).await;
        answer.map(|_| ()).map_err(|status| status.code())
    };
    let denied = Err(Code::PermissionDenied);
    for (name, labels, invites) in [
        ("ray", denied, denied),
        ("cora", Ok(()), denied),
        ("ann", Ok(()), denied),
        ("admin", Ok(()), Ok(())),
    ] {
        assert_eq!(lookup(name).await, Ok(()), "{name}");
        assert_eq!(label(name).await, labels, "{name}");
        assert_eq!(invite(name).await, invites, "{name}");
    }
    let revoked = program(&["credential", "revoke", "cora"], &dir);
    assert!(revoked.status.success(), "{}", said(&revoked));
    assert_eq!(lookup("cora").await, Err(Code::Unauthenticated));
    assert_eq!(lookup("ann").await, Ok(()));
    let listed = said(&program(&["credential", "list"], &dir));
    let line = |name: &str| listed.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line("cora").ends_with("revoked") && line("ann").contains("until"), "{listed}");
    let again = program(&["credential", "revoke", "cora"], &dir);
    assert_eq!(again.status.code(), Some(1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_holds_on_its_connection_for_its_role_until_it_is_taken_back() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let node = Running::start(&dir).await;
    let issued = program(&["credential", "issue", "--name", "ray", "--role", "reader"], &dir);
    assert!(issued.status.success(), "{}", said(&issued));
    let connection = local(&node).await;
    let message = || v1::LookupRequest { destinations: vec!["evil.example".to_owned()] };
    let (file, method) =
        (dir.join("credentials/ray.cred"), "/flowlore.v1.ReputationService/Lookup");
    let mut client = ReputationServiceClient::new(connection.clone());
    let plain = client.lookup(signed(message(), &file, method)).await.unwrap();
    assert!(plain.metadata().get("flowlore-session").is_none(), "only who wishes one gets one");
    let mut wish = signed(message(), &file, method);
    wish.metadata_mut().insert("flowlore-session", "open".parse().unwrap());
    let opened = client.lookup(wish).await.unwrap();
    let number = opened.metadata().get("flowlore-session").unwrap().to_str().unwrap().to_owned();
    let within = |number: &str| format!("Flowlore-Session {number}").parse().unwrap();
    let lookup = async |connection: Channel, number: &str| {
        let mut request = Request::new(message());
        request.metadata_mut().insert("authorization", within(number));
        let answer = ReputationServiceClient::new(connection).lookup(request).await;
        answer.map(|_| ()).map_err(|status| status.code())
    };
    for _ in 0..3 {
        assert_eq!(lookup(connection.clone(), &number).await, Ok(()));
    }
    let mut invite = Request::new(v1::InviteRequest {});
    invite.metadata_mut().insert("authorization", within(&number));
    let invited = AdminServiceClient::new(connection.clone()).invite(invite).await;
    assert_eq!(invited.unwrap_err().code(), Code::PermissionDenied);
    let refused = Err(Code::Unauthenticated);
    assert_eq!(lookup(local(&node).await, &number).await, refused, "another connection");
    assert_eq!(lookup(connection.clone(), &"0".repeat(64)).await, refused, "another number");
    let revoked = program(&["credential", "revoke", "ray"], &dir);
    assert!(revoked.status.success(), "{}", said(&revoked));
    assert_eq!(lookup(connection, &number).await, refused, "taken back");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_expelled_hears_nothing_more_and_counts_no_more() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    c.put("evil.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b, &c]).await;
    assert_eq!(a.lookup(&["evil.example"]).await[0].state(), v1::AnswerState::Answered);
    let nobody = program(&["federation", "expel", "Nobody"], &a.dir);
    assert!(said(&nobody).contains("no member is called"), "{}", said(&nobody));
    let not_governor = program(&["federation", "expel", "A"], &b.dir);
    assert_eq!(not_governor.status.code(), Some(1), "{}", said(&not_governor));
    let expelled = program(&["federation", "expel", "C"], &a.dir);
    assert!(expelled.status.success(), "{}", said(&expelled));
    b.until("B knows", |status| status.members.len() == 2).await;
    a.until("only B is a peer", |status| {
        status.peers.len() == 1 && status.peers[0].state == "connected"
    })
    .await;
    for node in [&a, &b] {
        // The roster is known a moment before the answers follow it.
        let unseen = async {
            while node.lookup(&["evil.example"]).await[0].state() != v1::AnswerState::Unseen {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, unseen).await;
        in_time.expect("its labels stop counting");
    }
    // What is said from now on, it does not hear.
    a.put("later.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b]).await;
    let blocks = async |node: &Running| node.status().await.store.unwrap().blocks;
    assert_eq!((blocks(&a).await, blocks(&c).await), (2, 1));
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stolen_keys_are_replaced_and_the_org_speaks_again() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    b.put("evil.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b, &c]).await;
    let dir = b.dir.clone();
    let running = program(&["federation", "rekey"], &dir);
    assert!(said(&running).contains("another process"), "{}", said(&running));
    b.stop().await;
    let made = program(&["federation", "rekey"], &dir);
    assert!(made.status.success(), "{}", said(&made));
    let text = said(&made);
    let keys = text.split_whitespace().find(|word| word.len() == 129).unwrap();
    // The thief still has the old keys: blocks from height 1 on are not B's.
    let rekeyed = program(&["federation", "rekey", "B", keys, "--from-height", "1"], &a.dir);
    assert!(rekeyed.status.success(), "{}", said(&rekeyed));
    let b = Running::start(&dir).await;
    let put = async { b.put("new.example", v1::Verdict::Malicious).await.status() };
    put.await;
    b.until("all is said again", |status| status.names.as_ref().unwrap().waiting == 0).await;
    settled(&[&a, &b, &c]).await;
    for destination in ["evil.example", "new.example"] {
        let answer = c.lookup(&[destination]).await.remove(0);
        assert_eq!(answer.state(), v1::AnswerState::Answered, "{destination}");
        let json = shared(&answer);
        assert_eq!(json["host"]["tally"]["malicious"]["orgs"], 1, "{json}");
    }
    assert!(c.node.store.head_of(&b.node.org).unwrap().feed.incarnation > 0);
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_org_saw_stands_in_its_own_answers_only() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let logs = root.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let row = |number: u32| {
        format!(
            r#"{{"_path":"conn","ts":{}.0,"uid":"C{number}","id.orig_h":"10.0.0.{number}","id.orig_p":50000,"#,
            1_795_507_200 + number
        ) + r#""id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","duration":1.0,"#
            + r#""orig_bytes":100,"resp_bytes":2000,"conn_state":"SF","history":"ShADadFf","#
            + r#""orig_pkts":5,"orig_ip_bytes":400,"resp_pkts":5,"resp_ip_bytes":2300}"#
    };
    std::fs::write(logs.join("conn.log"), format!("{}\n{}\n", row(1), row(2))).unwrap();
    let node = Running::start(&dir).await;
    // Twice the same: counted once.
    for _ in 0..2 {
        let home = ["10.0.0.0/8".to_owned()];
        node.local().await.analyze(std::slice::from_ref(&logs), &home).await.unwrap();
    }
    let answers = node.lookup(&["203.0.113.9", "198.51.100.1", "10.0.0.1"]).await;
    let seen = known(&answers[0]);
    let here = &seen["here"];
    assert_eq!((&here["machines"], &here["flows"]), (&2.into(), &2.into()), "{seen}");
    assert_eq!((&here["bytes_out"], &here["bytes_in"]), (&200.into(), &4_000.into()), "{seen}");
    assert_eq!(here["first"], "2026-11-24T08:00:01Z", "{seen}");
    assert!(known(&answers[1])["here"].is_null());
    assert_eq!(known(&answers[2])["policy"]["source"], "protocol");
    let dir = node.dir.clone();
    node.stop().await;
    let node = Running::start(&dir).await;
    assert_eq!(known(&node.lookup(&["203.0.113.9"]).await[0]), seen, "after a restart");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_hears_of_the_stop_and_does_not_hold_it_up() {
    let root = tempfile::tempdir().unwrap();
    let node = Running::start(&make(root.path(), "A", true)).await;
    let watch = HealthCheckRequest { service: String::new() };
    let watched = HealthClient::new(local(&node).await).watch(watch).await.unwrap();
    let mut watched = watched.into_inner();
    let mut heard = async || watched.next().await.map(|heard| heard.unwrap().status);
    assert_eq!(heard().await, Some(ServingStatus::Serving as i32));
    let begun = std::time::Instant::now();
    node.stop().await;
    let waited = begun.elapsed();
    assert!(waited < flowlore_node::limits::DRAIN_TIME_MAX, "{waited:?}: nothing was cut off");
    assert_eq!(heard().await, Some(ServingStatus::NotServing as i32));
    assert_eq!(heard().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_in_sync_soon_after_things_have_come_to_rest() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    a.put("evil.example", v1::Verdict::Malicious).await;
    settled(&[&a, &b, &c]).await;
    // Two ticks; by the comparison of every minute alone it would take that long.
    let soon = std::time::Duration::from_secs(30);
    let in_sync = async {
        for node in [&a, &b, &c] {
            node.until("in sync", |status| status.peers.iter().all(|peer| peer.in_sync)).await;
        }
    };
    tokio::time::timeout(soon, in_sync).await.expect("all say so");
    for node in [a, b, c] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rosters_of_one_version_are_an_alarm() {
    let root = tempfile::tempdir().unwrap();
    let [a, b, c] = three(root.path()).await;
    // The governor signs a second successor of the same parent, and shows it to B alone.
    let twice = |group: u8| {
        let chain = a.node.store.read();
        let change = Change::ControlGroup(c.node.org, [group; 32]);
        let statement = chain.chain().draft(vec![change], chain.roster().issued()).unwrap();
        drop(chain);
        Document::new(statement, a.node.org, &a.node.keys.signing)
    };
    let (one, other) = (twice(1), twice(2));
    let apply = |document: &Document| {
        let now = SystemClock.now().hour();
        b.node.store.write(|ledger| ledger.apply_roster(document, now, &mut SystemRng).is_ok())
    };
    assert!(b.status().await.alarms.is_empty());
    assert!(apply(&one));
    let version = || b.node.store.read().roster().version();
    let before = version();
    assert!(apply(&other), "both are kept");
    assert_eq!(version(), before - 1, "and neither holds");
    let alarms = b.status().await.alarms;
    assert!(alarms.len() == 1 && alarms[0].contains("ROSTER FORK"), "{alarms:?}");
    let said = said(&program(&["federation", "status"], &b.dir));
    assert!(said.contains("ROSTER FORK"), "{said}");
    for node in [a, b, c] {
        node.stop().await;
    }
}

/// Waits until the node of a folder answers.
fn wait_until_up(dir: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let up = async {
        while flowlore_node::rpc::client::Local::connect(dir).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, up).await }).expect("it comes up");
}

#[test]
fn a_closed_pipe_is_told_once() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "Alone", true);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let export = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
        .args(["store", "export", "--dir"])
        .args([&dir, Path::new("-")])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(export.status.code(), Some(1));
    let told = said(&export);
    assert_eq!(told.matches("Broken pipe").count(), 1, "{told}");
    assert!(told.contains("standard output: "), "{told}");
}

#[test]
fn a_broken_configuration_is_told_with_its_line_and_a_stop_is_clean() {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let path = dir.join("flowlore.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}\n[publish_]\n")).unwrap();
    let refused = program(&["run"], &dir);
    assert_eq!(refused.status.code(), Some(1));
    let line = 1 + good.lines().count() + 1;
    let text = said(&refused);
    assert!(text.contains("flowlore.toml") && text.contains(&format!("line {line}")), "{text}");
    assert_eq!(text.trim().lines().count(), 1, "one line: {text}");
    std::fs::write(&path, good).unwrap();

    // SIGTERM, and the end of what a parent holds: exit code 0 either way.
    for signal in ["TERM", "INT"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
            .args(["run", "--dir"])
            .arg(&dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until_up(&dir);
        let mut kill = Command::new("kill");
        kill.args([format!("-{signal}"), child.id().to_string()]);
        assert!(kill.status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        let mut log = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut log).unwrap();
        assert!(log.contains("stopped"), "{log}");
    }
}
