//! A thread that waits at a socket, and puts what comes into the spool. Its waiting ends often enough for the clock
//! and the end of the node to be looked at.

use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ipnet::IpNet;

use super::gathering::Gathering;
use super::kernel;
use crate::config::Input;
use crate::limits::{DRAINED_DATAGRAMS_MAX, RECEIVE_BUFFER_BYTES};
use crate::node::Node;

/// How long it waits for a datagram before it looks up.
const WAIT: Duration = Duration::from_millis(200);
/// Longer than any datagram of UDP.
const DATAGRAM_BYTES: usize = 1 << 16;

/// An input, bound.
#[derive(Debug)]
pub struct Listener {
    socket: UdpSocket,
    address: SocketAddr,
    every_us: i64,
    from: Vec<IpNet>,
}

impl Listener {
    /// Binds it.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn bind(input: &Input) -> Result<Self> {
        let told = || format!("input.listen = {}", input.listen);
        let socket = UdpSocket::bind(input.listen).with_context(told)?;
        let granted = kernel::widen(&socket).with_context(told)?;
        if granted < RECEIVE_BUFFER_BYTES {
            let wanted = RECEIVE_BUFFER_BYTES;
            tracing::warn!(
                granted,
                wanted,
                "a small receive buffer: a burst of datagrams may be lost; raise net.core.rmem_max"
            );
        }
        socket.set_read_timeout(Some(WAIT)).with_context(told)?;
        let address = socket.local_addr().with_context(told)?;
        let every_us = i64::try_from(input.every_s)? * 1_000_000;
        Ok(Self { socket, address, every_us, from: input.from.clone() })
    }

    /// The address with the port that the system chose.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Receives until the node is to stop, then what has come already. Blocks.
    ///
    /// # Errors
    /// The socket fails.
    pub fn run(self, node: &Node) -> Result<()> {
        let stopping = node.stopping.subscribe();
        let limits = (self.every_us, &*self.from);
        let mut gathering = Gathering::new(&node.netflow, self.address, limits, node.clock.now());
        let mut buffer = vec![0; DATAGRAM_BYTES];
        let mut left = None;
        while left != Some(0) {
            if left.is_none() && *stopping.borrow() {
                self.socket.set_nonblocking(true)?;
                left = Some(DRAINED_DATAGRAMS_MAX);
            }
            let received = self.socket.recv_from(&mut buffer);
            let now = node.clock.now();
            gathering.turn(now);
            match received {
                Ok((length, from)) => gathering.take(from, &buffer[..length], now),
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => {
                    gathering.rest();
                    if left.is_some() {
                        break;
                    }
                }
                Err(error) if error.kind() == Interrupted => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("receiving on {}", self.address));
                }
            }
            left = left.map(|left| left - 1);
        }
        gathering.end(node.clock.now());
        Ok(())
    }
}
