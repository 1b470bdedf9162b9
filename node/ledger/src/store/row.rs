//! What is kept of blocks, tokens, labels and feeds.

use flowlore_common::block::{SIGNED_HEADER_BYTES, SignedHeader};
use flowlore_common::ids::BlockId;
use flowlore_common::limits::{ANSWER_WEEKS, BLOCK_ITEMS_MAX};
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::time::{Day, Hour};

/// A place in the log up to which it was read or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogEnd {
    /// The segment file.
    pub segment: u32,
    /// Bytes of it.
    pub offset: u64,
}

/// Bytes in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The segment file.
    pub segment: u32,
    /// Where they begin in it.
    pub offset: u32,
    /// How many.
    pub length: u32,
}

impl Place {
    /// A part of it.
    #[must_use]
    pub const fn part(self, offset: u32, length: u32) -> Self {
        Self { segment: self.segment, offset: self.offset + offset, length }
    }
}

/// Which items of a block are void, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voids(pub [u8; BLOCK_ITEMS_MAX / 8]);

impl Voids {
    /// Marks one.
    pub fn set(&mut self, index: usize) {
        if let Some(byte) = self.0.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
        }
    }

    /// Whether one is void; beyond the largest block all are.
    #[must_use]
    pub fn has(&self, index: usize) -> bool {
        self.0.get(index / 8).is_none_or(|byte| byte & 1 << (index % 8) != 0)
    }
}

/// A block of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Its name.
    pub id: BlockId,
    /// When it was sealed.
    pub sealed: Hour,
    /// The roster it names.
    pub roster_version: u32,
    /// Which items count for nothing.
    pub voids: Voids,
    /// Its bytes.
    pub place: Place,
}

/// A feed's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRow {
    /// The height that comes next.
    pub next: u64,
    /// The block before that.
    pub head: BlockId,
    /// When that was sealed.
    pub sealed: Hour,
    /// The roster that it names.
    pub roster_version: u32,
    /// Blocks sealed in that hour.
    pub in_hour: u16,
    /// Blocks sealed on that day.
    pub in_day: u16,
}

/// A token's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// It hashes to the token and says nothing: so do all items under it.
    pub void: bool,
    /// Its bytes.
    pub record: Place,
}

/// The live label of an org under a token, with the traces of those before it.
///
/// [`Self::merge`] is commutative, associative and idempotent: the order of arrival can't matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelRow {
    /// Where the label stands in the org's feeds: the last place lives.
    pub at: LabelPlace,
    /// It withdraws what was said before.
    pub retracted: bool,
    /// When its block was sealed.
    pub sealed: Hour,
    /// The roster that its block names.
    pub roster_version: u32,
    /// The last time that any label or refresh of this org and token was sealed.
    pub latest: Hour,
    /// In which weeks that was.
    pub weeks: Weeks,
    /// The item's bytes.
    pub item: Place,
}

/// A label's place in an org's feeds, ordered as the org said things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelPlace {
    /// Incarnation and height of its block.
    pub block: FeedPlace,
    /// Which item.
    pub index: u16,
}

/// The last note of an org about a token, withdrawn or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteRow {
    /// Where it stands in the org's feeds: the last place lives.
    pub at: LabelPlace,
    /// It takes back the one before it and says nothing.
    pub withdrawn: bool,
    /// The item's bytes.
    pub item: Place,
}

impl NoteRow {
    /// The later of both; like [`LabelRow::merge`], no order of arrival can matter.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if other.at > self.at { other } else { self }
    }
}

impl LabelRow {
    /// What both together say.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let last = if other.at > self.at { other } else { self };
        Self { latest: self.latest.max(other.latest), weeks: self.weeks.merge(other.weeks), ..last }
    }

    /// The same, still in use at `sealed` and, as a refresh says, in the three weeks before.
    #[must_use]
    pub fn refreshed(self, sealed: Hour) -> Self {
        let week = week_of(sealed.day());
        let weeks = (0..=3).fold(self.weeks, |weeks, before| {
            weeks.merge(Weeks::only(week.saturating_sub(before)))
        });
        Self { latest: self.latest.max(sealed), weeks, ..self }
    }
}

/// A set of weeks: the newest, and the 63 before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weeks {
    /// The newest week in the set, see [`week_of`].
    pub newest: u16,
    /// Bit i: the week i before the newest.
    pub bits: u64,
}

impl Weeks {
    /// The set of one week.
    #[must_use]
    pub const fn only(week: u16) -> Self {
        Self { newest: week, bits: 1 }
    }

    /// The union, as far back as 64 weeks before the newest of both.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let newest = self.newest.max(other.newest);
        let moved = |set: Self| set.bits.checked_shl(u32::from(newest - set.newest)).unwrap_or(0);
        Self { newest, bits: moved(self) | moved(other) }
    }

    /// Whether a week is in the set.
    #[must_use]
    pub fn has(&self, week: u16) -> bool {
        let before = self.newest.checked_sub(week).map(u32::from);
        before.is_some_and(|before| before < ANSWER_WEEKS && self.bits >> before & 1 == 1)
    }
}

const _: () = assert!(ANSWER_WEEKS == u64::BITS);

/// Weeks since the Monday before 1970-01-01, a Thursday.
#[must_use]
pub const fn week_of(day: Day) -> u16 {
    // 65,535 days and 3 are fewer than 65,536 weeks.
    ((day.0 as u32 + 3) / 7) as u16
}

/// The Monday of a week; 1970-01-01 for the first.
#[must_use]
pub fn monday_of(week: u16) -> Day {
    Day(u16::try_from((u32::from(week) * 7).saturating_sub(3)).unwrap_or(u16::MAX))
}

/// Two signed headers of one place in a feed: its author said two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkProof {
    /// One.
    pub one: SignedHeader,
    /// The other.
    pub other: SignedHeader,
}

impl ForkProof {
    /// Bytes of a proof.
    pub const BYTES: usize = 2 * SIGNED_HEADER_BYTES;

    /// The lower id first, so that both orders of arrival give the same proof.
    #[must_use]
    pub fn new(a: SignedHeader, b: SignedHeader) -> Self {
        let (one, other) = if a.header.id() <= b.header.id() { (a, b) } else { (b, a) };
        Self { one, other }
    }

    /// The height that has two blocks.
    #[must_use]
    pub const fn height(&self) -> u64 {
        self.one.header.height
    }

    /// Both headers with their signatures.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..SIGNED_HEADER_BYTES].copy_from_slice(&self.one.encode());
        bytes[SIGNED_HEADER_BYTES..].copy_from_slice(&self.other.encode());
        bytes
    }

    /// Reads both headers; what they prove is checked on admission.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (one, other) = bytes.split_at_checked(SIGNED_HEADER_BYTES)?;
        let read = |bytes: &[u8]| SignedHeader::parse(bytes.try_into().ok()?).ok();
        Some(Self { one: read(one)?, other: read(other)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(height: u64, sealed: u32) -> LabelRow {
        LabelRow {
            at: LabelPlace { block: FeedPlace { incarnation: 0, height }, index: 3 },
            retracted: height % 2 == 1,
            sealed: Hour(sealed),
            roster_version: 1,
            latest: Hour(sealed),
            weeks: Weeks::only(week_of(Hour(sealed).day())),
            item: Place { segment: 0, offset: 0, length: 0 },
        }
    }

    #[test]
    fn merging_is_commutative_associative_and_idempotent() {
        let rows: Vec<_> = [(1, 24), (2, 24 * 7), (3, 24 * 500), (4, 24 * 420), (5, 24 * 600)]
            .map(|(height, sealed)| row(height, sealed).refreshed(Hour(sealed + 99)))
            .into();
        for a in &rows {
            assert_eq!(a.merge(*a), *a);
            for b in &rows {
                assert_eq!(a.merge(*b), b.merge(*a));
                for c in &rows {
                    assert_eq!(a.merge(*b).merge(*c), a.merge(b.merge(*c)));
                }
            }
        }
        let all = rows.iter().copied().reduce(LabelRow::merge).unwrap();
        assert_eq!((all.at.block.height, all.latest), (5, Hour(24 * 600 + 99)));
        assert!(all.retracted);
    }

    #[test]
    fn a_later_label_keeps_what_a_later_refresh_of_an_earlier_one_said() {
        let earlier = row(1, 24).refreshed(Hour(24 * 100));
        let later = row(2, 24 * 60);
        for both in [earlier.merge(later), later.merge(earlier)] {
            assert_eq!((both.at, both.sealed), (later.at, later.sealed));
            assert_eq!(both.latest, Hour(24 * 100));
            let week = |hours: u32| week_of(Hour(hours).day());
            assert!(both.weeks.has(week(24 * 100)) && both.weeks.has(week(24 * 60)));
        }
    }

    #[test]
    fn weeks_begin_on_mondays() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let week = week_of(day("2026-11-23"));
        assert_eq!(monday_of(week), day("2026-11-23"));
        assert_eq!(week_of(day("2026-11-29")), week);
        assert_eq!(week_of(day("2026-11-22")), week - 1);
        for day in (4..=u16::MAX).step_by(5) {
            let since_monday = day - monday_of(week_of(Day(day))).0;
            assert!(since_monday < 7, "{day}");
        }
    }

    #[test]
    fn weeks_reach_back_64() {
        let set = Weeks::only(100).merge(Weeks::only(37)).merge(Weeks::only(36));
        assert!(set.has(100) && set.has(37));
        assert!(!set.has(36) && !set.has(99) && !set.has(101));
        assert_eq!(Weeks::default().merge(Weeks::only(9)), Weeks::only(9));
    }

    #[test]
    fn voids_beyond_a_block_are_void() {
        let mut voids = Voids::default();
        voids.set(255);
        voids.set(256);
        assert!(voids.has(255) && voids.has(256) && !voids.has(0));
    }
}
