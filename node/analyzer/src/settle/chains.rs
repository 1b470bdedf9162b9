//! What a source's findings add up to: a download and a channel after it.

use flowlore_common::label::{Behaviour, Direction};

use super::{
    bucket::Bucket,
    part::{Candidate, Matter, Part},
};
use crate::{
    detect::download_then_c2::{Chain, Steps},
    pair::{Files, Grouping},
    severity,
};

/// Finds chains among the candidates of a bucket: those of `part` from `first` on.
pub(super) fn find(bucket: &Bucket, first: usize, part: &mut Part) {
    let mut downloads: Vec<&Candidate> = Vec::new();
    let mut channels: Vec<&Candidate> = Vec::new();
    for candidate in &part.candidates[first..] {
        let shows = |what: fn(Behaviour) -> bool| {
            candidate.scores.iter().any(|score| what(score.behaviour))
        };
        if shows(|behaviour| behaviour == Behaviour::MaliciousDownload) {
            downloads.push(candidate);
        }
        // A connection to a bare address that is not what its port says is how a shell comes back.
        let odd = candidate.hints.mismatch.is_some() && candidate.grouping == Grouping::Address;
        // Whoever installs something asks the servers inside soon after, and again and again.
        let outward = !matches!(candidate.direction, Direction::Internal | Direction::Inbound);
        if outward && (shows(Behaviour::is_c2) || odd) {
            channels.push(candidate);
        }
    }
    if downloads.is_empty() {
        return;
    }
    downloads.sort_by_key(|one| (one.source, received_us(one)));
    let chains: Vec<Candidate> = channels
        .into_iter()
        .filter_map(|channel| {
            let from = downloads.partition_point(|one| one.source < channel.source);
            let before = downloads[from..].iter().take_while(|one| one.source == channel.source);
            // The last before the channel; of those of one moment the first by name.
            let chain = before.filter_map(|download| chain(download, channel)).min_by(|a, b| {
                let order = |one: &Chain| (one.steps.contact_us, one.from_port);
                order(a).cmp(&order(b)).then_with(|| a.from.cmp(&b.from))
            })?;
            Some(Candidate {
                scores: [chain.score()].into(),
                matter: Matter::Chain(Box::new(chain)),
                ..channel.clone()
            })
        })
        .collect();
    chains.into_iter().for_each(|chain| part.keep(chain, bucket));
}

fn received_us(candidate: &Candidate) -> i64 {
    candidate.hints.files.as_deref().map_or(i64::MAX, |files| files.received_us)
}

fn chain(download: &Candidate, channel: &Candidate) -> Option<Chain> {
    let Files { received, received_bytes, received_us, .. } = *download.hints.files.as_deref()?;
    let same = std::ptr::eq(download, channel);
    let contact_us = if same {
        // The same server and port again: the next contact after the file.
        let after = received_us.div_euclid(1_000_000);
        let seconds = channel.contacts.iter().map(|contact| i64::from(contact.second));
        seconds.filter(|second| *second > after).min()? * 1_000_000
    } else {
        channel.totals.first_us
    };
    let hints = &channel.hints;
    let session_us = hints.sessions.as_deref().map(|sessions| sessions.first_us);
    let odd_us = hints.mismatch.as_deref().map(|mismatch| mismatch.first_us);
    let channel_us = session_us.or(odd_us).map_or(contact_us, |us| us.max(contact_us));
    let c2 = channel.scores.iter().find(|score| score.behaviour.is_c2());
    let odd = || channel.scores.iter().find(|one| one.behaviour == Behaviour::PortProtocolMismatch);
    let score = c2.or_else(odd)?;
    Some(Chain {
        from: download.destination.to_string().into(),
        from_address: download.address,
        from_port: download.port,
        from_ordinary: severity::is_ordinary(&download.group()),
        content: received?,
        bytes: received_bytes,
        to: channel.destination.to_string().into(),
        to_port: channel.port,
        channel: score.behaviour,
        steps: Steps::between(received_us, contact_us, channel_us)?,
    })
}
