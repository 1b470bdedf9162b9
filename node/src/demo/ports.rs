//! Loopback ports that nobody else takes between their choice and their use. A port that the system chooses and that
//! is let go of may be the local end of any connection a moment later; ports below those that systems choose from are
//! taken only by who asks for them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, ensure};
use flowlore_common::env::SystemRng;
use rand_core::RngCore as _;

/// Linux chooses from 32768 up (`net.ipv4.ip_local_port_range`), IANA's range for it, which others use, begins at
/// 49152 (RFC 6335, 6).
const RANGE: std::ops::Range<u16> = 20_000..32_768;

/// `N` different ports that were free just now.
///
/// # Errors
/// The machine has not as many.
pub fn free<const N: usize>() -> Result<[SocketAddr; N]> {
    let count = u32::from(RANGE.end - RANGE.start);
    // Begun anywhere: whoever else looks at the same time begins elsewhere.
    let begin = SystemRng.next_u32() % count;
    let held: Vec<_> = (0..count)
        .filter_map(|step| u16::try_from((begin + step) % count).ok())
        .filter_map(|offset| TcpListener::bind((Ipv4Addr::LOCALHOST, RANGE.start + offset)).ok())
        .take(N)
        .collect();
    ensure!(held.len() == N, "no {N} free ports in {RANGE:?} on 127.0.0.1");
    let mut chosen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (port, held) in chosen.iter_mut().zip(&held) {
        *port = held.local_addr()?;
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_different_and_not_those_that_systems_choose() {
        let ports = free::<9>().unwrap();
        let held: Vec<_> = ports.map(|port| TcpListener::bind(port).unwrap()).into();
        assert!(ports.iter().all(|port| RANGE.contains(&port.port())), "{ports:?}");
        drop(held);
    }
}
