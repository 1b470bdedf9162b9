//! The secret fields of FLP1's vectors, which no public function shows.

use super::*;
use crate::proof::share_place;
use flowlore_common::ids::ShareGroup;

/// `Y` of `evil.example` under skSm of RFC 9497, A.1.2.
const OUTPUT: &str = "93b33b02a7aea53ac1837533d9ff9acc213fa409924f952692a38a2bfd6accf5f466a8367996d59f8e8b03145cbfc539689da529450e3950c6b16e18d80952ec";

const POLYNOMIALS: [(Purpose, &[&str]); 5] = [
    (Purpose::Contacted, &["78a3ad8f6efae67ceacad56b468b05c788793eac78976308df95e9836abf5f0c"]),
    (
        Purpose::Flagged,
        &[
            "2c70e52be787fcf5fcde55c64a64b2e8cfcdef398504a7c0121a54fe2a039006",
            "342f225702ced870e41edbec76a1133d171d8895ea9b20f61ca2533138cf1905",
            "41c829d04db4e1c36cfaea7522a45349713cb05674c9633be09650f288d60f0e",
        ],
    ),
    (Purpose::Vouched, &["711d11273ba7ea558f523834d96bbb01f17d7dea92979ce8c8bec83c6ef74a04"]),
    (
        Purpose::Knocked,
        &[
            "1c935f84842bd72545e1cb4c6f886ca3bae09484bbe98219b5586178e5d5f504",
            "caabef7b7cc07c9f52715bcef2574f43f987c0ee3e850f7713a4c085f7296b00",
            "6c13e42854afcbcc5fa984d3bae4f5fca29c2fb3346d1190f67ab042d023650b",
            "e090625a04fcbb65effc126d4f4d8594d2e173863fe23af793cc5f467d7ee304",
            "baa489598e378a283b6ba59f5b28ae2358c3384444865234cf7ef676c74dc100",
        ],
    ),
    (Purpose::Suspected, &["a4f65819a8e8cc86192fa2cb9bb8a2c56a30050319f52e56330f5795cf782807"]),
];

/// x of the share groups 01*32 to 05*32.
const PLACES: [&str; 5] = [
    "b11d2a1ba4d958d8b5ef6b882f28bfb931545b995b289da11a06835b5fbd4a02",
    "c9c3889a7dc25f0c42b9d73ad3db1e9abac49dc0e62613740ec763727c8cc30b",
    "4de18679f5bb80b9ed3b80d4a9c06807851ae392c94c839721168acd2d95b10b",
    "b96208c338831deb8dc51e1791505fad05c92ec902c6ffdd40cf74536b57180e",
    "c05b989efc8f07391d5fe80e32f6e4bfe4fa08c806732ae533b5a3e754c20406",
];

#[test]
fn polynomials_are_those_of_the_specification() {
    let mut output = [0; 64];
    hex::decode_to_slice(OUTPUT, &mut output).unwrap();
    for (purpose, coefficients) in POLYNOMIALS {
        let secret = Secret::derive(&Y::from_bytes(output), 7, purpose);
        let derived: Vec<_> =
            secret.polynomial.iter().map(|scalar| hex::encode(scalar.as_bytes())).collect();
        assert_eq!(derived, coefficients, "{purpose}");
    }
}

#[test]
fn places_are_those_of_the_specification() {
    for (group, place) in (1..).zip(PLACES) {
        let x = share_place(7, &ShareGroup([group; 32])).unwrap();
        assert_eq!(hex::encode(x.as_bytes()), place);
    }
}

/// Whoever knows a_0 can seal anything: only the form that everybody derives opens.
#[test]
fn a_sealed_name_with_hidden_bytes_does_not_open() {
    let secret = Secret::derive(&Y::from_bytes([1; 64]), 7, Purpose::Flagged);
    let honest = secret.record_of(b"name");
    let opens = |change: &dyn Fn(&mut [u8; 96])| {
        let mut padded = [0; 96];
        padded[..6].copy_from_slice(b"\0\x04name");
        change(&mut padded);
        let sealed = name_cipher(&secret.polynomial[0]);
        let sealed = sealed.encrypt(&Nonce::default(), padded.as_slice()).unwrap();
        let mut bytes = honest.bytes().to_vec();
        bytes.truncate(104);
        bytes.extend_from_slice(&sealed);
        let record = TokenRecord::parse(&bytes, &token_of(&bytes)).unwrap();
        record.open_name(&secret.polynomial[0]).map(|name| name.to_vec())
    };
    assert_eq!(opens(&|_| ()), Some(b"name".to_vec()));
    assert_eq!(opens(&|padded| padded[95] = 1), None);
    assert_eq!(opens(&|padded| padded[1] = 3), None);
    assert_eq!(opens(&|padded| padded[0] = 1), None);
}
