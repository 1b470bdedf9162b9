//! `flowlore status`.

use super::Console;
use crate::api::Client;
use crate::failure::{Ending, Failure};
use crate::render;

/// Asks how the node is, and prints it.
pub(super) async fn run(client: &Client, console: &mut Console<'_>) -> Result<Ending, Failure> {
    let status = client.status().await?;
    if console.json {
        console.json_line(&status)?;
    } else {
        console.text(&render::status::text(&status))?;
    }
    Ok(Ending::Done)
}
