//! Goal: the program, asked with logs, gives the answers that other projects publish for its formulas. Method: Zeek
//! logs are made of the cases of four files of known answers, the program analyzes them, and the report's numbers are
//! compared.
//!
//! The analyzer's own test puts every case to the functions; here stand those that logs can express. The files are
//! not part of this repository; `FLOWLORE_KNOWN_ANSWERS` names their folder. Strobes, for which they have no case, are
//! asked at their documented limit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod logs;

use std::fs;
use std::path::Path;

use logs::{folder_of, report};
use serde_json::Value;

/// Who is asked about, and where it goes.
const SOURCE: &str = "10.0.0.5";
const DESTINATION: &str = "198.51.100.7";
/// Start of made-up data: a full hour.
const START: u32 = 1_700_002_800;
const DAY_S: u32 = 86_400;

/// The cases of a file, of which there must be so many.
fn cases(file: &str, count: usize) -> Option<Vec<Value>> {
    let folder = folder_of("FLOWLORE_KNOWN_ANSWERS", &format!("{file} through the program"))?;
    let text = fs::read_to_string(folder.join(format!("{file}.json"))).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let cases = document["cases"].as_array().unwrap().clone();
    assert_eq!(cases.len(), count, "{file} has as many cases as this test knows");
    Some(cases)
}

/// A row of conn.log.
#[derive(Clone)]
struct Flow {
    start_us: u64,
    source: String,
    destination: String,
    port: u64,
    service: &'static str,
    duration_us: u64,
    /// Payload bytes, packets, and IP bytes from the source; payload bytes and packets to it.
    sent: [u64; 3],
    received: [u64; 2],
}

impl Flow {
    fn at(second: u32) -> Self {
        Self {
            start_us: u64::from(second) * 1_000_000,
            source: SOURCE.to_owned(),
            destination: DESTINATION.to_owned(),
            port: 8443,
            service: "-",
            duration_us: 100_000,
            sent: [400, 5, 600],
            received: [611, 5],
        }
    }

    /// A contact of somebody else with something else: shows from when to when there are data.
    fn mark(second: u32) -> Self {
        let [source, destination] = ["10.0.0.6", "198.51.100.8"].map(str::to_owned);
        Self { source, destination, ..Self::at(second) }
    }

    fn row(&self, number: usize) -> String {
        let Self { source, destination, port, service, .. } = self;
        let [bytes_out, packets_out, ip_bytes] = self.sent;
        let [bytes_in, packets_in] = self.received;
        let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
        let (start, duration) = (seconds(self.start_us), seconds(self.duration_us));
        let from = 20_000 + number % 40_000;
        format!(
            "{start}\tC{number}\t{source}\t{from}\t{destination}\t{port}\ttcp\t{service}\t{duration}\t{bytes_out}\t\
             {bytes_in}\tSF\t{packets_out}\t{ip_bytes}\t{packets_in}\n"
        )
    }
}

const CONN: &str = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t\
    proto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\torig_pkts\torig_ip_bytes\tresp_pkts\n";

fn write_conn(folder: &Path, flows: &[Flow]) {
    let rows = flows.iter().enumerate().map(|(number, flow)| flow.row(number));
    fs::write(folder.join("conn.log"), CONN.to_owned() + &rows.collect::<String>()).unwrap();
}

/// The report on these flows, every one of them read.
fn report_on(flows: &[Flow]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    write_conn(folder.path(), flows);
    let report = report(folder.path());
    assert_eq!(report["input"]["flows"], flows.len());
    report
}

/// The scores of the only finding of this behaviour, if there is one.
fn scores(report: &Value, behaviour: &str) -> Option<Value> {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut found = findings.filter(|finding| finding["behaviour"] == behaviour);
    let scores = found.next().map(|finding| finding["scores"].clone());
    assert!(found.next().is_none(), "one finding of {behaviour}");
    scores
}

fn close(what: &str, milli: &Value, expected: &Value, tolerance: f64) {
    let (got, expected) = (milli.as_f64().unwrap() / 1000.0, expected.as_f64().unwrap());
    assert!(
        (got - expected).abs() <= tolerance + 1e-9,
        "{what}: {got}, expected {expected} within {tolerance}"
    );
}

#[test]
fn flow_categories() {
    let Some(cases) = cases("networksage_flow_category", 27) else { return };
    let (mut flows, mut expected) = (vec![], vec![]);
    for (number, case) in cases.iter().enumerate() {
        let input = &case["input"];
        let counts = ["srcBytes", "srcPkts", "dstBytes", "dstPkts", "dstPort"]
            .map(|name| input[name].as_u64());
        let [Some(bytes_out), Some(packets_out), Some(bytes_in), Some(packets_in), Some(port)] =
            counts
        else {
            continue; // a fraction of a byte
        };
        let destination = format!("198.51.100.{number}");
        let camel = case["expected"].as_str().unwrap().chars();
        let snake = camel.flat_map(|letter| {
            let gap = letter.is_ascii_uppercase().then_some('_');
            gap.into_iter().chain([letter.to_ascii_lowercase()])
        });
        expected.push((destination.clone(), snake.collect::<String>(), case["id"].clone()));
        flows.push(Flow {
            destination,
            port,
            duration_us: (input["duration"].as_f64().unwrap() * 1e6).round() as u64,
            sent: [bytes_out, packets_out, bytes_out + 40 * packets_out],
            received: [bytes_in, packets_in],
            ..Flow::at(START)
        });
    }
    assert_eq!(flows.len(), 26, "all but the fraction of a byte");
    let report = report_on(&flows);
    let destinations = report["destinations"].as_array().unwrap();
    for (destination, category, id) in &expected {
        let entry = destinations.iter().find(|one| one["destination"] == **destination).unwrap();
        assert_eq!(entry["categories"], serde_json::json!({ category: 1 }), "{id}");
    }
    let sum: u64 = report["categories"].as_object().unwrap().values().flat_map(Value::as_u64).sum();
    assert_eq!(sum, 26);
}

/// Contacts (second, IP bytes), from when to when there are data, and which score they must get; none: no finding.
struct Beacon {
    contacts: Vec<(u32, u64)>,
    data: [u32; 2],
    expected: Option<(&'static str, Value)>,
}

impl Beacon {
    fn scores(&self) -> Option<Value> {
        let contact = |&(second, bytes): &(u32, u64)| {
            let flow = Flow::at(second);
            Flow { sent: [flow.sent[0], flow.sent[1], bytes], ..flow }
        };
        let mut flows: Vec<Flow> = self.contacts.iter().map(contact).collect();
        flows.extend(self.data.map(Flow::mark));
        scores(&report_on(&flows), "c2_beacon_ip")
    }
}

/// Contacts at even distances, the first and the last included.
fn evenly(first: u32, last: u32, count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |number| {
        let distance = u64::from(last - first) * u64::from(number) / u64::from((count - 1).max(1));
        first + u32::try_from(distance).unwrap()
    })
}

/// What logs can say of a case; `None` where it asks for parts that are not in a report, for other weights, bars or
/// limits than the program's, or for nothing.
fn as_logs(case: &Value) -> Option<Beacon> {
    let (input, expected) = (&case["input"], &case["expected"]);
    let numbers = |name: &str| -> Vec<u64> {
        input[name].as_array().map_or(vec![], |list| list.iter().flat_map(Value::as_u64).collect())
    };
    let second = |number: u64| u32::try_from(number).unwrap();
    let [from, to] =
        ["datasetMin", "datasetMax"].map(|name| second(input[name].as_u64().unwrap_or(0)));
    let score = &expected["expectedScore"];
    let refused = expected["expectedError"] == true;
    match case["function"].as_str().unwrap() {
        "GetTimestampScore" => {
            let times: Vec<u32> = numbers("tsList").into_iter().map(second).collect();
            let data = [*times.first()?, *times.last()?];
            let expected = (!refused).then(|| ("beacon_time_milli", score.clone()));
            Some(Beacon {
                contacts: times.into_iter().map(|at| (at, 600)).collect(),
                data,
                expected,
            })
        }
        "GetDataSizeScore" | "CalculateStatisticalScore" if !refused => {
            let mut sizes = [numbers("bytesList"), numbers("values")].concat();
            sizes.sort_unstable();
            // Of small values only sizes have this default.
            let default = input["defaultMadScore"].as_f64().unwrap_or(0.0);
            if sizes[sizes.len() / 2] == 0 && default != 0.0 {
                return None;
            }
            let times = evenly(START, START + DAY_S, second(sizes.len() as u64));
            let contacts = times.zip(sizes).collect();
            let expected = Some(("beacon_size_milli", score.clone()));
            Some(Beacon { contacts, data: [START, START + DAY_S], expected })
        }
        "GetHistogramScore" if !refused && input["beaconTimeSpan"] == 24 => {
            let contacts = numbers("tsList").into_iter().map(|at| (second(at), 600)).collect();
            let expected = Some(("beacon_histogram_milli", score.clone()));
            Some(Beacon { contacts, data: [from, to], expected })
        }
        "GetDurationScore" if !refused => {
            // As many bars as it says; the run is then what it is, and the better of the two scores is the case's.
            let [first, last, bars] = ["histMin", "histMax", "totalBars"]
                .map(|name| second(input[name].as_u64().unwrap()));
            let contacts = evenly(first, last, bars).map(|at| (at, 600)).collect();
            let expected = Some(("beacon_duration_milli", score.clone()));
            Some(Beacon { contacts, data: [from, to], expected })
        }
        "GetBeaconScore" if *score == 1 && input["tsWeight"] == 0.25 => {
            let contacts = (0..24).map(|hour| (START + hour * 3_600, 600)).collect();
            let expected = Some(("beacon_milli", score.clone()));
            Some(Beacon { contacts, data: [START, START + DAY_S], expected })
        }
        _ => None,
    }
}

#[test]
fn beacon_scores() {
    let Some(cases) = cases("rita_beacon_unit", 83) else { return };
    let mut asked = 0;
    for case in &cases {
        let Some(beacon) = as_logs(case) else { continue };
        let id = case["id"].as_str().unwrap();
        match (beacon.scores(), &beacon.expected) {
            (Some(scores), Some((name, expected))) => close(id, &scores[*name], expected, 0.001),
            (None, None) => {}
            (found, expected) => panic!("{id}: found {found:?}, expected {expected:?}"),
        }
        asked += 1;
    }
    println!("{asked} of {} cases are logs", cases.len());
    assert_eq!(asked, 22);
}

#[test]
fn threat_scores_by_bucket() {
    let Some(cases) = cases("rita_bucket_score", 21) else { return };
    let mut asked = 0;
    for case in &cases {
        let value = case["input"]["value"].as_f64().unwrap();
        let found = match case["indicator"].as_str().unwrap() {
            "beacon" => {
                let scores = beacon_of(value).scores();
                let scores = scores.unwrap_or_else(|| panic!("{}: no finding", case["id"]));
                assert_eq!(scores["beacon_milli"], (value * 10.0).round() as u64, "{}", case["id"]);
                scores
            }
            "long_conn_s" => {
                let held = Flow { duration_us: (value * 1e6) as u64, ..Flow::at(START) };
                scores(&report_on(&[held]), "long_connection").unwrap()
            }
            "c2_dns_subdomains" => continue, // no such detector
            other => panic!("unknown indicator {other}"),
        };
        let tolerance = case["tolerance"].as_f64().unwrap();
        close(case["id"].as_str().unwrap(), &found["threat_milli"], &case["expected"], tolerance);
        asked += 1;
    }
    assert_eq!(asked, 14);
}

/// A beacon of so many percent: every minute for ten minutes, in one bar or in six apart (below 11 there are no
/// levels, and so few of 24 vary too much: histogram 0), or once in every bar of the day (histogram 1). Time is always
/// perfect; sizes, spread to both sides of a median, fill what is wanting.
fn beacon_of(percent: f64) -> Beacon {
    let (bars, others) = match percent {
        50.0 => (1, 1.0),   // time
        ..80.0 => (6, 2.0), // time and duration
        _ => (24, 3.0),     // and histogram
    };
    let size_score = percent / 25.0 - others;
    assert!((0.5..=1.0).contains(&size_score), "{percent}: {size_score}");
    let (median, each) = (10_000, if bars == 24 { 1 } else { 10 });
    let spread = (2.0 * median as f64 * (1.0 - size_score)).round() as u64;
    let sizes = [median - spread, median, median + spread];
    let last = START + DAY_S;
    let starts = evenly(START, last - (each - 1) * 60, bars);
    let times = starts.flat_map(|start| (0..each).map(move |knock| start + knock * 60));
    let contacts = times.zip(sizes.into_iter().cycle()).collect();
    Beacon { contacts, data: [START, last], expected: None }
}

#[test]
fn proxied_beacon() {
    let Some(cases) = cases("rita_proxy_beacons", 1) else { return };
    let (input, expected) = (&cases[0]["input"], &cases[0]["expected"]);
    let host = input["fqdn"].as_str().unwrap();
    let list = |name: &str| input[name].as_array().unwrap().iter().flat_map(Value::as_u64);
    let proxied = |(second, bytes): (u64, u64)| Flow {
        source: input["src"].as_str().unwrap().to_owned(),
        destination: "10.136.0.16".to_owned(),
        port: 3128,
        service: "http",
        sent: [400, 5, bytes],
        ..Flow::at(u32::try_from(second).unwrap())
    };
    let mut flows: Vec<Flow> = list("ts_list").zip(list("src_ip_bytes")).map(proxied).collect();
    let asked = flows.len();
    let last = u32::try_from(input["dataset_max_ts"].as_u64().unwrap()).unwrap();
    flows.push(Flow::mark(last));

    let folder = tempfile::tempdir().unwrap();
    write_conn(folder.path(), &flows);
    let request = |(number, flow): (usize, &Flow)| {
        let Flow { start_us, source, destination, port, .. } = flow;
        let (second, from) = (start_us / 1_000_000, 20_000 + number);
        format!(
            "{second}.5\tC{number}\t{source}\t{from}\t{destination}\t{port}\tCONNECT\t{host}\t{host}:443\t200\n"
        )
    };
    let requests: String = flows[..asked].iter().enumerate().map(request).collect();
    let header = "#separator \\x09\n#path\thttp\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t\
        method\thost\turi\tstatus_code\n";
    fs::write(folder.path().join("http.log"), header.to_owned() + &requests).unwrap();

    let report = report(folder.path());
    let found = &report["findings"][0];
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    assert_eq!(found["behaviour"], "c2_beacon_proxied");
    assert_eq!(found["source"]["address"], input["src"]);
    assert_eq!(found["destination"]["host"], host);
    assert_eq!((&found["flows"], &expected["count"]), (&asked.into(), &asked.into()));
    for (name, milli) in [
        ("score", "beacon_milli"),
        ("ts", "beacon_time_milli"),
        ("ds", "beacon_size_milli"),
        ("dur", "beacon_duration_milli"),
        ("hist", "beacon_histogram_milli"),
    ] {
        let tolerance = cases[0]["tolerance"].as_f64().unwrap();
        close(name, &found["scores"][milli], &expected[name], tolerance);
        close(name, &found["scores"][milli], &cases[0]["our_recomputation"][name], 0.001);
    }
}

/// RITA 5 documents a contact a second, all day, as the limit, and 0.8 as the score.
#[test]
fn strobes() {
    for (contacts, threat_milli) in [(DAY_S - 1, None), (DAY_S, Some(800))] {
        let flows: Vec<Flow> = (0..contacts).map(|second| Flow::at(START + second)).collect();
        let scores = scores(&report_on(&flows), "strobe");
        let found = scores.and_then(|scores| scores["threat_milli"].as_u64());
        assert_eq!(found, threat_milli, "{contacts} contacts");
    }
}
