//! What machines do by themselves and for their owners: the benign background.
//!
//! A habit does one thing at one moment and says when it wants its next turn. Rates are of our own
//! reasoning, sizes and shapes from the sources that each file names.

use crate::inside::{Host, Role};
use crate::random::Random;
use crate::talk::Talk;

mod browse;
mod office;
mod programs;
mod servers;

/// Microseconds of a second and a minute.
pub(crate) const SECOND: u64 = 1_000_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;

/// Something that a machine does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Habit {
    /// Reads pages.
    Browse,
    /// Comes up in the morning: address, log-on, drives.
    Start,
    /// Renews its address.
    Lease,
    Mail,
    /// Keeps a channel to a messaging service open.
    Push(u8),
    /// Runs program number n of the world's agents.
    Agent(u16),
    /// Asks the time.
    Time,
    Directory,
    FileServer,
    Print,
    Meeting,
    Storage,
    Vpn,
    /// Calls into the local network by multicast.
    Multicast,
    /// What goes wrong: dead names, dead servers.
    Stray,
    /// Asks a reputation service about files, by DNS.
    Reputation,
    Update,
    /// Copies data outside at night.
    Backup,
    /// Receives visitors.
    Visitors,
    /// Is probed by the internet.
    Probes,
    /// Receives home offices.
    HomeOffices,
    /// Pings the servers.
    Pings,
    /// Keeps channels to the resolver outside.
    Forward,
}

/// The habits of a machine.
pub(crate) fn of(host: &Host) -> Vec<Habit> {
    use Habit::*;
    let mut habits = match host.role {
        Role::Worker => vec![
            Browse,
            Start,
            Lease,
            Mail,
            Push(0),
            Push(1),
            Time,
            Directory,
            FileServer,
            Print,
            Meeting,
            Storage,
            Multicast,
            Stray,
            Reputation,
            Update,
        ],
        Role::Directory => vec![Time, Update, Forward],
        Role::Files => vec![Time, Update, Directory],
        Role::Proxy => vec![Time, Update, Probes],
        Role::Web => vec![Time, Update, Visitors, Probes],
        Role::Gateway => vec![Time, Probes, HomeOffices],
        Role::Database => vec![Time, Update, Backup, Vpn],
        Role::Monitor => vec![Time, Update, Pings],
        Role::Printer => vec![Time, Multicast],
        Role::Device => vec![Time, Multicast, Lease],
    };
    habits.extend(host.agents.iter().map(|number| Agent(*number)));
    habits
}

/// When a habit has its first turn, microseconds after the start.
pub(crate) fn first(habit: Habit, random: &mut Random) -> u64 {
    match habit {
        Habit::Start => 0,
        Habit::Agent(_) | Habit::Push(_) => random.below(20 * MINUTE),
        _ => random.below(10 * MINUTE),
    }
}

/// Does it, and says when next.
pub(crate) fn perform(talk: &mut Talk<'_>, habit: Habit, at: u64) -> u64 {
    match habit {
        Habit::Browse => talk.browse(at),
        Habit::Start => talk.start(at),
        Habit::Lease => talk.lease(at),
        Habit::Mail => talk.mail(at),
        Habit::Push(number) => talk.push(at, number),
        Habit::Agent(number) => talk.agent(at, number),
        Habit::Time => talk.time(at),
        Habit::Directory => talk.directory(at),
        Habit::FileServer => talk.file_server(at),
        Habit::Print => talk.print(at),
        Habit::Meeting => talk.meeting(at),
        Habit::Storage => talk.storage(at),
        Habit::Vpn => talk.vpn(at),
        Habit::Multicast => talk.multicast(at),
        Habit::Stray => talk.stray(at),
        Habit::Reputation => talk.reputation(at),
        Habit::Update => talk.update(at),
        Habit::Backup => talk.backup(at),
        Habit::Visitors => talk.visitors(at),
        Habit::Probes => talk.probes(at),
        Habit::HomeOffices => talk.home_offices(at),
        Habit::Pings => talk.pings(at),
        Habit::Forward => talk.forward(at),
    }
}

impl Talk<'_> {
    /// The stream that decides on this machine's days.
    fn days(&self) -> Random {
        self.org.random.part(u64::from(u32::from(self.host.v4)))
    }

    /// The org's own clock.
    fn local(&self, at: u64) -> u64 {
        at + self.org.offset
    }

    /// Whether its owner is there, given how busy the moment is.
    fn busy(&mut self, at: u64) -> bool {
        let busy = self.host.shift.busy(&self.days(), self.local(at));
        busy > 0 && self.actor.random.chance(busy)
    }

    /// Whether the machine is on.
    fn on(&self, at: u64) -> bool {
        self.host.always_on || self.host.shift.busy(&self.days(), self.local(at)) > 0
    }

    /// When its owner comes next, at or after `at`.
    fn arrival(&self, at: u64) -> u64 {
        self.host.shift.next_arrival(&self.days(), self.local(at)) - self.org.offset
    }

    /// The next turn of something that people do at random: in this many minutes on average, not
    /// before the owner is there.
    fn later(&mut self, at: u64, minutes: u64) -> u64 {
        let pause = SECOND + self.actor.random.exponential(minutes * MINUTE);
        let arrival = self.arrival(at + pause);
        // After a night it is not the first thing that the owner does.
        if arrival > at + pause { arrival + pause } else { arrival }
    }

    /// The next turn of something that runs while the machine does.
    fn again(&mut self, at: u64, gap: u64) -> u64 {
        let next = at + gap;
        if self.on(next) {
            next
        } else {
            self.arrival(next) + 5 * SECOND + self.actor.random.below(3 * MINUTE)
        }
    }
}
