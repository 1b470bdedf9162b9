//! Frames and captures of our own making.

/// A file of libpcap's: little-endian, microseconds.
pub(in crate::source) fn pcap(link: u32, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\0\0\x04\0".to_vec();
    file.extend(link.to_le_bytes());
    for (time_us, frame) in frames {
        file.extend(record(*time_us, frame, frame.len()));
    }
    file
}

/// A record of such a file of which `here` bytes were captured.
pub(in crate::source) fn record(time_us: u64, frame: &[u8], here: usize) -> Vec<u8> {
    let words = [time_us / 1_000_000, time_us % 1_000_000, here as u64, frame.len() as u64];
    let mut record: Vec<u8> = words.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
    record.extend_from_slice(&frame[..here]);
    record
}

/// The same as pcapng, big-endian, nanoseconds, with a block between that is none of ours.
pub(in crate::source) fn pcapng(link: u16, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = (body.len() as u32 + 12).to_be_bytes();
        [&kind.to_be_bytes()[..], &length, &body, &length].concat()
    };
    let mut file =
        block(0x0a0d_0d0a, b"\x1a\x2b\x3c\x4d\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    // Snap length, then the option if_tsresol: 9.
    let about = [&link.to_be_bytes()[..], b"\0\0\0\x04\0\0\0\x09\0\x01\x09\0\0\0\0\0\0\0"].concat();
    file.extend(block(1, &about));
    file.extend(block(0x0bad, b"\x01\x02\x03\x04"));
    for (time_us, frame) in frames {
        let units = time_us * 1_000 + 999;
        let words = [0, (units >> 32) as u32, units as u32, frame.len() as u32, frame.len() as u32];
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        body.extend_from_slice(frame);
        file.extend(block(6, &body));
    }
    file
}

/// An Ethernet frame that carries something of a type.
pub(in crate::source) fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &kind.to_be_bytes(), body].concat()
}

/// An IPv4 packet; `fragment` is the word with the flags and the offset.
pub(in crate::source) fn ipv4(
    transport: u8,
    ends: [[u8; 4]; 2],
    fragment: u16,
    body: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((body.len() as u16 + 20).to_be_bytes());
    packet.extend(7_u16.to_be_bytes());
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, transport, 0, 0]);
    packet.extend(ends.concat());
    packet.extend_from_slice(body);
    packet
}

/// A TCP segment.
pub(in crate::source) fn tcp(ports: [u16; 2], sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend_from_slice(payload);
    segment
}

/// A UDP datagram.
pub(in crate::source) fn udp(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut datagram: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
    datagram.extend((payload.len() as u16 + 8).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend_from_slice(payload);
    datagram
}

/// With its length before it, in so many bytes.
pub(in crate::source) fn counted(bytes: usize, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[4 - bytes..], body].concat()
}

/// A ClientHello with the message's header, of these ciphers and extensions.
pub(in crate::source) fn client_hello(
    version: u16,
    ciphers: &[u16],
    extensions: &[(u16, Vec<u8>)],
) -> Vec<u8> {
    let words =
        |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    let list = extensions
        .iter()
        .flat_map(|(kind, data)| [kind.to_be_bytes().to_vec(), counted(2, data)].concat());
    let body = [
        version.to_be_bytes().to_vec(),
        vec![7; 32],
        counted(1, &[]),
        counted(2, &words(ciphers)),
        counted(1, &[0]),
        counted(2, &list.collect::<Vec<_>>()),
    ];
    [vec![1], counted(3, &body.concat())].concat()
}

/// The extension with a server's name.
pub(in crate::source) fn server_name(name: &str) -> (u16, Vec<u8>) {
    (0, counted(2, &[vec![0], counted(2, name.as_bytes())].concat()))
}

/// The extension with the protocols that a client offers, or the one that a server chose.
pub(in crate::source) fn alpn(name: &str) -> (u16, Vec<u8>) {
    (16, counted(2, &counted(1, name.as_bytes())))
}
