//! An inside machine that looks for others: one port on many, or many ports of one.

use std::net::Ipv4Addr;

use serde_json::json;

use super::{Deed, Planner, Told, key_row};
use crate::habits::SECOND;
use crate::inside::Role;
use crate::talk::{Exchange, Talk, Target};
use crate::transport::Close;

/// One look-round.
pub(crate) struct Scan {
    targets: Vec<(Ipv4Addr, u16)>,
    /// Microseconds between two probes.
    gap: u64,
}

impl Scan {
    pub(super) fn perform(&mut self, talk: &mut Talk<'_>, at: u64) -> Option<u64> {
        let (addr, port) = self.targets.pop()?;
        let there = talk.org.hosts.iter().find(|host| host.v4 == addr).map(|host| host.role);
        let open = match there {
            Some(Role::Files | Role::Directory) => matches!(port, 88 | 135 | 139 | 389 | 445),
            Some(Role::Web) => matches!(port, 22 | 80 | 443),
            Some(Role::Database) => matches!(port, 22 | 5_432),
            _ => false,
        };
        if open {
            let exchange =
                Exchange { up: 0, down: 0, turns: 0, lasts: 2_000, close: Close::ClientReset };
            talk.tcp(at, &Target::bare(addr, port, 400), "", &exchange);
        } else {
            talk.tcp_failed(at, addr.into(), port, there.is_some());
        }
        Some(at + self.gap / 2 + talk.actor.random.below(self.gap + 1))
    }
}

impl Planner<'_> {
    /// One of each kind, in the first org and the second, if there is one.
    pub(super) fn scans(&mut self) {
        let attacked = self.attacked();
        self.horizontal(attacked[0]);
        self.vertical(attacked[1 % attacked.len()]);
    }

    fn horizontal(&mut self, org: usize) {
        let port: u16 = *self.random.pick(&[445, 3_389, 22, 5_985]);
        let count = self.random.between(40, 230);
        let [a, b] = self.orgs[org].net;
        let third = *self.random.pick(&[1_u8, 20, 20]);
        let first = self.random.between(1, 254 - count) as u8;
        let targets =
            (first..first + count as u8).rev().map(|d| (Ipv4Addr::new(a, b, third, d), port));
        let targets: Vec<_> = targets.collect();
        let place = self.victim(org);
        let (start, gap) = (self.working_moment(place), self.random.between(5_000, 3 * SECOND));
        let row = key_row(
            "*",
            &port,
            "tcp",
            "horizontal_scan|syn_scan",
            "medium",
            format!("{count} addresses on port {port}"),
        );
        let told = Told {
            scenario: "scan",
            group: None,
            destination: format!("{a}.{b}.{third}.{first}"),
            parameters: json!({
                "kind": "horizontal", "port": port, "addresses": count, "mean_gap_us": gap,
                "start_s": start / SECOND,
            }),
            key: vec![row],
        };
        self.add(place, start, Deed::Scan(Scan { targets, gap }), told);
    }

    fn vertical(&mut self, org: usize) {
        let role = *self.random.pick(&[Role::Files, Role::Database, Role::Web]);
        let target = self.orgs[org].first(role).v4;
        let count = self.random.between(120, 1_000);
        let first = self.random.between(1, 1_500) as u16;
        let targets: Vec<_> = (0..count as u16).rev().map(|step| (target, first + step)).collect();
        let place = self.victim(org);
        let (start, gap) = (self.working_moment(place), self.random.between(2_000, SECOND / 2));
        let row = key_row(
            &target.to_string(),
            &"*",
            "tcp",
            "vertical_scan|syn_scan",
            "medium",
            format!("{count} ports of one server"),
        );
        let told = Told {
            scenario: "scan",
            group: None,
            destination: target.to_string(),
            parameters: json!({
                "kind": "vertical", "first_port": first, "ports": count, "mean_gap_us": gap,
                "start_s": start / SECOND,
            }),
            key: vec![row],
        };
        self.add(place, start, Deed::Scan(Scan { targets, gap }), told);
    }
}
