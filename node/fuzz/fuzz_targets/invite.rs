//! An invitation's line: any text, any bytes behind a good checksum, and a good line with one character changed.
#![no_main]

use flowlore_common::ids::{FederationId, OrgId};
use flowlore_common::invite::{INVITE_PREFIX, Invite};
use flowlore_common::time::Hour;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _ = text.parse::<Invite>();
    let _ = format!("{INVITE_PREFIX}{text}").parse::<Invite>();

    // What is read says the same when it is written: one line an invitation, however long its address.
    let [at, to, hours @ ..] = data else { return };
    let invite = Invite {
        federation: FederationId([*at; 32]),
        inviter: OrgId([*to; 32]),
        transport_key: [3; 32],
        address: String::from_utf8_lossy(hours).into_owned(),
        code: [4; 16],
        expires: Hour(u32::from(*at) << 8 | u32::from(*to)),
    };
    let line = invite.to_string();
    let Ok(read) = line.parse::<Invite>() else {
        assert!(invite.address.chars().any(char::is_control), "{line}");
        return;
    };
    assert_eq!(read.to_string(), line);

    // A slip of the hand is noticed.
    let mut slipped = line.clone().into_bytes();
    let place = INVITE_PREFIX.len() + usize::from(*at) % (slipped.len() - INVITE_PREFIX.len());
    let other = b"0123456789abcdefx "[usize::from(*to) % 18];
    if slipped[place] != other {
        slipped[place] = other;
        let slipped = String::from_utf8(slipped).expect("it is ASCII");
        assert!(slipped.parse::<Invite>().is_err(), "{slipped}");
    }
});
