//! From an invitation to membership: asks the inviter until a person there has approved, then begins in the new
//! federation with what this org says live there again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use flowlore_common::env::{Clock as _, SystemClock, SystemRng};
use flowlore_common::ids::OrgId;
use flowlore_common::invite::{Invite, JoinRequest};
use flowlore_common::roster::Document;
use flowlore_common::suffixes::Suffixes;
use flowlore_ledger::ledger::Ledger;
use flowlore_proto::v1;
use flowlore_proto::v1::peer_service_client::PeerServiceClient;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::Channel;

use crate::config::Config;
use crate::dial::{channel, timed};
use crate::federation;
use crate::folder::Folder;
use crate::keys::Keys;
use crate::limits::ROSTER_DOCUMENTS_MAX;
use crate::outbox::Outbox;
use crate::peer::links::peer_client;
use crate::store::Store;
use crate::tls::{Identity, Traffic};

/// The invitation that was taken up; its code is a secret until used.
const FILE: &str = "roster/joining";
/// How often the inviter is asked whether a person has approved.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// ... and while it cannot be reached.
const REDIAL_EVERY: Duration = Duration::from_secs(2);

/// Remembers an invitation for the next `run`.
///
/// # Errors
/// The disk refuses.
pub fn ask(folder: &Folder, line: &str) -> Result<()> {
    folder.write(FILE, line.as_bytes())
}

/// Whether an invitation waits to be taken up.
///
/// # Errors
/// The folder cannot be read.
pub fn is_joining(folder: &Folder) -> Result<bool> {
    Ok(folder.read(FILE)?.is_some())
}

/// Asks until admitted, then makes the folder one of the new federation.
///
/// # Errors
/// The inviter turns us away, or the disk refuses.
pub async fn join(folder: &Folder, config: &Config) -> Result<()> {
    let _lock = folder.lock()?;
    let line = folder.read(FILE)?.context("no invitation waits")?;
    let invite: Invite = std::str::from_utf8(&line)?.parse()?;
    let keys = Keys::load(folder)?;
    let registration = federation::registration(folder)?;
    let request = JoinRequest {
        federation: invite.federation,
        code: invite.code,
        registration,
        name: config.org_name.clone(),
        transport_key: keys.transport.public().bytes(),
        endpoints: federation::endpoints(config),
    };
    let signed = request.sign(&keys.signing);
    let identity = Identity::new(&keys.transport)?;
    let traffic = Arc::new(Traffic::default());
    let to = channel(&identity, &invite.address, invite.transport_key, traffic)?;
    let mut client = peer_client(to);
    tracing::info!(inviter = %invite.address, "asking for admission");
    loop {
        let asked = timed(v1::JoinRequest { signed: signed.clone().into() });
        match client.join(asked).await {
            Ok(answer) if answer.get_ref().admitted => break,
            Ok(_) => tokio::time::sleep(ASK_EVERY).await,
            Err(status) if is_final(status.code()) => {
                anyhow::bail!("{} turned us away: {}", invite.address, status.message());
            }
            Err(status) => {
                tracing::info!(error = status.message(), "the inviter cannot be reached");
                tokio::time::sleep(REDIAL_EVERY).await;
            }
        }
    }
    let documents = whole_roster(&mut client).await?;
    check(&documents, &invite, &registration.org())?;
    begin_anew(folder, &keys, &documents)?;
    tracing::info!(federation = %invite.federation.short(), "admitted");
    Ok(())
}

async fn whole_roster(client: &mut PeerServiceClient<Channel>) -> Result<Vec<Document>> {
    let mut documents = vec![];
    loop {
        // Of a version that governors contest several come, all in one page.
        let newest = documents.last().map(|document: &Document| document.statement.version);
        let from_version = newest.map_or(0, |version| version.saturating_add(1));
        let page = client.roster(v1::RosterRequest { from_version }).await?;
        let mut page = page.into_inner();
        let before = documents.len();
        while let Some(document) = page.next().await {
            ensure!(documents.len() < ROSTER_DOCUMENTS_MAX, "the roster has no end");
            documents.push(Document::parse(&document?.document)?);
        }
        if documents.len() == before {
            return Ok(documents);
        }
    }
}

/// An answer that asking again will not change.
fn is_final(code: Code) -> bool {
    matches!(code, Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented)
}

/// The inviter proves nothing by its word: the chain must be the federation of the invitation, and name us.
fn check(documents: &[Document], invite: &Invite, us: &OrgId) -> Result<()> {
    let (first, rest) = documents.split_first().context("the inviter sent no roster")?;
    let mut ledger = Ledger::in_memory(first)?;
    ensure!(
        ledger.roster().federation() == invite.federation,
        "the inviter sent another federation's roster"
    );
    for document in rest {
        ledger.apply_roster(document, document.statement.issued, &mut SystemRng)?;
    }
    let member = ledger.roster().member(us).is_some_and(|member| member.active);
    ensure!(member, "the roster that the inviter sent does not name us");
    Ok(())
}

/// The order matters for a crash in between: the invitation goes last, so that joining is done again.
fn begin_anew(folder: &Folder, keys: &Keys, documents: &[Document]) -> Result<()> {
    Store::set_aside(folder)?;
    Store::create(folder, documents)?;
    folder.remove(federation::SHARE_FILE)?;
    // Secrets of names are of the old key; the names themselves wait to be said again.
    folder.remove("private/names")?;
    let mut outbox = Outbox::open(folder, &keys.at_rest, Suffixes::shipped())?;
    let waiting = outbox.reseal_all(SystemClock.now().hour())?;
    tracing::info!(waiting, "what this org says is made anew under the federation's key");
    folder.remove(FILE)
}
