//! DNS messages (RFC 1035, 4.1): the question, and answers up to the first that is broken.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::LIST_ITEMS_MAX;
use crate::source::wire::Wire;

/// Places that a name may send its reader to; honest names need two or three.
const POINTERS_MAX: usize = 16;
/// Longest name, bytes as text without escapes (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 255;

/// A message, or what of it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) is_response: bool,
    pub(super) rcode: u16,
    /// The name asked for, as Zeek writes it: lower case left as it is, `.` for the root as nothing.
    pub(super) query: String,
    pub(super) qtype: u16,
    pub(super) answers: Vec<Answer>,
    /// Length of the whole message, as far as it was captured.
    pub(super) bytes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) ttl_s: u32,
    pub(super) data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Address(IpAddr),
    Text(String),
}

/// Reads a message with one question; `None` for anything else.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let mut wire = Wire(bytes);
    let (id, flags) = (wire.u16()?, wire.u16()?);
    let (questions, answers) = (wire.u16()?, wire.u16()?);
    wire.u32()?;
    // Queries and updates: anything else, and anything reserved, is not DNS on this port.
    if questions != 1 || flags & 0x7800 != 0 || flags & 0x0040 != 0 {
        return None;
    }
    let query = name(bytes, &mut wire)?;
    let qtype = wire.u16()?;
    wire.u16()?;
    let mut message = Message {
        id,
        is_response: flags & 0x8000 != 0,
        rcode: flags & 15,
        query,
        qtype,
        answers: Vec::new(),
        bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    };
    for _ in 0..usize::from(answers).min(LIST_ITEMS_MAX) {
        let Some(answer) = answer(bytes, &mut wire) else { break };
        message.answers.extend(answer);
    }
    Some(message)
}

/// One record; `Some(None)` for one whose data we do not write.
fn answer<'a>(message: &'a [u8], wire: &mut Wire<'a>) -> Option<Option<Answer>> {
    name(message, wire)?;
    let kind = wire.u16()?;
    wire.u16()?;
    let ttl_s = wire.u32()?;
    let mut data = wire.part16()?;
    let data = match kind {
        1 => Data::Address(Ipv4Addr::from(*data.0.first_chunk::<4>()?).into()),
        28 => {
            let address = Ipv6Addr::from(*data.0.first_chunk::<16>()?);
            Data::Address(address.to_canonical())
        }
        // Name servers, aliases, pointers: a name.
        2 | 5 | 12 | 39 => Data::Text(name(message, &mut data)?),
        15 => {
            data.u16()?;
            Data::Text(name(message, &mut data)?)
        }
        16 => Data::Text(text(&mut data)?),
        _ => return Some(None),
    };
    Some(Some(Answer { ttl_s, data }))
}

/// The strings of a TXT record, as Zeek writes them.
fn text(data: &mut Wire<'_>) -> Option<String> {
    let mut text = String::new();
    while !data.0.is_empty() {
        let part = data.part8()?;
        let _ = write!(text, "{}TXT {} ", if text.is_empty() { "" } else { " " }, part.0.len());
        part.0.iter().for_each(|byte| push(&mut text, *byte));
    }
    Some(text)
}

/// A name at a place of the message, which may point to earlier places for its end.
fn name<'a>(message: &'a [u8], wire: &mut Wire<'a>) -> Option<String> {
    let (mut text, mut bytes, mut pointers) = (String::new(), 0, 0);
    // Where to go on reading once a pointer was followed is behind that pointer.
    let mut behind = None;
    loop {
        let length = wire.u8()?;
        match length >> 6 {
            0 if length == 0 => break,
            0 => {
                let label = wire.take(usize::from(length))?;
                bytes += label.len() + 1;
                if bytes > NAME_BYTES_MAX {
                    return None;
                }
                if !text.is_empty() {
                    text.push('.');
                }
                label.iter().for_each(|byte| push(&mut text, *byte));
            }
            3 => {
                let place = usize::from(length & 0x3f) << 8 | usize::from(wire.u8()?);
                pointers += 1;
                if pointers > POINTERS_MAX {
                    return None;
                }
                behind.get_or_insert(*wire);
                *wire = Wire(message.get(place..)?);
            }
            _ => return None,
        }
    }
    if let Some(behind) = behind {
        *wire = behind;
    }
    Some(text)
}

/// A byte as text: what cannot be shown as Zeek escapes it.
fn push(text: &mut String, byte: u8) {
    if byte.is_ascii_graphic() || byte == b' ' {
        text.push(char::from(byte));
    } else {
        let _ = write!(text, "\\x{byte:02x}");
    }
}
