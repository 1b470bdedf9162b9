//! Captures: what flows come out of packets, and what is read of what was said.

use super::collect::{blocks, pieces, read};
use super::frames::{
    alpn, client_hello, counted, ethernet, ipv4, pcap, pcapng, record, server_name, tcp, udp,
};
use crate::record::Skip;

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 2];
const START_US: u64 = 1_700_000_000_000_000;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A conversation over TCP from port 50000, a packet every ten milliseconds.
struct Talk {
    port: u16,
    frames: Vec<(u64, Vec<u8>)>,
    next: [u32; 2],
}

impl Talk {
    fn new(port: u16) -> Self {
        Self { port, frames: Vec::new(), next: [u32::MAX - 1, 1_000] }
    }

    fn opened(port: u16) -> Self {
        let mut talk = Self::new(port);
        talk.send(true, SYN, b"");
        talk.send(false, SYN | ACK, b"");
        talk.send(true, ACK, b"");
        talk
    }

    fn at(&mut self, from_client: bool, sequence: u32, flags: u8, payload: &[u8]) {
        let (mut ends, mut ports) = ([CLIENT, SERVER], [50_000, self.port]);
        if !from_client {
            ends.reverse();
            ports.reverse();
        }
        let packet = ipv4(6, ends, 0, &tcp(ports, sequence, flags, payload));
        let time_us = START_US + self.frames.len() as u64 * 10_000;
        self.frames.push((time_us, ethernet(0x0800, &packet)));
    }

    fn send(&mut self, from_client: bool, flags: u8, payload: &[u8]) {
        let next = &mut self.next[usize::from(from_client)];
        let sequence = *next;
        let counts = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        *next = next.wrapping_add(counts);
        self.at(from_client, sequence, flags, payload);
    }

    fn close(mut self) -> Vec<(u64, Vec<u8>)> {
        self.send(true, FIN | ACK, b"");
        self.send(false, FIN | ACK, b"");
        self.send(true, ACK, b"");
        self.frames
    }
}

/// What a capture gives, each record's debug text, sorted.
fn records(frames: &[(u64, Vec<u8>)]) -> Vec<String> {
    let (records, tally) = read("x", pcap(1, frames));
    assert_eq!((tally.records, tally.skipped.len()), (frames.len() as u64, 0), "{tally:?}");
    records.sorted().0
}

fn has(record: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(record.contains(part), "{part} is not in {record}");
    }
}

fn hello() -> Vec<u8> {
    client_hello(0x0303, &[0x1301, 0x0a0a], &[server_name("a.example"), alpn("h2")])
}

fn tls_record(kind: u8, body: &[u8]) -> Vec<u8> {
    [vec![kind, 3, 3], counted(2, body)].concat()
}

#[test]
fn a_session_over_tls() {
    let mut talk = Talk::opened(443);
    let sent = tls_record(22, &hello());
    // In two segments, as hellos with large keys are.
    talk.send(true, ACK, &sent[..40]);
    talk.send(true, ACK, &sent[40..]);
    let chosen = [(43, vec![3, 4])].map(|(kind, data)| [vec![0, kind], counted(2, &data)].concat());
    let answer =
        [vec![3, 3], vec![9; 32], vec![0, 0x13, 1, 0], counted(2, &chosen.concat())].concat();
    let answer = tls_record(22, &[vec![2], counted(3, &answer)].concat());
    talk.send(false, ACK, &[answer.clone(), tls_record(20, &[1])].concat());
    talk.send(true, ACK, &tls_record(23, b"secret"));
    let records = records(&talk.close());
    let (up, down) = (sent.len() + 11, answer.len() + 6);
    has(
        &records[0],
        &[
            "start_us: 1700000000000000",
            "orig: 192.0.2.1, orig_port: 50000, resp: 198.51.100.2, resp_port: 443",
            &format!("service: Some({:?}), duration_us: Some(90000)", b"ssl"),
            &format!("orig_bytes: Some({up}), resp_bytes: Some({down}), state: Some(Sf)"),
            &format!("missed_bytes: 0, history: Some({:?})", b"ShADdFfA".get(..7).unwrap()),
            &format!("orig_packets: Some(7), orig_ip_bytes: Some({})", 7 * 40 + up),
            &format!("resp_packets: Some(3), resp_ip_bytes: Some({})", 3 * 40 + down),
            "sizes: Counted",
        ],
    );
    let hello_bytes = hello().len();
    has(
        &records[1],
        &[
            "time_us: 1700000000030000",
            r#"server_name: Some("a.example"), version: Some("TLSv13"), next_protocol: None"#,
            "established: Some(true)",
            r#"ja4: Some("t12d0102h2_"#,
            &format!("hello_bytes: Some({hello_bytes})"),
        ],
    );
    let uid = |text: &str| text.split("uid: ").nth(1).unwrap_or_default().len();
    assert!(uid(&records[0]) > 0 && records.len() == 2);
}

#[test]
fn payload_counts_once_and_holes_are_told() {
    let mut talk = Talk::opened(9);
    talk.send(true, ACK, b"0123456789");
    talk.at(true, 1_001, ACK, b"0123456789"); // again
    talk.at(true, 1_006, ACK, b"56789abcde"); // half of it again
    talk.at(true, 1_026, ACK, b"z"); // ten bytes are missing
    talk.at(true, 77, RST, b""); // made up by somebody between
    let all = records(&talk.frames);
    has(&all[0], &["orig_bytes: Some(26), resp_bytes: Some(0), state: Some(Rsto)"]);
    has(&all[0], &["missed_bytes: 10"]);
    talk.frames.pop();
    talk.at(true, 1_016, ACK, b"0123456789"); // late
    has(&records(&talk.frames)[0], &["orig_bytes: Some(26)", "missed_bytes: 0", "state: Some(S1)"]);
}

/// The old acknowledgement and the reset are real behaviour of hosts that use a port again.
#[test]
fn ports_used_again_are_another_flow() {
    let mut talk = Talk::opened(9);
    talk.send(true, ACK, b"abc");
    talk.at(true, 500_000, SYN, b"");
    talk.at(false, 77, ACK, b"");
    talk.at(true, 1, RST, b"");
    talk.at(true, 500_000, SYN, b"");
    talk.at(false, 900_000, SYN | ACK, b"");
    talk.at(true, 500_001, ACK, b"defg");
    let records = records(&talk.frames);
    assert_eq!(records.len(), 3);
    has(&records[0], &["orig_bytes: Some(3)", "state: Some(S1)"]);
    has(&records[1], &["orig_bytes: Some(0)"]);
    has(&records[2], &["orig_bytes: Some(4), resp_bytes: Some(0), state: Some(S1)"]);
}

#[test]
fn states_and_silence() {
    let state = |sent: &[(bool, u8)]| {
        let mut talk = Talk::new(9);
        sent.iter().for_each(|(from_client, flags)| talk.send(*from_client, *flags, b""));
        let record = records(&talk.frames).swap_remove(0);
        record
            .split("state: Some(")
            .nth(1)
            .and_then(|rest| rest.split(')').next())
            .map(str::to_owned)
    };
    assert_eq!(state(&[(true, SYN)]).as_deref(), Some("S0"));
    assert_eq!(state(&[(true, SYN), (false, RST | ACK)]).as_deref(), Some("Rej"));
    assert_eq!(state(&[(false, SYN | ACK)]).as_deref(), Some("Oth"));
    // The middle of a connection: who has the well-known port was addressed.
    let mut middle = Talk::new(443);
    middle.send(false, ACK, b"x");
    has(
        &records(&middle.frames)[0],
        &["orig: 192.0.2.1", "resp_bytes: Some(1)", "state: Some(Oth)"],
    );
    // A minute of silence ends a flow of UDP.
    let ask =
        |time_us| (time_us, ethernet(0x0800, &ipv4(17, [CLIENT, SERVER], 0, &udp([5, 6], b"x"))));
    let silent = [ask(START_US), ask(START_US + 59_000_000), ask(START_US + 120_000_000)];
    assert_eq!(records(&silent).len(), 2);
}

fn dns(id: u16, flags: u16, answers: &[u8], count: u16) -> Vec<u8> {
    let head: Vec<u8> =
        [id, flags, 1, count, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    [&head[..], b"\x01a\x07example\0\0\x01\0\x01", answers].concat()
}

#[test]
fn questions_and_answers() {
    // An alias whose name points into the question, an address, TXT, and a record that is cut.
    let answers = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01b\xc0\x0e\
                    \xc0\x27\0\x01\0\x01\0\0\0\x0a\0\x04\xcb\x00\x71\x09\
                    \xc0\x27\0\x10\0\x01\0\0\0\x01\0\x03\x02x\xff\
                    \xc0\x27\0\x01\0\x01\0";
    let message = |from_client: bool, body: &[u8]| {
        let (mut ends, mut ports) = ([CLIENT, SERVER], [50_000, 53]);
        if !from_client {
            ends.reverse();
            ports.reverse();
        }
        ethernet(0x0800, &ipv4(17, ends, 0, &udp(ports, body)))
    };
    let frames = [
        (START_US, message(true, &dns(1, 0x0100, b"", 0))),
        (START_US + 1, message(true, &dns(2, 0x0100, b"", 0))),
        (START_US + 2, message(false, &dns(1, 0x8180, answers, 4))),
        (START_US + 3, message(false, &dns(9, 0x8183, b"", 0))),
        (START_US + 4, message(true, b"no message")),
    ];
    let records = records(&frames);
    assert_eq!(records.len(), 4);
    has(&records[0], &[&format!("service: Some({:?})", b"dns"), "resp_packets: Some(2)"]);
    let of = |time_us: u64| {
        let wanted = format!("Dns {{ time_us: {time_us},");
        records.iter().find(|record| record.starts_with(&wanted)).unwrap()
    };
    has(
        of(START_US),
        &[
            r#"query: Some("a.example"), qtype: Some(1), rcode: Some(0)"#,
            r#"[Text("b.example"), Address(203.0.113.9), Text("TXT 2 x\\xff")], ttls_s: [60, 10, 1]"#,
        ],
    );
    has(of(START_US + 1), &["rcode: None, answers: []"]);
    has(of(START_US + 3), &["rcode: Some(3)"]);

    // The same over TCP, a message in two segments.
    let mut talk = Talk::opened(53);
    let ask = counted(2, &dns(1, 0x0100, b"", 0));
    talk.send(true, ACK, &ask[..9]);
    talk.send(true, ACK, &ask[9..]);
    talk.send(false, ACK, &counted(2, &dns(1, 0x8180, answers, 4)));
    has(&self::records(&talk.close())[1], &["transport: 6", "Address(203.0.113.9)"]);
}

#[test]
fn names_that_point_round_in_circles_are_no_names() {
    for circle in [&b"\xc0\x0c"[..], b"\x01a\xc0\x0c", b"\xc0\xff", b"\x80", b"\x3f"] {
        let mut message = dns(1, 0x0100, b"", 0);
        message.splice(12.., circle.iter().copied());
        message.extend([0, 1, 0, 1]);
        let packet = ipv4(17, [CLIENT, SERVER], 0, &udp([50_000, 53], &message));
        let records = records(&[(START_US, ethernet(0x0800, &packet))]);
        assert_eq!(records.len(), 1, "a flow, and nothing said in it");
        has(&records[0], &["service: None"]);
    }
}

#[test]
fn requests_and_responses() {
    let mut talk = Talk::opened(80);
    talk.send(true, ACK, b"GET /x.png HTTP/1.1\r\nHost: a.example\r\nUser-");
    talk.send(true, ACK, b"Agent: u\r\n\r\n");
    talk.send(false, ACK, b"HTTP/1.1 100 Continue\r\n\r\n");
    talk.send(false, ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nMZ\x90\0");
    talk.send(
        true,
        ACK,
        b"POST /in HTTP/1.1\r\nhost: a.example:80\r\ncontent-length: 3\r\n\r\nabc",
    );
    talk.send(false, ACK, b"HTTP/1.1 404 Not Found\r\n\r\nab");
    talk.send(false, ACK, b"cd");
    talk.send(true, ACK, b"CONNECT b.example:443 HTTP/1.1\r\n\r\n");
    let records = records(&talk.close());
    assert_eq!(records.len(), 4);
    has(&records[0], &[&format!("service: Some({:?})", b"http")]);
    has(
        &records[1],
        &[
            r#"method: Some("GET"), host: Some("a.example"), uri: Some("/x.png"), user_agent: Some("u")"#,
            "response_body_bytes: 9000, status: Some(200)",
            r#"resp_mime_types: ["application/x-dosexec"]"#,
        ],
    );
    has(
        &records[2],
        &[
            r#"method: Some("POST"), host: Some("a.example:80")"#,
            "request_body_bytes: 3, response_body_bytes: 4, status: Some(404)",
        ],
    );
    has(&records[3], &[r#"uri: Some("b.example:443")"#, "status: None"]);
}

/// A client's Initial packet over these frames, protected with keys that rustls derives for a client.
fn initial(number: u8, frames: &[u8]) -> Vec<u8> {
    use rustls::Side;
    use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    use rustls::quic::{Keys, Version};
    let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    let id = [5; 8];
    let keys = Keys::initial(Version::V1, suite, suite.quic.unwrap(), &id, Side::Client);
    let mut payload = frames.to_vec();
    payload.resize(1_100, 0);
    let length = 0x4000 | (payload.len() as u16 + 1 + 16);
    let mut header =
        [&[0xc0, 0, 0, 0, 1, 8][..], &id, &[0, 0], &length.to_be_bytes(), &[number]].concat();
    let tag = keys.local.packet.encrypt_in_place(u64::from(number), &header, &mut payload).unwrap();
    payload.extend_from_slice(tag.as_ref());
    let number_at = header.len() - 1;
    let (first, rest) = header.split_at_mut(1);
    let sample = &payload[3..19];
    keys.local.header.encrypt_in_place(sample, &mut first[0], &mut rest[number_at - 1..]).unwrap();
    header.extend(payload);
    header
}

#[test]
fn the_hello_of_quic() {
    let hello = hello();
    let (first, second) = hello.split_at(50);
    let crypto = |place: u8, part: &[u8]| [&[1, 6, place, part.len() as u8][..], part].concat();
    // An acknowledgement before, and the parts in the wrong order.
    let packets = [
        initial(0, &[&[2, 0, 0, 1, 0, 0, 0][..], &crypto(50, second)].concat()),
        initial(1, &crypto(0, first)),
    ];
    let frames: Vec<_> = packets
        .iter()
        .map(|packet| ethernet(0x0800, &ipv4(17, [CLIENT, SERVER], 0, &udp([50_000, 443], packet))))
        .enumerate()
        .map(|(place, frame)| (START_US + place as u64, frame))
        .collect();
    let all = records(&frames);
    assert_eq!(all.len(), 2);
    has(&all[0], &[&format!("service: Some({:?})", b"quic")]);
    has(
        &all[1],
        &[
            r#"quic: true, server_name: Some("a.example"), version: Some("1")"#,
            r#"ja4: Some("q12d0102h2_"#,
        ],
    );
    // Changed on the way: nothing is read, nothing is lost.
    let mut broken = frames;
    broken[1].1[100] ^= 1;
    has(&records(&broken)[1], &["quic: true, server_name: None"]);
}

#[test]
fn both_containers_and_all_cuts_give_the_same() {
    let mut talk = Talk::opened(443);
    talk.send(true, ACK, &tls_record(22, &hello()));
    let frames = talk.close();
    let expected = records(&frames);
    let (records, tally) = read("x", pcapng(1, &frames));
    assert_eq!((records.sorted().0, tally.format()), (expected, "pcapng".to_owned()));
    assert_eq!((tally.records, tally.skipped.len()), (frames.len() as u64, 0));
    for file in [pcap(1, &frames), pcapng(1, &frames)] {
        let whole = read("x", &file);
        for size in [1, 2, 3, 7, 16, 61, 200] {
            assert_eq!(blocks("x", &file, size), whole, "blocks of {size}");
        }
        assert_eq!(pieces("x", &file, 10), whole);
        // Cut off anywhere: a good beginning, and at most one record that is cut off.
        for length in 24..file.len() {
            let (_, cut) = read("x", &file[..length]);
            assert!(cut.skipped.values().sum::<u64>() <= 1, "{length}: {cut:?}");
            assert!(cut.skipped.keys().all(|reason| *reason == Skip::CutOff), "{length}: {cut:?}");
        }
    }
}

#[test]
fn a_short_snap_length_costs_names_but_no_bytes() {
    let mut talk = Talk::opened(443);
    talk.send(true, ACK, &tls_record(22, &hello()));
    let frames = talk.close();
    let whole = records(&frames);
    let mut file = pcap(1, &[]);
    frames
        .iter()
        .for_each(|(time_us, frame)| file.extend(record(*time_us, frame, frame.len().min(60))));
    let (cut, tally) = read("x", &file);
    assert_eq!(tally.skipped.len(), 0);
    let cut = cut.sorted().0;
    assert_eq!(cut[0], whole[0]);
    has(&cut[1], &["server_name: None"]);
    // Even where the transport's header is cut: 48 bytes hold flags, but no end of the header.
    let mut file = pcap(1, &[]);
    frames.iter().for_each(|(time_us, frame)| file.extend(record(*time_us, frame, 48)));
    let sizes = |text: &str| text.split("duration_us").nth(1).map(str::to_owned);
    let (cut, tally) = read("x", &file);
    assert_eq!((tally.skipped.len(), cut.0.len()), (0, 1));
    assert_eq!(sizes(&cut.0[0]), sizes(&whole[0]));
}

#[test]
fn links_tags_tunnels_and_versions_of_ip() {
    let packet = ipv4(17, [CLIENT, SERVER], 0, &udp([5_000, 6_000], b"abc"));
    let plain = records(&[(START_US, ethernet(0x0800, &packet))]).swap_remove(0);
    let one = |link: u32, frame: Vec<u8>| {
        let (records, tally) = read("x", pcap(link, &[(START_US, frame)]));
        assert_eq!((tally.records, tally.skipped.len()), (1, 0), "{link}: {tally:?}");
        records.0.into_iter().next().unwrap_or_default()
    };
    let tagged = ethernet(0x88a8, &[&[0, 1, 0x81, 0, 0, 2, 8, 0][..], &packet].concat());
    assert_eq!(one(1, tagged), plain, "two VLAN tags");
    assert_eq!(one(101, packet.clone()), plain, "raw");
    assert_eq!(one(0, [&[2, 0, 0, 0][..], &packet].concat()), plain, "loopback");
    let any = [&[0; 14][..], &[8, 0], &packet].concat();
    assert_eq!(one(113, any), plain, "Linux any");
    let tunnel = [&[0x20, 0, 8, 0, 0, 0, 0, 9][..], &packet].concat();
    assert_eq!(one(1, ethernet(0x0800, &ipv4(47, [SERVER, CLIENT], 0, &tunnel))), plain, "GRE");
    let inner = ethernet(0x0800, &packet);
    let mirrored = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1][..], &[0; 8], &inner].concat();
    assert_eq!(
        one(1, ethernet(0x0800, &ipv4(47, [SERVER, CLIENT], 0, &mirrored))),
        plain,
        "ERSPAN"
    );

    let six = |next: u8, body: &[u8]| {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((body.len() as u16).to_be_bytes());
        packet.extend([next, 64]);
        for last in [1_u16, 2] {
            packet.extend([0x20, 1, 0x0d, 0xb8]);
            packet.extend([0; 10]);
            packet.extend(last.to_be_bytes());
        }
        ethernet(0x86dd, &[packet, body.to_vec()].concat())
    };
    let datagram = udp([5_000, 6_000], b"abc");
    let record = one(1, six(17, &datagram));
    has(&record, &["orig: 2001:db8::1", "resp: 2001:db8::2", "orig_bytes: Some(3)"]);
    has(&record, &["orig_ip_bytes: Some(51)"]);
    let options = [&[17, 0, 1, 4, 0, 0, 0, 0][..], &datagram].concat();
    let record = one(1, six(0, &options));
    has(&record, &["transport: 17", "orig_bytes: Some(3)", "orig_ip_bytes: Some(59)"]);
}

#[test]
fn fragments_are_of_the_flow_that_the_first_one_opened() {
    let datagram = udp([5_000, 6_000], &[7; 3_000]);
    let part = |time_us, fragment, body: &[u8]| {
        (time_us, ethernet(0x0800, &ipv4(17, [CLIENT, SERVER], fragment, body)))
    };
    let frames = [
        part(START_US, 0x2000, &datagram[..1_480]),
        part(START_US + 1, 0x20b9, &datagram[1_480..2_960]),
        part(START_US + 2, 0x0172, &datagram[2_960..]),
    ];
    let all = records(&frames);
    assert_eq!(all.len(), 1);
    has(&all[0], &["orig_bytes: Some(3000)", "orig_packets: Some(3)", "duration_us: Some(2)"]);
    let (records, tally) = read("x", pcap(1, &frames[1..]));
    assert_eq!((records.0.len(), tally.skipped.get(&Skip::BadPacket)), (0, Some(&2)));
}

#[test]
fn echoes_and_their_replies_are_one_flow() {
    let echo = |ends, kind| {
        ethernet(0x0800, &ipv4(1, ends, 0, &[&[kind, 0, 0, 0, 0, 1, 0, 1][..], &[0; 56]].concat()))
    };
    let (ask, reply) = (echo([CLIENT, SERVER], 8), echo([SERVER, CLIENT], 0));
    let wanted = ["orig: 192.0.2.1, orig_port: 8", "resp_port: 0", "orig_bytes: Some(56)"];
    let both = records(&[(START_US, ask.clone()), (START_US + 1, reply.clone())]);
    has(&both[0], &wanted);
    has(&both[0], &["resp_bytes: Some(56), state: Some(Oth)"]);
    let turned = records(&[(START_US, reply), (START_US + 1, ask)]);
    has(&turned[0], &wanted);
    assert_eq!((both.len(), turned.len()), (1, 1));
}

#[test]
fn what_is_wrong_is_counted_and_loses_nothing_else() {
    let good = |time_us| {
        let packet = ipv4(17, [CLIENT, SERVER], 0, &udp([5_000, 6_000], b"abc"));
        (time_us, ethernet(0x0800, &packet))
    };
    let bad = [
        (ethernet(0x0806, &[0; 28]), Skip::NotIp),
        (ethernet(0x88cc, b"lldp"), Skip::NotIp),
        (ethernet(0x0800, &[0x45; 9]), Skip::BadPacket),
        (ethernet(0x0800, &ipv4(6, [CLIENT, SERVER], 0, &[0; 13])), Skip::BadPacket),
        (ethernet(0x0800, &ipv4(6, [CLIENT, SERVER], 0, &[0; 20])), Skip::BadPacket),
        (vec![1, 2, 3], Skip::BadPacket),
    ];
    for (frame, reason) in bad {
        let frames = [good(START_US), (START_US + 1, frame.clone()), good(START_US + 2)];
        let (records, tally) = read("x", pcap(1, &frames));
        assert_eq!(tally.skipped, [(reason, 1)].into(), "{frame:?}");
        has(&records.0[0], &["orig_packets: Some(2)"]);
    }
    // A time whose fraction is a second or more.
    let mut file = pcap(1, &[good(START_US)]);
    file[28..32].copy_from_slice(&1_000_000_u32.to_le_bytes());
    assert_eq!(read("x", &file).1.skipped, [(Skip::BadTime, 1)].into());
    // A record that cannot be so long: the rest is not read, what came before counts.
    let mut file = pcap(1, &[good(START_US), good(START_US + 1)]);
    let second = 24 + record(0, &good(0).1, good(0).1.len()).len();
    file[second + 8..second + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (records, tally) = read("x", &file);
    assert_eq!((records.0.len(), tally.skipped), (1, [(Skip::BadBlock, 1)].into()));
    // A packet of an interface that was not described.
    let mut file = pcapng(1, &[good(START_US)]);
    let packet = file.len() - (12 + 20 + good(0).1.len().next_multiple_of(4));
    file[packet + 11] = 9;
    assert_eq!(read("x", &file).1.skipped, [(Skip::BadBlock, 1)].into());
}

/// More flows than are kept open: the silent half is ended, and nothing is lost.
#[test]
fn open_flows_are_bounded() {
    use crate::limits::CAPTURE_FLOWS_MAX;
    let count = CAPTURE_FLOWS_MAX as u32 + 10;
    let frames: Vec<_> = (0..count)
        .map(|number| {
            let client = [10, (number >> 16) as u8, (number >> 8) as u8, number as u8];
            let packet = ipv4(17, [client, SERVER], 0, &udp([5_000, 6_000], b""));
            (START_US + u64::from(number), ethernet(0x0800, &packet))
        })
        .collect();
    let (records, tally) = read("x", pcap(1, &frames));
    assert_eq!((records.0.len(), tally.skipped.len()), (count as usize, 0));
}
