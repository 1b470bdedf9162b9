//! Logs of log-ons, file sharing and remote calls: each in both notations, and what each outcome is taken for.

use super::collect::one;
use super::formats::{ENDS, ENDS_JSON, ENDS_ROW, both};

fn has(record: &str, wanted: &[&str]) {
    wanted.iter().for_each(|part| assert!(record.contains(part), "{part} is not in {record}"));
}

#[test]
fn kerberos() {
    let log = |kind: &str, client: &str, success: bool, error: &str| {
        let unset = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let json = |key: &str, text: &str| match text {
            "" => String::new(),
            _ => format!(r#","{key}":"{text}""#),
        };
        let letter = if success { "T" } else { "F" };
        both(
            "kerberos",
            &format!("ts uid {ENDS} request_type client service success error_msg"),
            &format!(
                "1.5 C1 {ENDS_ROW} {kind} {client} krbtgt/A.EXAMPLE {letter} {}",
                unset(error)
            ),
            &format!(
                r#"{{"ts":1.5,"uid":"C1",{ENDS_JSON},"request_type":"{kind}","client":"{client}","service":"krbtgt/A.EXAMPLE","success":{success}{}}}"#,
                json("error_msg", error)
            ),
        )
    };
    let works = log("AS", "eve/A.EXAMPLE", true, "");
    has(
        &works,
        &["time_us: 1500000", "protocol: Kerberos, success: Some(true)", "user: Some(\"eve\")"],
    );
    has(&log("AS", "PC-1$/A.EXAMPLE", true, ""), &["user: None, machine: Some(\"PC-1\")"]);
    let outcome = |error: &str| log("AS", "eve/A.EXAMPLE", false, error);
    has(&outcome("KDC_ERR_PREAUTH_FAILED"), &["success: Some(false)"]);
    has(&outcome("KDC_ERR_PREAUTH_REQUIRED"), &["success: None"]);
    has(&outcome("KRB_AP_ERR_SKEW"), &["success: None"]);
    has(&log("TGS", "eve/A.EXAMPLE", true, ""), &["success: None"]);
}

#[test]
fn ntlm() {
    let record = both(
        "ntlm",
        &format!("ts uid {ENDS} username hostname domainname success"),
        &format!("1.0 C1 {ENDS_ROW} eve PC-1 A F"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"username":"eve","hostname":"PC-1","domainname":"A","success":false}}"#
        ),
    );
    has(&record, &["Ntlm, success: Some(false), user: Some(\"eve\"), machine: Some(\"PC-1\")"]);
    let json = |rest: &str| one("ntlm.log", &format!("{{\"ts\":1.0,{ENDS_JSON},{rest}}}\n"));
    has(&json(r#""domainname":"A","username":"eve","status":"SUCCESS""#), &["success: Some(true)"]);
    // Nobody in particular.
    has(&json(r#""domainname":"A","hostname":"PC-1","success":true"#), &["success: None"]);
}

#[test]
fn ssh_rdp_and_smtp() {
    let ssh = both(
        "ssh",
        &format!("ts uid {ENDS} version auth_success auth_attempts"),
        &format!("1.0 C1 {ENDS_ROW} 2 F 6"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"version":2,"auth_success":false,"auth_attempts":6}}"#
        ),
    );
    has(&ssh, &["protocol: Ssh, success: Some(false)"]);
    let old =
        format!("{{\"ts\":1.0,{ENDS_JSON},\"host_key_alg\":\"x\",\"status\":\"undetermined\"}}\n");
    has(&one("x", &old), &["success: None"]);
    let rdp = both(
        "rdp",
        &format!("ts uid {ENDS} cookie result security_protocol client_name"),
        &format!("1.0 C1 {ENDS_ROW} eve encrypted HYBRID PC-1"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"cookie":"eve","result":"encrypted","security_protocol":"HYBRID","client_name":"PC-1"}}"#
        ),
    );
    has(&rdp, &["Rdp, success: None, user: Some(\"eve\"), machine: Some(\"PC-1\")"]);
    let smtp = |reply: &str| {
        let (row, json) = (reply.replace(' ', "_"), reply.replace(' ', "_"));
        both(
            "smtp",
            &format!("ts uid {ENDS} trans_depth mailfrom last_reply"),
            &format!("1.0 C1 {ENDS_ROW} 1 - {row}"),
            &format!(
                r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"trans_depth":1,"mailfrom":"-","last_reply":"{json}"}}"#
            ),
        )
    };
    has(&smtp("535 5.7.8 no"), &["protocol: Smtp, success: Some(false)"]);
    has(&smtp("250 ok"), &["success: None"]);
}

#[test]
fn shares_and_calls() {
    let mapping = both(
        "smb_mapping",
        &format!("ts uid {ENDS} path share_type"),
        &format!(r"1.0 C1 {ENDS_ROW} \\10.0.0.9\ADMIN$ DISK"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"path":"\\\\10.0.0.9\\ADMIN$","share_type":"DISK"}}"#
        ),
    );
    has(&mapping, &["Remote {", "uid: \"C1\"", "act: Some(AdminShare)"]);
    let files = both(
        "smb_files",
        &format!("ts uid {ENDS} action path name times.modified"),
        &format!(r"1.0 C1 {ENDS_ROW} SMB::FILE_OPEN \\srv\Shared a 1.0"),
        &format!(
            r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"action":"SMB::FILE_OPEN","path":"\\\\srv\\Shared","name":"a","times.modified":1.0}}"#
        ),
    );
    has(&files, &["act: None"]);
    let call = |operation: &str| {
        both(
            "dce_rpc",
            &format!("ts uid {ENDS} endpoint operation"),
            &format!("1.0 C1 {ENDS_ROW} svcctl {operation}"),
            &format!(
                r#"{{"ts":1.0,"uid":"C1",{ENDS_JSON},"endpoint":"svcctl","operation":"{operation}"}}"#
            ),
        )
    };
    has(&call("CreateServiceW"), &["act: Some(Execution)"]);
    has(&call("OpenSCManagerW"), &["act: None"]);
}

#[test]
fn suricatas_events() {
    let event = |kind: &str, part: &str| {
        one(
            "eve.json",
            &format!(
                "{{\"timestamp\":\"2023-11-14T23:13:20.000001+0100\",\"flow_id\":7,\"event_type\":\"{kind}\",\
                 \"src_ip\":\"192.0.2.1\",\"src_port\":50000,\"dest_ip\":\"198.51.100.2\",\"dest_port\":445,\
                 \"proto\":\"TCP\",\"{kind}\":{part}}}\n"
            ),
        )
    };
    let krb5 = event("krb5", r#"{"msg_type":"KRB_AS_REP","cname":"eve","realm":"A.EXAMPLE"}"#);
    has(&krb5, &["protocol: Kerberos, success: Some(true), user: Some(\"eve\")"]);
    let error = r#"{"msg_type":"KRB_ERROR","failed_request":"KRB_AS_REQ","error_code":"KDC_ERR_PREAUTH_FAILED"}"#;
    has(&event("krb5", error), &["success: Some(false)"]);
    has(&event("krb5", &error.replace("FAILED", "REQUIRED")), &["success: None"]);
    has(&event("krb5", &error.replace("AS_REQ", "TGS_REQ")), &["success: None"]);
    has(
        &event("rdp", r#"{"cookie":"eve","client":{"client_name":"PC-1"}}"#),
        &["protocol: Rdp", "machine: Some(\"PC-1\")"],
    );
}

#[test]
fn an_event_of_smb_is_a_log_on_or_names_a_share() {
    let event = |part: &str| {
        one(
            "eve.json",
            &format!(
                "{{\"timestamp\":\"2023-11-14T23:13:20.000001+0100\",\"flow_id\":7,\"event_type\":\"smb\",\
                 \"src_ip\":\"192.0.2.1\",\"src_port\":50000,\"dest_ip\":\"198.51.100.2\",\"dest_port\":445,\
                 \"proto\":\"TCP\",\"smb\":{part}}}\n"
            ),
        )
    };
    let refused = r#"{"status":"STATUS_LOGON_FAILURE","ntlmssp":{"user":"eve","host":"PC-1"}}"#;
    has(&event(refused), &["protocol: Ntlm, success: Some(false), user: Some(\"eve\")"]);
    has(&event(&refused.replace("LOGON_FAILURE", "SUCCESS")), &["success: Some(true)"]);
    has(&event(r#"{"share":"\\\\srv\\C$"}"#), &["uid: \"7\"", "act: Some(AdminShare)"]);
    has(&event(r#"{"command":"SMB2_COMMAND_READ"}"#), &["act: None"]);
}
