//! `flowlore lookup`.

use super::Console;
use crate::api::{Client, State, batches};
use crate::cli::Lookup;
use crate::failure::{Ending, Failure};
use crate::render;

/// Refuses what this version cannot ask, before anything is asked.
pub(super) fn check(lookup: &Lookup) -> Result<(), Failure> {
    match lookup.as_of {
        None => Ok(()),
        Some(day) => {
            let message = format!("--as-of {day}: not served by this version");
            Err(Failure::new("not_served", message, "ask without --as-of for what is known today"))
        }
    }
}

/// Looks up in batches and prints as each is answered, in the order asked.
pub(super) async fn run(
    client: &Client,
    lookup: &Lookup,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let mut ending = Ending::Done;
    for batch in batches(&lookup.destinations) {
        for answer in client.lookup(batch).await? {
            if console.json {
                console.json_line(&answer)?;
            } else {
                let text = render::answer::text(&answer, console.now, console.colour);
                console.text(&text)?;
            }
            ending = match (answer.state, ending) {
                // What a later try may mend outweighs what it cannot.
                (State::NotAsked | State::Quota, _) | (_, Ending::NotAsked) => Ending::NotAsked,
                (State::Invalid, _) => Ending::Failed,
                _ => ending,
            };
        }
    }
    Ok(ending)
}
