//! Ordered patterns of behaviours: a list that ships with the program, or a person's instead of it.
//!
//! A row has a name, a title, the steps and their source, with tabs between; `#` begins a comment. Steps stand in order
//! with `>` between: behaviours, one of which it takes (`c2`, `scan`, `movement` and `theft` stand for all of that kind),
//! and before them how long after the step before it the step may begin. A step is done by the host of the one before it
//! or, after a movement, by a host that this one got onto; after the word `reached` by such a host alone.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use flowlore_common::{
    label::Behaviour,
    time::{MICROS_PER_SECOND, parse_seconds},
};

use crate::{
    limits::{SEQUENCE_SECONDS_MAX, SEQUENCE_STEPS_MAX, SEQUENCES_MAX},
    severity::is_scan,
};

const SEQUENCES: &str = include_str!("../data/sequences.tsv");

static SHIPPED: LazyLock<Arc<Sequences>> =
    LazyLock::new(|| Arc::new(Sequences::parse(SEQUENCES).expect("a test reads them")));

/// The list.
#[derive(Clone, Debug)]
pub struct Sequences {
    all: Vec<Sequence>,
    hash: String,
}

/// Behaviours in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) name: Arc<str>,
    pub(crate) title: Arc<str>,
    pub(crate) steps: Vec<Step>,
}

/// One of several behaviours, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) behaviours: BTreeSet<Behaviour>,
    /// It begins at most so long after the end of the step before it; 0 of the first.
    pub(crate) within_us: i64,
    /// Whether only a host that the step before it got onto can do it.
    pub(crate) reached: bool,
}

/// What is wrong with a list, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SequenceError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Sequences {
    /// The list that ships with the program, read at first use.
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        Arc::clone(&SHIPPED)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// At the first row that cannot be used: an unknown behaviour, a step without a time, more than
    /// [`SEQUENCES_MAX`] rows.
    pub fn parse(text: &str) -> Result<Self, SequenceError> {
        let mut all: Vec<Sequence> = Vec::new();
        let rows = (1..).zip(text.lines());
        let rows = rows.filter(|(_, row)| !row.trim().is_empty() && !row.starts_with('#'));
        for (line, row) in rows {
            let wrong = |what: String| SequenceError { line, what };
            let columns: Vec<&str> = row.split('\t').map(str::trim).collect();
            let [name, title, steps, _source] = columns[..] else {
                let what = "four columns are needed, with tabs between: name, title, steps, source";
                return Err(wrong(what.to_owned()));
            };
            if name.is_empty() || all.iter().any(|one| *one.name == *name) {
                return Err(wrong(format!("'{name}': each sequence needs a name of its own")));
            }
            if all.len() >= SEQUENCES_MAX {
                return Err(wrong(format!("more than {SEQUENCES_MAX} sequences")));
            }
            let steps: Vec<Step> = (0..)
                .zip(steps.split('>'))
                .map(|(number, step)| Step::parse(step.trim(), number == 0))
                .collect::<Result<_, _>>()
                .map_err(wrong)?;
            if !(2..=SEQUENCE_STEPS_MAX).contains(&steps.len()) {
                return Err(wrong(format!("2 to {SEQUENCE_STEPS_MAX} steps, with > between")));
            }
            all.push(Sequence { name: name.into(), title: title.into(), steps });
        }
        let hash = blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
        Ok(Self { all, hash })
    }

    /// The first sixteen hex digits of its hash.
    #[must_use]
    pub fn hash(&self) -> String {
        self.hash.clone()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sequence> {
        self.all.iter()
    }
}

impl Step {
    fn parse(text: &str, first: bool) -> Result<Self, String> {
        let (within, names) = match text.split_once(char::is_whitespace) {
            Some((within, names)) if !first => (parse_seconds(within)?, names),
            None if first => (0, text),
            _ => {
                return Err(format!(
                    "step '{text}': the first is behaviours alone, each other one a time, a space and behaviours: 24h c2"
                ));
            }
        };
        if !first && !(1..=SEQUENCE_SECONDS_MAX).contains(&within) {
            return Err(format!("step '{text}': 1 s to {} d", SEQUENCE_SECONDS_MAX / 86_400));
        }
        let reached = names.trim_start().strip_prefix("reached ").filter(|_| !first);
        let names = reached.unwrap_or(names);
        let mut behaviours = BTreeSet::new();
        for name in names.split(',').map(str::trim) {
            behaviours.extend(named(name)?);
        }
        let within_us = within.cast_signed().saturating_mul(MICROS_PER_SECOND);
        Ok(Self { behaviours, within_us, reached: reached.is_some() })
    }
}

/// The behaviours that a word stands for.
fn named(word: &str) -> Result<Vec<Behaviour>, String> {
    let kind: fn(Behaviour) -> bool = match word {
        "c2" => Behaviour::is_c2,
        "scan" => is_scan,
        "movement" => is_movement,
        "theft" => is_theft,
        name => {
            let behaviour = name.parse().map_err(|_| {
                format!("'{name}' is no behaviour, and not c2, scan, movement or theft")
            })?;
            return Ok(vec![behaviour]);
        }
    };
    Ok(Behaviour::ALL.iter().copied().filter(|behaviour| kind(*behaviour)).collect())
}

/// Whether it gets its source onto the host that it is about.
pub(crate) const fn is_movement(behaviour: Behaviour) -> bool {
    matches!(
        behaviour,
        Behaviour::LateralMovement
            | Behaviour::LoginFailuresThenSuccess
            | Behaviour::SshSuccessInferred
    )
}

/// Whether data leave by it.
pub(crate) fn is_theft(behaviour: Behaviour) -> bool {
    behaviour.name().starts_with("exfil_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_is_read() {
        let all = Sequences::shipped();
        assert!(all.iter().count() >= 5);
        let one = all.iter().find(|one| &*one.name == "scan_logon_theft").unwrap();
        assert_eq!(one.steps.len(), 3);
        assert!(one.steps[0].behaviours.contains(&Behaviour::HorizontalScan));
        assert!(one.steps[1].behaviours.contains(&Behaviour::LateralMovement));
        assert!(one.steps[2].behaviours.contains(&Behaviour::ExfilVolume));
        assert_eq!((one.steps[2].within_us, one.steps[2].reached), (86_400_000_000, false));
        let one = all.iter().find(|one| &*one.name == "taken_and_used").unwrap();
        assert!(one.steps[1].reached && one.steps[1].behaviours.contains(&Behaviour::Strobe));
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        for (row, told) in [
            ("a\tA\tc2 > 1h scan", "four columns"),
            ("a\tA\tc2\tx", "2 to 8 steps"),
            ("a\tA\tc2 > scan\tx", "a time, a space"),
            ("a\tA\t1h c2 > 1h scan\tx", "the first is behaviours alone"),
            ("a\tA\tc2 > 1y scan\tx", "write it as 90s"),
            ("a\tA\tc2 > 8d scan\tx", "1 s to 7 d"),
            ("a\tA\tc2 > 1h nothing\tx", "'nothing' is no behaviour"),
            ("b\tB\tc2 > 1h scan\tx", "a name of its own"),
        ] {
            let text = format!("# a comment\nb\tB\tc2 > 1h scan\tx\n{row}\n");
            let error = Sequences::parse(&text).unwrap_err();
            assert_eq!(error.line, 3, "{row}");
            assert!(error.what.contains(told), "{row}: {error}");
        }
        assert_eq!(Sequences::parse("").unwrap().iter().count(), 0, "none are wanted");
    }
}
