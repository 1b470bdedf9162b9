//! A result as a person reads it, and the part of it that stands in the README.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};

use super::interval::{poisson_upper, wilson};
use super::result::{BehaviourRow, Budget, Evaluation, Items, Phishing};

/// Around the README's part.
const MARKERS: [&str; 2] = ["<!-- evaluation: begin -->\n", "<!-- evaluation: end -->\n"];

/// `12 of 15, 80 % (55 to 93)`.
fn share(hits: u64, n: u64) -> String {
    if n == 0 {
        return "none".to_owned();
    }
    let (low, high) = wilson(hits, n);
    let percent = 100.0 * hits as f64 / n as f64;
    format!("{hits} of {n}, {percent:.0} % ({:.0} to {:.0})", 100.0 * low, 100.0 * high)
}

/// What a way of looking is called.
fn view(name: &str) -> &str {
    match name {
        "as_is" => "as they are",
        "conn_only" => "conn.log alone",
        "laid" => "laid into a node's third day",
        "laid_conn_only" => "laid into a third day, conn.log alone",
        "laid_first_day" => "laid into a node's first day",
        "laid_first_day_conn_only" => "laid into a first day, conn.log alone",
        other => other,
    }
}

/// Incidents a day for 1,000 hosts: measured, and the upper 95 % bound.
fn rate(count: u64, budget: &Budget) -> String {
    let per = |count: f64| count * 1_000.0 / budget.host_days as f64;
    format!("{count}: {:.2} (up to {:.2})", per(count as f64), per(poisson_upper(count)))
}

fn items(items: &Items) -> String {
    let Items { ours, rita, sentinel, elastic, notices } = items;
    format!(
        "{ours} incidents of ours against {} (RITA at 0.7 {rita}, Zeek notices {notices}); Sentinel {sentinel}, \
         Elastic {elastic}",
        *rita as u64 + notices
    )
}

/// F1 of delivered findings, if anything was due or found.
fn f1(row: &BehaviourRow) -> String {
    let twice = 2 * row.delivered;
    let all = row.delivered + row.false_delivered + row.due;
    if all == 0 { "-".to_owned() } else { format!("{:.2}", twice as f64 / all as f64) }
}

/// Everything.
pub(super) fn text(evaluation: &Evaluation) -> String {
    let mut out = String::new();
    let Evaluation { version, seed, hosts, days, .. } = evaluation;
    let _ = writeln!(
        out,
        "flowlore-node {version}   seed {seed}, {hosts} machines, {days} days   in brackets: 95 % (Wilson, Poisson)\n"
    );
    recordings(&mut out, evaluation);
    for (format, names) in &evaluation.not_read {
        let _ = writeln!(out, "not read, {format}: {} ({})", names.len(), names.join(", "));
    }
    let _ = writeln!(out, "\nTrue incident within the first");
    for row in &evaluation.ranks {
        let _ = writeln!(
            out,
            "  {:>2}, {:<32} {:<32} {}",
            row.top,
            view(&row.view),
            share(row.within, row.n),
            row.target_percent.map_or(String::new(), |percent| format!("target {percent} %"))
        );
    }
    behaviours(&mut out, evaluation);
    if let Some(budget) = &evaluation.budget {
        let _ = writeln!(
            out,
            "\nBenign days, {} host-days, incidents a day for 1,000 hosts\n  high or critical {} budget 5\n  \
             medium and above {} budget 15\n  low {}",
            budget.host_days,
            rate(budget.high, budget),
            rate(budget.delivered, budget),
            rate(budget.low, budget)
        );
    }
    let _ = writeln!(out, "\nTo read");
    for (set, one) in &evaluation.items {
        let _ = writeln!(out, "  {set}: {}", items(one));
    }
    rest(&mut out, evaluation);
    phishing(&mut out, &evaluation.phishing);
    out
}

fn recordings(out: &mut String, evaluation: &Evaluation) {
    let _ = writeln!(
        out,
        "{:<22} {:>5} {:>5} {:>5} {:>6} {:>5} {:>6}  {:>4} {:>4} {:>4} {:>6}  not found",
        "recording",
        "as is",
        "conn",
        "laid",
        "l.conn",
        "1st",
        "1.conn",
        "ours",
        "RITA",
        "loud",
        "notice"
    );
    for row in &evaluation.recordings {
        let rank = |name: &str| match (row.malicious, row.ranks.get(name)) {
            (false, _) => String::new(),
            (true, Some(rank)) => rank.to_string(),
            (true, None) => "-".to_owned(),
        };
        let _ = writeln!(
            out,
            "{:<22} {:>5} {:>5} {:>5} {:>6} {:>5} {:>6}  {:>4} {:>4} {:>4} {:>6}  {}{}",
            row.group,
            rank("as_is"),
            rank("conn_only"),
            rank("laid"),
            rank("laid_conn_only"),
            rank("laid_first_day"),
            rank("laid_first_day_conn_only"),
            row.items.ours,
            row.items.rita,
            row.loud,
            row.items.notices,
            row.missed.join("; "),
            if row.repeated { " (same traffic, not counted again)" } else { "" }
        );
    }
}

fn behaviours(out: &mut String, evaluation: &Evaluation) {
    let _ = writeln!(
        out,
        "\n{:<9} {:<24} {:>26} {:>6} {:>9} {:>26} {:>5} {:>5} {:>5}",
        "set",
        "behaviour",
        "recall, any severity",
        "other",
        "delivered",
        "precision, delivered",
        "F1",
        "false",
        "low"
    );
    for row in &evaluation.behaviours {
        let _ = writeln!(
            out,
            "{:<9} {:<24} {:>26} {:>6} {:>9} {:>26} {:>5} {:>5} {:>5}",
            row.set,
            row.code,
            share(row.found, row.due),
            row.otherwise,
            row.delivered,
            share(row.delivered, row.delivered + row.false_delivered),
            f1(row),
            row.false_delivered,
            row.false_low
        );
    }
}

fn rest(out: &mut String, evaluation: &Evaluation) {
    let time = &evaluation.detection_time;
    let within = |s: Option<u32>| s.map_or("never".to_owned(), |s| format!("within {s} s"));
    let _ = writeln!(
        out,
        "\nTime to the first delivered finding, {} places: median {}, 95th percentile {}",
        time.n,
        within(time.median_s),
        within(time.p95_s)
    );
    let _ = writeln!(out, "\nConfidence (delivered findings in captures)");
    for row in &evaluation.calibration {
        let _ = writeln!(
            out,
            "  {:>2} to {:<3} {}",
            row.from,
            row.from + 9,
            share(row.right, row.findings)
        );
    }
    let _ = writeln!(
        out,
        "\nRobustness           reports that differ   due places found   first three"
    );
    for row in &evaluation.robustness {
        let _ = writeln!(
            out,
            "  {:<18} {:>20} {:>18} {:>13}",
            row.view,
            row.reports_differ,
            format!("{} of {}", row.found, row.due),
            format!("{} of {}", row.top3, row.groups)
        );
    }
    let _ = writeln!(
        out,
        "\nBeacons planted            n  found  medium+  first day  RITA 0.7  Sentinel  Elastic"
    );
    for row in &evaluation.beacons {
        let _ = writeln!(
            out,
            "  {:<20} {:>5} {:>6} {:>8} {:>10} {:>9} {:>9} {:>8}",
            format!("{} {}", row.parameter, row.value),
            row.n,
            row.found,
            row.delivered,
            row.first_day,
            row.rita,
            row.sentinel,
            row.elastic
        );
    }
}

pub(super) fn phishing(out: &mut String, phishing: &Phishing) {
    const SAID: [&str; 5] = [
        "not_found",
        "no_submission_seen",
        "submission_attempted",
        "submission_likely",
        "submission_confirmed",
    ];
    for (what, rows) in [("all", &phishing.all), ("visible in flows", &phishing.visible)] {
        let _ = writeln!(
            out,
            "\nPhishing, {what}: done \\ said   {:>10} {:>7} {:>10} {:>7} {:>10}",
            "not found", "none", "attempted", "likely", "confirmed"
        );
        for (done, row) in rows {
            let said = SAID.map(|said| row.get(said).copied().unwrap_or(0));
            let _ = writeln!(
                out,
                "  {done:<30} {:>10} {:>7} {:>10} {:>7} {:>10}",
                said[0], said[1], said[2], said[3], said[4]
            );
        }
    }
    let none = |name: &str| name == "no_submission_seen";
    let above = |name: &str| matches!(name, "submission_likely" | "submission_confirmed");
    for (what, (count, n)) in [
        ("visitors called likely or above", phishing.called(none, above)),
        (
            "submitters called none, or not found",
            phishing.called(|name| !none(name), |said| none(said) || said == "not_found"),
        ),
        (
            "likely and confirmed called attempted",
            phishing.called(above, |said| said == "submission_attempted"),
        ),
    ] {
        let _ = writeln!(out, "  {what}: {}", share(count, n));
    }
    let _ = writeln!(
        out,
        "\n  {:<38} {:>8} {:>6} {:>8} {:>10} {:>6} {:>8} {:>6}",
        "all visits by", "visitors", "pages", "likely+", "submitters", "pages", "called", "right"
    );
    for row in &phishing.parameters {
        let _ = writeln!(
            out,
            "  {:<38} {:>8} {:>6} {:>8} {:>10} {:>6} {:>8} {:>6}",
            format!("{} {}", row.parameter, row.value),
            row.visitors,
            row.pages_found,
            row.visitors_called,
            row.submitters,
            row.submitters_found,
            row.submitters_called,
            row.submitters_right
        );
    }
}

/// The README's part.
pub(super) fn readme(evaluation: &Evaluation) -> String {
    let mut out = String::from("| measured | result, 95 % in brackets | target |\n|---|---|---|\n");
    for row in &evaluation.ranks {
        let _ = writeln!(
            out,
            "| captures {}: true incident among the first {} | {} | {} |",
            view(&row.view),
            row.top,
            share(row.within, row.n),
            row.target_percent.map_or(String::new(), |percent| format!("{percent} %"))
        );
    }
    if let Some(budget) = &evaluation.budget {
        for (what, count, most) in
            [("high or critical", budget.high, 5), ("medium and above", budget.delivered, 15)]
        {
            let _ = writeln!(
                out,
                "| benign sample days, {} host-days: {what}, a day for 1,000 hosts | {} | {most} |",
                budget.host_days,
                rate(count, budget)
            );
        }
    }
    let benign = || evaluation.recordings.iter().filter(|row| !row.malicious && !row.repeated);
    let loud: usize = benign().map(|row| row.loud).sum();
    let _ = writeln!(
        out,
        "| benign captures ({}): incidents of high severity and above | {loud} | 0 |",
        benign().count()
    );
    for (set, one) in &evaluation.items {
        let _ = writeln!(out, "| to read, {set} | {} | |", items(one));
    }
    let unread: usize = evaluation.not_read.values().map(Vec::len).sum();
    let _ = writeln!(
        out,
        "\nSample days: seed {}, {} machines. Recordings of formats that this version does not read: {unread}, not \
         counted above.",
        evaluation.seed, evaluation.hosts
    );
    out
}

/// A text with what stands between the markers replaced.
pub(super) fn between_markers(text: &str, part: &str) -> anyhow::Result<String> {
    let [begin, end] = MARKERS;
    let (before, rest) = text.split_once(begin).with_context(|| format!("no line {begin}"))?;
    let (_, after) = rest.split_once(end).with_context(|| format!("no line {end}"))?;
    if after.contains(begin) || after.contains(end) {
        bail!("more than one {begin}");
    }
    Ok(format!("{before}{begin}\n{part}\n{end}{after}"))
}
