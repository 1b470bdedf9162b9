//! Goal: an evaluation that can be trusted. Method: sample days stand in for captures, so that what is due is known.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::sample::Sample;
use super::*;

#[test]
fn a_sample_day_as_a_capture_is_found_wherever_it_is_laid() {
    let folder = tempfile::tempdir().unwrap();
    let sample =
        Sample::make(&folder.path().join("s"), (7, 12), (sample::FIRST_DAY, 1), "beacons").unwrap();
    let other = folder.path().join("s/other.tsv");
    let key = std::fs::read_to_string(sample.key()).unwrap();
    let unread = "x.flows\tsflow\t10.0.0.0/8\t*\t-\t-\t-\t-\thigh\tbenign\tnot-read\t\n";
    std::fs::write(&other, format!("{}{unread}", key.lines().next().unwrap().to_owned() + "\n"))
        .unwrap();
    let evaluation = measure::all(&[sample.key(), other], 9, 12, 3).unwrap();
    let row = &evaluation.recordings[0];
    assert!(row.malicious && row.ranks["as_is"] <= 3, "{:?}", row.ranks);
    assert!(row.ranks.contains_key("laid"), "{:?}", row.ranks);
    assert_eq!(evaluation.not_read["sflow"], ["not-read"]);
    assert_eq!(evaluation.budget.as_ref().unwrap().host_days, 12);
    for row in &evaluation.robustness[..3] {
        assert_eq!(row.reports_differ, 0, "{}", row.view);
    }
    assert!(evaluation.beacons.iter().any(|row| row.rita > 0 && row.found > 0));

    let json = serde_json::to_string(&evaluation).unwrap();
    assert_eq!(kept(&json).unwrap(), evaluation);
    assert!(kept("{}").is_err());
    assert!(kept(&json.replace(SCHEMA, "other")).unwrap_err().to_string().contains("other"));
    let text = table::text(&evaluation);
    assert!(text.contains("not read, sflow: 1 (not-read)"), "{text}");
    let page = table::readme(&evaluation);
    let marked = "a\n<!-- evaluation: begin -->\nold\n<!-- evaluation: end -->\nb\n";
    let written = table::between_markers(marked, &page).unwrap();
    assert!(written.starts_with("a\n") && written.ends_with("b\n") && !written.contains("old"));
    assert_eq!(table::between_markers(&written, &page).unwrap(), written);
    assert!(table::between_markers("nothing", &page).is_err());
}

/// On a seed for tuning, so that nobody loses it unseen. For reporting: `FLOWLORE_PHISHING_SEEDS=100..108`, and
/// `--no-capture` to see the table.
#[test]
fn visits_to_lures_are_told_from_submissions() {
    let seeds = std::env::var("FLOWLORE_PHISHING_SEEDS").unwrap_or_else(|_| "1..2".to_owned());
    let (first, end) = seeds.split_once("..").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let seeds = first.parse().unwrap()..end.parse().unwrap();
    let measured = phishing::measure(folder.path(), seeds).unwrap();
    let mut text = String::new();
    table::phishing(&mut text, &measured);
    println!("{text}");
    let none = |name: &str| name == "no_submission_seen";
    let above = |name: &str| matches!(name, "submission_likely" | "submission_confirmed");
    let (called, visitors) = measured.called(none, above);
    assert!(visitors >= 20 && called * 10 <= visitors, "{text}");
    let (lost, submitters) =
        measured.called(|done| !none(done), |said| none(said) || said == "not_found");
    assert!(submitters >= 15 && lost * 3 <= submitters, "{text}");
}

#[test]
fn the_readme_says_what_the_kept_result_says() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("../README.md")).unwrap();
    let json = std::fs::read_to_string(root.join("analyzer/evaluation.json")).unwrap();
    let page = table::readme(&kept(&json).unwrap());
    assert_eq!(table::between_markers(&readme, &page).unwrap(), readme, "run make evaluate");
}
