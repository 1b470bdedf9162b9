//! What to do about a finding.

use std::net::IpAddr;

use flowlore_common::label::{Behaviour, Direction, Severity};

use super::{is_dns_hint, is_phishing};
use crate::detect::Action;
use crate::sequences::is_theft;

/// Who did what is to be done something about.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// What was found.
    pub behaviour: Behaviour,
    /// Who opened the connections.
    pub source: IpAddr,
    /// The address contacted.
    pub address: IpAddr,
    /// The destination's name, if it has one.
    pub host: Option<&'a str>,
    /// Seen from the org.
    pub direction: Direction,
}

/// What to do, the most urgent first.
#[must_use]
pub fn actions(severity: Severity, target: &Target<'_>) -> Vec<Action> {
    let source = target.source.to_string();
    let address = target.address.to_string();
    // An inbound contact's inside host is its destination; behind a proxy the destination is the name.
    let (inside, outside) = if target.direction == Direction::Inbound {
        (address, source)
    } else {
        (source, target.host.map_or(address, str::to_owned))
    };
    let action =
        |code, target: &str, sentence: String| Action { code, target: target.to_owned(), sentence };
    let isolate = action("isolate_host", &inside, format!("Isolate {inside}, keep its memory."));
    let find = action("find_process", &inside, format!("Find the process on {inside}."));
    let block = action("block_destination", &outside, format!("Block {outside}."));
    let ask = action("ask_owner", &inside, format!("Ask the owner of {inside} what it is."));
    let check = action(
        "check_update_source",
        &outside,
        format!("Check whether {outside} belongs to an agent or updater in use."),
    );
    if target.behaviour.blames_source() && target.direction != Direction::Inbound {
        let ours = action(
            "ask_owner",
            &inside,
            format!("Ask whether {inside} is a scanner or script of yours."),
        );
        return match severity {
            Severity::Critical | Severity::High => vec![isolate, find],
            Severity::Medium => vec![find, ours],
            Severity::Low => vec![ours],
            Severity::Info => Vec::new(),
        };
    }
    if is_phishing(target.behaviour) {
        let asked = action(
            "ask_person",
            &inside,
            format!(
                "Ask who sat at {inside} whether they typed a password there; if so, reset it."
            ),
        );
        let reset = action(
            "reset_password",
            &inside,
            format!(
                "Reset the password of who sat at {inside}, revoke sessions, check mail rules and \
                 second factors."
            ),
        );
        return match severity {
            Severity::Critical | Severity::High => vec![reset, block],
            Severity::Medium | Severity::Low => vec![asked, block],
            Severity::Info => Vec::new(),
        };
    }
    if is_dns_hint(target.behaviour) {
        let names = action(
            "check_names",
            &inside,
            format!("Look at the names that {inside} asks for, and which program does."),
        );
        return match severity {
            Severity::Info => Vec::new(),
            _ => vec![names, ask],
        };
    }
    if target.direction == Direction::Inbound {
        let known = action(
            "check_client",
            &outside,
            format!("Check whether {outside} is a client that you know."),
        );
        let exposed = action(
            "check_exposure",
            &inside,
            format!("Check what {inside} offers there, and whether it has to."),
        );
        return match severity {
            Severity::Critical | Severity::High => vec![isolate, find, block],
            Severity::Medium | Severity::Low => vec![known, exposed],
            Severity::Info => Vec::new(),
        };
    }
    if is_theft(target.behaviour) {
        let meant = action(
            "ask_owner",
            &inside,
            format!("Ask the owner of {inside} whether they meant to send data to {outside}."),
        );
        return match severity {
            Severity::Critical | Severity::High => vec![isolate, find, block],
            Severity::Medium => vec![find, meant],
            Severity::Low => vec![meant],
            Severity::Info => Vec::new(),
        };
    }
    match severity {
        Severity::Critical | Severity::High => vec![isolate, find, block],
        Severity::Medium => vec![find, check],
        Severity::Low => vec![ask, check],
        Severity::Info => Vec::new(),
    }
}
