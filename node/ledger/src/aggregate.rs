//! Which labels of a token live on a day, and who stands behind them. Needs no key: every member
//! computes it for every token.

use std::collections::BTreeSet;

use flowlore_common::block::Feed;
use flowlore_common::ids::{BlockId, OrgId, Token};
use flowlore_common::label::Purpose;
use flowlore_common::limits::ANSWER_WEEKS;
use flowlore_common::roster::Member;
use flowlore_common::time::{Day, SECONDS_PER_DAY, SECONDS_PER_HOUR};

use crate::ledger::Ledger;
use crate::store::StoreError;
use crate::store::row::{LabelRow, Weeks, week_of};

/// A label that lives on the day in question.
#[derive(Clone, Copy, Debug)]
pub struct Living<'a> {
    /// Whose.
    pub member: &'a Member,
    /// The label.
    pub row: LabelRow,
    /// The last day on which it lives, if it is not refreshed.
    pub expires: Day,
}

/// What stands of an org's words about a token.
#[derive(Clone, Copy, Debug)]
pub struct Stands {
    /// Its last label, retracted or not.
    pub row: LabelRow,
    /// The block that this is in.
    pub block: BlockId,
    /// Whether a note stands beside it.
    pub has_note: bool,
}

/// Live labels of one token, without looking into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Orgs.
    pub orgs: u32,
    /// Independent groups of orgs: one control group counts once, and so does one share group,
    /// whose members are always in one control group.
    pub groups: u32,
    /// Orgs by week, the newest first, as far back as answers reach.
    pub weeks: [u32; ANSWER_WEEKS as usize],
}

impl Ledger {
    /// The labels of a token that live on a day, ascending by org.
    ///
    /// A label lives when its org is an active member of the newest roster, it is not retracted, it
    /// was sealed by that day, no later than the policy's grace after the roster that it names was
    /// succeeded, and its block or last refresh is no older than its purpose's lifetime.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn living(
        &self,
        token: &Token,
        purpose: Purpose,
        day: Day,
    ) -> Result<Vec<(OrgId, Living<'_>)>, StoreError> {
        let labels = self.store().labels(token)?;
        let lives = |(org, row)| Some((org, self.lives(&org, row, purpose, day)?));
        Ok(labels.into_iter().filter_map(lives).collect())
    }

    /// What stands of an org's words about a token, whether it lives or not.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn stands(&self, token: &Token, org: &OrgId) -> Result<Option<Stands>, StoreError> {
        let Some(row) = self.store().label(token, org)? else { return Ok(None) };
        let feed = Feed { org: *org, incarnation: row.at.block.incarnation };
        let block = self.store().block(&feed, row.at.block.height)?;
        let block = block.ok_or(StoreError::Damaged("the block of a label"))?.id;
        let has_note = self.store().note(token, org)?.is_some_and(|note| !note.withdrawn);
        Ok(Some(Stands { row, block, has_note }))
    }

    fn lives(&self, org: &OrgId, row: LabelRow, purpose: Purpose, day: Day) -> Option<Living<'_>> {
        let roster = self.roster();
        let member = roster.member(org).filter(|member| member.active && !row.retracted)?;
        let policy = roster.policy();
        let hours_per_day = u32::try_from(SECONDS_PER_DAY / SECONDS_PER_HOUR).unwrap_or(24);
        let succeeded = self.chain().at(row.roster_version)?.succeeded();
        let grace = u32::from(policy.grace_days) * hours_per_day;
        if succeeded.is_some_and(|since| row.sealed.0 > since.0.saturating_add(grace)) {
            return None;
        }
        let last = u32::from(row.latest.day().0) + policy.lifetime_days(purpose);
        let expires = Day(u16::try_from(last).unwrap_or(u16::MAX));
        let is_in_time = row.sealed.day() <= day && day <= expires;
        is_in_time.then_some(Living { member, row, expires })
    }

    /// What the live labels of a token add up to.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn aggregate(
        &self,
        token: &Token,
        purpose: Purpose,
        day: Day,
    ) -> Result<Aggregate, StoreError> {
        let living = self.living(token, purpose, day)?;
        let members: Vec<_> = living.iter().map(|(_, label)| (label.member, label.row)).collect();
        Ok(sum(&members, day))
    }
}

/// Sums labels of distinct orgs.
pub(crate) fn sum(labels: &[(&Member, LabelRow)], day: Day) -> Aggregate {
    let weeks: Vec<_> = labels.iter().map(|(_, row)| row.weeks).collect();
    Aggregate {
        orgs: u32::try_from(labels.len()).unwrap_or(u32::MAX),
        groups: groups(labels.iter().map(|(member, _)| *member)),
        weeks: orgs_by_week(&weeks, day),
    }
}

/// How many independent groups these members are.
pub(crate) fn groups<'a>(members: impl IntoIterator<Item = &'a Member>) -> u32 {
    let distinct: BTreeSet<_> = members.into_iter().map(|member| member.control_group).collect();
    u32::try_from(distinct.len()).unwrap_or(u32::MAX)
}

fn orgs_by_week(sets: &[Weeks], day: Day) -> [u32; ANSWER_WEEKS as usize] {
    let newest = week_of(day);
    let mut orgs = [0; ANSWER_WEEKS as usize];
    for (before, orgs) in (0_u16..).zip(&mut orgs) {
        let Some(week) = newest.checked_sub(before) else { break };
        let active = sets.iter().filter(|set| set.has(week)).count();
        *orgs = u32::try_from(active).unwrap_or(u32::MAX);
    }
    orgs
}
