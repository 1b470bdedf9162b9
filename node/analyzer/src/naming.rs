//! Names of destinations: what the client asked for, not what an address is called today.
//!
//! A flow takes its name from, first match wins: the target of a CONNECT, the TLS server name, the
//! QUIC server name, the HTTP Host header, else the last DNS answer to *this client* for this
//! address before the flow began, at most a day before ([`DNS_ANSWER_HOLDS_US`]). Answers to other
//! clients name nothing: a shared cache would put one person's visits under another one's names.

use std::net::IpAddr;

use crate::{limits::DNS_ANSWER_HOLDS_US, packed::Addr};

/// Where a name comes from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedBy {
    /// The target of a CONNECT through a proxy.
    Connect,
    /// TLS server name.
    Sni,
    /// QUIC server name.
    Quic,
    /// HTTP Host header.
    Http,
    /// A DNS answer.
    Dns,
    /// It has no name.
    None,
}

impl NamedBy {
    /// The word in the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect | Self::Http => "http",
            Self::Sni => "sni",
            Self::Quic => "quic",
            Self::Dns => "dns",
            Self::None => "none",
        }
    }
}

/// Puts the host of `text` into `name`: lower case, without port and trailing dot. False when there
/// is none: an address, or bytes that no host name has (a name is shown on terminals).
pub fn clean(text: &str, name: &mut String) -> bool {
    name.clear();
    if text.starts_with('[') {
        return false; // an IPv6 address
    }
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return false,
        None => text,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let plausible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if host.is_empty() || host.len() > 253 || !host.bytes().all(plausible) {
        return false;
    }
    let digit_last = host.as_bytes()[host.len() - 1].is_ascii_digit();
    if digit_last && host.parse::<IpAddr>().is_ok() {
        return false;
    }
    name.push_str(host);
    name.make_ascii_lowercase();
    true
}

/// Whether a user's or a machine's name of a log-on may be shown: up to 64 letters, digits and the marks that directories
/// allow and terminals do not act on. [64: the longest of either in Active Directory]
pub(crate) fn is_account(text: &str) -> bool {
    let mark = |letter: char| matches!(letter, '.' | '-' | '_' | '@' | '$' | ' ' | '+' | '\'');
    let mut letters = text.chars();
    letters.clone().count() <= 64
        && !text.trim().is_empty()
        && letters.all(|letter| letter.is_alphanumeric() || mark(letter))
}

/// Puts the bytes of a name that no host can have into `name`: in lower case, without the last dot, and without the
/// escapes (`\x..`) by which sensors write what cannot be shown. False when nothing is left.
pub(crate) fn raw(text: &str, name: &mut Vec<u8>) -> bool {
    name.clear();
    let mut rest = text.strip_suffix('.').unwrap_or(text).as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.strip_prefix(b"x").and_then(|digits| digits.first_chunk::<2>());
        let byte = digits.filter(|_| first == b'\\').and_then(|digits| {
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            u8::try_from(high? << 4 | low?).ok()
        });
        rest = if byte.is_some() { &behind[3..] } else { behind };
        name.push(byte.unwrap_or(first).to_ascii_lowercase());
    }
    !name.is_empty()
}

/// Kinds of files that do not pass for one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Archive,
    Executable,
    Font,
    Image,
    Media,
    Text,
}

/// Whether a MIME type recognised by the sensor contradicts the extension of the path. Only kinds
/// that nobody confuses are compared; whatever is in neither list contradicts nothing.
#[must_use]
pub fn contradicts(uri: &str, mime: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let file = path.rsplit('/').next().unwrap_or_default();
    let Some((_, extension)) = file.rsplit_once('.') else { return false };
    match (kind_of_extension(extension), kind_of_mime(mime)) {
        (Some(said), Some(seen)) => said != seen,
        _ => false,
    }
}

fn kind_of_extension(extension: &str) -> Option<Kind> {
    let lower = extension.to_ascii_lowercase();
    Some(match lower.as_str() {
        "7z" | "gz" | "rar" | "zip" => Kind::Archive,
        "dll" | "exe" | "scr" => Kind::Executable,
        "otf" | "ttf" | "woff" | "woff2" => Kind::Font,
        "bmp" | "gif" | "ico" | "jpeg" | "jpg" | "png" | "webp" => Kind::Image,
        "avi" | "mp3" | "mp4" | "webm" => Kind::Media,
        "css" | "csv" | "htm" | "html" | "js" | "json" | "txt" | "xml" => Kind::Text,
        _ => return None,
    })
}

fn kind_of_mime(mime: &str) -> Option<Kind> {
    Some(match mime {
        "application/gzip"
        | "application/x-gzip"
        | "application/x-7z-compressed"
        | "application/x-rar"
        | "application/zip" => Kind::Archive,
        "application/x-dosexec"
        | "application/x-elf"
        | "application/x-executable"
        | "application/x-mach-o-executable" => Kind::Executable,
        _ if mime.starts_with("font/") => Kind::Font,
        // SVG is text, and sensors see it as either.
        "image/svg+xml" => return None,
        _ if mime.starts_with("image/") => Kind::Image,
        _ if mime.starts_with("audio/") || mime.starts_with("video/") => Kind::Media,
        "application/json" | "application/javascript" | "application/xml" => Kind::Text,
        _ if mime.starts_with("text/") => Kind::Text,
        _ => return None,
    })
}

/// What clients were told, for looking up.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// (client, address, time, name), sorted by [`Self::sort`].
    rows: Vec<(Addr, Addr, i64, u32)>,
}

impl Answers {
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    pub(crate) fn push(&mut self, client: Addr, address: Addr, time_us: i64, name: u32) {
        self.rows.push((client, address, time_us, name));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each client with an address that it was told, and for which name.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Addr, Addr, u32)> {
        self.rows.iter().map(|&(client, address, _, name)| (client, address, name))
    }

    /// All of it: client, address, time, name.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Addr, Addr, i64, u32)> {
        self.rows.iter().copied()
    }

    /// The numbers of all names, to be changed.
    pub(crate) fn names_mut(&mut self) -> impl Iterator<Item = &mut u32> {
        self.rows.iter_mut().map(|row| &mut row.3)
    }

    /// Numbers must be in the order of names by now: of the answers of one instant the last in the
    /// alphabet is taken, so that the choice does not depend on who came first.
    pub(crate) fn sort(&mut self) {
        self.rows.sort_unstable();
    }

    /// The last name that `client` was told for `address` up to `start_us`.
    pub(crate) fn name(&self, client: Addr, address: Addr, start_us: i64) -> Option<u32> {
        let key = (client, address, start_us);
        let after = self.rows.partition_point(|row| (row.0, row.1, row.2) <= key);
        let (told, about, time_us, name) = *self.rows.get(after.checked_sub(1)?)?;
        let fresh = start_us.saturating_sub(time_us) <= DNS_ANSWER_HOLDS_US;
        (told == client && about == address && fresh).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_lower_case_without_port_and_dot() {
        let mut name = String::new();
        for (text, host) in [
            ("Www.Example.COM", "www.example.com"),
            ("www.example.com:8080", "www.example.com"),
            ("www.example.com.", "www.example.com"),
            ("_dmarc.example", "_dmarc.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("host1", "host1"),
            ("1.2.3.4.example", "1.2.3.4.example"),
        ] {
            assert!(clean(text, &mut name), "{text}");
            assert_eq!(name, host);
        }
        let long = "a".repeat(254);
        let none = ["", ".", "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:443", "2001:db8::1"];
        for text in none.into_iter().chain(["a b", "a\u{1b}[2J", "a:b:c", "é", &long]) {
            assert!(!clean(text, &mut name), "{text}");
        }
    }

    #[test]
    fn what_no_host_is_called_is_read_as_the_bytes_that_it_was() {
        let mut name = Vec::new();
        for (text, bytes) in [
            (r"A\xE4\x00b.Pirate.sea.", &b"a\xe4\x00b.pirate.sea"[..]),
            (r"a b\x", br"a b\x"),
            (r"\xg1\x1", br"\xg1\x1"),
        ] {
            assert!(raw(text, &mut name));
            assert_eq!(name, bytes, "{text}");
        }
        assert!(!raw(".", &mut name));
        assert!(!raw("", &mut name));
    }

    #[test]
    fn only_kinds_that_nobody_confuses_contradict() {
        assert!(contradicts("/a/b.jpg?x=1", "application/x-dosexec"));
        assert!(contradicts("/b.PNG", "text/html"));
        assert!(!contradicts("/b.png", "image/jpeg"));
        assert!(!contradicts("/b.js", "text/plain"));
        assert!(!contradicts("/b.svg", "text/plain"));
        assert!(!contradicts("/b", "application/x-dosexec"));
        assert!(!contradicts("/b.php", "application/zip"));
        assert!(!contradicts("/a.b/c", "image/png"));
    }

    #[test]
    fn the_last_answer_to_this_client_within_a_day_names() {
        let (client, other, address) = (Addr(1), Addr(2), Addr(9));
        let mut answers = Answers::default();
        for (who, time_us, name) in [(client, 300, 2), (client, 100, 0), (client, 100, 1)] {
            answers.push(who, address, time_us, name);
        }
        answers.push(other, address, 350, 0);
        answers.sort();
        assert_eq!(answers.name(client, address, 99), None);
        assert_eq!(answers.name(client, address, 100), Some(1), "of two, the later by name");
        assert_eq!(answers.name(client, address, 400), Some(2));
        assert_eq!(answers.name(client, address, 300 + DNS_ANSWER_HOLDS_US), Some(2));
        assert_eq!(answers.name(client, address, 301 + DNS_ANSWER_HOLDS_US), None);
        assert_eq!(answers.name(other, address, 349), None);
        assert_eq!(answers.name(client, Addr(8), 400), None);
    }
}
