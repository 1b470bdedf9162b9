//! Routers' datagrams, as Cisco's "NetFlow Export Datagram Format", RFC 3954 and RFC 7011 have them.

/// What a router saw of one way.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) source: ([u8; 4], u16),
    pub(crate) destination: ([u8; 4], u16),
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
}

const UPTIME_MS: u32 = 100_000;
const FIRST_MS: u32 = 90_000;
const TCP: u8 = 6;
/// All that a whole connection has: SYN, ACK, PSH, FIN.
const FLAGS: u8 = 0x1b;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An element, or a template, by its numbers.
fn shorts(shorts: &[u16]) -> Vec<u8> {
    shorts.iter().flat_map(|short| short.to_be_bytes()).collect()
}

pub(crate) fn version_5(seconds: u32, sequence: u32, ways: &[Way]) -> Vec<u8> {
    let mut datagram = shorts(&[5, ways.len() as u16]);
    datagram.extend(words(&[UPTIME_MS, seconds, 0, sequence, 0]));
    for way in ways {
        datagram.extend([way.source.0, way.destination.0].concat());
        datagram.extend([0; 8]);
        datagram.extend(words(&[way.packets, way.bytes, FIRST_MS, FIRST_MS + 2_000]));
        datagram.extend(shorts(&[way.source.1, way.destination.1]));
        datagram.extend([0, FLAGS, TCP, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    datagram
}

/// Elements of a record: source, its port, destination, its port, protocol, flags, packets, bytes, first, last.
const FIELDS: [[u16; 2]; 10] =
    [[8, 4], [7, 2], [12, 4], [11, 2], [4, 1], [6, 1], [2, 4], [1, 4], [22, 4], [21, 4]];

fn values(way: &Way) -> Vec<Vec<u8>> {
    let one = |number: u32| words(&[number]);
    vec![
        way.source.0.to_vec(),
        shorts(&[way.source.1]),
        way.destination.0.to_vec(),
        shorts(&[way.destination.1]),
        vec![TCP],
        vec![FLAGS],
        one(way.packets),
        one(way.bytes),
        one(FIRST_MS),
        one(FIRST_MS + 2_000),
    ]
}

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    [&shorts(&[id, body.len() as u16 + 4]), body].concat()
}

/// Template 256, its fields in the common order or turned round.
pub(crate) fn template(ipfix: bool, turned: bool) -> Vec<u8> {
    let mut fields = FIELDS.to_vec();
    if turned {
        fields.reverse();
    }
    set(if ipfix { 2 } else { 0 }, &shorts(&[&[256, 10][..], fields.as_flattened()].concat()))
}

/// Records after that template.
pub(crate) fn data(turned: bool, ways: &[Way]) -> Vec<u8> {
    let record = |way: &Way| {
        let mut values = values(way);
        if turned {
            values.reverse();
        }
        values.concat()
    };
    set(256, &ways.iter().flat_map(record).collect::<Vec<_>>())
}

pub(crate) fn version_9(seconds: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = shorts(&[9, sets.len() as u16]);
    datagram.extend(words(&[UPTIME_MS, seconds, sequence, 7]));
    datagram.extend(sets.concat());
    datagram
}

/// Times by the router's uptime mean nothing in IPFIX: that of sending counts.
pub(crate) fn ipfix(seconds: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let body = [words(&[seconds, sequence, 7]), sets.concat()].concat();
    [shorts(&[10, body.len() as u16 + 4]), body].concat()
}
