//! Between wire messages and domain types: the one place of this crate that knows both.

mod answer;

pub use answer::{
    Unreadable, answer_query, here_out, level_out, local_in, query_out, shared_in, shared_out,
};

use std::borrow::Cow;

use flowlore_proto::v1;

use crate::answer::State;
use crate::destination::{Destination, Host, slash64};
use crate::label::Verdict;
use crate::suffixes::Suffixes;

/// A verdict that somebody gives; `None` when none was given.
#[must_use]
pub const fn verdict(verdict: v1::Verdict) -> Option<Verdict> {
    match verdict {
        v1::Verdict::Unspecified => None,
        v1::Verdict::Benign => Some(Verdict::Benign),
        v1::Verdict::Suspicious => Some(Verdict::Suspicious),
        v1::Verdict::Malicious => Some(Verdict::Malicious),
    }
}

/// A verdict on the wire; unknown is unspecified.
#[must_use]
pub const fn verdict_out(verdict: Verdict) -> v1::Verdict {
    match verdict {
        Verdict::Unknown => v1::Verdict::Unspecified,
        Verdict::Benign => v1::Verdict::Benign,
        Verdict::Suspicious => v1::Verdict::Suspicious,
        Verdict::Malicious => v1::Verdict::Malicious,
    }
}

/// A state on the wire.
#[must_use]
pub const fn state_out(state: State) -> v1::AnswerState {
    match state {
        State::Answered => v1::AnswerState::Answered,
        State::Unseen => v1::AnswerState::Unseen,
        State::NotAsked => v1::AnswerState::NotAsked,
        State::Quota => v1::AnswerState::Quota,
        State::Private => v1::AnswerState::Private,
    }
}

/// The question as it was understood.
#[must_use]
pub fn query(input: &str, destination: &Destination, suffixes: &Suffixes) -> v1::Query {
    let text = destination.host.text().into_owned();
    let site = match &destination.host {
        Host::Name(name) => suffixes.site(name.as_str()).map(Cow::Borrowed),
        Host::V6(address) => {
            let mut octets = [0; 16];
            octets[..8].copy_from_slice(&slash64(*address));
            Some(Cow::Owned(format!("{}/64", std::net::Ipv6Addr::from(octets))))
        }
        Host::V4(_) => None,
    };
    let is_name = matches!(destination.host, Host::Name(_));
    let (host, address) = if is_name { (text, String::new()) } else { (String::new(), text) };
    v1::Query {
        input: input.to_owned(),
        host,
        address,
        site: site.map(Cow::into_owned).unwrap_or_default(),
        port: destination.port.map_or(0, u32::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_shown_normalised() {
        let shown = |text: &str| query(text, &text.parse().unwrap(), Suffixes::shipped());
        let name = shown("WWW.Evil.Example:8443");
        assert_eq!(
            (&*name.host, &*name.site, name.port),
            ("www.evil.example", "evil.example", 8443)
        );
        assert_eq!(name.input, "WWW.Evil.Example:8443");
        let v6 = shown("[2001:db8::1]:443");
        assert_eq!((&*v6.host, &*v6.address, &*v6.site), ("", "2001:db8::1", "2001:db8::/64"));
        let v4 = shown("203.0.113.7");
        assert_eq!((&*v4.address, &*v4.site, v4.port), ("203.0.113.7", "", 0));
    }

    #[test]
    fn verdicts_go_there_and_back() {
        for given in Verdict::ALL {
            let back = verdict(verdict_out(*given));
            assert_eq!(back, (*given != Verdict::Unknown).then_some(*given));
        }
    }
}
