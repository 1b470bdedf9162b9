//! Every bound of the daemon: what it is, its unit, and why it has that value.

use std::time::Duration;

/// Longest message of any service, bytes, counted after decompression: a block with its records stays below it.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Longest TLS handshake: a peer across the world needs three round trips, less than 2 s.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Handshakes at once: each costs two signatures and about 20 kB until it is pinned or dropped.
pub const HANDSHAKES_MAX: usize = 64;
/// Connections on the peers' port at once: 64 inbound peers, each with one for replication and one for evaluation.
pub const PEER_CONNECTIONS_MAX: usize = 128;
/// Connections on the local port at once: analysts and their tools on one machine.
pub const LOCAL_CONNECTIONS_MAX: usize = 64;
/// Transport keys whose traffic is counted apart: all members there may be.
pub const METERED_KEYS_MAX: usize = 16_384;
/// Calls at once on one connection: a peer needs a handful.
pub const STREAMS_MAX: u32 = 32;
/// HTTP/2 flow control: bytes in flight on one call. Four messages of the largest size.
pub const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// HTTP/2 flow control: bytes in flight on one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Streams reset before they are accepted: more is the rapid-reset attack (CVE-2023-44487).
pub const PENDING_RESETS_MAX: usize = 20;
/// A ping after so much silence, so that a dead peer or a forgetful NAT is noticed (common NAT timeouts begin at 30 s).
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
/// A ping unanswered for so long ends the connection.
pub const KEEPALIVE_ANSWER_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a TCP connection.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the answer of one call to a peer (not of a stream): an evaluator's 4,096 elements take half a second.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(30);

/// First wait before a lost peer is dialled again; doubles each time.
pub const REDIAL_MIN: Duration = Duration::from_millis(250);
/// Longest wait before a lost peer is dialled again.
pub const REDIAL_MAX: Duration = Duration::from_secs(60);

/// How long a node waits after its start for what members claim to hold of its feed: ten times what a feed of
/// 1 GiB takes over 20 MB/s. A member that claims more than it delivers must not silence it for ever.
pub const GUARD_WAIT_MAX: Duration = Duration::from_secs(600);

/// Frames that wait for one peer's socket: at the largest size 16 MiB a peer, mostly lines of a hundred bytes.
pub const FRAMES_QUEUED_MAX: usize = 16;
/// Peers that this node dials (protocol.md 3).
pub const OUTBOUND_PEERS_MAX: usize = 8;
/// How often the sync state machine feels time pass.
pub const TICK_EVERY: Duration = Duration::from_secs(5);

/// Readers of the metrics page at once: a scraper, and a person beside it.
pub const SCRAPES_MAX: usize = 4;

/// Destinations in one look-up (contract of `Lookup`).
pub const LOOKUP_DESTINATIONS_MAX: usize = 10_000;
/// Destinations that are answered at a time: a millisecond of work.
pub const LOOKUP_CHUNK: usize = 256;
/// Bytes of answers in one message, above which the next begins another: mostly a chunk has a quarter of it. The
/// largest answer, with all texts that it may hold, is below it.
pub const LOOKUP_PART_BYTES_MAX: usize = 256 * 1024;
/// Characters that an answer shows of a text that is no destination: more than any destination has.
pub const INVALID_SHOWN_CHARS_MAX: usize = 1_024;
/// Largest HTTP/2 frame that a client of this machine takes: a message in one piece. Each frame costs both ends a call
/// to the system.
pub const ANSWER_FRAME_BYTES_MAX: u32 = 256 * 1024;
/// Such chunks that wait for a caller who reads slowly.
pub const LOOKUP_CHUNKS_AHEAD_MAX: usize = 2;
/// Memory of questions as they were typed and their answers as they went out, bytes: some 200,000 at about 900 B each,
/// twenty of the largest look-ups. More are answered all the same, at the price of being understood again.
pub const QUESTIONS_KEPT_BYTES_MAX: u64 = 192 << 20;
/// What one of them takes beside its texts, bytes.
pub const QUESTION_BYTES: u64 = 320;
/// Longest time that a label is held back, hours (contract of `Put`): a month; who is not sure by then never is.
pub const HOLD_HOURS_MAX: u16 = 720;
/// Files in one upload (contract of `Analyze`).
pub const UPLOAD_FILES_MAX: usize = 10_000;
/// Bytes in one upload (contract of `Analyze`).
pub const UPLOAD_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Bytes of a file in one message (contract of `Analyze`).
pub const UPLOAD_PART_BYTES_MAX: usize = 256 * 1024;
/// Bytes of an uploaded table of machines, brands or places, which is read into memory whole: a hundred thousand rows.
pub const UPLOAD_TABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest path of an uploaded file, bytes (PATH_MAX of Linux is 4,096).
pub const UPLOAD_PATH_BYTES_MAX: usize = 4_096;
/// Longest silence within an upload: its slot is wanted by others.
pub const UPLOAD_SILENCE_MAX: Duration = Duration::from_secs(60);
/// Uploads at once: each may use its share of the memory budget of `[analyze]`.
pub const UPLOADS_MAX: usize = 2;
/// Analyses at once, which share that budget: uploads, and what routers sent, which waits for no upload.
pub const ANALYSES_MAX: usize = UPLOADS_MAX + 1;
/// Files in hand of one day: ten logs an hour of 400 sensors. Each is linked and opened when the day is analyzed.
pub const DAY_FILES_MAX: usize = 100_000;
/// Days in hand at once: the days of two months, sent again in a row. Mostly their bytes end it sooner.
pub const DAYS_MAX: usize = 64;
/// How long a day is in hand after the last of it came, hours: three days, so that a weekend's rest comes on Monday.
pub const DAY_KEPT_HOURS: u32 = 72;
/// Bytes of a document that is sent back, which is in memory whole. Callers take no more.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of a document in one message: well below the largest message.
pub const REPORT_PART_BYTES: usize = 256 * 1024;

/// Bytes of routers' datagrams that wait for analysis: some 20 million records, an hour of a network with 6,000 flows a
/// second. What comes beyond it is dropped and counted.
pub const SPOOL_BYTES_MAX: u64 = 1 << 30;
/// Files that have room there: one that has its part of it is closed whatever the time, and analyzed while others fill.
pub const SPOOL_FILES_MIN: u64 = 4;
/// How often the analysis of a file may fail that it cannot be blamed on the disk, before the file is set aside.
pub const SPOOL_ATTEMPTS_MAX: u32 = 3;
/// Files that are set aside, for inspection; the oldest goes first.
pub const SPOOL_ASIDE_MAX: usize = 2;
/// Files of them that wait: two days of periods of five minutes. Beyond it a period's file goes on into the next one.
pub const SPOOL_FILES_MAX: usize = 600;
/// Bytes of them in memory before they are written. A datagram, and what stands before it in a file, has fewer: at most
/// 64 KiB, 32 KiB of templates, and headers.
pub const SPOOL_BUFFER_BYTES: usize = 128 << 10;
/// Receive buffer that is asked of the system, bytes: half a second of 100,000 records a second, in which a disk may
/// stall. Linux grants at most net.core.rmem_max.
pub const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// Datagrams that are still fetched when the node is to stop: more than a receive buffer holds of any size in use; a
/// flood has no end.
pub const DRAINED_DATAGRAMS_MAX: usize = 65_536;

/// Reports of periods that are kept for people: a day of periods of five minutes.
pub const REPORTS_MAX: usize = 288;
/// Bytes of them: mostly a report has some 100 kB, and a scan makes a large one.
pub const REPORTS_BYTES_MAX: u64 = 1 << 30;

/// Names whose secret is cached: 1 M names are about 200 MB in memory and on disk.
pub const CACHED_NAMES_MAX: usize = 1_000_000;
/// Destinations of which this org's own contacts are remembered: as many as names are cached, some 150 MB.
pub const HERE_DESTINATIONS_MAX: usize = 1_000_000;
/// Uploads, and periods of routers, that are recognised when they come again: hourly ones of a year, five minutes' ones of
/// five weeks.
pub const HERE_UPLOADS_MAX: usize = 10_000;
/// Incidents that are remembered of one destination: more only say that there are many.
pub const HERE_INCIDENTS_MAX: usize = 64;
/// Names that were looked up while evaluators were away: ten of the largest look-ups, some 4 MB.
pub const WANTED_NAMES_MAX: usize = 100_000;
/// Labels that wait for evaluators or for their slot: a week of new names of a large org.
pub const WAITING_LABELS_MAX: usize = 1_000_000;

/// Refreshes in one day: 1 M labels over 28 days are 35,715. 160 blocks, which leaves a third of the default quota of
/// an hour to labels; what is left over follows on the next day.
pub const REFRESHES_A_DAY_MAX: usize = 160 * 256;

/// How far a peer's clock may be off before people are told, seconds: five minutes, as Kerberos commonly allows.
pub const CLOCK_OFFSET_S_MAX: i64 = 300;
/// Credentials that a node ever issues: ten a day for ten years.
pub const CREDENTIALS_MAX: usize = 36_500;
/// How long a credential is good for at most, hours: ten years.
pub const CREDENTIAL_HOURS_MAX: u32 = 10 * 365 * 24;
/// How far a local caller's clock may be off, seconds (contract of the local port).
pub const CALL_SKEW_S: i64 = 60;
/// How long a session saves signatures, seconds: ten minutes, so that one is opened seldom and a lost one is short.
pub const SESSION_S: u64 = 600;
/// Sessions of one connection: one for each credential that a gateway calls with.
pub const SESSIONS_MAX: usize = 16;
/// Nonces of signed calls, remembered for twice the skew: 1,000 calls a second; who calls more opens a session.
pub const CALL_NONCES_MAX: usize = 120_000;

/// Batches whose answers an evaluator keeps for 24 h: 1 GiB at the largest size is never reached, because the
/// quota is 50,000 elements (96 B each) an org and day.
pub const BATCHES_KEPT_MAX: usize = 20_000;
/// How long an answered batch is answered again without being counted, hours (privacy.md 2.2).
pub const BATCH_KEPT_HOURS: u32 = 24;

/// Reasons for which blocks and messages were refused, counted by peer: members times the known reasons, less what
/// never happens.
pub const REFUSED_KINDS_MAX: usize = 65_536;

/// Roster documents that a joiner takes: ten a day for thirty years.
pub const ROSTER_DOCUMENTS_MAX: usize = 100_000;

/// Applications to join that wait for a person.
pub const APPLICANTS_MAX: usize = 64;
/// Invitations open at once.
pub const INVITATIONS_MAX: usize = 64;
/// How long an invitation is good for, seconds.
pub const INVITATION_LIFETIME_S: i64 = 24 * 3_600;

/// How long open calls may go on after SIGTERM.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// Files of one analysis: ten years of hourly logs of ten types are 876,000.
pub const INPUT_FILES_MAX: usize = 1_000_000;
/// Part of a mapped file that one thread reads at a time, bytes: enough rows to make handing out free,
/// small enough that threads end together and that what the cutter touched is still in the cache.
pub const PIECE_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of a compressed file or a pipe in memory at a time, for each thread.
pub const BLOCK_BYTES: usize = 256 * 1024;
/// Threads that read input: more than any machine this is meant for has cores.
pub const READERS_MAX: usize = 256;

/// Least memory for flows that wait in an analysis, bytes: the open chunks of the analyzer's buckets take 4 MiB a thread.
pub const MEMORY_BYTES_MIN: usize = 64 * 1024 * 1024;

/// Longest file of an option (`--assets`, `--brands`, `--places`, `--domains`, `--tor`, `--sequences`, a mapping), bytes: a
/// million machines of 64 bytes. A device without an end is no table.
pub const TABLE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Rows of a table of ground truth: a corpus of every public capture has a few thousand.
pub const TRUTH_ROWS_MAX: usize = 100_000;
