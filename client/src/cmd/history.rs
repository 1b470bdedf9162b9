//! `flowlore history`.

use super::Console;
use crate::api::{Client, State};
use crate::cli::History;
use crate::failure::{Ending, Failure};
use crate::render::history::{self, text};

/// Asks what is known and what the own people said, and prints it by day.
pub(super) async fn run(
    client: &Client,
    asked: &History,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let answers = client.lookup(std::slice::from_ref(&asked.destination)).await?;
    let answer = answers.first().ok_or_else(|| Failure::new("protocol", "no answer", ""))?;
    let history = history::History::new(answer, &client.mine().await?);
    if console.json {
        console.json_line(&history)?;
    } else {
        console.text(&text(&history))?;
    }
    Ok(match answer.state {
        State::NotAsked | State::Quota => Ending::NotAsked,
        State::Invalid => Ending::Failed,
        State::Answered | State::Unseen | State::Private => Ending::Done,
    })
}
