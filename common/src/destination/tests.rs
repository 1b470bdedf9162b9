use std::collections::BTreeSet;

use rand_core::RngCore;

use super::*;
use crate::env::SeededRng;
use crate::suffixes::Suffixes;

fn host(text: &str) -> Host {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn spellings_of_one_host_are_one_host() {
    for (text, normal) in [
        ("Evil.Example.", "evil.example"),
        (" evil.example ", "evil.example"),
        ("evil。example", "evil.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.Evil.example", "_dmarc.evil.example"),
        ("r3---sn-4g5e6nez.cdn.example", "r3---sn-4g5e6nez.cdn.example"),
        ("straße.example", "xn--strae-oqa.example"), // not transitional: UTS #46 keeps the sharp s
        ("203.0.113.77", "203.0.113.77"),
        ("203.0.113.77.", "203.0.113.77"),
        ("２０３.０.１１３.７７", "203.0.113.77"),
        ("::ffff:203.0.113.77", "203.0.113.77"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
    ] {
        assert_eq!(host(text).text(), normal, "{text}");
        assert_eq!(host(normal), host(text), "{text}");
    }
}

#[test]
fn what_is_no_host_says_why() {
    let long_label = format!("{}.example", "a".repeat(64));
    let long_name = vec!["a"; 128].join(".");
    let endless = "ü".repeat(1_000);
    for (text, error) in [
        ("", HostError::Empty),
        (".", HostError::Empty),
        ("evil..example", HostError::Label),
        (".evil.example", HostError::Label),
        (&long_label, HostError::Label),
        (&long_name, HostError::TooLong),
        (&endless, HostError::TooLong),
        ("evil example", HostError::Character),
        ("*.evil.example", HostError::Character),
        ("evil.example/path", HostError::Character),
        ("a\0b.example", HostError::Character),
        ("203.0.113", HostError::Numeric),
        ("203.0.113.256", HostError::Numeric),
        ("203.0.113.077", HostError::Numeric),
        ("0x7f.1", HostError::Numeric),
        ("a.0x7f", HostError::Numeric),
        ("xn--zzzzzz999999999.example", HostError::Idna),
        ("fe80::1%eth0", HostError::Zone),
        ("2001:db8:::1", HostError::Character),
    ] {
        assert_eq!(text.parse::<Host>(), Err(error), "{text}");
    }
}

#[test]
fn destinations_carry_a_port_or_none() {
    for (text, name, port) in [
        ("evil.example:8443", "evil.example", Some(8443)),
        ("evil.example", "evil.example", None),
        ("203.0.113.77:80", "203.0.113.77", Some(80)),
        ("[2001:db8::1]:443", "2001:db8::1", Some(443)),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("2001:db8::1", "2001:db8::1", None),
        ("[::ffff:203.0.113.77]:1", "203.0.113.77", Some(1)),
    ] {
        let destination: Destination = text.parse().unwrap();
        assert_eq!((destination.host.text().as_ref(), destination.port), (name, port), "{text}");
    }
    for (text, error) in [
        ("evil.example:", HostError::Port),
        ("evil.example:0", HostError::Port),
        ("evil.example:65536", HostError::Port),
        ("evil.example:+80", HostError::Port),
        (":80", HostError::Empty),
        ("[2001:db8::1", HostError::Brackets),
        ("[2001:db8::1]443", HostError::Brackets),
        ("[evil.example]:443", HostError::Brackets),
        ("[fe80::1%3]:443", HostError::Zone),
    ] {
        assert_eq!(text.parse::<Destination>(), Err(error), "{text}");
    }
}

#[test]
fn debug_shows_no_name() {
    let destination: Destination = "evil.example:8443".parse().unwrap();
    let input = Input::host(&destination.host);
    let scope: Scope = "acme.example".parse().unwrap();
    let shown = format!("{destination:?} {:?} {input:?} {scope:?}", destination.host);
    assert!(!shown.contains("evil") && !shown.contains("acme"), "{shown}");
    assert!(shown.contains("12 bytes"), "{shown}");
    assert!(!format!("{:?}", host("203.0.113.77")).contains("203"));
}

/// Random text over an alphabet that provokes the rules: whatever is accepted is a fixed point.
#[test]
fn normalisation_is_idempotent() {
    const PIECES: &[&str] = &[
        "a", "Z", "9", "-", "_", ".", "。", "ü", "ß", "xn--", "İ", "１", "ﬀ", "\u{200d}", "漢",
        "0x", ":", "..", " ", "é", "e\u{301}",
    ];
    let mut rng = SeededRng::new("destination tests", 1);
    let (mut accepted, rounds) = (0, 20_000);
    for round in 0..rounds {
        let length = 1 + rng.next_u32() as usize % 12;
        let text: String =
            (0..length).map(|_| PIECES[rng.next_u32() as usize % PIECES.len()]).collect();
        let Ok(host) = text.parse::<Host>() else { continue };
        accepted += 1;
        assert_eq!(host.text().parse(), Ok(host.clone()), "seed 1, round {round}: {text:?}");
        let input = Input::host(&host);
        assert_eq!(Input::parse(input.bytes(), Suffixes::shipped()), Ok(input.clone()));
        assert_eq!(input.subject(), host);
    }
    assert!(accepted > rounds / 20, "too few accepted to mean anything: {accepted}");
}

#[test]
fn classes_are_those_of_the_registries() {
    use AddressClass::{Documentation, Global, Multicast, Special};
    for (address, class) in [
        ("8.8.8.8", Global),
        ("0.0.0.0", Special),
        ("10.1.2.3", Special),
        ("100.63.255.255", Global),
        ("100.64.0.0", Special),
        ("100.127.255.255", Special),
        ("100.128.0.0", Global),
        ("127.0.0.1", Special),
        ("169.254.169.254", Special),
        ("172.15.255.255", Global),
        ("172.16.0.1", Special),
        ("172.32.0.0", Global),
        ("192.0.0.1", Special),
        ("192.0.0.9", Global),
        ("192.0.2.1", Documentation),
        ("192.88.99.1", Special),
        ("192.168.1.1", Special),
        ("198.17.255.255", Global),
        ("198.18.0.1", Special),
        ("198.19.255.255", Special),
        ("198.51.100.1", Documentation),
        ("203.0.113.1", Documentation),
        ("224.0.0.251", Multicast),
        ("239.255.255.250", Multicast),
        ("240.0.0.1", Special),
        ("255.255.255.255", Special),
        ("::", Special),
        ("::1", Special),
        ("::ffff:10.0.0.1", Special),
        ("::ffff:8.8.8.8", Global),
        ("64:ff9b::808:808", Special),
        ("64:ff9b:1::1", Special),
        ("100::1", Special),
        ("2001::1", Special),
        ("2001:1::1", Global),
        ("2001:2::1", Special),
        ("2001:3::1", Global),
        ("2001:4:112::1", Global),
        ("2001:20::1", Global),
        ("2001:40::1", Special),
        ("2001:200::1", Global),
        ("2001:db8::1", Documentation),
        ("2002::1", Special),
        ("2606:4700::1111", Global),
        ("3fff::1", Documentation),
        ("3fff:1000::1", Global),
        ("4000::1", Special),
        ("5f00::1", Special),
        ("fc00::1", Special),
        ("fe80::1", Special),
        ("fec0::1", Special),
        ("ff02::1", Multicast),
    ] {
        assert_eq!(address_class(address.parse().unwrap()), class, "{address}");
    }
}

fn policy() -> OwnPolicy<'static> {
    OwnPolicy {
        own: ["acme.example", "192.0.2.0/24", "2001:db8:1::/48", "2001:db8:2::80/124"]
            .map(|text| text.parse().unwrap())
            .into(),
        private: ["partner.example", "198.51.100.7"].map(|text| text.parse().unwrap()).into(),
        minting_sites: BTreeSet::from(["minted.example".parse().unwrap()]),
        documentation_names: true,
        suffixes: Suffixes::shipped(),
    }
}

#[test]
fn what_is_never_tokenised() {
    for (text, why) in [
        ("10.0.0.1", WhyNot::NotGlobal),
        ("fe80::1", WhyNot::NotGlobal),
        ("239.1.1.1", WhyNot::NotGlobal),
        ("intranet", WhyNot::SingleLabel),
        ("localhost", WhyNot::LocalZone),
        ("printer.local", WhyNot::LocalZone),
        ("nas.home.arpa", WhyNot::LocalZone),
        ("4.3.2.1.in-addr.arpa", WhyNot::LocalZone),
        ("abc.onion", WhyNot::LocalZone),
        ("acme.example", WhyNot::Own),
        ("www.acme.example", WhyNot::Own),
        ("192.0.2.9", WhyNot::Own),
        ("2001:db8:1:7::1", WhyNot::Own),
        ("2001:db8:2::1", WhyNot::Own), // a neighbour in the /64 of an own network
        ("acme.okta.example", WhyNot::NamesOwn),
        ("acme-my.sharepoint.example", WhyNot::NamesOwn),
        ("mail.partner.example", WhyNot::Private),
        ("198.51.100.7", WhyNot::Private),
    ] {
        assert_eq!(inputs(&host(text), &policy()), Err(why), "{text}");
    }
    let strict = OwnPolicy { documentation_names: false, ..policy() };
    for text in ["evil.example", "www.example.com", "203.0.113.77", "2001:db8::1"] {
        assert_eq!(inputs(&host(text), &strict), Err(WhyNot::Documentation), "{text}");
        assert!(inputs(&host(text), &policy()).is_ok(), "{text}");
    }
    assert!(inputs(&host("notacmx.example"), &policy()).is_ok());
    assert!(inputs(&host("acme.example.net"), &policy()).is_err());
}

#[test]
fn short_own_names_hide_nothing_else() {
    let own = vec!["hp.example".parse().unwrap()];
    let policy = OwnPolicy { own, ..policy() };
    assert!(inputs(&host("php.okta.example"), &policy).is_ok());
    assert_eq!(inputs(&host("www.hp.example"), &policy), Err(WhyNot::Own));
}

#[test]
fn inputs_are_host_and_site() {
    let texts = |text: &str| {
        let inputs = inputs(&host(text), &policy()).unwrap();
        let show = |input: Input| (input.kind(), input.text());
        (inputs.host.map(show), inputs.site.map(show))
    };
    let some = |kind, text: &str| Some((kind, text.to_owned()));
    assert_eq!(
        texts("c2.evil.example"),
        (some(InputKind::Name, "c2.evil.example"), some(InputKind::Site, "evil.example"))
    );
    assert_eq!(
        texts("evil.example"),
        (some(InputKind::Name, "evil.example"), some(InputKind::Site, "evil.example"))
    );
    assert_eq!(texts("x7.minted.example"), (None, some(InputKind::Site, "minted.example")));
    assert_eq!(texts("203.0.113.77"), (some(InputKind::V4, "203.0.113.77"), None));
    assert_eq!(
        texts("2001:db8::1"),
        (some(InputKind::V6, "2001:db8::1"), some(InputKind::Slash64, "2001:db8::/64"))
    );
    assert_eq!(texts("github.io"), (some(InputKind::Name, "github.io"), None));
}

/// The bytes of FLP1's vectors.
#[test]
fn input_bytes_are_those_of_the_specification() {
    let of = |text: &str| inputs(&host(text), &policy()).unwrap();
    for (input, bytes) in [
        (of("evil.example").host, "464c50312d6465737400010000000c6576696c2e6578616d706c65"),
        (of("203.0.113.77").host, "464c50312d64657374000200000004cb00714d"),
        (of("2001:db8::1").host, "464c50312d6465737400030000001020010db8000000000000000000000001"),
        (of("c2.evil.example").site, "464c50312d6465737400040000000c6576696c2e6578616d706c65"),
        (of("2001:db8::1").site, "464c50312d6465737400050000000820010db800000000"),
    ] {
        let input = input.unwrap();
        assert_eq!(hex::encode(input.bytes()), bytes);
        assert_eq!(Input::parse(input.bytes(), Suffixes::shipped()), Ok(input));
    }
}

#[test]
fn inputs_that_nobody_derives_are_refused() {
    let parse = |text: &str| Input::parse(&hex::decode(text).unwrap(), Suffixes::shipped());
    for (bytes, error) in [
        ("", InputError::Form),
        ("464c50312d64657374000200000004cb0071", InputError::Form),
        ("464c50312d64657374000200000004cb00714d00", InputError::Form),
        ("464c50312d64657375000200000004cb00714d", InputError::Form),
        ("464c50312d64657374000201bb0004cb00714d", InputError::Port),
        ("464c50312d64657374000000000004cb00714d", InputError::Kind(0)),
        ("464c50312d64657374000600000004cb00714d", InputError::Kind(6)),
        ("464c50312d64657374000300000004cb00714d", InputError::NotCanonical),
        ("464c50312d6465737400010000000c4576696c2e6578616d706c65", InputError::NotCanonical),
        ("464c50312d6465737400010000000d6576696c2e6578616d706c652e", InputError::NotCanonical),
        (
            "464c50312d6465737400030000001000000000000000000000ffffcb00714d",
            InputError::NotCanonical,
        ),
        // Kind 4 of c2.evil.example, which is no site.
        ("464c50312d6465737400040000000f63322e6576696c2e6578616d706c65", InputError::NotCanonical),
    ] {
        assert_eq!(parse(bytes), Err(error), "{bytes}");
    }
}
