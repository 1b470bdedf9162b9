//! What the system does with datagrams before they are fetched.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use socket2::SockRef;

use crate::limits::RECEIVE_BUFFER_BYTES;

/// Asks for a receive buffer that outlasts a stall of the disk; gives how many bytes the system grants.
pub(super) fn widen(socket: &UdpSocket) -> std::io::Result<usize> {
    let socket = SockRef::from(socket);
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    // Linux doubles what it is asked for, for its own use, and tells the double (socket(7)).
    Ok(socket.recv_buffer_size()? / if cfg!(target_os = "linux") { 2 } else { 1 })
}

/// How many datagrams the socket with this address lost since it was bound, by Linux's own count (proc_net_udp(5));
/// `None`: unknown.
pub(super) fn drops(address: &SocketAddr) -> Option<u64> {
    let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    row(&std::fs::read_to_string(table).ok()?, address)
}

fn row(table: &str, address: &SocketAddr) -> Option<u64> {
    let wanted = shown(address);
    let mut rows = table.lines().skip(1).map(|line| line.split_whitespace());
    rows.find_map(|mut row| (row.nth(1) == Some(&*wanted)).then(|| row.last()?.parse().ok())?)
}

/// As the table writes it: words of the address in the machine's byte order, then the port.
fn shown(address: &SocketAddr) -> String {
    let words = |octets: &[u8]| {
        let (words, _) = octets.as_chunks::<4>();
        words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word))).collect::<String>()
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) => words(&ip.octets()),
        IpAddr::V6(ip) => words(&ip.octets()),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_socket_is_found_in_the_systems_table() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  341: 0100007F:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 17 2 0000000000000000 5
  342: 0200007F:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18 2 0000000000000000 9\n";
        assert_eq!(row(table, &"127.0.0.2:2055".parse().unwrap()), Some(9));
        assert_eq!(row(table, &"127.0.0.1:2056".parse().unwrap()), None);
        let six = "00000000000000000000000001000000:0807";
        assert_eq!(shown(&"[::1]:2055".parse().unwrap()), six);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_not_fetched_is_counted_by_the_system() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(widen(&socket).unwrap() > 0);
        let address = socket.local_addr().unwrap();
        assert_eq!(drops(&address), Some(0));
        SockRef::from(&socket).set_recv_buffer_size(4_096).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(&[0; 1_000], address).unwrap();
        }
        assert!(drops(&address).unwrap() > 50);
    }
}
