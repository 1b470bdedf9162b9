//! Sessions that may be interactive. Whether a missing name or an unknown protocol says anything depends on what the
//! source does elsewhere, so all groups of a bucket are looked at before any is scored.

use flowlore_common::label::Direction;
use hashbrown::HashMap;

use super::{
    bucket::{Bucket, NO_NAME},
    group::{Gathered, Groups, Spot},
};
use crate::{
    detect::interactive_c2_channel::{
        SESSION_BYTES_MIN, SESSION_US_MIN, is_browsed, is_session, is_sessional,
    },
    naming::NamedBy,
    packed::Addr,
    pair::{Grouping, Sessions},
};

const TCP: u8 = 6;
/// From so many destinations with such sessions on it is a peer-to-peer program. [Slips: 5 over UDP; ours: twice that,
/// since the price of a mistake is a channel that is not found]
const PEERS_MIN: usize = 10;

/// How a source's outbound groups look as a rule.
#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    groups: u64,
    named: u64,
    recognised: u64,
}

/// Sessions by the number of their group, ascending.
pub(super) fn find(bucket: &Bucket, groups: &Groups) -> Vec<(u32, Sessions)> {
    let mut found: Vec<(u32, Sessions)> = Vec::new();
    for (number, (group, members, _)) in (0..).zip(groups.iter()) {
        if may_hold(group)
            && let Some(sessions) = sessions(bucket, members)
        {
            found.push((number, sessions));
        }
    }
    if found.is_empty() {
        return found;
    }
    let habits = habits(groups, &found);
    found.retain_mut(|(number, sessions)| {
        let (group, _) = groups.at(*number);
        let habit = habits.get(&group.key.source).copied().unwrap_or_default();
        // The group itself is among them, and may be all there is.
        sessions.nameless = group.key.spot.name == NO_NAME && habit.named * 2 >= habit.groups;
        sessions.unrecognised &=
            group.hints.tls + group.hints.http == 0 && habit.recognised * 2 >= habit.groups;
        // On the web's ports a name is missed with the hello: only a hello without one says something.
        !is_browsed(group.key.port)
            || sessions.unrecognised
            || (sessions.nameless && group.hints.tls > 0)
    });
    drop_peers(groups, found)
}

/// Whether the sums leave room for a session of somebody inside with an outside host that showed no name of its own.
fn may_hold(group: &Gathered) -> bool {
    let key = &group.key;
    let totals = &group.totals;
    totals.longest_us >= SESSION_US_MIN
        && key.direction == Direction::Outbound
        && key.transport == TCP
        && key.grouping != Grouping::Proxied
        && group.named_by >= NamedBy::Dns
        && !is_sessional(key.port)
        && totals.bytes_out.saturating_add(totals.bytes_in) >= SESSION_BYTES_MIN
}

fn sessions(bucket: &Bucket, members: &[u32]) -> Option<Sessions> {
    let flows = members.iter().map(|&at| &bucket.flows[at as usize]);
    flows.filter(|flow| is_session(flow)).fold(None, |sum: Option<Sessions>, flow| {
        let sum = sum.unwrap_or(Sessions {
            count: 0,
            first_us: i64::MAX,
            longest_us: 0,
            bytes_out: 0,
            bytes_in: 0,
            packets_out: 0,
            packets_in: 0,
            nameless: false,
            unrecognised: true,
        });
        Some(Sessions {
            count: sum.count + 1,
            first_us: sum.first_us.min(flow.start_us),
            longest_us: sum.longest_us.max(flow.duration_us),
            bytes_out: sum.bytes_out.saturating_add(flow.orig_bytes),
            bytes_in: sum.bytes_in.saturating_add(flow.resp_bytes),
            packets_out: sum.packets_out.saturating_add(flow.orig_packets),
            packets_in: sum.packets_in.saturating_add(flow.resp_packets),
            // What was not seen from its start could not be recognised.
            unrecognised: sum.unrecognised && flow.begun && flow.missed_bytes == 0,
            ..sum
        })
    })
}

/// The habits of the sources found.
fn habits(groups: &Groups, found: &[(u32, Sessions)]) -> HashMap<Addr, Habit> {
    let sources = found.iter().map(|(number, _)| groups.at(*number).0.key.source);
    let mut habits: HashMap<Addr, Habit> =
        sources.map(|source| (source, Habit::default())).collect();
    for (group, ..) in groups.iter().filter(|(group, ..)| is_told(group)) {
        let Some(habit) = habits.get_mut(&group.key.source) else { continue };
        habit.groups += 1;
        habit.named += u64::from(group.key.spot.name != NO_NAME);
        habit.recognised += u64::from(group.hints.tls + group.hints.http > 0);
    }
    habits
}

/// A group that could have had a name and a protocol: outbound, over TCP, and something came back.
fn is_told(group: &Gathered) -> bool {
    group.key.direction == Direction::Outbound
        && group.key.transport == TCP
        && group.totals.bytes_in > 0
}

fn drop_peers(groups: &Groups, mut found: Vec<(u32, Sessions)>) -> Vec<(u32, Sessions)> {
    let spot = |number: u32| -> (Addr, Spot) {
        let key = &groups.at(number).0.key;
        (key.source, key.spot)
    };
    let mut spots: Vec<(Addr, Spot)> = found.iter().map(|(number, _)| spot(*number)).collect();
    spots.sort_unstable();
    spots.dedup();
    let busy = spots.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() >= PEERS_MIN);
    let busy: Vec<Addr> = busy.map(|run| run[0].0).collect();
    found.retain(|(number, _)| busy.binary_search(&spot(*number).0).is_err());
    found
}
