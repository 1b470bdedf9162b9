//! What became of a label, as text.

use crate::api::{LabelStatus, Labelled};
use crate::render::answer::destination;
use crate::render::text::{clip, verdict};

/// One line.
#[must_use]
pub fn text(labelled: &Labelled, colour: bool) -> String {
    let what = verdict(labelled.verdict, colour);
    let how = labelled.behaviour.map_or(String::new(), |code| format!(", {}", code.title()));
    let block = labelled.block_id.as_deref().unwrap_or_default();
    let status = match labelled.status {
        LabelStatus::Sealed => format!("sealed in block {}; members get it", clip(short(block))),
        LabelStatus::Waiting => {
            "on disk here; it leaves once evaluators answer and its slot comes".to_owned()
        }
        LabelStatus::Retracted => "withdrawn".to_owned(),
        LabelStatus::Local => "it stays on this node".to_owned(),
    };
    format!("{}: {what}{how}: {status}\n", destination(&labelled.destination))
}

/// Enough of an id for two people to see that it is the same.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use flowlore_common::label::{Behaviour, Verdict};

    use super::*;
    use crate::api::Query;

    #[test]
    fn a_label_says_how_far_it_is() {
        let host = Some("evil.example".to_owned());
        let mut labelled = Labelled {
            destination: Query { host, port: Some(443), ..Query::default() },
            verdict: Verdict::Malicious,
            behaviour: Some(Behaviour::C2BeaconHttpTls),
            status: LabelStatus::Sealed,
            block_id: Some("9f3c1be1aabb".to_owned()),
        };
        assert_eq!(
            text(&labelled, false),
            "evil.example:443: MALICIOUS, C2 beacon: sealed in block 9f3c1be1; members get it\n"
        );
        labelled.status = LabelStatus::Waiting;
        assert!(
            text(&labelled, true).contains("\u{1b}[1;31mMALICIOUS\u{1b}[0m, C2 beacon: on disk")
        );
    }
}
