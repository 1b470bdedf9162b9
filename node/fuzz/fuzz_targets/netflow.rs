//! Routers' datagrams: the first byte chooses the version, the second how the file is cut; then come sets
//! (of version 5, records), each after its id in a byte and its length in another. With the highest bit
//! of the first byte the rest is the file itself, behind a good header. What a listener remembers of them is said again
//! before every datagram.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use flowlore_analyzer::source::{Announced, is_netflow};
use flowlore_common::time::Micros;
use flowlore_fuzz::check_cuts;
use libfuzzer_sys::fuzz_target;

/// Since the router started, and since 1970.
const CLOCK: [u8; 8] = [0, 0, 0x27, 0x10, 0x65, 0x53, 0xf1, 0x00];
/// Sequence and domain.
const SENDER: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 7];
/// Ids of sets that a byte chooses among: templates of both versions, data of four, and others.
const IDS: [u16; 10] = [0, 1, 2, 3, 256, 257, 258, 259, 9, 77];
/// Address, address, port, port, protocol, bytes, packets, flags, first, last: the template of set 256.
const TEMPLATE: [[u16; 2]; 11] =
    [[256, 10], [8, 4], [12, 4], [7, 2], [11, 2], [4, 1], [1, 8], [2, 4], [6, 1], [22, 4], [21, 4]];

fuzz_target!(|data: &[u8]| {
    let [choice, size, rest @ ..] = data else { return };
    let size = usize::from(*size) + 1;
    let version = [5, 9, 10][usize::from(*choice) % 3];
    if choice & 0x80 != 0 {
        let count = if version == 10 { [1, 0] } else { [0, 4] };
        let clock = if version == 10 { &CLOCK[4..] } else { &CLOCK };
        return check_cuts(&[&[0, version], &count[..], clock, &SENDER, rest].concat(), size);
    }
    if version == 5 {
        let mut file = Vec::new();
        for records in rest.as_chunks::<48>().0.chunks(2) {
            file.extend([0, 5, 0, records.len() as u8]);
            file.extend(CLOCK);
            file.extend([0; 4]);
            file.extend(SENDER);
            file.extend(records.as_flattened());
        }
        return check_cuts(&file, size);
    }
    let (mut file, mut announced) = (Vec::new(), Announced::default());
    let learn = if version == 9 { 0 } else { 2 };
    let template: Vec<u8> =
        TEMPLATE.as_flattened().iter().flat_map(|word| word.to_be_bytes()).collect();
    datagram(&mut file, &mut announced, version, &set(learn, &template));
    let mut rest: &[u8] = rest;
    while let [id, length, tail @ ..] = rest {
        let (body, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        let set = set(IDS[usize::from(*id) % IDS.len()], body);
        datagram(&mut file, &mut announced, version, &set);
    }
    check_cuts(&file, size);
});

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &(body.len() as u16 + 4).to_be_bytes(), body].concat()
}

fn datagram(file: &mut Vec<u8>, announced: &mut Announced, version: u8, set: &[u8]) {
    let before = file.len();
    let length = if version == 9 { 1 } else { set.len() as u16 + 16 };
    file.extend([0, version]);
    file.extend(length.to_be_bytes());
    file.extend(if version == 9 { &CLOCK[..] } else { &CLOCK[4..] });
    file.extend(SENDER);
    file.extend_from_slice(set);
    announced.begin_file(Micros(0));
    let router = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if let Some(again) = announced.before(router, &file[before..], Micros(0)) {
        assert!(is_netflow(&again), "what is said again is a datagram");
    }
}
