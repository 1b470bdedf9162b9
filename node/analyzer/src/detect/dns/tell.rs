//! What a zone shows, in sentences.

use flowlore_common::label::Behaviour;

use super::{
    ANSWER_BYTES_MAX, CARRIER_BYTES_MIN, HABIT_NAMES_MIN, Hour, NAME_STEPS, QUESTION_BYTES_MAX,
    TXT_NAMES_MIN, Zone, is_asked_in_names,
};
use crate::detect::{Evidence, Hit, Score, words};

/// Characters of a name in a sentence.
const EXAMPLE_CHARS_MAX: usize = 48;

impl Zone {
    /// A score in sentences.
    pub(crate) fn hit(&self, score: Score) -> Hit {
        let Score { behaviour, base_milli } = score;
        let under = self.domain().map_or_else(
            || "without a common domain".to_owned(),
            |domain| format!("under {domain}"),
        );
        let mut evidence = match behaviour {
            Behaviour::C2OverDns => self.channel(&under),
            Behaviour::DnsTunnelOversize => self.oversize(&under),
            Behaviour::DnsTxtHighEntropy => vec![
                Evidence::supporting(
                    "txt_names",
                    self.txt as f64,
                    "names",
                    format!(
                        "TXT answers of 5 bits a character and more for {} {under}: encrypted or \
                         packed text looks like that.",
                        words::counted(self.txt, "name", "different names")
                    ),
                )
                .threshold(TXT_NAMES_MIN as f64),
                Evidence::against(
                    "txt_kind",
                    self.txt as f64,
                    "names",
                    "Keys and signatures that software fetches by TXT look alike.".to_owned(),
                ),
            ],
            _ => self.odd_types(&under),
        };
        if self.visited > 0 {
            evidence.push(Evidence::against(
                "names_visited",
                self.visited as f64,
                "names",
                format!("It went on to contact {} more.", self.visited),
            ));
        }
        let mut limits = Vec::new();
        if !self.visits_seen {
            limits.push(
                "No flows of this host: whether it went where the names lead is unknown."
                    .to_owned(),
            );
        }
        Hit { behaviour, base_milli, scores: Vec::new(), evidence, limits }
    }

    fn channel(&self, under: &str) -> Vec<Evidence> {
        let mut evidence = vec![
            Evidence::supporting(
                "names",
                self.peak_day as f64,
                "names",
                format!(
                    "{} {under} looked up within a day, and none of them visited{}.",
                    words::counted(self.peak_day, "name", "different names"),
                    self.example()
                ),
            )
            .threshold(NAME_STEPS.base as f64),
        ];
        let Hour { names, bytes, centibits } = self.hour;
        let sentence = format!(
            "In an hour {} in {}, with {}.{:02} bits a character.",
            words::bytes(bytes),
            words::counted(names, "name", "names"),
            centibits / 100,
            centibits % 100
        );
        let value = bytes as f64;
        evidence.push(if self.hour.carries() {
            Evidence::supporting("name_bytes", value, "bytes", sentence)
                .threshold(CARRIER_BYTES_MIN as f64)
        } else {
            Evidence::against(
                "name_bytes",
                value,
                "bytes",
                format!("{sentence} That is little for a channel."),
            )
            .threshold(CARRIER_BYTES_MIN as f64)
        });
        let known = self.domain().is_some_and(is_asked_in_names);
        evidence.push(Evidence::against(
            "names_kind",
            self.names as f64,
            "names",
            if known {
                "A service that is asked by data in names: mail filters and virus scanners do that."
            } else {
                "Virus scanners, mail filters and monitoring also put data into names."
            }
            .to_owned(),
        ));
        evidence
    }

    /// The first of the sample, for a person to look at.
    fn example(&self) -> String {
        let shown = |name: &str| match name.char_indices().nth(EXAMPLE_CHARS_MAX) {
            Some((end, _)) => format!("{}...", &name[..end]),
            None => name.to_owned(),
        };
        self.sample.first().map_or_else(String::new, |(name, _)| format!(" ({})", shown(name)))
    }

    fn oversize(&self, under: &str) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if self.long_questions >= HABIT_NAMES_MIN {
            let sentence = format!(
                "{} {under} make questions of more than {QUESTION_BYTES_MAX} B; the longest name has \
                 {} B.",
                words::counted(self.long_questions, "name", "different names"),
                self.longest_bytes
            );
            evidence.push(
                Evidence::supporting(
                    "long_questions",
                    self.long_questions as f64,
                    "names",
                    sentence,
                )
                .threshold(HABIT_NAMES_MIN as f64),
            );
        }
        if self.long_answers >= HABIT_NAMES_MIN {
            let sentence = format!(
                "{} {under} got answers of more than {ANSWER_BYTES_MAX} B.",
                words::counted(self.long_answers, "name", "different names")
            );
            evidence.push(
                Evidence::supporting("long_answers", self.long_answers as f64, "names", sentence)
                    .threshold(HABIT_NAMES_MIN as f64),
            );
        }
        evidence.push(Evidence::against(
            "long_kind",
            self.longest_bytes.into(),
            "bytes",
            "Content networks and clouds have long names too.".to_owned(),
        ));
        evidence
    }

    fn odd_types(&self, under: &str) -> Vec<Evidence> {
        let types: Vec<String> = self.odd_types.iter().map(|one| type_name(*one)).collect();
        vec![
            Evidence::supporting(
                "odd_names",
                self.odd as f64,
                "names",
                format!(
                    "{} {under} asked for by types that clients have little use for: {}.",
                    words::counted(self.odd, "name", "different names"),
                    types.join(", ")
                ),
            )
            .threshold(HABIT_NAMES_MIN as f64),
            Evidence::against(
                "odd_kind",
                self.odd as f64,
                "names",
                "Mail servers ask for MX, administrators for anything.".to_owned(),
            ),
        ]
    }
}

/// A type's name in IANA's registry, of those that tunnels are known to use; else its number.
fn type_name(qtype: u16) -> String {
    let name = match qtype {
        5 => "CNAME",
        10 => "NULL",
        15 => "MX",
        35 => "NAPTR",
        255 => "ANY",
        65_399 => "PRIVATE",
        other => return other.to_string(),
    };
    name.to_owned()
}
