//! Every flow as it was settled, for whoever keeps flows beside the report.

use std::{borrow::Cow, io};

use flowlore_common::label::{Category, Direction};

use super::bucket::{Bucket, NO_NAME};
use crate::{
    content::Content,
    flow::Flow,
    naming::NamedBy,
    packed::{Addr, Uid},
};

/// A flow, with what was decided about it.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// The sensor's name for it.
    pub uid: Option<Cow<'a, str>>,
    /// The destination's name.
    pub name: Option<&'a str>,
    /// Where the name is from.
    pub named_by: NamedBy,
    /// What it is by its shape.
    pub category: Category,
    /// Which way it went.
    pub direction: Direction,
    /// Whether the originator is inside.
    pub orig_inside: bool,
    /// Whether the responder is inside.
    pub resp_inside: bool,
    /// The originator's machine by the lease that it had then.
    pub machine: Option<&'a str>,
    /// Hash of the client's JA3 or user agent, the least of several.
    pub signature: Option<u64>,
    /// What came in that runs, and its bytes, as logs of HTTP and files say.
    pub received: Option<(Content, u64)>,
}

/// A name that was asked for.
#[derive(Clone, Debug)]
pub struct LookUp<'a> {
    /// Who asked.
    pub client: Addr,
    /// The name; bytes that no host name has stand for the characters of their numbers.
    pub name: &'a str,
    /// When, microseconds since 1970 UTC.
    pub time_us: i64,
    /// The connection that it went by.
    pub uid: Uid,
}

/// Is told every flow once, in no order, on several threads.
pub trait Witness: Sync {
    /// Takes a flow.
    ///
    /// # Errors
    /// When it cannot be kept; the analysis ends with this error.
    fn settled(&self, flow: &Settled<'_>) -> io::Result<()>;

    /// Takes a look-up. Most witnesses want flows only.
    fn looked_up(&self, _look_up: &LookUp<'_>) {}
}

/// Tells all flows of a named bucket.
pub(super) fn tell(bucket: &Bucket, witness: &dyn Witness) -> io::Result<()> {
    let mut leases: Vec<(Addr, i64, &str)> = bucket
        .leases
        .iter()
        .filter(|(_, lease)| !lease.name.is_empty())
        .map(|(address, lease)| (*address, lease.time_us, &*lease.name))
        .collect();
    leases.sort_unstable();
    let mut signatures: Vec<(u32, u64)> =
        bucket.signatures.iter().map(|&(_, signature, at)| (at, signature)).collect();
    signatures.sort_unstable();
    let name_of = |number: u32| (number != NO_NAME).then(|| &*bucket.names[number as usize]);
    for (at, (flow, mark)) in (0..).zip(bucket.flows.iter().zip(&bucket.marks)) {
        let odd = || bucket.odd_uids.get(&flow.uid).map(|text| Cow::Borrowed(&**text));
        let uid = if flow.uid.is_hashed() { odd() } else { flow.uid.text().map(Cow::Owned) };
        let before =
            leases.partition_point(|lease| (lease.0, lease.1) <= (flow.orig, flow.start_us));
        let lease = leases[..before].last().filter(|lease| lease.0 == flow.orig);
        let signed = signatures.partition_point(|one| one.0 < at);
        witness.settled(&Settled {
            flow,
            uid: uid.filter(|text| !text.is_empty()),
            name: name_of(mark.name),
            named_by: mark.named_by,
            category: mark.category,
            direction: mark.direction,
            orig_inside: mark.orig_inside,
            resp_inside: mark.resp_inside,
            machine: lease.map(|lease| lease.2),
            signature: signatures.get(signed).filter(|one| one.0 == at).map(|one| one.1),
            received: received(bucket, at),
        })?;
    }
    for query in bucket.queries.iter().filter(|query| query.name != NO_NAME) {
        let (client, time_us, uid) = (query.client, query.time_us, query.uid);
        let name = &bucket.names[query.name as usize];
        witness.looked_up(&LookUp { client, name, time_us, uid });
    }
    Ok(())
}

fn received(bucket: &Bucket, at: u32) -> Option<(Content, u64)> {
    let facts = bucket.facts.get(&at)?;
    facts.received.map(|content| (content, facts.received_bytes))
}
