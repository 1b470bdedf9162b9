//! `flowlore label` and `flowlore dispute`.

use flowlore_common::destination::{Destination, Host};
use flowlore_common::label::Reason;

use super::Console;
use crate::api::{Client, Closing, Labelled, NewLabel};
use crate::cli::{Dispute, Label};
use crate::failure::{Ending, Failure};
use crate::render;

/// Labels, and prints how far the label is on its way.
pub(super) async fn run(
    client: &Client,
    label: &Label,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let new = NewLabel {
        destination: with_port(&label.destination, label.port)?,
        verdict: label.verdict,
        behaviour: label.behaviour,
        confidence: label.confidence,
        hold_hours: label.hold,
        title: label.title.clone(),
        note: label.note.clone(),
        tags: label.tag.clone(),
        stays_here: label.local,
        closed: label.outcome.map(|outcome| Closing {
            outcome,
            reason: label.reason.unwrap_or(Reason::None),
            minutes: label.minutes.unwrap_or(0),
        }),
    };
    show(&client.label(&new).await?, console)
}

/// Contradicts what others say, and prints how far that is on its way.
pub(super) async fn dispute(
    client: &Client,
    dispute: &Dispute,
    console: &mut Console<'_>,
) -> Result<Ending, Failure> {
    let destination = with_port(&dispute.destination, dispute.port)?;
    show(&client.dispute(&destination, dispute.reason).await?, console)
}

fn show(labelled: &Labelled, console: &mut Console<'_>) -> Result<Ending, Failure> {
    if console.json {
        console.json_line(labelled)?;
    } else {
        console.text(&render::label::text(labelled, console.colour))?;
    }
    Ok(Ending::Done)
}

/// The destination with the port of `--port`, which may repeat its own but not contradict it.
fn with_port(text: &str, port: Option<u16>) -> Result<String, Failure> {
    let Some(port) = port else { return Ok(text.to_owned()) };
    let destination = text
        .parse::<Destination>()
        .map_err(|error| Failure::usage(format!("'{text}': {error}"), ""))?;
    if destination.port.is_some_and(|own| own != port) {
        let message = format!("'{text}' has another port than --port {port}");
        return Err(Failure::usage(message, "name the port once"));
    }
    Ok(match &destination.host {
        Host::V6(address) => format!("[{address}]:{port}"),
        host @ (Host::Name(_) | Host::V4(_)) => format!("{}:{port}", host.text()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_named_once() {
        let with = |text, port| with_port(text, port).map_err(|failure| failure.to_string());
        assert_eq!(with("evil.example", None), Ok("evil.example".to_owned()));
        assert_eq!(with("Evil.example", Some(443)), Ok("evil.example:443".to_owned()));
        assert_eq!(with("evil.example:443", Some(443)), Ok("evil.example:443".to_owned()));
        assert_eq!(with("2001:db8::1", Some(443)), Ok("[2001:db8::1]:443".to_owned()));
        assert!(with("evil.example:80", Some(443)).unwrap_err().contains("name the port once"));
        assert!(with("a..b", Some(443)).unwrap_err().contains("between dots"));
    }
}
