//! What a governor's node does to its federation: bring orgs in, end memberships, replace keys, deal evaluation keys.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use flowlore_common::env::SystemRng;
use flowlore_common::ids::OrgId;
use flowlore_common::invite::Invite;
use flowlore_common::roster::member::FeedPlace;
use flowlore_common::roster::{Change, Member};
use flowlore_common::time::{Hour, SECONDS_PER_HOUR};
use flowlore_ledger::sync::Event;
use flowlore_veil::keys::KeyShare;
use rand_core::RngCore as _;

use crate::federation;
use crate::handover;
use crate::keys::NewKeys;
use crate::node::Node;
use crate::roster::{Roster, fingerprint};

/// Shares by evaluator, each sealed to it.
type Sealed = BTreeMap<OrgId, Vec<u8>>;

impl Node {
    /// A line with which another org may ask to join, and when it expires, seconds since 1970.
    ///
    /// # Errors
    /// This node is no governor, or does not say where it can be dialled.
    pub fn invite(&self) -> Result<(String, i64)> {
        let roster = self.store.roster();
        let us = roster.member(&self.org).context("this org is no member of its federation")?;
        ensure!(us.roles.governor, "only a governor admits members: ask one to invite");
        let Some(address) = us.endpoints.first() else {
            bail!("peer.advertise is empty: a joiner needs an address to dial; set it first");
        };
        let mut code = [0; 16];
        SystemRng.fill_bytes(&mut code);
        let now = self.clock.now().seconds();
        let expires = self.admission().invite(&code, now)?;
        let invite = Invite {
            federation: roster.federation,
            inviter: self.org,
            transport_key: us.transport_key,
            address: address.clone(),
            code,
            expires: Hour(u32::try_from(expires / SECONDS_PER_HOUR)?),
        };
        Ok((invite.to_string(), expires))
    }

    /// Admits an applicant.
    ///
    /// # Errors
    /// Nobody of that name waits, or the roster's rules are not met.
    pub fn approve(&self, name: &str, endorsers: &[String]) -> Result<OrgId> {
        let request = self.admission().applicant(name)?;
        let roster = self.store.roster();
        let mut orgs = vec![self.org];
        for name in endorsers {
            let named = roster.active().find(|member| member.name == *name);
            orgs.push(named.with_context(|| format!("no member is called {name:?}"))?.org);
        }
        ensure!(
            orgs.len() >= roster.active().count().min(2),
            "a second member must vouch for it: --endorsed-by NAME"
        );
        orgs.sort_unstable();
        orgs.dedup();
        let change = federation::admission(&roster, &request, orgs);
        self.amend(vec![change])?;
        let org = request.registration.org();
        self.admission().done(&org)?;
        Ok(org)
    }

    /// Ends a membership; the version of the roster that says so.
    ///
    /// # Errors
    /// There is no such member, or this node is no governor.
    pub fn expel(&self, name: &str, from_height: Option<u64>) -> Result<u32> {
        let (org, from) = self.place(name, from_height)?;
        ensure!(org != self.org, "an org cannot expel itself");
        self.amend(vec![Change::Expel { org, from, left: false }])
    }

    /// Gives a member new keys; the version of the roster that says so.
    ///
    /// # Errors
    /// As [`Self::expel`], or the keys cannot be used.
    pub fn rekey(&self, name: &str, keys: NewKeys, from_height: Option<u64>) -> Result<u32> {
        let (org, from) = self.place(name, from_height)?;
        let NewKeys { signing: signing_key, transport: transport_key } = keys;
        self.amend(vec![Change::Rekey { org, from, signing_key, transport_key }])
    }

    /// A member, and the place in its newest feed from which on nothing counts.
    fn place(&self, name: &str, from_height: Option<u64>) -> Result<(OrgId, FeedPlace)> {
        let roster = self.store.roster();
        let is_meant = |one: &&Member| one.name == name || fingerprint(&one.transport_key) == name;
        let mut named = roster.active().filter(is_meant);
        let member = named.next().with_context(|| format!("no member is called {name:?}"))?;
        ensure!(named.next().is_none(), "several are called {name:?}: use the fingerprint");
        let head = self.store.head_of(&member.org);
        let place = head.map_or(FeedPlace::default(), |head| FeedPlace {
            incarnation: head.feed.incarnation,
            height: head.next,
        });
        Ok((member.org, FeedPlace { height: from_height.unwrap_or(place.height), ..place }))
    }

    /// Writes the next roster document; its version.
    fn amend(&self, changes: Vec<Change>) -> Result<u32> {
        self.store.amend(changes, self.org, &self.keys.signing, self.hour())?;
        self.step(Event::RosterGrew);
        Ok(self.store.roster().version)
    }

    /// Deals a new evaluation key; returns the number of its key epoch.
    ///
    /// # Errors
    /// `t` of `n` is impossible here, or this node is no governor.
    pub fn keygen(&self, t: u16, n: u16) -> Result<u32> {
        let roster = self.store.roster();
        // On a stack that goes when all is sealed: what secrets passed over lies on none that stays.
        let dealing = || Self::deal(&roster, t, n);
        let dealt = std::thread::scope(|scope| scope.spawn(dealing).join());
        let (changes, number, sealed) = dealt.map_err(|_| anyhow!("dealing failed"))??;
        // Shares before the announcement: a crash in between leaves shares that nobody asks for, while the other
        // way round it would leave a key that nobody holds.
        self.dealt().deal(number, sealed)?;
        self.store.amend(changes, self.org, &self.keys.signing, self.hour())?;
        self.take_own_share()?;
        self.step(Event::RosterGrew);
        self.publish.notify_one();
        Ok(number)
    }

    /// A new key: what announces it, its number, and the shares, each sealed to its evaluator.
    fn deal(roster: &Roster, t: u16, n: u16) -> Result<(Vec<Change>, u32, Sealed)> {
        let new = federation::deal(roster, t, n, &mut SystemRng)?;
        let sealed = new.shares.iter().map(|(org, share)| {
            let member = roster.member(org).context("an evaluator is a member")?;
            Ok((*org, handover::seal(share, &member.transport_key, &mut SystemRng)?))
        });
        Ok((new.changes, new.number, sealed.collect::<Result<_>>()?))
    }

    /// Takes our own share of a key that this node dealt: after the announcement, or after a crash right behind it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn take_own_share(&self) -> Result<()> {
        let roster = self.store.roster();
        let Some(key) = &roster.key else { return Ok(()) };
        let sealed = self.dealt().share_of(key.epoch.number, &self.org).map(<[u8]>::to_vec);
        if let Some(sealed) = sealed {
            self.keep_share(handover::open(&sealed, &self.keys.transport)?)?;
            self.dealt().taken(key.epoch.number, &self.org)?;
        }
        Ok(())
    }

    /// Keeps our share of the key, on disk first.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn keep_share(&self, share: KeyShare) -> Result<()> {
        self.folder.write(federation::SHARE_FILE, &*share.to_bytes())?;
        *self.share.lock().unwrap_or_else(PoisonError::into_inner) = Some(share);
        Ok(())
    }
}
