//! `flowlore retract`.

use serde::Serialize;

use super::Console;
use crate::api::Client;
use crate::cli::Retract;
use crate::failure::{Ending, Failure};
use crate::render::text::{clean, counted};

#[derive(Serialize)]
struct Retracted<'a> {
    destination: &'a str,
    retracted: u32,
}

/// Withdraws, and prints how much that was.
pub(super) async fn run(
    client: &Client,
    retract: &Retract,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let destination = &retract.destination;
    let retracted = client.retract(destination).await?;
    if console.json {
        console.json_line(&Retracted { destination, retracted })?;
    } else {
        let labels = counted(u64::from(retracted), "label");
        let destination = clean(destination);
        console.text(&format!(
            "Withdrew {labels} of this org about {destination}; other orgs' labels stay.\n"
        ))?;
    }
    Ok(Ending::Done)
}
