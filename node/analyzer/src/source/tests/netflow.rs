//! Routers' records: versions, templates in any order, both ways put together, what was lost.

use flowlore_common::env::SeededRng;
use flowlore_common::time::Micros;
use rand_core::RngCore as _;

use super::collect::{blocks, pieces, read};
use super::frames::{counted, ethernet, ipv4, pcap, udp};
use crate::limits::{
    ANNOUNCED_EXPORTER_BYTES_MAX, EXPORT_WAITING_BYTES_MAX, EXPORTER_DOMAINS_MAX,
    EXPORTER_SILENCE_MAX_US, EXPORTERS_MAX,
};
use crate::record::Skip;
use crate::source::{Announced, FileTally, is_netflow};

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 2];
const SECONDS: u32 = 1_700_000_000;
const UPTIME_MS: u32 = 10_000;

/// What a router saw of one way: who, ports, protocol, packets, bytes, flags, first and last uptime.
#[derive(Clone, Copy)]
struct Way {
    ends: [[u8; 4]; 2],
    ports: [u16; 2],
    transport: u8,
    counts: [u32; 2],
    flags: u8,
    times_ms: [u32; 2],
}

const UP: Way = Way {
    ends: [CLIENT, SERVER],
    ports: [50_000, 443],
    transport: 6,
    counts: [10, 1_020],
    flags: 0x1b,
    times_ms: [1_000, 4_000],
};
const DOWN: Way = Way {
    ends: [SERVER, CLIENT],
    ports: [443, 50_000],
    transport: 6,
    counts: [8, 5_416],
    flags: 0x1b,
    times_ms: [1_010, 4_010],
};

fn bytes<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn version_5(sequence: u32, ways: &[Way]) -> Vec<u8> {
    let mut datagram = [&[0, 5][..], &(ways.len() as u16).to_be_bytes()].concat();
    datagram.extend(bytes([UPTIME_MS, SECONDS, 0, sequence, 0]));
    for way in ways {
        datagram.extend(way.ends.concat());
        datagram.extend([0; 8]);
        datagram.extend(bytes([way.counts[0], way.counts[1], way.times_ms[0], way.times_ms[1]]));
        datagram.extend(way.ports.iter().flat_map(|port| port.to_be_bytes()));
        datagram.extend([0, way.flags, way.transport, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    datagram
}

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &(body.len() as u16 + 4).to_be_bytes(), body].concat()
}

/// A template: its id, how many fields, then element and length of each.
fn template(id: u16, fields: &[[u16; 2]]) -> Vec<u8> {
    let words = [id, fields.len() as u16].into_iter().chain(fields.iter().flatten().copied());
    words.flat_map(u16::to_be_bytes).collect()
}

const FIELDS: [[u16; 2]; 10] =
    [[8, 4], [12, 4], [7, 2], [11, 2], [4, 1], [2, 4], [1, 8], [6, 1], [22, 4], [21, 4]];

fn values(way: &Way) -> Vec<u8> {
    let mut values = way.ends.concat();
    values.extend(way.ports.iter().flat_map(|port| port.to_be_bytes()));
    values.push(way.transport);
    values.extend(bytes([way.counts[0], 0, way.counts[1]]));
    values.push(way.flags);
    values.extend(bytes(way.times_ms));
    values
}

fn version_9(sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = vec![0, 9, 0, sets.len() as u8];
    datagram.extend(bytes([UPTIME_MS, SECONDS, sequence, 7]));
    datagram.extend(sets.concat());
    datagram
}

fn ipfix(sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let body = [bytes([SECONDS, sequence, 7]), sets.concat()].concat();
    [&[0, 10][..], &(body.len() as u16 + 4).to_be_bytes(), &body].concat()
}

fn flows(file: &[u8]) -> (Vec<String>, FileTally) {
    let (records, tally) = read("x", file);
    assert_eq!(tally.format(), "netflow");
    (records.sorted().0, tally)
}

fn clean(file: &[u8]) -> Vec<String> {
    let (records, tally) = flows(file);
    assert_eq!((tally.skipped.len(), tally.notes.len()), (0, 0), "{tally:?}");
    records
}

fn has(record: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(record.contains(part), "{part} is not in {record}");
    }
}

/// 52 bytes of headers a packet; times are those of the router's clock.
const WHOLE: [&str; 6] = [
    "start_us: 1699999991000000",
    "orig: 192.0.2.1, orig_port: 50000, resp: 198.51.100.2, resp_port: 443",
    "duration_us: Some(3010000)",
    "orig_bytes: Some(500), resp_bytes: Some(5000), state: Some(Sf)",
    "orig_packets: Some(10), orig_ip_bytes: Some(1020), resp_packets: Some(8)",
    "sizes: Exported",
];

#[test]
fn both_ways_are_one_flow_in_all_versions_and_orders() {
    let learn = set(0, &template(256, &FIELDS));
    let data = |ways: &[Way]| set(256, &ways.iter().flat_map(values).collect::<Vec<_>>());
    let six = set(2, &template(256, &FIELDS[..8]));
    let files = [
        version_5(1, &[UP, DOWN]),
        version_5(1, &[DOWN, UP]),
        [version_5(1, &[DOWN]), version_5(2, &[UP])].concat(),
        version_9(1, &[learn.clone(), data(&[UP, DOWN])]),
        // The template comes last.
        [version_9(1, &[data(&[DOWN])]), version_9(2, &[data(&[UP])]), version_9(3, &[learn])]
            .concat(),
    ];
    for (number, file) in files.iter().enumerate() {
        let records = clean(file);
        assert_eq!(records.len(), 1, "{number}");
        has(&records[0], &WHOLE);
    }
    // IPFIX without times: that of sending.
    let short = |way: &Way| values(way)[..26].to_vec();
    let file = ipfix(0, &[six, set(256, &[short(&UP), short(&DOWN)].concat())]);
    has(&clean(&file)[0], &["start_us: 1700000000000000", WHOLE[1], WHOLE[3]]);
}

#[test]
fn records_of_both_ways_and_of_variable_length() {
    let mut fields = template(300, &[[8, 4], [12, 4], [7, 2], [11, 2], [4, 1], [82, 0xffff]]);
    // In place of flags: bytes there and back (RFC 5103), each of its own length.
    fields[2..4].copy_from_slice(&10_u16.to_be_bytes());
    fields.extend([0, 1, 0, 3, 0x80, 1, 0, 2, 0, 0, 0x72, 0x79, 0, 152, 0, 8, 0, 153, 0, 8]);
    let mut record = UP.ends.concat();
    record.extend([0xc3, 0x50, 1, 0xbb, 17]);
    record.extend(counted(1, b"name"));
    record.extend([1, 0, 0, 2, 0]);
    record.extend(1_699_999_990_000_u64.to_be_bytes());
    record.extend(1_699_999_990_500_u64.to_be_bytes());
    let records = clean(&ipfix(0, &[set(2, &fields), set(300, &record)]));
    has(
        &records[0],
        &[
            "start_us: 1699999990000000",
            "duration_us: Some(500000)",
            "transport: 17",
            "orig_ip_bytes: Some(65536)",
            "resp_ip_bytes: Some(512)",
        ],
    );
}

#[test]
fn parts_of_a_connection_are_joined_where_flags_allow() {
    let part = |way: Way, flags: u8, times_ms: [u32; 2]| Way { flags, times_ms, ..way };
    let parts = [
        part(UP, 0x1a, [0, 3_000]),
        part(DOWN, 0x1a, [0, 3_000]),
        part(UP, 0x18, [3_500, 6_000]),
        part(DOWN, 0x18, [3_500, 6_000]),
        part(DOWN, 0x19, [6_500, 7_000]),
        part(UP, 0x19, [6_490, 7_000]),
        part(UP, 0x02, [9_000, 9_000]), // the ports again
    ];
    let records = clean(&version_5(1, &parts));
    assert_eq!(records.len(), 2);
    has(&records[0], &["duration_us: Some(7000000)", "orig_packets: Some(30)", "state: Some(Sf)"]);
    has(&records[1], &["orig_packets: Some(10)", "resp_packets: Some(0)", "state: Some(S0)"]);
}

#[test]
fn other_transports_are_joined_until_they_are_silent() {
    let part = |times_ms: [u32; 2]| Way { transport: 17, counts: [2, 156], times_ms, ..UP };
    let records =
        clean(&version_5(1, &[part([0, 2_000]), part([61_999, 62_000]), part([122_001; 2])]));
    assert_eq!(records.len(), 2);
    has(
        &records[0],
        &["duration_us: Some(62000000)", "orig_bytes: Some(200), resp_bytes: Some(0)"],
    );
    has(&records[1], &["duration_us: Some(0)", "orig_packets: Some(2)", "state: None"]);
}

#[test]
fn one_way_alone_keeps_its_direction() {
    has(&clean(&version_5(1, &[UP]))[0], &["orig: 192.0.2.1", "resp_packets: Some(0)"]);
    let answer = clean(&version_5(1, &[DOWN]));
    has(&answer[0], &["orig: 192.0.2.1", "orig_packets: Some(0)", "resp_packets: Some(8)"]);
    let echo = Way { ports: [0, 8 << 8], transport: 1, counts: [1, 84], ..UP };
    let reply = Way { ports: [0, 0], transport: 1, counts: [1, 84], ..DOWN };
    let records = clean(&version_5(1, &[echo, reply]));
    assert_eq!(records.len(), 1);
    has(&records[0], &["orig_port: 8", "resp_port: 0", "orig_bytes: Some(56)", "state: None"]);
}

#[test]
fn what_is_lost_or_sampled_is_said() {
    let notes = |file: &[u8]| flows(file).1.notes.into_iter().collect::<Vec<_>>().join("; ");
    let gap = [version_5(1, &[UP, DOWN]), version_5(8, &[UP])].concat();
    assert!(
        notes(&gap).contains("lost on the way, by their exporters' count: 5"),
        "{}",
        notes(&gap)
    );
    let anew = [version_5(100, &[UP, DOWN]), version_5(0, &[UP])].concat();
    assert_eq!(notes(&anew), "", "the router started anew");
    let mut sampled = version_5(1, &[UP]);
    sampled[22..24].copy_from_slice(&0x4064_u16.to_be_bytes());
    assert!(notes(&sampled).contains("one packet in 100"));
    // An option whose scope is the system: sampled one in 512.
    let option = [&512_u16.to_be_bytes()[..], &[0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4]].concat();
    let sets = [set(1, &option), set(512, &bytes([0, 512])), set(0, &template(256, &FIELDS))];
    let file = version_9(1, &[&sets[..], &[set(256, &values(&UP))]].concat());
    let (records, tally) = flows(&file);
    assert_eq!((records.len(), tally.records), (1, 1));
    assert!(notes(&file).contains("one packet in 512"));
    let (_, tally) = flows(&version_9(1, &[set(999, &[0; 8])]));
    assert_eq!(tally.skipped, [(Skip::NoHeader, 1)].into());
}

#[test]
fn uptimes_count_from_the_start_that_an_option_tells() {
    // systemInitTimeMilliseconds, of a metering process; nothing else says in IPFIX when an uptime was.
    let option = [&512_u16.to_be_bytes()[..], &[0, 2, 0, 1, 0, 143, 0, 4, 0, 160, 0, 8]].concat();
    let boot_ms = (u64::from(SECONDS) * 1_000 - u64::from(UPTIME_MS)).to_be_bytes();
    let learn = [set(3, &option), set(512, &[&[0; 4][..], &boot_ms].concat())];
    let sets = [set(2, &template(256, &FIELDS)), set(256, &[values(&UP), values(&DOWN)].concat())];
    let told = clean(&ipfix(0, &[&learn[..], &sets].concat()));
    has(&told[0], &WHOLE);
    // Without it, it is when it was sent.
    has(&clean(&ipfix(0, &sets))[0], &["start_us: 1700000000000000"]);
    let file = |cut: &[usize]| {
        let datagrams =
            [(1, ipfix(0, &[&learn[..], &sets[..1]].concat())), (1, ipfix(1, &sets[1..]))];
        files(&datagrams, cut).pop().unwrap()
    };
    let whole = read("x", file(&[])).0.sorted().0;
    assert_eq!((&whole, &read("x", file(&[1])).0.sorted().0), (&told, &told));
}

#[test]
fn what_is_wrong_is_counted_and_loses_nothing_else() {
    let good = version_5(1, &[UP]);
    let (records, tally) = flows(&[good.clone(), good[..50].to_vec()].concat());
    assert_eq!((records.len(), tally.skipped), (1, [(Skip::CutOff, 1)].into()));
    let (records, tally) = flows(&[good, vec![0, 77, 0, 1, 9]].concat());
    assert_eq!((records.len(), tally.skipped), (1, [(Skip::BadBlock, 1)].into()));
    // A set that reaches beyond its message; sets before it count.
    let mut file = ipfix(0, &[set(2, &template(256, &FIELDS[..8])), set(256, &values(&UP)[..26])]);
    file.extend([1, 0, 0, 99]);
    let length = (file.len() as u16).to_be_bytes();
    file[2..4].copy_from_slice(&length);
    let (records, tally) = flows(&file);
    assert_eq!((records.len(), tally.skipped), (1, [(Skip::BadPacket, 1)].into()));
    // A template without addresses.
    let bare = version_9(1, &[set(0, &template(256, &[[2, 4]])), set(256, &bytes([1]))]);
    assert_eq!(flows(&bare).1.skipped, [(Skip::MissingField, 1)].into());
}

#[test]
fn captures_of_exports_are_exports_and_two_routers_count_once() {
    let sent = |router: u8, body: &[u8]| {
        let packet = ipv4(17, [[203, 0, 113, router], SERVER], 0, &udp([40_000, 2_055], body));
        (1_700_000_000_000_000, ethernet(0x0800, &packet))
    };
    let less = Way { counts: [9, 1_000], ..UP };
    let frames = [
        sent(1, &version_5(1, &[UP, DOWN])),
        sent(2, &version_5(77, &[less, DOWN])),
        (
            1_700_000_000_000_000,
            ethernet(0x0800, &ipv4(17, [CLIENT, SERVER], 0, &udp([5, 6], b"x"))),
        ),
    ];
    let (records, tally) = read("x", pcap(1, &frames));
    assert_eq!(tally.format(), "netflow+pcap");
    assert_eq!((tally.records, tally.skipped), (5, [(Skip::Duplicate, 2)].into()));
    let records = records.sorted().0;
    assert_eq!(records.len(), 2);
    has(&records[0], &WHOLE);
    // In a capture that begins with anything else they are packets like others.
    let mut turned = frames;
    turned.reverse();
    assert_eq!(read("x", pcap(1, &turned)).1.format(), "pcap");
}

#[test]
fn what_another_router_saw_next_is_no_duplicate() {
    let way = |times_ms: [u32; 2]| Way { flags: 0x18, times_ms, ..UP };
    let of_engine = |engine: u8, way: Way| {
        let mut datagram = version_5(1, &[way]);
        datagram[21] = engine;
        datagram
    };
    let follow = [of_engine(1, way([0, 5_000])), of_engine(2, way([5_000, 9_000]))].concat();
    has(&clean(&follow)[0], &["duration_us: Some(9000000)", "orig_packets: Some(20)"]);
    let same = [of_engine(1, way([0, 5_000])), of_engine(2, way([900, 5_500]))].concat();
    assert_eq!(flows(&same).1.skipped, [(Skip::Duplicate, 1)].into());
    // Where it came in and where it went out.
    let twice = version_5(1, &[UP, UP]);
    assert_eq!(flows(&twice).1.skipped, [(Skip::Duplicate, 1)].into());
}

#[test]
fn padding_of_all_kinds_is_passed_over() {
    // Behind a template, behind a record, behind the last set, and not zeros everywhere.
    let learn = [template(256, &FIELDS), vec![0x61, 0x6e]].concat();
    let data = [values(&UP), values(&DOWN), vec![0; 3]].concat();
    let mut file = version_9(1, &[set(0, &learn), set(256, &data)]);
    file.extend([0; 40]);
    has(&clean(&file)[0], &WHOLE);
    file.extend(version_9(2, &[]));
    has(&clean(&file)[0], &WHOLE);
}

#[test]
fn all_cuts_give_the_same() {
    let learn = set(0, &template(256, &FIELDS));
    let data = set(256, &[values(&UP), values(&DOWN)].concat());
    let datagram = |sequence| version_9(sequence, &[learn.clone(), data.clone()]);
    let files = [
        [version_5(1, &[UP]), version_5(2, &[DOWN])].concat(),
        [datagram(1), datagram(2), version_5(9, &[UP])].concat(),
        [ipfix(0, &[set(2, &template(256, &FIELDS))]), ipfix(0, std::slice::from_ref(&data))]
            .concat(),
    ];
    for file in files {
        let whole = read("x", &file);
        for size in [1, 2, 3, 7, 24, 100] {
            assert_eq!(blocks("x", &file, size), whole, "blocks of {size}");
        }
        assert_eq!(pieces("x", &file, 10), whole);
        for length in 12..file.len() {
            let cut = read("x", &file[..length]).1;
            // One of the files says the same twice.
            let expected = |reason: &Skip| matches!(reason, Skip::CutOff | Skip::Duplicate);
            assert!(cut.skipped.keys().all(expected), "{length}: {cut:?}");
        }
    }
}

/// Datagrams cut into files after so many, each a capture, with what exporters had announced at their heads.
fn files(datagrams: &[(u8, Vec<u8>)], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut announced = Announced::default();
    let mut files = vec![vec![]];
    for (number, (router, datagram)) in datagrams.iter().enumerate() {
        if cuts.contains(&number) {
            announced.begin_file(Micros(number as i64));
            files.push(vec![]);
        }
        let from = [203, 0, 113, *router];
        let before = announced.before(from.into(), datagram, Micros(number as i64));
        for body in before.iter().chain([datagram]) {
            assert!(is_netflow(body));
            let packet = ipv4(17, [from, SERVER], 0, &udp([40_000, 2_055], body));
            files.last_mut().unwrap().push((1_700_000_000_000_000, ethernet(0x0800, &packet)));
        }
    }
    files.iter().map(|frames| pcap(1, frames)).collect()
}

/// Way number so many: ports of its own.
fn numbered(number: u16) -> Way {
    Way { ports: [50_000 + number, 443], ..UP }
}

#[test]
fn a_stream_that_is_cut_into_files_keeps_what_was_announced() {
    let option = [&512_u16.to_be_bytes()[..], &[0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4]].concat();
    let six_option = [&512_u16.to_be_bytes()[..], &[0, 2, 0, 1, 0, 1, 0, 4, 0, 34, 0, 4]].concat();
    let sampling = set(512, &bytes([0, 512]));
    let data = |number: u16| set(256, &values(&numbered(number)));
    let short = |number: u16| set(256, &values(&numbered(number))[..26]);
    // Router 2 means something else by the same number; router 3 has to announce nothing.
    let other = [&FIELDS[4..8], &FIELDS[..4], &FIELDS[8..]].concat();
    let other_data = |number: u16| {
        let all = values(&numbered(number));
        set(256, &[&all[12..26], &all[..12], &all[26..]].concat())
    };
    let learn = [set(1, &option), sampling.clone(), set(0, &template(256, &FIELDS)), data(1)];
    let six = [set(3, &six_option), sampling, set(2, &template(256, &FIELDS[..8])), short(7)];
    let datagrams = [
        (1, version_9(5, &learn)),
        (2, version_9(900, &[set(0, &template(256, &other)), other_data(4)])),
        (4, ipfix(70, &six)),
        (1, version_9(6, &[data(2)])),
        (2, version_9(901, &[other_data(5)])),
        (3, version_5(3, &[numbered(11)])),
        (4, ipfix(72, &[short(8)])),
        (1, version_9(7, &[data(3)])),
        (4, ipfix(73, &[short(9)])),
        (4, ipfix(74, &[short(10)])),
        (2, version_9(902, &[other_data(6)])),
    ];
    for cuts in [vec![], vec![3], vec![4], vec![3, 5, 7, 9], (1..11).collect()] {
        let mut seen = vec![];
        for file in files(&datagrams, &cuts) {
            let (records, tally) = read("x", &file);
            let records = records.sorted().0;
            assert!(tally.skipped.is_empty(), "{cuts:?}: {tally:?}");
            let samples = tally.notes.iter().any(|note| note.contains("one packet in 512"));
            assert_eq!(tally.notes.len(), usize::from(samples), "nothing is lost: {tally:?}");
            for record in &records {
                has(record, &["orig_packets: Some(10), orig_ip_bytes: Some(1020)"]);
                let port = record.split("orig_port: ").nth(1).unwrap().split(',').next().unwrap();
                let port = port.parse::<u16>().unwrap();
                let sampled = !matches!(port - 50_000, 4 | 5 | 6 | 11);
                assert!(samples || !sampled, "{cuts:?}: {record}");
                seen.push(port);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (50_001..=50_011).collect::<Vec<_>>(), "{cuts:?}");
    }
    // What is missing between two files is missing.
    let gap = [datagrams[0].clone(), datagrams[7].clone()];
    let (_, tally) = read("x", &files(&gap, &[1])[1]);
    assert!(
        tally.notes.iter().any(|note| note.ends_with("their exporters' count: 1")),
        "{tally:?}"
    );
}

/// Hostile datagrams: whatever is remembered of them, what is said again is a datagram that fits, and that a reader who
/// knows the exporter finds nothing missing before.
#[test]
fn whatever_is_announced_what_is_said_again_is_a_datagram() {
    let option = [&512_u16.to_be_bytes()[..], &[0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4]].concat();
    let good = [
        version_9(
            1,
            &[set(1, &option), set(512, &bytes([0, 512])), set(0, &template(256, &FIELDS))],
        ),
        version_9(2, &[set(0, &template(256, &FIELDS[..4])), set(256, &values(&UP))]),
        ipfix(3, &[set(2, &template(256, &FIELDS)), set(3, &option), set(256, &values(&UP))]),
        version_5(4, &[UP, DOWN]),
    ];
    let (mut random, mut announced) = (SeededRng::new("announced", 1), Announced::default());
    let mut said = 0;
    for round in 0..20_000 {
        let mut datagram = good[random.next_u32() as usize % good.len()].clone();
        for _ in 0..random.next_u32() % 4 {
            let at = random.next_u32() as usize % datagram.len();
            datagram[at] = random.next_u32() as u8;
        }
        datagram.truncate(datagram.len() - (random.next_u32() as usize % 8).saturating_sub(5));
        let from = std::net::Ipv4Addr::from_bits(random.next_u32() % 3);
        if let Some(again) = announced.before(from.into(), &datagram, Micros(round)) {
            assert!(is_netflow(&again) && again.len() < 40_000, "{again:?}");
            assert_eq!(again[..2], datagram[..2], "of the same version");
            said += 1;
        }
        if round % 5 == 0 {
            announced.begin_file(Micros(round));
        }
    }
    assert!(said > 1_000, "{said}");
    // Of a byte each there are more records than any template in use has room for.
    let tiny = [&512_u16.to_be_bytes()[..], &[0, 4, 0, 4, 0, 1, 0, 0, 0, 34, 0, 1]].concat();
    let datagram = version_9(1, &[set(1, &tiny), set(512, &[1; 9_000])]);
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    announced.before(from, &datagram, Micros(0));
    announced.begin_file(Micros(0));
    let again = announced.before(from, &good[3], Micros(0));
    assert!(again.is_none(), "version 5 has no templates");
    let again = announced.before(from, &version_9(2, &[set(999, &[0; 8])]), Micros(0)).unwrap();
    assert!(is_netflow(&again) && again.len() > 9_000, "{}", again.len());
}

/// Work and memory grow with the bytes that come, whatever they say.
#[test]
fn sets_that_wait_and_fields_without_bytes_cost_what_they_are_long() {
    // Empty sets wait for nothing; those of a byte count with what they take in memory.
    let empty = version_9(1, &vec![set(300, &[]); 10_000]);
    let (_, tally) = flows(&empty);
    assert!(tally.notes.is_empty() && tally.skipped.is_empty(), "{tally:?}");
    let tiny = version_9(1, &vec![set(300, &[1]); 10_000]);
    let many = tiny.repeat(EXPORT_WAITING_BYTES_MAX / 10_000 / 32);
    let (_, tally) = flows(&many);
    let wait = |note: &String| note.contains("whose template did not come: ");
    let waited = tally.notes.iter().find(|note| wait(note)).unwrap();
    let waited: usize = waited.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(waited < EXPORT_WAITING_BYTES_MAX / 32, "{waited}");
    assert_eq!(tally.skipped[&Skip::NoHeader] as usize, many.len() / tiny.len() * 10_000);
    // A field of no byte is as if it were not there.
    let mut fields = FIELDS.to_vec();
    fields.splice(3..3, [[34, 0]; 400]);
    let learn = version_9(1, &[set(0, &template(256, &fields)), set(256, &values(&UP))]);
    let plain = version_9(1, &[set(0, &template(256, &FIELDS)), set(256, &values(&UP))]);
    assert_eq!(clean(&learn), clean(&plain));
    let none = version_9(1, &[set(0, &template(256, &[[8, 0], [12, 0]]))]);
    assert_eq!(flows(&none).1.skipped[&Skip::BadPacket], 1);
}

/// One address has no more places than are left for the others.
#[test]
fn one_address_takes_no_place_of_others() {
    let mut announced = Announced::default();
    let domain = |number: u32| {
        let mut datagram = version_9(1, &[set(0, &template(256, &FIELDS))]);
        datagram[16..20].copy_from_slice(&number.to_be_bytes());
        datagram
    };
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    for number in 0..1_000 {
        announced.before(from, &domain(number), Micros(0));
    }
    assert_eq!(announced.exporters(), EXPORTER_DOMAINS_MAX);
    let all: Vec<u8> = (0..1_000).flat_map(domain).collect();
    let (_, tally) = flows(&all);
    assert!(tally.notes.iter().any(|note| note.contains("256 domains of one")), "{tally:?}");
    let ids = (256..2_000).map(|id| set(0, &template(id, &FIELDS[..1])));
    let (_, tally) = flows(&version_9(1, &ids.collect::<Vec<_>>()));
    assert!(tally.notes.iter().any(|note| note.contains("1024 of one")), "{tally:?}");
}

#[test]
fn what_is_remembered_of_exporters_has_bounds() {
    let mut announced = Announced::default();
    let next = &version_9(2, &[set(999, &[0; 8])]);
    let from = |number: u32| std::net::Ipv4Addr::from_bits(number).into();
    for number in 0..EXPORTERS_MAX as u32 + 9 {
        announced.before(from(number), &version_5(1, &[UP]), Micros(0));
    }
    assert_eq!(announced.exporters(), EXPORTERS_MAX);
    announced.begin_file(Micros(EXPORTER_SILENCE_MAX_US));
    assert_eq!(announced.exporters(), 0);
    // Each template once, as it was said last, as far as there is room.
    let wide = vec![[1, 8]; 500];
    for id in 256..1_000 {
        announced.before(from(1), &version_9(1, &[set(0, &template(id, &wide))]), Micros(0));
    }
    announced.begin_file(Micros(0));
    let again = announced.before(from(1), next, Micros(0)).unwrap();
    let fit = ANNOUNCED_EXPORTER_BYTES_MAX / 2_004;
    assert_eq!(again.len(), 20 + 4 + fit * 2_004);
    // A template that has no room any more is not mistaken for what it was.
    let small = vec![[1, 8]; (ANNOUNCED_EXPORTER_BYTES_MAX % 2_004 - 4) / 4];
    announced.before(from(1), &version_9(1, &[set(0, &template(999, &small))]), Micros(0));
    let wider = vec![[1, 8]; 511];
    announced.before(from(1), &version_9(1, &[set(0, &template(256, &wider))]), Micros(0));
    announced.begin_file(Micros(0));
    let again = announced.before(from(1), next, Micros(0)).unwrap();
    assert_eq!(again.len(), 20 + 4 + (fit - 1) * 2_004 + 4 + small.len() * 4);
    // Nothing that cannot be is remembered, nor said.
    for bad in [&b"x"[..], &[0, 9], &version_9(1, &[vec![0, 0, 0, 3]])] {
        announced.before(from(2), bad, Micros(0));
    }
    announced.begin_file(Micros(0));
    assert_eq!(announced.before(from(2), next, Micros(0)), None);
}
