//! The vocabulary of labels and findings, with the numbers that stand on the wire.
//!
//! Numbers and names are append-only: a code, once given, never means anything else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares an enum whose variants have a stable number and a stable name.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident: $repr:ty { $($(#[$vdoc:meta])* $variant:ident = $number:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($repr)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)+ }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> $repr {
                self as $repr
            }

            /// The name in JSON, on the command line and in documentation.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The one with this number.
            #[must_use]
            pub const fn from_number(number: $repr) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.name() == text).ok_or_else(|| UnknownWord {
                    given: text.to_owned(),
                    known: Self::ALL.iter().map(|word| word.name()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use vocabulary;

/// A word that is not of the vocabulary, and those that are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' is not known here; known are: {known}")]
pub struct UnknownWord {
    /// What was given.
    pub given: String,
    /// What would have been accepted.
    pub known: String,
}

vocabulary! {
    /// What a label's token is for. One (name, purpose) has one token; different purposes of one name cannot be linked by their tokens.
    Purpose: u8 {
        /// We opened a connection to it and it answered.
        Contacted = 0, "contacted";
        /// Assessed malicious or suspicious by a person or by two detector families. Opens at 3 independent groups.
        Flagged = 1, "flagged";
        /// Assessed benign, or a dispute, by a person.
        Vouched = 2, "vouched";
        /// It tried to open connections to us that nobody asked for, and got no data session. Opens at 5 groups.
        Knocked = 3, "knocked";
        /// Assessed by the analyzer alone.
        Suspected = 4, "suspected";
    }
}

impl Purpose {
    /// How many independent groups open the name; 0: it never opens.
    #[must_use]
    pub const fn threshold(self) -> u8 {
        match self {
            Self::Flagged => 3,
            Self::Knocked => 5,
            Self::Contacted | Self::Vouched | Self::Suspected => 0,
        }
    }
}

vocabulary! {
    /// What somebody thinks of a destination. Unknown is never benign.
    Verdict: u8 {
        /// Nothing is known.
        Unknown = 0, "unknown";
        /// Harmless.
        Benign = 1, "benign";
        /// Worth a look.
        Suspicious = 2, "suspicious";
        /// Harmful.
        Malicious = 3, "malicious";
    }
}

vocabulary! {
    /// Which way a contact went, seen from the org. The numbers of OCSF's `direction_id` where it has one.
    Direction: u8 {
        /// From outside to inside.
        Inbound = 1, "inbound";
        /// From inside to outside.
        Outbound = 2, "outbound";
        /// Between two inside hosts.
        Internal = 3, "internal";
        /// Between two outside hosts.
        External = 99, "external";
    }
}

vocabulary! {
    /// Who says it.
    Source: u8 {
        /// The analyzer alone.
        Analyzer = 0, "analyzer";
        /// A person.
        Person = 1, "person";
        /// Taken over from elsewhere; never a sighting.
        Import = 2, "import";
    }
}

vocabulary! {
    /// What kind of statement an entry of a label's body is.
    EntryKind: u8 {
        /// It was seen.
        Sighting = 0, "sighting";
        /// It was judged.
        Assessment = 1, "assessment";
        /// An incident about it was closed.
        Disposition = 2, "disposition";
    }
}

vocabulary! {
    /// How an incident was closed.
    Outcome: u8 {
        /// Not closed.
        None = 0, "none";
        /// It was an attack.
        TruePositive = 1, "true_positive";
        /// Real, and expected.
        BenignExpected = 2, "benign_expected";
        /// The detector was wrong.
        FalsePositive = 3, "false_positive";
    }
}

vocabulary! {
    /// Why a person disputes what others say, or closed an incident as they did.
    Reason: u8 {
        /// None given.
        None = 0, "none";
        /// A service that the org knows and uses.
        KnownService = 1, "known_service";
        /// The detector took it for something that it is not.
        DetectorMistaken = 2, "detector_mistaken";
        /// A test or an exercise that somebody ordered.
        AuthorisedTest = 3, "authorised_test";
        /// One of many tenants did it, not the destination.
        SharedInfrastructure = 4, "shared_infrastructure";
        /// It was misused and has been cleaned since.
        CleanedUp = 5, "cleaned_up";
        /// The name or address belongs to somebody else now.
        ChangedOwner = 6, "changed_owner";
        /// Another destination was meant.
        WrongDestination = 7, "wrong_destination";
    }
}

vocabulary! {
    /// How grave a finding is.
    Severity: u8 {
        /// Worth knowing.
        Info = 0, "info";
        /// Look when there is time.
        Low = 1, "low";
        /// Look today.
        Medium = 2, "medium";
        /// Look now.
        High = 3, "high";
        /// Act now.
        Critical = 4, "critical";
    }
}

vocabulary! {
    /// What one flow is by its shape alone: exactly one of these. The ladder is in `category.rs` of the analyzer.
    Category: u8 {
        /// Rung 1.
        FailedConnection = 1, "failed_connection";
        /// Rung 2.
        Unidirectional = 2, "unidirectional";
        /// Rung 3.
        DnsQuery = 3, "dns_query";
        /// Rung 4.
        DotsQuery = 4, "dots_query";
        /// Rung 5.
        KeepAlive = 5, "keep_alive";
        /// Rung 6.
        TlsNegotiationOnly = 6, "tls_negotiation_only";
        /// Rung 7.
        SmallUpload = 7, "small_upload";
        /// Rung 8.
        LargeUpload = 8, "large_upload";
        /// Rung 9.
        MinorContentDownloadedQuickly = 9, "minor_content_downloaded_quickly";
        /// Rung 10.
        SomeContentDownloadedQuickly = 10, "some_content_downloaded_quickly";
        /// Rung 11.
        MajorContentDownloadedQuickly = 11, "major_content_downloaded_quickly";
        /// Rung 12.
        MinorResourcesDownloadedQuickly = 12, "minor_resources_downloaded_quickly";
        /// Rung 13.
        SomeResourcesDownloadedQuickly = 13, "some_resources_downloaded_quickly";
        /// Rung 14.
        MajorResourcesDownloadedQuickly = 14, "major_resources_downloaded_quickly";
        /// Rung 15.
        MinorContentDownloaded = 15, "minor_content_downloaded";
        /// Rung 16.
        SomeContentDownloaded = 16, "some_content_downloaded";
        /// Rung 17.
        MajorContentDownloaded = 17, "major_content_downloaded";
        /// Rung 18.
        MinorResourcesDownloaded = 18, "minor_resources_downloaded";
        /// Rung 19.
        SomeResourcesDownloaded = 19, "some_resources_downloaded";
        /// Rung 20.
        MajorResourcesDownloaded = 20, "major_resources_downloaded";
        /// Rung 21.
        MinorDataDownloadedViaLongSession = 21, "minor_data_downloaded_via_long_session";
        /// Rung 22.
        SomeDataDownloadedViaLongSession = 22, "some_data_downloaded_via_long_session";
        /// Rung 23.
        MajorDataDownloadedViaLongSession = 23, "major_data_downloaded_via_long_session";
        /// Rung 24.
        SingleResourceLoaded = 24, "single_resource_loaded";
        /// Rung 25.
        ContinuousClientChannel = 25, "continuous_client_channel";
        /// Rung 26.
        ContinuousServerChannel = 26, "continuous_server_channel";
        /// Rung 27.
        AsNeededChannel = 27, "as_needed_channel";
        /// Rung 28.
        ClosedSession = 28, "closed_session";
        /// Rung 29.
        Unclassified = 29, "unclassified";
    }
}

vocabulary! {
    /// What flows of a (host, destination) do together.
    Behaviour: u16 {
        /// C2 beacon.
        C2BeaconHttpTls = 0x0101, "c2_beacon_http_tls";
        /// C2 beacon to an address.
        C2BeaconIp = 0x0102, "c2_beacon_ip";
        /// C2 beacon through a proxy.
        C2BeaconProxied = 0x0103, "c2_beacon_proxied";
        /// Slow periodic contact.
        C2BeaconPeriodicSlow = 0x0104, "c2_beacon_periodic_slow";
        /// Strobe: a contact a second.
        Strobe = 0x0105, "strobe";
        /// Long connection.
        LongConnection = 0x0106, "long_connection";
        /// Interactive C2 channel.
        InteractiveC2Channel = 0x0107, "interactive_c2_channel";
        /// C2 over DNS.
        C2OverDns = 0x0108, "c2_over_dns";
        /// DNS tunnel by size.
        DnsTunnelOversize = 0x0109, "dns_tunnel_oversize";
        /// DNS tunnel session.
        DnsTunnelSession = 0x010a, "dns_tunnel_session";
        /// High-entropy TXT answers.
        DnsTxtHighEntropy = 0x010b, "dns_txt_high_entropy";
        /// Odd DNS query types.
        DnsOddQtype = 0x010c, "dns_odd_qtype";
        /// Many names that do not exist.
        DgaNxdomain = 0x010d, "dga_nxdomain";
        /// Generated-looking names.
        DgaLexical = 0x010e, "dga_lexical";
        /// Fast flux.
        FastFlux = 0x010f, "fast_flux";
        /// Private answer for a public name.
        DnsRebindingAnswer = 0x0110, "dns_rebinding_answer";
        /// Contact without a DNS look-up.
        ConnWithoutDns = 0x0111, "conn_without_dns";
        /// Young domain.
        YoungDomain = 0x0112, "young_domain";
        /// Large upload.
        ExfilVolume = 0x0113, "exfil_volume";
        /// Host turned into a sender.
        ExfilPcrShift = 0x0114, "exfil_pcr_shift";
        /// Horizontal scan.
        HorizontalScan = 0x0115, "horizontal_scan";
        /// Vertical scan.
        VerticalScan = 0x0116, "vertical_scan";
        /// SYN scan.
        SynScan = 0x0117, "syn_scan";
        /// ICMP sweep.
        IcmpSweep = 0x0118, "icmp_sweep";
        /// Reverse-name sweep.
        ArpaSweep = 0x0119, "arpa_sweep";
        /// Brute-force login.
        BruteForceLogin = 0x011a, "brute_force_login";
        /// SSH session inferred.
        SshSuccessInferred = 0x011b, "ssh_success_inferred";
        /// Lateral movement.
        LateralMovement = 0x011c, "lateral_movement";
        /// Reconnect storm.
        ReconnectStorm = 0x011d, "reconnect_storm";
        /// Cryptomining.
        Cryptomining = 0x011e, "cryptomining";
        /// Tor.
        TorUse = 0x011f, "tor_use";
        /// Protocol and port do not match.
        PortProtocolMismatch = 0x0120, "port_protocol_mismatch";
        /// Unusual port.
        UnknownPort = 0x0121, "unknown_port";
        /// Peer-to-peer overlay.
        P2pOverlay = 0x0122, "p2p_overlay";
        /// Remote-access tool.
        RemoteAccessTool = 0x0123, "remote_access_tool";
        /// Suspicious download.
        MaliciousDownload = 0x0124, "malicious_download";
        /// Download, then C2.
        DownloadThenC2 = 0x0125, "download_then_c2";
        /// Phishing page visited.
        PhishingPageVisit = 0x0126, "phishing_page_visit";
        /// Failed log-ons, then a success.
        LoginFailuresThenSuccess = 0x0127, "login_failures_then_success";
        /// Phishing: credentials submitted.
        PhishingSubmission = 0x0128, "phishing_submission";
    }
}

/// A technique of MITRE ATT&CK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Technique {
    /// Its id, such as `T1071.001`.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
}

impl Behaviour {
    /// What a person reads.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::C2BeaconHttpTls => "C2 beacon",
            Self::C2BeaconIp => "C2 beacon to an address",
            Self::C2BeaconProxied => "C2 beacon through a proxy",
            Self::C2BeaconPeriodicSlow => "Slow periodic contact",
            Self::Strobe => "Strobe: a contact a second",
            Self::LongConnection => "Long connection",
            Self::InteractiveC2Channel => "Interactive C2 channel",
            Self::C2OverDns => "C2 over DNS",
            Self::DnsTunnelOversize => "DNS tunnel by size",
            Self::DnsTunnelSession => "DNS tunnel session",
            Self::DnsTxtHighEntropy => "High-entropy TXT answers",
            Self::DnsOddQtype => "Odd DNS query types",
            Self::DgaNxdomain => "Many names that do not exist",
            Self::DgaLexical => "Generated-looking names",
            Self::FastFlux => "Fast flux",
            Self::DnsRebindingAnswer => "Private answer for a public name",
            Self::ConnWithoutDns => "Contact without a DNS look-up",
            Self::YoungDomain => "Young domain",
            Self::ExfilVolume => "Large upload",
            Self::ExfilPcrShift => "Data given away",
            Self::HorizontalScan => "Horizontal scan",
            Self::VerticalScan => "Vertical scan",
            Self::SynScan => "SYN scan",
            Self::IcmpSweep => "ICMP sweep",
            Self::ArpaSweep => "Reverse-name sweep",
            Self::BruteForceLogin => "Brute-force login",
            Self::SshSuccessInferred => "SSH session inferred",
            Self::LateralMovement => "Lateral movement",
            Self::ReconnectStorm => "Reconnect storm",
            Self::Cryptomining => "Cryptomining",
            Self::TorUse => "Tor",
            Self::PortProtocolMismatch => "Protocol and port do not match",
            Self::UnknownPort => "Unusual port",
            Self::P2pOverlay => "Peer-to-peer overlay",
            Self::RemoteAccessTool => "Remote-access tool",
            Self::MaliciousDownload => "Suspicious download",
            Self::DownloadThenC2 => "Download, then C2",
            Self::PhishingPageVisit => "Phishing page visited",
            Self::LoginFailuresThenSuccess => "Failed log-ons, then a success",
            Self::PhishingSubmission => "Phishing: credentials submitted",
        }
    }

    /// The techniques that it points to.
    #[must_use]
    pub const fn techniques(self) -> &'static [Technique] {
        match self {
            Self::C2BeaconHttpTls => &[Technique { id: "T1071.001", name: "Web Protocols" }],
            Self::C2BeaconIp => &[
                Technique { id: "T1071", name: "Application Layer Protocol" },
                Technique { id: "T1095", name: "Non-Application Layer Protocol" },
            ],
            Self::C2BeaconProxied => &[Technique { id: "T1090.001", name: "Internal Proxy" }],
            Self::C2BeaconPeriodicSlow => &[
                Technique { id: "T1071", name: "Application Layer Protocol" },
                Technique { id: "T1102", name: "Web Service" },
            ],
            Self::Strobe => &[Technique { id: "T1071", name: "Application Layer Protocol" }],
            Self::LongConnection => &[
                Technique { id: "T1571", name: "Non-Standard Port" },
                Technique { id: "T1572", name: "Protocol Tunneling" },
            ],
            Self::InteractiveC2Channel => &[
                Technique { id: "T1071", name: "Application Layer Protocol" },
                Technique { id: "T1219", name: "Remote Access Tools" },
            ],
            Self::C2OverDns => &[Technique { id: "T1071.004", name: "DNS" }],
            Self::DnsTunnelOversize => &[
                Technique { id: "T1572", name: "Protocol Tunneling" },
                Technique {
                    id: "T1048.003",
                    name: "Exfiltration Over Unencrypted Non-C2 Protocol",
                },
            ],
            Self::DnsTunnelSession => &[Technique { id: "T1572", name: "Protocol Tunneling" }],
            Self::DnsTxtHighEntropy => &[Technique { id: "T1071.004", name: "DNS" }],
            Self::DnsOddQtype => &[Technique { id: "T1071.004", name: "DNS" }],
            Self::DgaNxdomain => {
                &[Technique { id: "T1568.002", name: "Domain Generation Algorithms" }]
            }
            Self::DgaLexical => {
                &[Technique { id: "T1568.002", name: "Domain Generation Algorithms" }]
            }
            Self::FastFlux => &[Technique { id: "T1568.001", name: "Fast Flux DNS" }],
            Self::DnsRebindingAnswer => {
                &[Technique { id: "T1557", name: "Adversary-in-the-Middle" }]
            }
            Self::ConnWithoutDns => {
                &[Technique { id: "T1071", name: "Application Layer Protocol" }]
            }
            Self::YoungDomain => &[Technique { id: "T1583.001", name: "Domains" }],
            Self::ExfilVolume => &[
                Technique { id: "T1041", name: "Exfiltration Over C2 Channel" },
                Technique { id: "T1567", name: "Exfiltration Over Web Service" },
            ],
            Self::ExfilPcrShift => {
                &[Technique { id: "T1048", name: "Exfiltration Over Alternative Protocol" }]
            }
            Self::HorizontalScan => &[
                Technique { id: "T1046", name: "Network Service Discovery" },
                Technique { id: "T1018", name: "Remote System Discovery" },
            ],
            Self::VerticalScan => &[Technique { id: "T1046", name: "Network Service Discovery" }],
            Self::SynScan => &[Technique { id: "T1046", name: "Network Service Discovery" }],
            Self::IcmpSweep => &[Technique { id: "T1018", name: "Remote System Discovery" }],
            Self::ArpaSweep => &[Technique { id: "T1018", name: "Remote System Discovery" }],
            Self::BruteForceLogin => &[Technique { id: "T1110", name: "Brute Force" }],
            Self::SshSuccessInferred => &[Technique { id: "T1021.004", name: "SSH" }],
            Self::LateralMovement => &[Technique { id: "T1021", name: "Remote Services" }],
            Self::ReconnectStorm => &[
                Technique { id: "T1110", name: "Brute Force" },
                Technique { id: "T1498", name: "Network Denial of Service" },
            ],
            Self::Cryptomining => &[Technique { id: "T1496", name: "Resource Hijacking" }],
            Self::TorUse => &[Technique { id: "T1090.003", name: "Multi-hop Proxy" }],
            Self::PortProtocolMismatch => &[Technique { id: "T1571", name: "Non-Standard Port" }],
            Self::UnknownPort => &[Technique { id: "T1571", name: "Non-Standard Port" }],
            Self::P2pOverlay => &[],
            Self::RemoteAccessTool => &[Technique { id: "T1219", name: "Remote Access Tools" }],
            Self::MaliciousDownload => &[
                Technique { id: "T1105", name: "Ingress Tool Transfer" },
                Technique { id: "T1204.002", name: "Malicious File" },
            ],
            Self::DownloadThenC2 => &[
                Technique { id: "T1105", name: "Ingress Tool Transfer" },
                Technique { id: "T1071", name: "Application Layer Protocol" },
            ],
            Self::PhishingPageVisit => &[Technique { id: "T1566.002", name: "Spearphishing Link" }],
            Self::LoginFailuresThenSuccess => &[Technique { id: "T1110", name: "Brute Force" }],
            Self::PhishingSubmission => &[
                Technique { id: "T1056.003", name: "Web Portal Capture" },
                Technique { id: "T1598.003", name: "Spearphishing Link" },
            ],
        }
    }

    /// Whether it is command and control in the sense of the severity table: the c2 codes, strobe and the interactive channel.
    #[must_use]
    pub const fn is_c2(self) -> bool {
        matches!(
            self,
            Self::C2BeaconHttpTls
                | Self::C2BeaconIp
                | Self::C2BeaconProxied
                | Self::C2BeaconPeriodicSlow
                | Self::C2OverDns
                | Self::Strobe
                | Self::InteractiveC2Channel
        )
    }

    /// What kind of matter it is: a `threat`, or what an org has a `policy` about, or `hygiene`. Only threats make a verdict
    /// and count in budgets.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::RemoteAccessTool | Self::Cryptomining | Self::TorUse | Self::P2pOverlay => {
                "policy"
            }
            Self::UnknownPort | Self::YoungDomain | Self::ConnWithoutDns => "hygiene",
            _ => "threat",
        }
    }

    /// Whether it says something of who does it, not of the destinations it is done to: these are the victims.
    #[must_use]
    pub const fn blames_source(self) -> bool {
        matches!(
            self,
            Self::HorizontalScan
                | Self::VerticalScan
                | Self::SynScan
                | Self::IcmpSweep
                | Self::ArpaSweep
                | Self::BruteForceLogin
                | Self::LateralMovement
                | Self::SshSuccessInferred
                | Self::ReconnectStorm
                | Self::LoginFailuresThenSuccess
        )
    }
}

impl Severity {
    /// One step graver; critical stays.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Info => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        assert_eq!(Category::ALL.len(), 29);
        assert_eq!(Behaviour::ALL.len(), 40);
        assert_eq!(Category::FailedConnection.number(), 1);
        assert_eq!(Category::Unclassified.number(), 29);
        assert_eq!(Behaviour::C2BeaconHttpTls.number(), 0x0101);
        assert_eq!(Behaviour::PhishingSubmission.number(), 0x0128);
        assert_eq!(Purpose::Suspected.number(), 4);
    }

    #[test]
    fn names_and_numbers_go_there_and_back() {
        for behaviour in Behaviour::ALL {
            assert_eq!(behaviour.name().parse(), Ok(*behaviour));
            assert_eq!(Behaviour::from_number(behaviour.number()), Some(*behaviour));
        }
        for category in Category::ALL {
            assert_eq!(category.name().parse(), Ok(*category));
            assert_eq!(Category::from_number(category.number()), Some(*category));
        }
        let error = "good".parse::<Verdict>().unwrap_err();
        assert!(error.to_string().contains("benign, suspicious"), "{error}");
    }
}
