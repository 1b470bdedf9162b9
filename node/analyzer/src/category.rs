//! The flow category: what one flow is by its shape alone, from six numbers.
//!
//! The ladder is NetworkSage's, as published in its flow enricher (seclarityIO/secflow-enricher, MIT): the first
//! rung that fits decides, so every flow is in exactly one category. Bytes are payload bytes; a source that only
//! knows IP bytes must subtract its headers first, or rungs 1, 5, 6 and 14 shift.
//!
//! All of it is integer arithmetic. A fraction of the published rule is multiplied out (`db > 0.8 * 1514 * dp` is
//! `5 * db > 6056 * dp`), in 128 bits where 64 could overflow. The published division keeps whole numbers and rounds
//! half to even; where it matters the rung says so.

use flowlore_common::label::Category;

/// The six numbers of a flow that decide its category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Packets from the source, the host that opened the flow.
    pub packets_out: u64,
    /// Payload bytes from the source.
    pub bytes_out: u64,
    /// Packets from the destination.
    pub packets_in: u64,
    /// Payload bytes from the destination.
    pub bytes_in: u64,
    /// First to last packet, microseconds.
    pub duration_us: u64,
    /// Destination port.
    pub port: u16,
}

const SECOND_US: u64 = 1_000_000;
/// Below this a download is minor, bytes.
const SOME_BYTES: u64 = 10_000;
/// From this on a download is major, bytes.
const MAJOR_BYTES: u64 = 1_000_000;

/// The category of a flow: the first rung of the ladder that fits.
///
/// A flow without a packet either way has no published category (the upstream division fails); here it is
/// `failed_connection`, since nothing came of it.
#[must_use]
pub fn categorise(flow: &Shape) -> Category {
    if flow.packets_in == 0 {
        return unanswered(flow);
    }
    if let Some(category) = by_protocol(flow) {
        return category;
    }
    let (out, back) = (flow.bytes_out, flow.bytes_in);
    // Rung 7: more went out than came back, up to 1 MB. The published division by 2 rounds half to even.
    if 0 < back && back < half_to_even(out) && out <= MAJOR_BYTES {
        return Category::SmallUpload;
    }
    // Rung 8: above 1 MB the rest may be up to 30 %: acknowledgements in the protocol above grow with the upload.
    if 0 < back && out > MAJOR_BYTES && wide(back) * 10 < wide(out) * 3 {
        return Category::LargeUpload;
    }
    // Rung 9: what came back is more than twice what was asked with.
    if 0 < out && wide(out) * 2 < wide(back) {
        return download(flow);
    }
    channel(flow)
}

/// Rungs 1 and 2: nothing came back.
fn unanswered(flow: &Shape) -> Category {
    // Packets of 66 bytes or less on average are handshake attempts. 66.5 still rounds to the even 66, so the
    // limit is 66.5 bytes a packet. Without any packet both sides are 0, and it holds.
    if wide(flow.bytes_out) * 2 <= wide(flow.packets_out) * 133 {
        Category::FailedConnection
    } else {
        Category::Unidirectional
    }
}

/// Rungs 3 to 6: what port and small sizes tell.
fn by_protocol(flow: &Shape) -> Option<Category> {
    let payload = wide(flow.bytes_out) + wide(flow.bytes_in);
    let packets = wide(flow.packets_out) + wide(flow.packets_in);
    if flow.packets_in == 1 && flow.packets_out == 1 && flow.port == 53 {
        return Some(Category::DnsQuery);
    }
    if flow.port == 853 {
        return Some(Category::DotsQuery);
    }
    // A TCP keep-alive probe carries no byte or one (RFC 9293, 3.8.4).
    if flow.packets_in.abs_diff(flow.packets_out) <= 2
        && payload <= 1
        && flow.duration_us >= 2 * SECOND_US
    {
        return Some(Category::KeepAlive);
    }
    // Both sides said hello within half a second and then had nothing to say.
    if flow.port == 443
        && flow.bytes_in > 100
        && flow.bytes_out > 100
        && packets < 12
        && payload < 2048
        && flow.duration_us <= SECOND_US / 2
    {
        return Some(Category::TlsNegotiationOnly);
    }
    None
}

/// Rung 9: a download, by how long it took, whether the packets were full, and how much it was.
fn download(flow: &Shape) -> Category {
    use Category as C;
    // Full: the mean packet is above 80 % of 1,514 bytes, an Ethernet frame.
    let full = wide(flow.bytes_in) * 5 > wide(flow.packets_in) * 6056;
    let (minor, some, major) = if flow.duration_us <= SECOND_US {
        if full && flow.packets_in >= 2 {
            (
                C::MinorContentDownloadedQuickly,
                C::SomeContentDownloadedQuickly,
                C::MajorContentDownloadedQuickly,
            )
        } else {
            (
                C::MinorResourcesDownloadedQuickly,
                C::SomeResourcesDownloadedQuickly,
                C::MajorResourcesDownloadedQuickly,
            )
        }
    } else if flow.duration_us < 10 * SECOND_US {
        // Content keeps at least two packets a second coming.
        if full && wide(flow.packets_in) * wide(SECOND_US) >= wide(flow.duration_us) * 2 {
            (C::MinorContentDownloaded, C::SomeContentDownloaded, C::MajorContentDownloaded)
        } else {
            (C::MinorResourcesDownloaded, C::SomeResourcesDownloaded, C::MajorResourcesDownloaded)
        }
    } else {
        (
            C::MinorDataDownloadedViaLongSession,
            C::SomeDataDownloadedViaLongSession,
            C::MajorDataDownloadedViaLongSession,
        )
    };
    match flow.bytes_in {
        ..SOME_BYTES => minor,
        SOME_BYTES..MAJOR_BYTES => some,
        MAJOR_BYTES.. => major,
    }
}

/// Rungs 10 to 15: exchanges without a clear direction.
fn channel(flow: &Shape) -> Category {
    let (out, back) = (flow.bytes_out, flow.bytes_in);
    let (few, many) =
        (flow.packets_out.min(flow.packets_in), flow.packets_out.max(flow.packets_in));
    let long = flow.duration_us > 10 * SECOND_US;
    // Rung 10: a small answer to a small question, packet counts within 80 to 120 % of each other. Either may be
    // the 100 %, so the smaller being at least 80 % of the larger covers both ways round.
    if (1..SOME_BYTES).contains(&out)
        && (1..SOME_BYTES).contains(&back)
        && !long
        && wide(few) * 5 >= wide(many) * 4
    {
        return Category::SingleResourceLoaded;
    }
    // Rungs 11 and 12: one side talks for more than 10 s, the other only acknowledges.
    if long && flow.packets_in >= flow.packets_out && back == 0 && out > 10 {
        return Category::ContinuousClientChannel;
    }
    if long && flow.packets_out >= flow.packets_in && out == 0 && back > 10 {
        return Category::ContinuousServerChannel;
    }
    // Rung 13: for more than 10 s about a packet for a packet, as things come up.
    if long && few > 0 && many - few <= 2 {
        return Category::AsNeededChannel;
    }
    // Rung 14: the end of something that began before.
    if many <= 2 && out == 0 && back == 0 && flow.duration_us < 2 * SECOND_US {
        return Category::ClosedSession;
    }
    Category::Unclassified
}

/// `value / 2`, a half rounded to the even neighbour.
const fn half_to_even(value: u64) -> u64 {
    value / 2 + (value % 4 == 3) as u64
}

/// Room for a product that 64 bits might not hold.
const fn wide(value: u64) -> u128 {
    value as u128
}
