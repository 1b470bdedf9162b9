//! Goal: what a program that others wrote exports is what its packets say. Method: softflowd
//! (<https://github.com/irino/softflowd>) reads a capture and sends NetFlow 5, NetFlow 9 and IPFIX to a node on loopback;
//! its report beside that of the capture. `FLOWLORE_SOFTFLOWD` names the program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;
mod running;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use logs::{files, flowlore_node, folder_of};
use running::{Running, make};
use serde_json::Value;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// An Ethernet frame with a packet of IPv4, its payload so many zeros.
fn frame(
    transport: u8,
    ends: [([u8; 4], u16); 2],
    (sequence, flags): (u32, u8),
    payload: usize,
) -> Vec<u8> {
    let header = if transport == TCP { 20 } else { 8 };
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(((20 + header + payload) as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, transport, 0, 0]);
    frame.extend([ends[0].0, ends[1].0].concat());
    frame.extend([ends[0].1, ends[1].1].map(u16::to_be_bytes).concat());
    if transport == TCP {
        frame.extend(sequence.to_be_bytes());
        frame.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    } else {
        frame.extend(((8 + payload) as u16).to_be_bytes());
        frame.extend([0, 0]);
    }
    frame.resize(frame.len() + payload, 0);
    frame
}

/// Connections and look-ups of three hosts inside, over half a minute.
fn capture() -> Vec<u8> {
    const SYN: u8 = 0x02;
    const SYN_ACK: u8 = 0x12;
    const PUSH: u8 = 0x18;
    const FIN: u8 = 0x11;
    let mut frames = vec![];
    for number in 0..60_u16 {
        let is_lookup = number % 4 == 0;
        let (transport, port) = if is_lookup { (UDP, 53) } else { (TCP, 443) };
        let inside = ([10, 1, 2, 3 + (number % 3) as u8], 40_000 + number);
        let outside = ([198, 51, 100, 1 + (number % 7) as u8], port);
        let begun = 500_000 * u64::from(number);
        let mut sequences = [1_000_u32, 2_000];
        let mut put = |at: u64, way: usize, flags: u8, payload: usize| {
            let ends = if way == 0 { [inside, outside] } else { [outside, inside] };
            let sequence = (sequences[way], flags);
            frames.push((begun + at, frame(transport, ends, sequence, payload)));
            sequences[way] += payload as u32 + u32::from(flags & 3 != 0);
        };
        if is_lookup {
            put(0, 0, 0, 40);
            put(20_000, 1, 0, 120);
            continue;
        }
        put(0, 0, SYN, 0);
        put(10_000, 1, SYN_ACK, 0);
        for turn in 0..u64::from(2 + number % 9) {
            put(20_000 + turn * 50_000, 0, PUSH, 200 + usize::from(number));
            put(40_000 + turn * 50_000, 1, PUSH, 1_200);
        }
        put(900_000, 0, FIN, 0);
        put(910_000, 1, FIN, 0);
    }
    frames.sort();
    let mut file = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0".to_vec();
    for (at, frame) in frames {
        let length = frame.len() as u32;
        for word in
            [1_700_000_000 + (at / 1_000_000) as u32, (at % 1_000_000) as u32, length, length]
        {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// Of each pair of hosts: packets there and back, and bytes of payload.
fn pairs(report: &Value) -> BTreeMap<String, [u64; 4]> {
    let mut pairs: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for one in report["conversations"]["list"].as_array().unwrap() {
        let pair = format!("{} {} {}", one["source"], one["destination"], one["port"]);
        let counts = ["packets_out", "packets_in", "bytes_out", "bytes_in"];
        for (sum, count) in pairs.entry(pair).or_default().iter_mut().zip(counts) {
            *sum += one[count].as_u64().unwrap();
        }
    }
    pairs
}

/// The report of a node to which the program sends what is in a capture.
async fn exported(softflowd: &Path, capture: &Path, version: &str) -> Value {
    let root = tempfile::tempdir().unwrap();
    let dir = make(root.path(), "A", true);
    let path = dir.join("flowlore.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let input = "\n[[input]]\nkind = \"netflow\"\nlisten = \"127.0.0.1:0\"\nevery = \"1d\"\n";
    std::fs::write(&path, text + input).unwrap();
    let node = Running::start(&dir).await;
    let sent = Command::new(softflowd)
        .args(["-v", version, "-d", "-c", "none", "-r"])
        .arg(capture)
        .args(["-n", &node.inputs[0].to_string(), "-p"])
        .arg(root.path().join("pid"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(sent.unwrap().success());
    node.stop().await;
    let reports = files(&dir.join("private/reports"));
    assert_eq!(reports.len(), 1);
    serde_json::from_slice(&std::fs::read(&reports[0]).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_softflowd_exports_is_what_its_packets_say() {
    let what = "what_softflowd_exports_is_what_its_packets_say";
    let Some(softflowd) = folder_of("FLOWLORE_SOFTFLOWD", what) else { return };
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("packets.pcap");
    std::fs::write(&path, capture()).unwrap();
    let said = flowlore_node(&["analyze", path.to_str().unwrap(), "--output", "json"]);
    let expected: Value = serde_json::from_str(&said).unwrap();
    for version in ["5", "9", "10"] {
        let report = exported(&softflowd, &path, version).await;
        assert_eq!(
            report["input"]["files"][0]["skipped"],
            expected["input"]["files"][0]["skipped"]
        );
        assert_eq!(report["input"]["flows"], expected["input"]["flows"], "version {version}");
        // Packets are equal. Bytes of payload are estimates in NetFlow, which counts headers: 20 of IP and 8 of UDP are
        // exact, and of TCP 32 are taken off, since today's packets have twelve of time stamps, which these have not.
        let estimated =
            pairs(&expected).into_iter().map(|(pair, [out, back, bytes_out, bytes_in])| {
                let more = if pair.ends_with(" 53") { 0 } else { 12 };
                (pair, [out, back, bytes_out - out * more, bytes_in - back * more])
            });
        assert_eq!(pairs(&report), estimated.collect(), "version {version}");
    }
}
