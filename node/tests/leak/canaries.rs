//! Words that stand nowhere else: one in every field of a log that names something inside, or a destination.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flowlore_common::env::SeededRng;
use rand_core::RngCore as _;

/// Letters of a canary's word: 13 random consonants do not come about by chance, in no encoding.
const WORD: usize = 13;

/// One canary: what field it stands for, and how it may be written.
pub(crate) struct Canary {
    pub(crate) kind: &'static str,
    pub(crate) forms: Vec<(&'static str, Vec<u8>)>,
}

/// All that stands in the logs of one run.
pub(crate) struct Secrets {
    pub(crate) laptop: Ipv4Addr,
    pub(crate) laptop_v6: Ipv6Addr,
    pub(crate) beyond: Ipv4Addr,
    pub(crate) mac: [u8; 6],
    pub(crate) host: String,
    pub(crate) user: String,
    pub(crate) agent: String,
    pub(crate) url: String,
    pub(crate) referrer: String,
    pub(crate) file: String,
    pub(crate) mail: String,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) inside_name: String,
    pub(crate) uid: String,
    pub(crate) folder: String,
    pub(crate) start_us: i64,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) own_zone: String,
    pub(crate) tenant: String,
    pub(crate) partner: String,
    pub(crate) contacted: String,
    pub(crate) beacon: String,
    pub(crate) labelled: String,
    pub(crate) written: String,
    pub(crate) asked: String,
    pub(crate) server: Ipv4Addr,
}

impl Secrets {
    /// `day_start_s`: when the logged day begins.
    pub(crate) fn new(seed: u64, day_start_s: i64) -> Self {
        let rng = &mut SeededRng::new("canaries", seed);
        let mut word = || {
            let letter =
                |rng: &mut SeededRng| b"bcdfghjklmnpqrstvwxz"[rng.next_u32() as usize % 20];
            (0..WORD).map(|_| char::from(letter(rng))).collect::<String>()
        };
        let [own, zone] = [word(), word()];
        Self {
            host: format!("lt-{}", word()),
            user: format!("u-{}", word()),
            agent: format!("{}/7.3", word()),
            url: format!("/{}/{}?session={}", word(), word(), word()),
            referrer: format!("https://intranet.{}.lan/", word()),
            file: format!("{}.xlsx", word()),
            mail: format!("{}@{}.lan", word(), word()),
            subject: format!("CN={}", word()),
            issuer: format!("CN={}", word()),
            inside_name: format!("printer.{}.corp", word()),
            uid: format!("C{}", word()),
            folder: format!("{}-dmz", word()),
            own_zone: format!("{own}.example"),
            tenant: format!("{own}-my.{zone}.example"),
            partner: format!("{}.example", word()),
            contacted: format!("www.{}.example", word()),
            beacon: format!("{}.example", word()),
            labelled: format!("{}.example", word()),
            written: word(),
            asked: format!("{}.example", word()),
            mac: std::array::from_fn(
                |at| if at == 0 { 2 } else { rng.next_u32().to_be_bytes()[0] },
            ),
            laptop: Ipv4Addr::new(10, 77, 100 + byte(rng) % 100, 100 + byte(rng) % 100),
            laptop_v6: Ipv6Addr::from(u128::from(rng.next_u64()) | 0xfd77_1234_u128 << 96),
            beyond: Ipv4Addr::new(172, 23, 100 + byte(rng) % 100, 100 + byte(rng) % 100),
            server: Ipv4Addr::new(203, 0, 113, 100 + byte(rng) % 100),
            start_us: (day_start_s + i64::from(rng.next_u32() % 3_600)) * 1_000_000
                + i64::from(100_001 + rng.next_u32() % 800_000),
            // Five bytes at least: fewer come about by chance in what is encrypted.
            bytes_out: (7_u64 << 36) + u64::from(rng.next_u32()),
            bytes_in: (5_u64 << 36) + u64::from(rng.next_u32()),
        }
    }

    /// Every canary with all its forms.
    pub(crate) fn canaries(&self) -> Vec<Canary> {
        let mut all: Vec<Canary> = vec![];
        for (kind, text) in [
            ("host name", &self.host),
            ("user", &self.user),
            ("user agent", &self.agent),
            ("URL", &self.url),
            ("referrer", &self.referrer),
            ("file name", &self.file),
            ("mail address", &self.mail),
            ("certificate subject", &self.subject),
            ("certificate issuer", &self.issuer),
            ("inside name", &self.inside_name),
            ("flow uid", &self.uid),
            ("path of a log", &self.folder),
            ("own zone", &self.own_zone),
            ("name with the own name", &self.tenant),
            ("private name", &self.partner),
            ("contacted name", &self.contacted),
            ("beacon's name", &self.beacon),
            ("labelled name", &self.labelled),
            ("what people wrote", &self.written),
            ("looked-up name", &self.asked),
        ] {
            all.push(Canary { kind, forms: text_forms(text) });
        }
        for (kind, address) in [
            ("inside address", self.laptop),
            ("address beyond", self.beyond),
            ("contacted address", self.server),
        ] {
            let mut forms = text_forms(&address.to_string());
            // Four bytes alone come about by chance; mapped, or as an input, they do not.
            forms.extend(byte_forms("mapped", &address.to_ipv6_mapped().octets()));
            let input = [&b"FLP1-dest\0\x02\0\0\0\x04"[..], &address.octets()].concat();
            forms.extend(byte_forms("input", &input));
            all.push(Canary { kind, forms });
        }
        let mut forms = text_forms(&self.laptop_v6.to_string());
        forms.extend(byte_forms("binary", &self.laptop_v6.octets()));
        all.push(Canary { kind: "inside address (IPv6)", forms });
        let mut forms = text_forms(&mac_text(&self.mac));
        forms.extend(byte_forms("binary", &self.mac));
        all.push(Canary { kind: "MAC address", forms });
        let mut forms = text_forms(&seconds_text(self.start_us));
        forms.extend(text_forms(&(self.start_us / 1_000_000).to_string()));
        forms.extend(number_forms(self.start_us.unsigned_abs()));
        all.push(Canary { kind: "exact second", forms });
        for (kind, count) in
            [("exact count out", self.bytes_out), ("exact count in", self.bytes_in)]
        {
            let mut forms = text_forms(&count.to_string());
            forms.extend(number_forms(count));
            all.push(Canary { kind, forms });
        }
        all
    }
}

fn byte(rng: &mut SeededRng) -> u8 {
    rng.next_u32().to_be_bytes()[0]
}

pub(crate) fn mac_text(mac: &[u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

pub(crate) fn seconds_text(us: i64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// A number as formats write it.
fn number_forms(number: u64) -> Vec<(&'static str, Vec<u8>)> {
    let (mut varint, mut rest) = (vec![], number);
    while rest >= 0x80 {
        varint.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    varint.push(rest as u8);
    let mut forms = vec![("varint", varint)];
    forms.extend(byte_forms("big-endian", &number.to_be_bytes()));
    forms.extend(byte_forms("float", &(number as f64).to_be_bytes()));
    forms
}

/// Text as it is (letters of either case), and as UTF-16.
fn text_forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = byte_forms("raw", text.as_bytes());
    forms.push(("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
    forms
}

/// Bytes as they are, reversed, in hex, and in Base64 at all three alignments and in both alphabets.
pub(crate) fn byte_forms(raw: &'static str, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let reversed = bytes.iter().rev().copied().collect();
    let mut forms = vec![
        (raw, bytes.to_vec()),
        ("reversed", reversed),
        ("hex", hex::encode(bytes).into_bytes()),
    ];
    for before in 0..3 {
        let padded = [&vec![0; before][..], bytes].concat();
        // Characters that depend on nothing but these bytes.
        let (first, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let form = text.as_bytes()[first..end].to_vec();
            if !forms.iter().any(|(_, known)| *known == form) {
                forms.push(("Base64", form));
            }
        }
    }
    forms
}
