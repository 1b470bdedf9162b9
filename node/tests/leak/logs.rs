//! Zeek logs of a day at org A with a canary in every field that names something, and lines that are broken.

use std::path::Path;

use serde_json::{Value, json};

use super::canaries::{Secrets, mac_text, seconds_text};

/// Writes the logs; the folder's own name is a canary, too.
pub(crate) fn write(root: &Path, secrets: &Secrets) {
    let folder = root.join(&secrets.folder);
    std::fs::create_dir_all(&folder).unwrap();
    let log = |name: &str, rows: &[Value]| {
        let rows: String = rows.iter().map(|row| format!("{}\n", with_exact_times(row))).collect();
        std::fs::write(folder.join(format!("{name}.log")), rows).unwrap();
    };
    log("conn", &conn(secrets));
    log("ssl", &ssl(secrets));
    log("http", &http(secrets));
    log("x509", &[x509(secrets)]);
    log("files", &[files(secrets)]);
    log("dhcp", &[dhcp(secrets)]);
    log("dns", &dns(secrets));
    log("notice", &[notice(secrets)]);
    // They name people in the report of the org, which nobody else may see.
    log("smtp", &[smtp(secrets)]);
    log("kerberos", &[kerberos(secrets)]);
    let broken = format!(
        "{{\"ts\":\"{}\",\"uid\":\"{}\",\"conn_state\":\"{}\",\"id.orig_h\":\"{}\"}}\n{{\"{}\n{}\t{}\n",
        secrets.host,
        secrets.uid,
        secrets.user,
        secrets.mail,
        secrets.file,
        secrets.subject,
        secrets.url
    );
    let path = folder.join("conn.log");
    let text = std::fs::read_to_string(&path).unwrap() + &broken;
    std::fs::write(path, text).unwrap();
}

/// `ts` in microseconds becomes what Zeek writes: no float in between rounds it.
fn with_exact_times(row: &Value) -> String {
    let us = row["ts"].as_i64().unwrap();
    row.to_string().replacen(&format!("\"ts\":{us}"), &format!("\"ts\":{}", seconds_text(us)), 1)
}

/// Contacts: (uid, destination's address, its name, how many).
fn contacts(secrets: &Secrets) -> Vec<(String, String, String, u32)> {
    let contact = |number: u8, name: &str, count| {
        let address = format!("203.0.113.{number}");
        (format!("{}{number}", secrets.uid), address, name.to_owned(), count)
    };
    vec![
        (secrets.uid.clone(), secrets.server.to_string(), secrets.contacted.clone(), 3),
        contact(10, &secrets.beacon, 200),
        contact(11, &format!("www.{}", secrets.own_zone), 3),
        contact(12, &secrets.tenant, 3),
        contact(13, &secrets.partner, 3),
        contact(14, &secrets.inside_name, 3),
        (format!("{}b", secrets.uid), secrets.beyond.to_string(), String::new(), 3),
        (format!("{}s", secrets.uid), secrets.server.to_string(), String::new(), 3),
    ]
}

fn conn(secrets: &Secrets) -> Vec<Value> {
    let mut rows = vec![];
    for (uid, address, _, count) in contacts(secrets) {
        for number in 0..count {
            rows.push(json!({
                "ts": secrets.start_us + i64::from(number) * 300_000_000,
                "uid": format!("{uid}x{number}"),
                "id.orig_h": secrets.laptop.to_string(), "id.orig_p": 40_000 + number,
                "id.resp_h": address, "id.resp_p": 443,
                "proto": "tcp", "service": "ssl", "duration": 2.5,
                "orig_bytes": secrets.bytes_out, "resp_bytes": secrets.bytes_in,
                "conn_state": "SF", "history": "ShADadFf", "missed_bytes": 0,
                "orig_pkts": 9, "orig_ip_bytes": 1_900, "resp_pkts": 9, "resp_ip_bytes": 2_900,
                "user": secrets.user, "orig_l2_addr": mac_text(&secrets.mac),
            }));
        }
    }
    let from_v6 = json!({
        "ts": secrets.start_us, "uid": format!("{}v6", secrets.uid),
        "id.orig_h": secrets.laptop_v6.to_string(), "id.orig_p": 50_000,
        "id.resp_h": "2001:db8:77::9", "id.resp_p": 443, "proto": "tcp", "duration": 1.5,
        "orig_bytes": 900, "resp_bytes": 9_000, "conn_state": "SF", "missed_bytes": 0,
        "orig_pkts": 9, "orig_ip_bytes": 1_900, "resp_pkts": 9, "resp_ip_bytes": 9_900,
    });
    rows.push(from_v6);
    rows
}

fn ssl(secrets: &Secrets) -> Vec<Value> {
    let mut rows = vec![];
    for (uid, address, name, count) in contacts(secrets) {
        for number in (0..count).filter(|_| !name.is_empty()) {
            rows.push(json!({
                "ts": secrets.start_us + i64::from(number) * 300_000_000,
                "uid": format!("{uid}x{number}"),
                "id.orig_h": secrets.laptop.to_string(), "id.orig_p": 40_000 + number,
                "id.resp_h": address, "id.resp_p": 443, "version": "TLSv12",
                "server_name": name, "established": true, "ssl_history": "CsxknGIti",
                "subject": secrets.subject, "issuer": secrets.issuer,
            }));
        }
    }
    rows
}

fn http(secrets: &Secrets) -> Vec<Value> {
    let row = json!({
        "ts": secrets.start_us, "uid": format!("{}h", secrets.uid),
        "id.orig_h": secrets.laptop.to_string(), "id.orig_p": 41_000,
        "id.resp_h": secrets.server.to_string(), "id.resp_p": 80, "trans_depth": 1,
        "method": "POST", "host": secrets.contacted, "uri": secrets.url,
        "referrer": secrets.referrer, "user_agent": secrets.agent, "username": secrets.user,
        "request_body_len": secrets.bytes_out, "response_body_len": secrets.bytes_in,
        "status_code": 200, "orig_filenames": [secrets.file], "resp_filenames": [secrets.file],
    });
    vec![row]
}

fn x509(secrets: &Secrets) -> Value {
    json!({
        "ts": secrets.start_us, "fingerprint": "9f".repeat(20),
        "certificate.subject": secrets.subject, "certificate.issuer": secrets.issuer,
        "certificate.serial": "01", "certificate.not_valid_before": 1_700_000_000,
        "certificate.not_valid_after": 1_900_000_000,
        "san.dns": [secrets.inside_name], "san.email": [secrets.mail],
    })
}

fn files(secrets: &Secrets) -> Value {
    json!({
        "ts": secrets.start_us, "fuid": "F1", "uid": format!("{}h", secrets.uid),
        "source": "HTTP", "filename": secrets.file, "mime_type": "application/x-dosexec",
        "is_orig": false, "seen_bytes": secrets.bytes_in, "total_bytes": secrets.bytes_in,
    })
}

fn dhcp(secrets: &Secrets) -> Value {
    json!({
        "ts": secrets.start_us, "uids": [secrets.uid], "mac": mac_text(&secrets.mac),
        "assigned_addr": secrets.laptop.to_string(), "host_name": secrets.host,
        "client_fqdn": format!("{}.{}", secrets.host, secrets.inside_name),
        "domain": secrets.inside_name, "lease_time": 86_400.0, "msg_types": ["REQUEST", "ACK"],
    })
}

fn dns(secrets: &Secrets) -> Vec<Value> {
    let query = |number: u32, name: &str, answer: String| {
        json!({
            "ts": secrets.start_us, "uid": format!("{}d{number}", secrets.uid),
            "id.orig_h": secrets.laptop.to_string(), "id.orig_p": 42_000 + number,
            "id.resp_h": "10.77.0.53", "id.resp_p": 53, "proto": "udp", "query": name,
            "qclass": 1, "qtype": 1, "qtype_name": "A", "rcode": 0, "rcode_name": "NOERROR",
            "answers": [answer], "TTLs": [300.0],
        })
    };
    vec![
        query(0, &secrets.contacted, secrets.server.to_string()),
        query(1, &secrets.inside_name, secrets.laptop.to_string()),
    ]
}

fn notice(secrets: &Secrets) -> Value {
    json!({
        "ts": secrets.start_us, "uid": secrets.uid, "note": "SSH::Password_Guessing",
        "msg": format!("{} by {}", secrets.host, secrets.user), "sub": secrets.mail,
        "src": secrets.laptop.to_string(), "actions": ["Notice::ACTION_LOG"], "suppress_for": 1.0,
    })
}

fn smtp(secrets: &Secrets) -> Value {
    json!({
        "ts": secrets.start_us, "uid": secrets.uid, "mailfrom": secrets.mail,
        "id.orig_h": secrets.laptop.to_string(), "id.orig_p": 40_001,
        "id.resp_h": secrets.server.to_string(), "id.resp_p": 587, "last_reply": "535 5.7.8 no",
        "rcptto": [secrets.mail], "subject": secrets.file, "user_agent": secrets.agent,
    })
}

fn kerberos(secrets: &Secrets) -> Value {
    json!({
        "ts": secrets.start_us, "uid": secrets.uid, "client": format!("{}/ACME", secrets.user),
        "service": format!("host/{}", secrets.inside_name), "request_type": "AS", "success": true,
        "id.orig_h": secrets.laptop.to_string(), "id.orig_p": 40_002,
        "id.resp_h": secrets.server.to_string(), "id.resp_p": 88,
    })
}
