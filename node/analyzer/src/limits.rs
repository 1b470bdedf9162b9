//! Every bound of this crate: what it is, its unit, and why it has that value.

/// Longest line, or element of a JSON array, that is read; bytes, without its line end.
///
/// The longest records that Zeek writes (certificates with hundreds of names, URIs of 64 KiB) stay
/// well below; a line beyond it is no record, and must not be kept in memory whole. Exceeding it is
/// counted `line_too_long`.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// How far into a file its format must show, bytes.
///
/// A cut-off log may begin with rows whose header is lost; what shows no header, and no JSON that we
/// know, in a quarter of a mebibyte is some other kind of file and is not read to its end.
pub const UNDECIDED_BYTES_MAX: usize = 256 << 10;

/// Most columns of a tab-separated log. Zeek's widest logs with common packages have under 100;
/// rows under a wider header are counted `no_header`.
pub const COLUMNS_MAX: usize = 512;

/// Most items taken of one list in a record (DNS answers, names of a certificate); the rest is
/// dropped. Public certificates stop at a few hundred names, DNS over UDP at a few hundred answers.
pub const LIST_ITEMS_MAX: usize = 1_024;

/// Quotes of a JSON object that is read in place; one with more is read by `serde_json`. Zeek's widest logs have below 200,
/// and items of lists come on top.
pub const JSON_QUOTES_MAX: usize = 1_024;

/// Keys of one kind of JSON object whose order is remembered; others are looked up by name each time. Zeek's widest logs have
/// below 64.
pub const JSON_KEYS_MAX: usize = 64;

/// Latest time that a record may carry, seconds since 1970 UTC: 7 Feb 2106. A contact's time is kept
/// in 32 bits; a later one, and a record that ends later, is a wrong unit (milliseconds) or rubbish, counted `bad_time`.
pub const TIME_SECONDS_MAX: i64 = u32::MAX as i64;

/// Longest header line of a tab-separated log, bytes: names and types of the most columns.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

// --- Captures ---

/// Longest block of a capture, bytes: four times the longest snap length of common tools (262,144). A
/// longer record of a pcap cannot be; longer blocks of a pcapng are no packets and are passed over.
pub const CAPTURE_BLOCK_BYTES_MAX: usize = 1 << 20;
/// Interfaces of a section of a pcapng. Machines with all their virtual ones have hundreds.
pub const CAPTURE_INTERFACES_MAX: usize = 4_096;
/// Flows of a capture that are open at once: some 100 MB. A scan opens 60,000 within its minute; beyond
/// it those silent for longest are ended.
pub const CAPTURE_FLOWS_MAX: usize = 1 << 18;
/// Packets whose further fragments are waited for; a host sends few at once, and they follow each other.
pub const CAPTURE_FRAGMENTS_MAX: usize = 4_096;
/// Bytes of all streams of a capture that wait for more, such as halves of hellos: 64 MiB, what 30,000
/// clients have in flight at once. Beyond it streams are not read into.
pub const CAPTURE_STREAM_BYTES_MAX: usize = 64 << 20;
/// Longest hello, bytes: hellos with keys against quantum computers have under 2 KiB, and a record 16 KiB.
pub const HELLO_BYTES_MAX: usize = 16 << 10;
/// Initial packets of a QUIC client that are looked at: a hello takes two or three, sent again perhaps.
pub const QUIC_INITIALS_MAX: u32 = 16;
/// Longest head of an HTTP message, bytes: common servers refuse more.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of an HTTP message: servers refuse more than a hundred.
pub const HTTP_HEADERS_MAX: usize = 128;
/// Requests of a connection that wait for their response: pipelining is all but gone.
pub const HTTP_PENDING_MAX: usize = 16;
/// Questions of a DNS flow that wait for their answers.
pub const DNS_PENDING_MAX: usize = 64;

// --- Logs read by a mapping ---

/// Different fields that a mapping asks for: ours are eighteen, and some choices.
pub const MAPPED_FIELDS_MAX: usize = 32;

// --- NetFlow, IPFIX and clouds' flow logs ---

/// Bytes of a block of nfcapd's, unpacked, and compressed: nfdump's own buffers have at most 5 MiB.
pub const NFCAPD_BLOCK_BYTES_MAX: usize = 8 << 20;

/// Routers, and parts of routers that count for themselves, of one input: large networks have hundreds.
pub const EXPORTERS_MAX: usize = 4_096;
/// Those of one address: version 5 has an engine a line card, and the largest chassis have some twenty. A file of
/// datagrams without their senders counts as one address.
pub const EXPORTER_DOMAINS_MAX: usize = 256;
/// Templates of one of them.
pub const EXPORTER_TEMPLATES_MAX: usize = 1 << 10;
/// Templates of all exporters of one input: a router has about ten, with those of options.
pub const EXPORT_TEMPLATES_MAX: usize = 1 << 14;
/// Fields of a template: the longest of common routers have some sixty.
pub const EXPORT_FIELDS_MAX: usize = 512;
/// Bytes of sets whose template is to come, as they lie in memory: routers say them again within minutes; 16 MiB hold
/// some 250,000 records.
pub const EXPORT_WAITING_BYTES_MAX: usize = 16 << 20;
/// Bytes of templates and sampling that are remembered of one exporter: some hundred templates, and together with what
/// stands before it half of the longest datagram.
pub const ANNOUNCED_EXPORTER_BYTES_MAX: usize = 32 << 10;
/// The same of all exporters: 4 kB each for as many as there may be, and a router needs half of that.
pub const ANNOUNCED_BYTES_MAX: usize = 16 << 20;
/// How long a silent exporter's templates are remembered, microseconds: a day. Routers say them again every half hour at
/// the longest by default.
pub const EXPORTER_SILENCE_MAX_US: i64 = 86_400 * 1_000_000;
/// Records that wait for their other way: some 90 MB. Beyond it they are put together as far as they
/// are there.
pub const EXPORT_RECORDS_MAX: usize = 1 << 19;

const _: () = assert!(UNDECIDED_BYTES_MAX < LINE_BYTES_MAX);
const _: () = assert!(HEADER_BYTES_MAX < LINE_BYTES_MAX);

// --- Intake and settling ---

/// Parts into which clients are divided. Each is settled on its own, in the processor's cache: ten
/// million flows make 20,000 a bucket, some 3 MB. More would cost memory in half-filled chunks.
pub const BUCKETS: usize = 512;
/// Bytes of a chunk of a bucket. All buckets of a worker together then start at 4 MiB.
pub const CHUNK_BYTES: usize = 8 * 1024;
/// Bytes of a text inside a packed record: a DNS name has at most 253, a Zeek uid 18.
pub const PACKED_TEXT_BYTES_MAX: usize = 255;
/// Bytes of a packed record beside its texts, at most: fixed fields, two addresses, ten numbers of
/// eight bytes, and eight that the last number is longer for a moment.
pub const PACKED_FIXED_BYTES_MAX: usize = 8 + 2 * 16 + 4 + 10 * 8 + 8;
const _: () = assert!(PACKED_FIXED_BYTES_MAX + 3 * (PACKED_TEXT_BYTES_MAX + 1) < CHUNK_BYTES);
/// Addresses of an answer that are packed with its look-up: what fits into the room of a
/// text. More take a further entry each so many.
pub const QUERY_ADDRESSES_MAX: usize = 15;
const _: () = assert!(QUERY_ADDRESSES_MAX * 16 + 2 <= PACKED_TEXT_BYTES_MAX);
/// How long a DNS answer names the flows of the client that got it, microseconds. A day: programs
/// keep addresses far longer than TTLs say, and Slips looks back as long.
pub const DNS_ANSWER_HOLDS_US: i64 = 86_400 * 1_000_000;

/// From so many bytes on the body of an HTTP request is kept beside its flow: the least that any rule about uploads
/// asks for (a mebibyte, NetworkSage's).
pub const NOTABLE_BODY_BYTES: u64 = 1 << 20;

// --- Report ---

/// Memory for what waits to be settled unless `--memory` says otherwise, bytes.
pub const MEMORY_BYTES_DEFAULT: usize = 1024 * 1024 * 1024;
/// Conversations listed unless `--conversations` says otherwise, by bytes.
pub const CONVERSATIONS_DEFAULT: usize = 100;
/// Bytes of a report's JSON that are written at a time: a write is cheap beside making so many, and they
/// stay in the processor's cache.
pub const JSON_BUFFER_BYTES: usize = 64 * 1024;
/// Destinations listed: those of findings first, then by flows. A report is read by people; the rest
/// is counted.
pub const DESTINATIONS_MAX: usize = 1_000;
/// Flows that a finding points to by uid and Community ID; the rest is counted.
pub const PIVOT_FLOWS_MAX: usize = 20;
/// Addresses listed for a destination; the lowest.
pub const ADDRESSES_MAX: usize = 16;
/// Sessions by administrators' ports that are kept of a source, a host and port each, the first ones: lateral movement is
/// known by the first hosts; how far a worm came, scans count.
pub const LATERAL_EDGES_MAX: usize = 64;
/// Actions of an incident.
pub const ACTIONS_MAX: usize = 5;
/// Ports named in a day's line of inbound probes, the most probed.
pub const PROBE_PORTS_MAX: usize = 10;
/// Hours without a record that still count as a hole in the data, a week. A longer pause lies
/// between two captures.
pub const GAP_HOURS_MAX: u32 = 168;
/// Empty hours listed; the rest is counted in a note.
pub const EMPTY_HOURS_MAX: usize = 168;
/// Rows of all lists of places and brands: the shipped ones have some 400, an org adds its own and a feed's.
pub const PLACES_MAX: usize = 100_000;
/// Rows of an asset file. An org of the size that this is made for has tens of thousands.
pub const ASSETS_MAX: usize = 1_000_000;
/// Rows of a list of domains: an org contacts some hundred thousand, and in sixty days the world registers ten million.
pub const DOMAINS_MAX: usize = 1_000_000;
/// Rows of a list of Tor's nodes: the network has some ten thousand, and lists of a while more.
pub const TOR_NODES_MAX: usize = 200_000;
/// Destinations that a history remembers; the ones not seen for longest go first.
pub const HISTORY_DESTINATIONS_MAX: usize = 2_000_000;
/// Hosts that a history remembers for a destination: enough to say whether a visitor is a usual one.
pub const HISTORY_HOSTS_MAX: usize = 8;
/// Hosts whose days a history remembers: those of the largest org that this is made for; beyond it the highest by text go.
pub const HISTORY_MACHINES_MAX: usize = 100_000;
/// Days that it remembers of each, the last: two weeks are compared with, and days with wrong clocks must not push them out.
pub const HISTORY_MACHINE_DAYS_MAX: usize = 31;
/// Names that a finding about look-ups keeps, the ones with the lowest hashes: enough to see whether somebody here went
/// where they lead, and to show one.
pub const DNS_SAMPLE_NAMES_MAX: usize = 16;
/// Groups of a source under names that lure. A person comes to a few in the time of one input; beyond it the source is
/// a crawler or many people behind one address, whose flows do not tell what one did after the other.
pub const LURES_MAX: usize = 256;
/// Types of look-ups that such a finding names, the lowest.
pub const DNS_TYPES_MAX: usize = 8;

// --- Sequences ---

/// Rows of a list of sequences: a person has to have read them.
pub const SEQUENCES_MAX: usize = 100;
/// Steps of a sequence: more than any attack is told in.
pub const SEQUENCE_STEPS_MAX: usize = 8;
/// How long after one step the next may begin, seconds: a week, which no input that is read at once exceeds by much.
pub const SEQUENCE_SECONDS_MAX: u64 = 7 * 86_400;
/// Findings of one host that may be one step, the gravest; more are one thing done again and again.
pub const SEQUENCE_FINDINGS_MAX: usize = 64;

// --- Triage ---

/// Flows of one host that a story is made of; the ones with the lowest hashes, the others are counted. A busy server
/// has fewer within an hour, and a scanner's are all alike. Some 30 MB.
pub const TRIAGE_FLOWS_MAX: usize = 100_000;
/// Look-ups of one host, likewise.
pub const TRIAGE_LOOK_UPS_MAX: usize = 100_000;
/// Longest window around an alert, seconds: a week. Whoever wants more wants a report.
pub const WINDOW_SECONDS_MAX: u64 = 7 * 86_400;
/// How long identical alerts are one, microseconds: a day.
pub const FOLD_US: i64 = 86_400 * 1_000_000;
/// Alerts of one run: those of a bad day of a large org. More are refused, since people would not read them.
pub const ALERTS_MAX: usize = 100_000;
/// Characters of a rule's name or message; longer ones are cut. Suricata's messages stay below.
pub const ALERT_TEXT_CHARS_MAX: usize = 240;
/// Addresses of one name that are kept; with two nobody knows which is meant, unless one machine went through them.
pub const NAMED_ADDRESSES_MAX: usize = 4_096;
/// Names or addresses that an error lists beside one that is unknown or has several: a few lines.
pub const NEAR_NAMES_MAX: usize = 8;
/// Lines of a story for page loads that have no part in a finding, the nearest to the alert.
pub const PAGES_TOLD_MAX: usize = 6;
/// Lines of a story for other destinations that stand out, likewise.
pub const OTHERS_TOLD_MAX: usize = 6;
/// Lines of a story at most: those about the alert's destination and findings first.
pub const STORY_LINES_MAX: usize = 60;
/// Activity groups, destinations and end clusters of a story that are listed, each; the first ones. The rest is counted.
pub const TRIAGE_LISTED_MAX: usize = 500;
/// Findings of a story; the gravest.
pub const TRIAGE_FINDINGS_MAX: usize = 20;
/// Hosts listed where many share something.
pub const SHARED_HOSTS_MAX: usize = 100;
