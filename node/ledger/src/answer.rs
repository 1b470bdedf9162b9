//! The shared part of an answer: what all members say about a name, opened by whoever can name it.
//! Integer arithmetic only, in one order: equal objects, day and rules give equal bytes.

pub(crate) mod kept;
mod level;
mod notes;
mod verdict;

pub use kept::{Encode, Names, Said};

use std::collections::BTreeMap;

use flowlore_common::answer::{Level, Shared};
use flowlore_common::destination::Input;
use flowlore_common::ids::{ObjectsDigest, OrgId, Token};
use flowlore_common::label::Purpose;
use flowlore_common::roster::Member;
use flowlore_common::time::Day;
use flowlore_veil::body::Entry;
use flowlore_veil::label::Label;
use flowlore_veil::note::{Note, NoteText};
use flowlore_veil::oprf::Y;
use flowlore_veil::token::Secret;

use self::kept::Tokens;
use crate::aggregate::Living;
use crate::ledger::Ledger;
use crate::store::StoreError;
use crate::store::row::LabelRow;

/// A name, and what the evaluators made of it in each live key epoch.
pub struct Asked {
    /// The name.
    pub input: Input,
    /// By key epoch.
    pub keys: Vec<(u32, Y)>,
}

/// A destination asked about: itself, and its site or /64.
#[derive(Default)]
pub struct Question {
    /// The host or address.
    pub host: Option<Asked>,
    /// Its site.
    pub site: Option<Asked>,
}

/// An org's live word under one purpose.
#[derive(Debug)]
pub(crate) struct Word<'a> {
    pub(crate) member: &'a Member,
    pub(crate) row: LabelRow,
    pub(crate) expires: Day,
    /// None when the body can't be opened: who signed it knew the name, so it counts as one that
    /// saw it, and says nothing else.
    pub(crate) entries: Vec<Entry>,
    /// What its people wrote beside it.
    pub(crate) note: Option<NoteText>,
}

/// Everything that is said about one name, by purpose; orgs ascending.
pub(crate) type Words<'a> = BTreeMap<Purpose, Vec<Word<'a>>>;

impl Ledger {
    /// What all members say on a day. `host` and `site` are null where nobody says anything, and
    /// when both are, the destination is unseen, which does not mean benign.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn answer(&self, question: &Question, day: Day) -> Result<Shared, StoreError> {
        let level = |asked: &Asked| self.level(asked, &Tokens::of(asked), day);
        let host = question.host.as_ref().map(level).transpose()?;
        let site = question.site.as_ref().map(level).transpose()?;
        Ok(self.shared(host.flatten(), site.flatten(), day))
    }

    fn shared<L>(&self, host: Option<L>, site: Option<L>, day: Day) -> Shared<L> {
        let roster = self.roster();
        Shared {
            day,
            state_version: roster.policy().state_version,
            objects_digest: ObjectsDigest(self.objects_digest()),
            members: roster.active(),
            host,
            site,
        }
    }

    /// What is said of one name; `tokens` are its own.
    fn level(&self, asked: &Asked, tokens: &Tokens, day: Day) -> Result<Option<Level>, StoreError> {
        let words = self.words(asked, tokens, day)?;
        Ok(level::level(&words, self.roster().active(), day))
    }

    /// Live words of one name. Labels under several key epochs are united by org: what it said
    /// last, by its own feed, stands.
    fn words(&self, asked: &Asked, tokens: &Tokens, day: Day) -> Result<Words<'_>, StoreError> {
        let mut words = Words::new();
        for &purpose in Purpose::ALL {
            let mut by_org: BTreeMap<OrgId, Word<'_>> = BTreeMap::new();
            for ((key_epoch, y), token) in asked.keys.iter().zip(tokens.under(purpose)) {
                if self.roster().key_epoch(*key_epoch).is_none() {
                    continue;
                }
                let living = self.living(&token, purpose, day)?;
                if living.is_empty() {
                    continue;
                }
                let secret = Secret::derive(y, *key_epoch, purpose);
                for (org, living) in living {
                    if by_org.get(&org).is_some_and(|word| word.row.at > living.row.at) {
                        continue;
                    }
                    by_org.insert(org, self.word(&secret, &org, living)?);
                }
            }
            if !by_org.is_empty() {
                words.insert(purpose, by_org.into_values().collect());
            }
        }
        Ok(words)
    }

    fn word<'a>(
        &self,
        secret: &Secret,
        org: &OrgId,
        living: Living<'a>,
    ) -> Result<Word<'a>, StoreError> {
        let Living { member, row, expires } = living;
        let item = self.read(row.item)?;
        let label = Label::parse(&item, secret.purpose())
            .map_err(|_| StoreError::Damaged("a live label"))?;
        let body = secret.open_body(&label, org);
        // What an org says of days after it sealed the label is a guess, and counts for nothing.
        let sealed = row.sealed.day();
        let entries = body.map(|body| body.entries).unwrap_or_default();
        let entries = entries.into_iter().filter(|entry| entry.last_day <= sealed).collect();
        let note = self.note(secret, &label.token(), org)?;
        Ok(Word { member, row, expires, entries, note })
    }

    /// What an org's people wrote about a token that it assesses. A note that cannot be opened says nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn note(
        &self,
        secret: &Secret,
        token: &Token,
        org: &OrgId,
    ) -> Result<Option<NoteText>, StoreError> {
        if !matches!(secret.purpose(), Purpose::Flagged | Purpose::Vouched) {
            return Ok(None);
        }
        let row = self.store().note(token, org)?.filter(|row| !row.withdrawn);
        let Some(row) = row else { return Ok(None) };
        let note = Note::parse(&self.read(row.item)?).map_err(|_| StoreError::Damaged("a note"))?;
        Ok(secret.open_note(&note, org).ok())
    }
}
