//! Packets: the first byte chooses the container and the link type, the second how the file is cut; then
//! come frames, each after its length in a byte and the time since the one before in another. With the
//! highest bit of the first byte the rest is the file itself, behind a good header.
#![no_main]

use flowlore_fuzz::check_cuts;
use libfuzzer_sys::fuzz_target;

/// Ethernet, raw, loopback, Linux "any".
const LINKS: [u8; 4] = [1, 101, 0, 113];

fuzz_target!(|data: &[u8]| {
    let [choice, size, rest @ ..] = data else { return };
    let mut rest: &[u8] = rest;
    let link = LINKS[usize::from(*choice) % LINKS.len()];
    let ng = choice & 0x40 != 0;
    let mut file = if ng {
        let mut file = b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0".to_vec();
        file.extend(b"\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0");
        file.extend([1, 0, 0, 0, 20, 0, 0, 0, link, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0]);
        file
    } else {
        let mut file = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0".to_vec();
        file.extend([link, 0, 0, 0]);
        file
    };
    if choice & 0x80 != 0 {
        file.extend_from_slice(rest);
        return check_cuts(&file, usize::from(*size) + 1);
    }
    let mut seconds = 1_700_000_000_u32;
    while let [length, pause, tail @ ..] = rest {
        let (frame, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        seconds += u32::from(*pause);
        let length = frame.len() as u32;
        if ng {
            let units = u64::from(seconds) * 1_000_000;
            let padded = frame.len().next_multiple_of(4) as u32;
            let words = [6, padded + 32, 0, (units >> 32) as u32, units as u32, length, length];
            file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            file.extend_from_slice(frame);
            file.resize(file.len() + (padded - length) as usize, 0);
            file.extend((padded + 32).to_le_bytes());
        } else {
            file.extend([seconds, 0, length, length].iter().flat_map(|word| word.to_le_bytes()));
            file.extend_from_slice(frame);
        }
    }
    check_cuts(&file, usize::from(*size) + 1);
});
