//! A file of nfcapd: the first byte chooses compression and encryption, the second how the file is cut; then come
//! records of flows, each after its flags in a byte and how long it is in another, of elements as they are. With
//! the highest bit of the first byte the rest is what follows a good header.
#![no_main]

use flowlore_fuzz::check_cuts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [choice, size, rest @ ..] = data else { return };
    let size = usize::from(*size) + 1;
    let mut file = vec![0x0c, 0xa5, 2, 0, 0, 1, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([choice & 7, choice >> 6 & 1, 1, 0]);
    file.extend([0; 16]);
    file.extend([2, 0, 0, 0]);
    if choice & 0x80 != 0 {
        file.extend_from_slice(rest);
        return check_cuts(&file, size);
    }
    let (mut records, mut count, mut rest) = (Vec::new(), 0_u32, rest);
    while let [flags, length, tail @ ..] = rest {
        let (body, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        records.extend([11, 0]);
        records.extend((body.len() as u16 + 12).to_le_bytes());
        records.extend([0, 0, 0, 0, 1, 0, *flags, 9]);
        records.extend_from_slice(body);
        count += 1;
    }
    for kind in [3, 2] {
        file.extend(count.to_le_bytes());
        file.extend((records.len() as u32).to_le_bytes());
        file.extend([kind, 0, 0, 0]);
        file.extend_from_slice(&records);
    }
    check_cuts(&file, size);
});
