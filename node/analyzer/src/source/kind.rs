//! Which log a record belongs to: Zeek's names of its logs, and how to tell one without its name.

use super::row::Row;
use super::{capture_loss, conn, dhcp, dns, files, http, logon, notice, remote, tls, x509};
use crate::record::{Sink, Skip};

/// A log type that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    CaptureLoss,
    Conn,
    DceRpc,
    Dhcp,
    Dns,
    Files,
    Http,
    Kerberos,
    Notice,
    Ntlm,
    Quic,
    Rdp,
    SmbFiles,
    SmbMapping,
    Smtp,
    Ssh,
    Ssl,
    X509,
}

/// Most wanted columns of any log type.
pub(super) const WANTED_MAX: usize = 24;

impl Kind {
    pub(super) const ALL: [Self; 18] = [
        Self::CaptureLoss,
        Self::Conn,
        Self::DceRpc,
        Self::Dhcp,
        Self::Dns,
        Self::Files,
        Self::Http,
        Self::Kerberos,
        Self::Notice,
        Self::Ntlm,
        Self::Quic,
        Self::Rdp,
        Self::SmbFiles,
        Self::SmbMapping,
        Self::Smtp,
        Self::Ssh,
        Self::Ssl,
        Self::X509,
    ];

    /// Zeek's name of the log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CaptureLoss => "capture_loss",
            Self::Conn => "conn",
            Self::DceRpc => "dce_rpc",
            Self::Dhcp => "dhcp",
            Self::Dns => "dns",
            Self::Files => "files",
            Self::Http => "http",
            Self::Kerberos => "kerberos",
            Self::Notice => "notice",
            Self::Ntlm => "ntlm",
            Self::Quic => "quic",
            Self::Rdp => "rdp",
            Self::SmbFiles => "smb_files",
            Self::SmbMapping => "smb_mapping",
            Self::Smtp => "smtp",
            Self::Ssh => "ssh",
            Self::Ssl => "ssl",
            Self::X509 => "x509",
        }
    }

    /// The columns that its reader asks for, in the order of their numbers.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::CaptureLoss => capture_loss::COLUMNS,
            Self::Conn => conn::COLUMNS,
            Self::DceRpc => remote::DCE_RPC_COLUMNS,
            Self::Dhcp => dhcp::COLUMNS,
            Self::Dns => dns::COLUMNS,
            Self::Files => files::COLUMNS,
            Self::Http => http::COLUMNS,
            Self::Kerberos => logon::KERBEROS_COLUMNS,
            Self::Notice => notice::COLUMNS,
            Self::Ntlm => logon::NTLM_COLUMNS,
            Self::Quic => tls::QUIC_COLUMNS,
            Self::Rdp => logon::RDP_COLUMNS,
            Self::SmbFiles => remote::SMB_FILES_COLUMNS,
            Self::SmbMapping => remote::SMB_MAPPING_COLUMNS,
            Self::Smtp => logon::SMTP_COLUMNS,
            Self::Ssh => logon::SSH_COLUMNS,
            Self::Ssl => tls::SSL_COLUMNS,
            Self::X509 => x509::COLUMNS,
        }
    }
}

/// A log: what it holds, and whether of connections that go on (the `open_` logs of the package
/// `zeek-open-connections`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Log {
    pub(super) kind: Kind,
    pub(super) open: bool,
}

impl Log {
    fn named(name: &str) -> Option<Self> {
        let (open, base) = match name.strip_prefix("open_") {
            Some(base) => (true, base),
            None => (false, name),
        };
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == base)?;
        let may_be_open = matches!(kind, Kind::Conn | Kind::Http | Kind::Ssl);
        (!open || may_be_open).then_some(Self { kind, open })
    }

    /// Reads one row and hands the record on.
    pub(super) fn read<'a>(self, row: &impl Row<'a>, sink: &mut impl Sink) -> Result<(), Skip> {
        match self.kind {
            Kind::CaptureLoss => sink.capture_loss(&capture_loss::read(row)?),
            Kind::Conn => sink.conn(&conn::read(row, self.open)?),
            Kind::DceRpc => sink.remote(&remote::read_dce_rpc(row)?),
            Kind::Dhcp => sink.dhcp(&dhcp::read(row)?),
            Kind::Dns => sink.dns(&dns::read(row)?),
            Kind::Files => sink.file(&files::read(row)?),
            Kind::Http => sink.http(&http::read(row, self.open)?),
            Kind::Kerberos => sink.logon(&logon::read_kerberos(row)?),
            Kind::Notice => sink.notice(&notice::read(row)?),
            Kind::Ntlm => sink.logon(&logon::read_ntlm(row)?),
            Kind::Quic => sink.tls(&tls::read_quic(row)?),
            Kind::Rdp => sink.logon(&logon::read_rdp(row)?),
            Kind::SmbFiles => sink.remote(&remote::read_files(row)?),
            Kind::SmbMapping => sink.remote(&remote::read_mapping(row)?),
            Kind::Smtp => sink.logon(&logon::read_smtp(row)?),
            Kind::Ssh => sink.logon(&logon::read_ssh(row)?),
            Kind::Ssl => sink.tls(&tls::read_ssl(row, self.open)?),
            Kind::X509 => sink.x509(&x509::read(row)?),
        }
        Ok(())
    }
}

/// What the records of (a part of) a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Content {
    /// A log that is read.
    Read(Log),
    /// A log of Zeek's that is not; its name where we know it.
    Unused(Option<&'static str>),
}

impl Content {
    /// By the name in `#path`, `_path` or `@stream`.
    pub(super) fn named(name: &str) -> Self {
        match Log::named(name) {
            Some(log) => Self::Read(log),
            None => Self::Unused(UNUSED.iter().copied().find(|known| *known == name)),
        }
    }

    /// By the names of the columns, then by the file's; `None` when neither tells.
    pub(super) fn guessed(columns: &[&str], hint: Option<Self>) -> Option<Self> {
        let has = |name: &str| columns.iter().any(|column| same_name(column, name));
        let kind = if has("conn_state") || has("missed_bytes") {
            Kind::Conn
        } else if has("qclass") || has("qtype") || has("rcode_name") || has("TTLs") {
            Kind::Dns
        } else if has("client_initial_dcid") || has("client_scid") {
            Kind::Quic
        } else if has("ssl_history") || has("established") || has("cert_chain_fuids") {
            Kind::Ssl
        } else if has("trans_depth") && has("request_body_len") && !has("call_id") {
            Kind::Http
        } else if has("fuid") && has("seen_bytes") {
            Kind::Files
        } else if has("certificate.serial") || has("certificate.subject") {
            Kind::X509
        } else if has("mac") && (has("msg_types") || has("assigned_ip") || has("lease_time")) {
            Kind::Dhcp
        } else if has("note") && (has("actions") || has("suppress_for")) {
            Kind::Notice
        } else if has("percent_lost") {
            Kind::CaptureLoss
        } else if has("last_reply") && has("mailfrom") {
            Kind::Smtp
        } else if has("request_type") || has("client") && has("error_msg") {
            Kind::Kerberos
        } else if has("domainname") && has("username") {
            Kind::Ntlm
        } else if has("auth_attempts") || has("auth_success") || has("host_key_alg") {
            Kind::Ssh
        } else if has("security_protocol") || has("keyboard_layout") {
            Kind::Rdp
        } else if has("share_type") {
            Kind::SmbMapping
        } else if has("action") && has("path") && has("times.modified") {
            Kind::SmbFiles
        } else if has("endpoint") && has("operation") {
            Kind::DceRpc
        } else {
            return hint.or_else(|| has("ts").then_some(Self::Unused(None)));
        };
        let open = matches!(hint, Some(Self::Read(log)) if log.kind == kind && log.open);
        Some(Self::Read(Log { kind, open }))
    }

    /// By a file's name: `conn.05:00:00-06:00:00.log.gz`, `sensor3_conn.log`, `conn_20261124.log`.
    pub(super) fn hinted(file_name: &str) -> Option<Self> {
        let parts = || file_name.split(['.', '-', ' ']);
        let known = |name: &str| match Self::named(name) {
            Self::Unused(None) => None,
            content => Some(content),
        };
        parts().find_map(known).or_else(|| {
            let ends = |part: &str| {
                let (first, last) = (part.split_once('_')?.0, part.rsplit_once('_')?.1);
                known(first).or_else(|| known(last))
            };
            parts().find_map(ends)
        })
    }

    /// Open when the file's name says so: some collectors write `#path conn` into open_conn.log.
    pub(super) fn opened_by(self, hint: Option<Self>) -> Self {
        match (self, hint) {
            (Self::Read(log), Some(Self::Read(hint))) if hint.open && hint.kind == log.kind => {
                Self::Read(hint)
            }
            _ => self,
        }
    }

    /// As the report names it, without `zeek/`.
    pub(super) fn name(self) -> String {
        match self {
            Self::Read(Log { kind, open }) => {
                format!("{}{}", if open { "open_" } else { "" }, kind.name())
            }
            Self::Unused(name) => name.unwrap_or("other").to_owned(),
        }
    }
}

/// Whether a column is the wanted one: collectors that cannot have points in names write underscores.
pub(super) fn same_name(column: &str, wanted: &str) -> bool {
    column.len() == wanted.len()
        && column.bytes().zip(wanted.bytes()).all(|(a, b)| a == b || (a == b'_' && b == b'.'))
}

/// Logs that Zeek and common packages write and that we do not read. Source: the log files section of
/// <https://docs.zeek.org/en/master/script-reference/log-files.html>.
const UNUSED: &[&str] = &[
    "analyzer",
    "analyzer_debug",
    "app_stats",
    "audit",
    "barnyard2",
    "broker",
    "capture",
    "cluster",
    "config",
    "dnp3",
    "dpd",
    "ftp",
    "intel",
    "irc",
    "known_certs",
    "known_domains",
    "known_hosts",
    "known_modbus",
    "known_services",
    "ldap",
    "ldap_search",
    "loaded_scripts",
    "modbus",
    "modbus_register_change",
    "mqtt_connect",
    "mqtt_publish",
    "mqtt_subscribe",
    "mysql",
    "netcontrol",
    "netcontrol_drop",
    "netcontrol_shunt",
    "notice_alarm",
    "ntp",
    "ocsp",
    "openflow",
    "packet_filter",
    "pe",
    "postgresql",
    "print",
    "prof",
    "radius",
    "redis",
    "reporter",
    "rfb",
    "signatures",
    "sip",
    "smb_cmd",
    "snmp",
    "socks",
    "software",
    "stats",
    "syslog",
    "telemetry",
    "telemetry_histogram",
    "traceroute",
    "tunnel",
    "unknown_protocols",
    "weird",
    "weird_stats",
    "websocket",
    "wireguard",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_log_type_fits_and_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert!(kind.columns().len() <= WANTED_MAX, "{kind:?}");
            assert_eq!(Content::named(kind.name()), Content::Read(Log { kind, open: false }));
        }
        assert_eq!(Content::named("weird"), Content::Unused(Some("weird")));
        assert_eq!(Content::named("open_dns"), Content::Unused(None));
        assert_eq!(Content::named("open_conn").name(), "open_conn");
    }

    #[test]
    fn file_names_hint() {
        let name = |file| Content::hinted(file).map(Content::name);
        assert_eq!(name("conn.05:00:00-06:00:00.log.gz").as_deref(), Some("conn"));
        assert_eq!(name("open_ssl.17_37_07-18_00_00.log").as_deref(), Some("open_ssl"));
        assert_eq!(name("open_conn.log").as_deref(), Some("open_conn"));
        assert_eq!(name("NASHUA_dns.log").as_deref(), Some("dns"));
        assert_eq!(name("capture_loss.log").as_deref(), Some("capture_loss"));
        assert_eq!(name("conn_20261124.log").as_deref(), Some("conn"));
        assert_eq!(name("weird.log").as_deref(), Some("weird"));
        assert_eq!(name("README.md"), None);
    }

    #[test]
    fn an_open_file_name_opens_its_own_kind_only() {
        let hint = Content::hinted("open_conn.log");
        assert_eq!(Content::named("conn").opened_by(hint).name(), "open_conn");
        assert_eq!(Content::named("ssl").opened_by(hint).name(), "ssl");
    }
}
