//! nfcapd's files: blocks and records in any cut, what cannot be read counted. Files are written here after
//! nfdump's `nffile.h` and `nfxV3.h`.

use std::io::Read as _;

use super::collect::{blocks, pieces, read};
use crate::limits::NFCAPD_BLOCK_BYTES_MAX;
use crate::record::Skip;
use crate::source::FileTally;

const FIRST_MS: u64 = 1_795_514_402_000;

fn element(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(body.len() as u16 + 4).to_le_bytes(), body].concat()
}

fn record(flags: u8, elements: &[Vec<u8>]) -> Vec<u8> {
    let body = elements.concat();
    let mut record = 11_u16.to_le_bytes().to_vec();
    record.extend((body.len() as u16 + 12).to_le_bytes());
    record.extend((elements.len() as u16).to_le_bytes());
    record.extend([0, 0, 1, 0, flags, 9]);
    record.extend(body);
    record
}

fn generic(counts: [u64; 2], ports: [u16; 2], transport: u8, flags: u8) -> Vec<u8> {
    let numbers = [FIRST_MS, FIRST_MS + 3_000, FIRST_MS + 9_000, counts[0], counts[1]];
    let mut body: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    body.extend(ports.iter().flat_map(|port| port.to_le_bytes()));
    body.extend([transport, flags, 0, 0]);
    element(1, &body)
}

fn ipv4(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let reversed = |mut address: [u8; 4]| {
        address.reverse();
        address
    };
    element(2, &[reversed(source), reversed(destination)].concat())
}

fn ipv6(last: [u64; 2]) -> Vec<u8> {
    let numbers = [0x2001_0db8_u64 << 32, last[0], 0x2001_0db8_u64 << 32, last[1]];
    element(3, &numbers.map(u64::to_le_bytes).concat())
}

fn block(kind: u16, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let body = records.concat();
    let mut block = (records.len() as u32).to_le_bytes().to_vec();
    block.extend((body.len() as u32).to_le_bytes());
    block.extend(kind.to_le_bytes());
    block.extend(flags.to_le_bytes());
    block.extend(body);
    block
}

fn file(compression: u8, blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0x0c, 0xa5, 2, 0, 0, 1, 7, 1];
    file.extend([0; 8]);
    file.extend([compression, 0, 1, 0]);
    file.extend([0; 16]);
    file.extend((blocks.len() as u32).to_le_bytes());
    file.extend(blocks.concat());
    file.extend(b"an appendix");
    file
}

const HERE: [u8; 4] = [192, 0, 2, 1];
const THERE: [u8; 4] = [198, 51, 100, 2];

/// One connection, an echo with its answer, a datagram of IPv6, and what is no flow.
fn day() -> Vec<u8> {
    let exporter = [&7_u16.to_le_bytes()[..], &32_u16.to_le_bytes(), &[0; 28]].concat();
    let up = record(0, &[ipv4(HERE, THERE), generic([10, 1_020], [50_000, 443], 6, 0x1b)]);
    let down = record(0, &[generic([8, 5_416], [443, 50_000], 6, 0x1b), ipv4(THERE, HERE)]);
    let echo = record(0, &[ipv4(HERE, THERE), generic([1, 84], [0, 0x0800], 1, 0)]);
    let answer = record(0, &[ipv4(THERE, HERE), generic([1, 84], [0, 0], 1, 0)]);
    let six = record(2, &[ipv6([1, 2]), generic([2, 200], [5_353, 53], 17, 0), element(77, b"x")]);
    file(0, &[block(3, 0, &[exporter, up, echo, six]), block(3, 0, &[down, answer])])
}

fn flows(file: &[u8]) -> (Vec<String>, FileTally) {
    let (records, tally) = read("x", file);
    assert_eq!(tally.format(), "nfcapd");
    (records.sorted().0, tally)
}

fn has(record: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(record.contains(part), "{part} is not in {record}");
    }
}

#[test]
fn both_ways_are_one_flow() {
    let (records, tally) = flows(&day());
    assert_eq!((records.len(), tally.records, tally.skipped.len()), (3, 5, 0), "{records:?}");
    assert_eq!(tally.notes.len(), 1, "sampled");
    has(&records[0], &["orig_port: 50000, resp: 198.51.100.2, resp_port: 443", "state: Some(Sf)"]);
    has(
        &records[0],
        &[
            "start_us: 1795514402000000",
            "duration_us: Some(3000000), orig_bytes: Some(500), resp_bytes: Some(5000)",
            "orig_packets: Some(10), orig_ip_bytes: Some(1020), resp_packets: Some(8)",
            "sizes: Exported",
        ],
    );
    has(&records[1], &["orig: 192.0.2.1, orig_port: 8", "transport: 1", "resp_packets: Some(1)"]);
    has(&records[2], &["orig: 2001:db8::1, orig_port: 5353, resp: 2001:db8::2, resp_port: 53"]);
}

#[test]
fn events_of_firewalls_are_flows_when_they_end() {
    let event = |kind: u8, port: u16| {
        let common = [&[0; 14][..], &[kind, 0]].concat();
        let back = [1_u64, 0, 5_416].map(u64::to_le_bytes).concat();
        let elements = [
            ipv4(HERE, THERE),
            generic([0, 1_020], [port, 443], 6, 0),
            element(5, &back),
            element(19, &common),
        ];
        record(1, &elements)
    };
    let (records, tally) =
        flows(&file(0, &[block(3, 0, &[event(1, 1), event(2, 2), event(3, 3)])]));
    assert_eq!(tally.skipped, [(Skip::NoFlow, 1)].into());
    has(
        &records[0],
        &["orig_port: 2", "orig_bytes: Some(1020), resp_bytes: Some(5416), state: None"],
    );
    has(&records[1], &["orig_port: 3", "state: Some(S0)"]);
}

#[test]
fn what_a_probe_put_together_was_answered() {
    let back = [1_u64, 8, 5_416].map(u64::to_le_bytes).concat();
    let elements =
        [ipv4(HERE, THERE), generic([10, 1_020], [50_000, 443], 6, 0x1b), element(5, &back)];
    let (records, tally) = flows(&file(0, &[block(3, 0, &[record(0, &elements)])]));
    assert_eq!((records.len(), tally.skipped.len()), (1, 0));
    has(
        &records[0],
        &[
            "orig_bytes: Some(500), resp_bytes: Some(5000), state: None",
            "orig_packets: Some(10), orig_ip_bytes: Some(1020), resp_packets: Some(8)",
        ],
    );
}

#[test]
fn what_cannot_be_read_is_counted() {
    let good = record(0, &[ipv4(HERE, THERE), generic([10, 1_020], [50_000, 443], 6, 0x1b)]);
    let no_ends = record(0, &[generic([10, 1_020], [50_000, 443], 6, 0x1b)]);
    let late = {
        let mut late = good.clone();
        late[24 + 4 + 7] = 0x7f; // the first time's highest byte
        late
    };
    let short = record(0, &[element(1, b"short")]);
    let (records, tally) = flows(&file(
        0,
        &[block(3, 0, &[no_ends, late, short]), block(3, 0, std::slice::from_ref(&good))],
    ));
    assert_eq!(records.len(), 1);
    let expected = [(Skip::MissingField, 1), (Skip::BadTime, 1), (Skip::BadPacket, 1)];
    assert_eq!(tally.skipped, expected.into());

    // Of a file compressed with LZO, a plain block is read.
    let blocks = [block(3, 0, &[vec![7; 9], vec![]]), block(3, 1, std::slice::from_ref(&good))];
    let (records, tally) = flows(&file(1, &blocks));
    assert_eq!((records.len(), tally.notes.len()), (1, 1), "{tally:?}");
    assert_eq!(tally.skipped, [(Skip::UnusedLog, 2)].into());

    let wrong = [11, 0, 3, 0].to_vec();
    let (_, tally) =
        flows(&file(0, &[block(3, 0, &[wrong]), block(3, 0, std::slice::from_ref(&good))]));
    assert_eq!(tally.skipped, [(Skip::BadBlock, 1)].into());
    let whole = file(0, &[block(3, 0, &[good])]);
    let (records, tally) = flows(&whole[..whole.len() - 12]);
    assert_eq!((records.len(), tally.skipped), (0, [(Skip::CutOff, 1)].into()));
    let mut encrypted = whole;
    encrypted[17] = 1;
    assert_eq!(flows(&encrypted).1.skipped, [(Skip::BadBlock, 1)].into());
}

fn lz4(block: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress(block)
}

fn bzip2(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let level = bzip2::Compression::fast();
    bzip2::read::BzEncoder::new(block, level).read_to_end(&mut out).unwrap();
    out
}

fn zstd(block: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(block, 1).unwrap()
}

/// A way to compress: its number, and how.
type Packing = (u8, fn(&[u8]) -> Vec<u8>);

const PACKINGS: [Packing; 3] = [(2, bzip2), (3, lz4), (4, zstd)];

/// The blocks of a file, compressed.
fn packed(file: &[u8], (number, pack): Packing) -> Vec<u8> {
    let mut out = file[..40].to_vec();
    out[16] = number;
    let mut rest = &file[40..];
    for _ in 0..u32::from_le_bytes(*file[36..].first_chunk().unwrap()) {
        let length = u32::from_le_bytes(*rest[4..].first_chunk().unwrap()) as usize;
        let body = pack(&rest[12..12 + length]);
        out.extend(&rest[..4]);
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(&rest[8..12]);
        out.extend(body);
        rest = &rest[12 + length..];
    }
    out.extend(rest);
    out
}

#[test]
fn compressed_blocks_say_what_plain_ones_say() {
    let plain = read("x", day());
    for packing in PACKINGS {
        let file = packed(&day(), packing);
        assert_eq!(read("x", &file), plain, "{}", packing.0);
        for size in [1, 2, 3, 7, 24, 100] {
            assert_eq!(blocks("x", &file, size), plain, "{}, blocks of {size}", packing.0);
        }
        for length in 20..file.len() - b"an appendix".len() {
            let (_, tally) = read("x", &file[..length]);
            assert_eq!(tally.skipped.get(&Skip::CutOff), Some(&1), "{}, {length}", packing.0);
        }
    }
}

#[test]
fn what_unpacks_to_too_much_or_nothing_costs_its_block_only() {
    let good = record(0, &[ipv4(HERE, THERE), generic([10, 1_020], [50_000, 443], 6, 0x1b)]);
    for (number, pack) in PACKINGS {
        let bomb = pack(&vec![0; NFCAPD_BLOCK_BYTES_MAX + 1]);
        let mut broken = pack(&good);
        let middle = broken.len() / 2;
        broken.truncate(middle);
        // It unpacks, and holds half a record behind a whole one.
        let half = pack(&[&good[..], &good[..good.len() / 2]].concat());
        let all = [bomb, broken, half, pack(&good)].map(|body| block(3, 0, &[body]));
        let (records, tally) = flows(&file(number, &all));
        let mut skipped = tally.skipped;
        assert_eq!(skipped.remove(&Skip::BadBlock), Some(3), "{number}");
        // The same flow from the half block and the last one.
        assert_eq!((records.len(), skipped), (1, [(Skip::Duplicate, 1)].into()), "{number}");
    }
    // A length that no block has.
    let mut long = block(3, 0, &[vec![0; 9]]);
    long[4..8].copy_from_slice(&(NFCAPD_BLOCK_BYTES_MAX as u32 + 1).to_le_bytes());
    let (_, tally) = flows(&file(3, &[long]));
    assert_eq!(tally.skipped.get(&Skip::BadBlock), Some(&1));
}

#[test]
fn a_file_that_is_still_written_is_read_as_far_as_it_goes() {
    let (closed, _) = flows(&day());
    let mut live = day();
    live.truncate(live.len() - b"an appendix".len());
    live[36..40].fill(0);
    let (records, tally) = flows(&live);
    assert_eq!(records, closed);
    assert_eq!(tally.skipped.get(&Skip::CutOff), None);
    assert!(tally.notes.iter().any(|note| note.starts_with("not yet closed")), "{tally:?}");
    live.truncate(live.len() - 5);
    let (records, tally) = flows(&live);
    assert_ne!(records, closed, "the last record is not whole");
    assert_eq!(tally.skipped.get(&Skip::CutOff), Some(&1));
}

#[test]
fn all_cuts_give_the_same() {
    let log = day();
    let (whole, tally) = read("x", &log);
    let whole = whole.sorted();
    for size in [1, 2, 3, 7, 64, 65, 100, 300] {
        let (records, counted) = blocks("x", &log, size);
        assert_eq!((&records.sorted(), &counted), (&whole, &tally), "blocks of {size}");
        let (records, counted) = pieces("x", &log, size);
        assert_eq!((&records.sorted(), &counted), (&whole, &tally), "pieces of {size}");
    }
}
