//! What a source sent to a destination, over all its ports.

use flowlore_common::label::{Behaviour, Direction};

use super::{
    bucket::Bucket,
    part::{Candidate, Matter, Part},
};
use crate::{
    detect::exfil_volume::{SUSPECT_BYTES, Upload},
    packed::Addr,
    pair::{Group, Grouping, Totals},
};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// [IANA: HTTP/3]
const QUIC: u16 = 443;

/// What a group sent; `None`: too little for any rule, or over UDP to another port than QUIC's, where calls, games and
/// VPNs are.
pub(super) fn of_group(bucket: &Bucket, members: &[u32], group: &Group<'_>) -> Option<Upload> {
    let Group { grouping, direction, port, transport, ref totals, ref hints, .. } = *group;
    let carries = transport == TCP || transport == UDP && port == QUIC;
    if !carries || direction != Direction::Outbound || totals.bytes_out < SUSPECT_BYTES {
        return None;
    }
    let flows = members.iter().map(|&at| &bucket.flows[at as usize]);
    let most = flows.map(|flow| (flow.orig_bytes, flow.resp_bytes)).max().unwrap_or_default();
    let in_clear = grouping == Grouping::Address && hints.tls == 0;
    let files = hints.files.as_deref().filter(|_| in_clear);
    Some(Upload {
        bytes_out: totals.bytes_out,
        bytes_in: totals.bytes_in,
        largest_out: most.0,
        largest_in: most.1,
        body_bytes: files.map_or(0, |files| files.sent_bytes),
        archive: files.is_some_and(|files| files.sent_archive),
        flagged: None,
    })
}

/// Judges the uploads of a bucket, beside its candidates: those of `part` from `first` on.
pub(super) fn find(
    bucket: &Bucket,
    mut uploads: Vec<(Candidate, Upload)>,
    first: usize,
    part: &mut Part,
) {
    if uploads.is_empty() {
        return;
    }
    // One of each source and address; of several the behaviour with the lowest number.
    let mut flags: Vec<_> = part.candidates[first..]
        .iter()
        .flat_map(|one| one.scores.iter().map(|score| (one.source, one.address, score.behaviour)))
        .filter(|(.., what)| what.is_c2() || *what == Behaviour::MaliciousDownload)
        .collect();
    flags.sort_unstable();
    let flagged = |source: Addr, address: Addr| {
        let at = flags.partition_point(|one| (one.0, one.1) < (source, address));
        flags.get(at).filter(|one| (one.0, one.1) == (source, address)).map(|one| one.2)
    };
    let place = |one: &Candidate| (one.source, one.destination.clone());
    uploads.sort_by(|(a, _), (b, _)| {
        let port = |one: &Candidate| (one.port, one.transport, one.grouping);
        place(a).cmp(&place(b)).then_with(|| port(a).cmp(&port(b)))
    });
    for of_place in uploads.chunk_by(|a, b| place(&a.0) == place(&b.0)) {
        let mut sum = Upload::default();
        for (candidate, upload) in of_place {
            sum.add(upload);
            sum.flagged = sum.flagged.or(flagged(candidate.source, candidate.address));
        }
        let Some(score) = sum.score() else { continue };
        // The port to which most went speaks for all.
        let most = of_place.iter().max_by_key(|one| (one.1.bytes_out, one.0.port));
        let Some((spokesman, _)) = most else { continue };
        let mut candidate = spokesman.clone();
        candidate.totals = Totals::default();
        of_place.iter().for_each(|(one, _)| candidate.totals.add(&one.totals));
        candidate.scores = [score].into();
        candidate.matter = Matter::Upload(Box::new(sum));
        part.keep(candidate, bucket);
    }
}
