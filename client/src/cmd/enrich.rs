//! `flowlore enrich`: JSON lines in, the same lines out with what is known of their destination. A line's own bytes
//! stay as they are; the answer is put behind them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};

use serde_json::{Map, Value};

use super::Console;
use crate::api::{Answer, Client, State};
use crate::cli::Enrich;
use crate::failure::{Ending, Failure};
use crate::limits::{ENRICH_LINE_BYTES_MAX, ENRICH_LINES_AT_ONCE, ENRICH_READ_BYTES};

/// Enriches to the end of the input. A line that cannot be enriched passes as it is, and is counted.
pub(super) async fn run(
    client: &Client,
    enrich: &Enrich,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let mut input: BufReader<Box<dyn io::Read>> = if enrich.input.as_os_str() == "-" {
        BufReader::with_capacity(ENRICH_READ_BYTES, Box::new(io::stdin().lock()))
    } else {
        let file = File::open(&enrich.input);
        let file = file.map_err(|error| Failure::file(&enrich.input, &error))?;
        BufReader::with_capacity(ENRICH_READ_BYTES, Box::new(file))
    };
    let mut passed = Passed::default();
    loop {
        let lines = read(&mut input).map_err(|error| Failure::file(&enrich.input, &error))?;
        if lines.is_empty() {
            return passed.ending();
        }
        let read: Vec<Line> = lines.iter().map(|line| Line::read(line, enrich)).collect();
        let asked: Vec<String> = read.iter().filter_map(Line::destination).collect();
        let mut answers = if asked.is_empty() { vec![] } else { client.lookup(&asked).await? };
        let mut answers = answers.drain(..);
        for (line, read) in lines.iter().zip(read) {
            passed.lines += 1;
            let answer = match read {
                Line::Names(_) => answers.next(),
                Line::NamesNone => None,
                Line::Unreadable => {
                    passed.unreadable += 1;
                    passed.first.get_or_insert(passed.lines);
                    console.json_document(&String::from_utf8_lossy(line))?;
                    continue;
                }
            };
            passed.not_asked |= answer
                .as_ref()
                .is_some_and(|answer| matches!(answer.state, State::NotAsked | State::Quota));
            console.json_document(&with(line, &enrich.into, answer.as_ref())?)?;
        }
        console.flush()?;
    }
}

/// What became of the lines.
#[derive(Default)]
struct Passed {
    lines: u64,
    unreadable: u64,
    /// The first that could not be read.
    first: Option<u64>,
    not_asked: bool,
}

impl Passed {
    fn ending(&self) -> Result<Ending, Failure> {
        match self.first {
            Some(first) => {
                let (unreadable, lines) = (self.unreadable, self.lines);
                let what = format!(
                    "{unreadable} of {lines} lines passed as they are, the first is line {first}"
                );
                let hint = "write JSON objects, one a line, that have no answer yet (--into KEY)";
                Err(Failure::new("lines", what, hint))
            }
            None if self.not_asked => Ok(Ending::NotAsked),
            None => Ok(Ending::Done),
        }
    }
}

/// The next lines: as many as are there already, one at least, so that a slow input is not held back. Empty at
/// the end. A line longer than allowed is cut, and thereby no JSON.
fn read(input: &mut BufReader<Box<dyn io::Read>>) -> io::Result<Vec<Vec<u8>>> {
    let mut lines = vec![];
    while lines.len() < ENRICH_LINES_AT_ONCE {
        let mut line = vec![];
        let most = ENRICH_LINE_BYTES_MAX as u64;
        if input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        while line.last().is_some_and(|end| matches!(end, b'\n' | b'\r')) {
            line.pop();
        }
        if !line.is_empty() {
            lines.push(line);
        }
        if !lines.is_empty() && !input.buffer().contains(&b'\n') {
            break;
        }
    }
    Ok(lines)
}

/// What a line names.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A destination.
    Names(String),
    /// None.
    NamesNone,
    /// It is no JSON object, or has an answer already.
    Unreadable,
}

impl Line {
    fn read(line: &[u8], enrich: &Enrich) -> Self {
        match serde_json::from_slice(line) {
            Ok(Value::Object(object)) if !object.contains_key(&enrich.into) => {
                let mut named = enrich.field.iter().filter_map(|key| text(&object, key));
                named.next().map_or(Self::NamesNone, |name| Self::Names(name.to_owned()))
            }
            _ => Self::Unreadable,
        }
    }

    fn destination(&self) -> Option<String> {
        match self {
            Self::Names(name) => Some(name.clone()),
            Self::NamesNone | Self::Unreadable => None,
        }
    }
}

/// The text under a key; a key with points may also be a path through objects. Zeek writes `-` for nothing.
fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    let said = |text: &&str| !text.is_empty() && *text != "-";
    if let Some(text) = object.get(key).and_then(Value::as_str).filter(said) {
        return Some(text);
    }
    let (first, rest) = key.split_once('.')?;
    text(object.get(first)?.as_object()?, rest)
}

/// The line with the answer behind what it had; null where it names no destination.
fn with(line: &[u8], key: &str, answer: Option<&Answer>) -> Result<String, Failure> {
    let unwritable = |error: serde_json::Error| Failure::new("json", error.to_string(), "");
    let key = serde_json::to_string(key).map_err(unwritable)?;
    let answer = serde_json::to_string(&answer).map_err(unwritable)?;
    let line = String::from_utf8_lossy(line);
    let head = line.trim_end();
    let head = head.strip_suffix('}').unwrap_or(head).trim_end();
    let comma = if head.ends_with('{') { "" } else { "," };
    Ok(format!("{head}{comma}{key}:{answer}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enrich(fields: &[&str]) -> Enrich {
        let field = fields.iter().map(ToString::to_string).collect();
        Enrich { input: "-".into(), field, into: "flowlore".to_owned() }
    }

    #[test]
    fn the_first_key_that_names_something_counts() {
        let enrich = enrich(&["server_name", "tls.sni", "id.resp_h"]);
        let read = |line: &str| Line::read(line.as_bytes(), &enrich);
        let names = |name: &str| Line::Names(name.to_owned());
        assert_eq!(
            read(r#"{"id.resp_h":"192.0.2.1","server_name":"a.example"}"#),
            names("a.example")
        );
        assert_eq!(read(r#"{"id.resp_h":"192.0.2.1","server_name":"-"}"#), names("192.0.2.1"));
        assert_eq!(read(r#"{"tls":{"sni":"b.example"}}"#), names("b.example"));
        assert_eq!(read(r#"{"id":{"resp_h":"192.0.2.1"}}"#), names("192.0.2.1"));
        assert_eq!(read(r#"{"server_name":7}"#), Line::NamesNone);
        for line in ["[]", "7", "{", "", r#"{"flowlore":null}"#] {
            assert_eq!(read(line), Line::Unreadable, "{line}");
        }
    }

    #[test]
    fn a_lines_own_bytes_stay() {
        let line = r#"{ "ts": 1.50,  "b" : [1] } "#;
        assert_eq!(
            with(line.as_bytes(), "x", None).unwrap(),
            r#"{ "ts": 1.50,  "b" : [1],"x":null}"#
        );
        assert_eq!(with(b"{}", "x", None).unwrap(), r#"{"x":null}"#);
    }

    #[test]
    fn what_is_there_is_not_held_back() {
        let input =
            |text: &'static [u8]| BufReader::with_capacity(8, Box::new(text) as Box<dyn io::Read>);
        let mut few = input(b"{}\n\n{}\r\n{\"a\":1}");
        let mut all = vec![];
        loop {
            let lines = read(&mut few).unwrap();
            if lines.is_empty() {
                break;
            }
            assert!(lines.len() <= 2, "no more than the buffer holds: {lines:?}");
            all.extend(lines);
        }
        assert_eq!(all, [&b"{}"[..], b"{}", b"{\"a\":1}"]);
    }
}
