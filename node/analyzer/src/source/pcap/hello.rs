//! TLS handshakes in clear: the hello of the client with its fingerprints, the hello of the server.
//!
//! JA3: <https://github.com/salesforce/ja3> (BSD-3-Clause). JA4 of the TLS client:
//! <https://github.com/FoxIO-LLC/ja4> (`technical_details/JA4.md`, BSD-3-Clause). The other members of
//! that family are under another licence and are not made here.

use std::fmt::{Display, Write as _};

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::source::wire::Wire;

const SERVER_NAME: u16 = 0;
const GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURES: u16 = 13;
const ALPN: u16 = 16;
const VERSIONS: u16 = 43;

/// Handshake messages.
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;

/// What a ClientHello says, in its own order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientHello {
    version: u16,
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    groups: Vec<u16>,
    point_formats: Vec<u8>,
    signatures: Vec<u16>,
    versions: Vec<u16>,
    /// The first protocol offered.
    alpn: Vec<u8>,
    pub(super) server_name: Option<String>,
    /// The message with its header.
    pub(super) bytes: u32,
}

/// What a ServerHello decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) version: u16,
    pub(super) alpn: Option<String>,
}

/// A handshake message at the start of a stream of them: its type, its body, and its length with header.
/// `Ok(None)` while its end is to come.
pub(super) fn message(stream: &[u8]) -> Option<(u8, &[u8])> {
    let mut wire = Wire(stream);
    let kind = wire.u8()?;
    let length = usize::try_from(wire.u24()?).ok()?;
    wire.take(length).map(|body| (kind, body))
}

impl ClientHello {
    /// Reads the body of the message.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut wire = Wire(body);
        let mut hello = Self {
            version: wire.u16()?,
            bytes: u32::try_from(body.len() + 4).ok()?,
            ..Self::default()
        };
        wire.take(32)?;
        wire.part8()?;
        hello.ciphers = wire.part16()?.numbers().collect();
        wire.part8()?;
        if wire.0.is_empty() {
            return Some(hello); // before extensions
        }
        let mut extensions = wire.part16()?;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let data = extensions.part16()?;
            hello.extensions.push(kind);
            // A part that cannot be is as good as absent: the rest still tells something.
            let _ = hello.extension(kind, data);
        }
        Some(hello)
    }

    fn extension(&mut self, kind: u16, mut data: Wire<'_>) -> Option<()> {
        match kind {
            SERVER_NAME => {
                let mut list = data.part16()?;
                let is_host = list.u8()? == 0;
                let name = std::str::from_utf8(list.part16()?.0).ok()?;
                let shown = is_host && !name.is_empty() && !name.contains(char::is_control);
                self.server_name = shown.then(|| name.to_owned());
            }
            GROUPS => self.groups = data.part16()?.numbers().collect(),
            POINT_FORMATS => self.point_formats = data.part8()?.0.to_vec(),
            SIGNATURES => self.signatures = data.part16()?.numbers().collect(),
            ALPN => self.alpn = data.part16()?.part8()?.0.to_vec(),
            VERSIONS => self.versions = data.part8()?.numbers().collect(),
            _ => {}
        }
        Some(())
    }

    /// The MD5 of version, ciphers, extensions, groups and point formats.
    pub(super) fn ja3(&self) -> String {
        let list = |numbers: &[u16]| joined(plain(numbers), "-");
        let text = format!(
            "{},{},{},{},{}",
            self.version,
            list(&self.ciphers),
            list(&self.extensions),
            list(&self.groups),
            joined(self.point_formats.iter(), "-"),
        );
        hex(&Md5::digest(text))
    }

    /// JA4; `transport` is `t` over TCP, `q` over QUIC.
    pub(super) fn ja4(&self, transport: char) -> String {
        let (mut ciphers, mut extensions): (Vec<_>, Vec<_>) =
            (plain(&self.ciphers).collect(), plain(&self.extensions).collect());
        let version = match plain(&self.versions).max().unwrap_or(self.version) {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        };
        let name = if extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let counts = [ciphers.len().min(99), extensions.len().min(99)];
        ciphers.sort_unstable();
        extensions.sort_unstable();
        extensions.retain(|kind| ![SERVER_NAME, ALPN].contains(kind));
        let codes = |numbers: &[u16]| joined(numbers.iter().map(|code| format!("{code:04x}")), ",");
        let mut tail = codes(&extensions);
        if !self.signatures.is_empty() {
            let signatures: Vec<u16> = plain(&self.signatures).collect();
            let _ = write!(tail, "_{}", codes(&signatures));
        }
        let extensions = if extensions.is_empty() { String::new() } else { tail };
        format!(
            "{transport}{version}{name}{:02}{:02}{}_{}_{}",
            counts[0],
            counts[1],
            self.alpn_letters(),
            short(&codes(&ciphers)),
            short(&extensions),
        )
    }

    /// First and last character of the first protocol offered; of bytes that are no letters or digits
    /// the first and last hex digit.
    fn alpn_letters(&self) -> String {
        match (self.alpn.first(), self.alpn.last()) {
            (Some(first), Some(last)) => {
                if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
                    format!("{}{}", char::from(*first), char::from(*last))
                } else {
                    let (first, last) = (format!("{first:02x}"), format!("{last:02x}"));
                    format!("{}{}", &first[..1], &last[1..])
                }
            }
            _ => "00".to_owned(),
        }
    }
}

impl ServerHello {
    /// Reads the body of the message.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut wire = Wire(body);
        let mut hello = Self { version: wire.u16()?, alpn: None };
        wire.take(32)?;
        wire.part8()?;
        wire.take(3)?;
        let mut extensions = wire.part16().unwrap_or(Wire(&[]));
        while !extensions.0.is_empty() {
            let (kind, mut data) = (extensions.u16()?, extensions.part16()?);
            match kind {
                VERSIONS => hello.version = data.u16()?,
                ALPN => {
                    let name = data.part16()?.part8()?;
                    hello.alpn = std::str::from_utf8(name.0).ok().map(str::to_owned);
                }
                _ => {}
            }
        }
        Some(hello)
    }

    /// The version as Zeek names it.
    pub(super) fn version_name(&self) -> Option<&'static str> {
        Some(match self.version {
            0x0304 => "TLSv13",
            0x0303 => "TLSv12",
            0x0302 => "TLSv11",
            0x0301 => "TLSv10",
            0x0300 => "SSLv3",
            _ => return None,
        })
    }
}

/// Without the values that clients mix in so that servers stay tolerant (RFC 8701).
fn plain(numbers: &[u16]) -> impl Iterator<Item = u16> {
    numbers.iter().copied().filter(|number| {
        let [high, low] = number.to_be_bytes();
        high != low || high & 15 != 10
    })
}

fn joined(items: impl Iterator<Item = impl Display>, between: &str) -> String {
    let mut text = String::new();
    for (place, item) in items.enumerate() {
        let _ = write!(text, "{}{item}", if place == 0 { "" } else { between });
    }
    text
}

/// The first twelve hex digits of the SHA-256; of nothing, zeros.
fn short(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    hex(&Sha256::digest(text)[..6])
}

fn hex(bytes: &[u8]) -> String {
    joined(bytes.iter().map(|byte| format!("{byte:02x}")), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::frames::{alpn, client_hello, counted, server_name};

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn read(message: &[u8]) -> ClientHello {
        let (kind, body) = super::message(message).unwrap();
        assert_eq!(kind, CLIENT_HELLO);
        ClientHello::read(body).unwrap()
    }

    /// The example of JA3's README.
    #[test]
    fn ja3_as_published() {
        let ciphers = [47, 53, 5, 10, 49_161, 49_162, 49_171, 49_172, 50, 56, 19, 4, 0x1a1a];
        let extensions = [
            server_name("a.example"),
            (10, counted(2, &words(&[23, 24, 25, 0xfafa]))),
            (11, counted(1, &[0])),
            (0x2a2a, Vec::new()),
        ];
        let hello = read(&client_hello(769, &ciphers, &extensions));
        assert_eq!(hello.ja3(), "ada70206e40642a3e4461f35503241d5");
        // And the one of a client without extensions.
        let hello = read(&client_hello(769, &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], &[]));
        assert_eq!(hello.ja3(), "de350869b8c85de67a350c8d186f11e6");
    }

    /// The example of JA4's technical details.
    #[test]
    fn ja4_as_published() {
        let ciphers = [
            0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let signatures = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        let empty = [0x1b, 0x33, 0x4469, 0x17, 0x2d, 0x05, 0x23, 0x12, 0xff01, 0x0b, 0x0a, 0x15];
        let mut extensions: Vec<(u16, Vec<u8>)> =
            empty.into_iter().map(|kind| (kind, Vec::new())).collect();
        extensions.extend([
            server_name("a.example"),
            alpn("h2"),
            (43, counted(1, &words(&[0x4a4a, 0x0304, 0x0303]))),
            (13, counted(2, &words(&signatures))),
            (0x6a6a, Vec::new()),
        ]);
        let message = client_hello(0x0303, &ciphers, &extensions);
        let hello = read(&message);
        assert_eq!(hello.ja4('t'), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(hello.bytes as usize, message.len());
        assert_eq!(hello.server_name.as_deref(), Some("a.example"));
    }

    #[test]
    fn what_ja4_says_of_little() {
        let hello = read(&client_hello(0x0301, &[], &[]));
        assert_eq!(hello.ja4('q'), "q10i000000_000000000000_000000000000");
        let odd = read(&client_hello(
            0x0301,
            &[1],
            &[(16, counted(2, &counted(1, &[0xab, b'x', 0xcd])))],
        ));
        assert!(odd.ja4('t').starts_with("t10i0101ad_"), "{}", odd.ja4('t'));
    }

    #[test]
    fn hellos_cut_anywhere_are_none() {
        let message = client_hello(0x0303, &[1, 2], &[server_name("a.example"), alpn("h2")]);
        for length in 0..message.len() {
            assert!(super::message(&message[..length]).is_none());
            assert!(
                length < 4
                    || ClientHello::read(&message[4..length])
                        .is_none_or(|hello| { hello.server_name.is_none() })
            );
        }
    }
}
