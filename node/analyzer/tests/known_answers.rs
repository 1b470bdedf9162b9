//! Goal: the analyzer's formulas give the answers that other projects publish for them.
//!
//! Method: every case of four files of known answers goes through the public functions that `analyze` itself calls.
//! The files are not part of this repository; `FLOWLORE_KNOWN_ANSWERS` names their folder. Without it the test says
//! by name what it skipped, and the tables of `golden_detectors.rs`, which are ours, still run. What asks for an
//! interface that we lack stands in [`LACKING`] with the reason, and a case may be neither missing nor stale there.

use std::io::Write as _;

use flowlore_analyzer::{
    category::{Shape, categorise},
    detect,
    pair::Contact,
    score::{Steps, bucket},
    stats::{self, Bars, Level, Scratch, Window},
};
use flowlore_common::label::Behaviour;
use serde_json::Value;

#[path = "support/mod.rs"]
mod support;

/// Cases that ask for what we do not have, and why we do not.
const LACKING: &[(&str, &str)] = &[
    ("networksage_flow_category-020", "a fraction of a byte; a Shape holds whole bytes"),
    ("rita_beacon_unit-008", "a negative score; ours are unsigned by type"),
    ("rita_beacon_unit-010", "a negative weight; ours are unsigned by type"),
];

/// What a case came to.
enum Outcome {
    /// All of it was compared and fits.
    Fits,
    /// It cannot be asked.
    Lacking,
}

type Answer = Result<Outcome, String>;

/// Puts a case to the function it asks about.
type Ask = fn(&Value) -> Answer;

/// The files, the number of cases that each must have, and the function that takes one.
const FILES: [(&str, usize, Ask); 4] = [
    ("networksage_flow_category", 27, flow_category),
    ("rita_beacon_unit", 83, beacon_unit),
    ("rita_bucket_score", 21, bucket_score),
    ("rita_proxy_beacons", 1, proxy_beacon),
];

#[test]
fn published_answers_hold() {
    let Ok(folder) = std::env::var("FLOWLORE_KNOWN_ANSWERS") else {
        for (file, cases, _) in FILES {
            // Past the test's own output, which is not shown when it passes.
            let why = "FLOWLORE_KNOWN_ANSWERS is not set";
            let said = format!("SKIPPED {file}, {cases} cases: {why}\n");
            std::io::stderr().write_all(said.as_bytes()).expect("standard error takes a line");
        }
        return;
    };
    let mut wrong = Vec::new();
    let mut lacking = Vec::new();
    for (file, expected, ask) in FILES {
        let path = std::path::Path::new(&folder).join(format!("{file}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let document: Value = serde_json::from_str(&text).expect("the file is JSON");
        let cases = document["cases"].as_array().expect("the file has cases");
        assert_eq!(cases.len(), expected, "{file} has as many cases as this test knows");
        let before = wrong.len() + lacking.len();
        for case in cases {
            let id = case["id"].as_str().expect("a case has an id").to_owned();
            match ask(case) {
                Ok(Outcome::Fits) => {}
                Ok(Outcome::Lacking) => lacking.push(id),
                Err(why) => wrong.push(format!("{id}: {why}")),
            }
        }
        println!("{file}: {} of {expected} fit", expected + before - wrong.len() - lacking.len());
    }
    for (id, why) in LACKING {
        println!("not asked: {id}: {why}");
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    let listed: Vec<_> = LACKING.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(lacking, listed, "what is not asked is exactly what LACKING says");
}

fn flow_category(case: &Value) -> Answer {
    let input = &case["input"];
    let (Some(packets_out), Some(bytes_out), Some(packets_in), Some(bytes_in)) = (
        input["srcPkts"].as_u64(),
        input["srcBytes"].as_u64(),
        input["dstPkts"].as_u64(),
        input["dstBytes"].as_u64(),
    ) else {
        return Ok(Outcome::Lacking);
    };
    let port = u16::try_from(int(&input["dstPort"])).map_err(|error| error.to_string())?;
    let duration_us = (real(&input["duration"]) * 1e6).round() as u64;
    let category =
        categorise(&Shape { packets_out, bytes_out, packets_in, bytes_in, duration_us, port });
    let camel = case["expected"].as_str().expect("a category's name");
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    same("category", &category.name(), &snake.as_str())
}

fn bucket_score(case: &Value) -> Answer {
    let input = &case["input"];
    let step = |name: &str| real(&input[name]) as u64;
    let steps =
        Steps { base: step("base"), low: step("low"), medium: step("medium"), high: step("high") };
    let got = f64::from(bucket(step("value"), &steps)) / 1000.0;
    close("score", got, &case["expected"], real(&case["tolerance"]))
}

fn beacon_unit(case: &Value) -> Answer {
    let (input, expected) = (&case["input"], &case["expected"]);
    match case["function"].as_str().expect("a case names its function") {
        "GetBeaconScore" => combined(input, expected),
        "GetTimestampScore" => timestamps(input, expected),
        "GetDataSizeScore" => data_sizes(input, expected),
        "CalculateStatisticalScore"
        | "CalculateBowleySkewness"
        | "CalculateMedianAbsoluteDeviation" => spread(input, expected),
        "CalculateDistinctCounts" => distinct_counts(input, expected),
        "GetDurationScore" => duration(input, expected),
        "GetHistogramScore" => histogram(input, expected),
        "ComputeHistogramBins" => bins(input, expected),
        "CalculateCoefficientOfVariationScore" => variation(input, expected),
        "CalculateBimodalFitScore" => bimodal(input, expected),
        "GetFrequencyCounts" => frequencies(input, expected),
        other => Err(format!("no function of ours for {other}")),
    }
}

fn combined(input: &Value, expected: &Value) -> Answer {
    let thousandths = |suffix: &str| -> Option<[u16; 4]> {
        let mut values = [0; 4];
        for (value, part) in values.iter_mut().zip(["ts", "ds", "dur", "hist"]) {
            let milli = (real(&input[format!("{part}{suffix}")]) * 1000.0).round() as i64;
            *value = u16::try_from(milli).ok()?;
        }
        Some(values)
    };
    let (Some(scores), Some(weights)) = (thousandths("Score"), thousandths("Weight")) else {
        return Ok(Outcome::Lacking);
    };
    given(stats::combine(scores, weights), expected, |score| {
        milli_close("score", score, &expected["expectedScore"])
    })
}

fn timestamps(input: &Value, expected: &Value) -> Answer {
    let contacts = contacts_at(&input["tsList"]);
    let mut scratch = Scratch::default();
    given(stats::gap_spread(&contacts, &mut scratch), expected, |spread| {
        let mut gaps: Vec<u32> = stats::gaps(&contacts).collect();
        gaps.sort_unstable();
        repeated(&gaps, expected, ["UniqueIntervals", "UniqueIntervalCounts", "TSMode"])?;
        close("skew", spread.skewness, &expected["expectedSkew"], TOLERANCE)?;
        close("deviation", spread.deviation, &expected["expectedMAD"], TOLERANCE)?;
        milli_close("score", spread.score_milli, &expected["expectedScore"])
    })
}

fn data_sizes(input: &Value, expected: &Value) -> Answer {
    let contacts: Vec<Contact> = numbers(&input["bytesList"])
        .into_iter()
        .map(|bytes| Contact { second: 0, bytes })
        .collect();
    let mut scratch = Scratch::default();
    given(stats::size_spread(&contacts, &mut scratch), expected, |spread| {
        let mut sizes: Vec<u32> = contacts.iter().map(|contact| contact.bytes).collect();
        sizes.sort_unstable();
        repeated(&sizes, expected, ["UniqueSizes", "UniqueSizeCounts", "DSMode"])?;
        if let Some(range) = expected["expectedRange"].as_u64() {
            same("range", &u64::from(sizes[sizes.len() - 1] - sizes[0]), &range)?;
        }
        close("skew", spread.skewness, &expected["expectedSkew"], TOLERANCE)?;
        close("deviation", spread.deviation, &expected["expectedMAD"], TOLERANCE)?;
        milli_close("score", spread.score_milli, &expected["expectedScore"])
    })
}

fn spread(input: &Value, expected: &Value) -> Answer {
    let list = ["values", "inputData", "intervalsBetweenTimestamps"]
        .iter()
        .find_map(|name| input.get(*name))
        .expect("a list of values");
    let mut values = numbers(list);
    values.sort_unstable();
    let default = ["defaultMadScore", "defaultScore"]
        .iter()
        .find_map(|name| input.get(*name))
        .map_or(0.0, real);
    let names_one_score = input.get("values").is_some();
    given(stats::spread(&values, default), expected, |spread| {
        optional("skew", spread.skewness, &expected["expectedSkew"])?;
        optional("skewness", spread.skewness, &expected["expectedSkewness"])?;
        optional("skewness score", spread.skewness_score, &expected["expectedSkewnessScore"])?;
        optional("deviation", spread.deviation, &expected["expectedMAD"])?;
        if names_one_score {
            milli_close("score", spread.score_milli, &expected["expectedScore"])
        } else {
            optional("deviation score", spread.deviation_score, &expected["expectedScore"])
        }
    })
}

fn distinct_counts(input: &Value, expected: &Value) -> Answer {
    let sorted = numbers(&input["sortedInput"]);
    given(stats::mode(&sorted), expected, |mode| {
        let (values, counts): (Vec<u32>, Vec<u64>) =
            stats::distinct(&sorted).map(|found| (found.value, found.count)).unzip();
        same("distinct", &values, &numbers(&expected["expectedDistinct"]))?;
        let expected_counts: Vec<u64> = list(&expected["expectedCounts"], int);
        same("counts", &counts, &expected_counts)?;
        same("mode", &u64::from(mode.value), &int(&expected["expectedMode"]))?;
        same("mode's count", &mode.count, &int(&expected["expectedMaxCount"]))
    })
}

fn duration(input: &Value, expected: &Value) -> Answer {
    let bars = Bars {
        filled: number(&input["totalBars"]),
        longest_run: number(&input["longestConsecutiveRun"]),
        score_milli: 0,
    };
    let duration = window(input, "datasetMin", "datasetMax").and_then(|window| {
        stats::duration(
            window,
            [number(&input["histMin"]), number(&input["histMax"])],
            bars,
            [number(&input["minHoursThreshold"]), number(&input["idealConsistencyHours"])],
        )
    });
    given(duration, expected, |duration| {
        milli_close("coverage", duration.coverage_milli, &expected["expectedCoverage"])?;
        milli_close("consistency", duration.consistency_milli, &expected["expectedConsistency"])?;
        milli_close("score", duration.score_milli, &expected["expectedScore"])
    })
}

fn histogram(input: &Value, expected: &Value) -> Answer {
    let mut seconds = numbers(&input["tsList"]);
    seconds.sort_unstable();
    let contacts: Vec<Contact> =
        seconds.into_iter().map(|second| Contact { second, bytes: 0 }).collect();
    let mut counts = vec![0; number(&input["beaconTimeSpan"]) as usize];
    let mut scratch = Scratch::default();
    let window = window(input, "datasetMin", "datasetMax");
    let bars = window.and_then(|window| {
        window.histogram(&contacts, &mut counts);
        stats::bars(&counts, number(&input["minHoursForBimodalAnalysis"]), &mut scratch)
    });
    given(bars.zip(window), expected, |(bars, window)| {
        edges(window, &expected["expectedBinEdges"])?;
        same("histogram", &counts, &numbers(&expected["expectedHistogram"]))?;
        let mut found = Vec::new();
        let (levels, _) =
            stats::levels(&counts, thousandths(&input["modalSensitivity"]), &mut found)
                .ok_or("no levels")?;
        same_levels(levels, &expected["expectedFreqCount"])?;
        same("bars", &u64::from(bars.filled), &int(&expected["expectedTotalBars"]))?;
        same("run", &u64::from(bars.longest_run), &int(&expected["expectedLongestRun"]))?;
        milli_close("score", bars.score_milli, &expected["expectedScore"])
    })
}

fn bins(input: &Value, expected: &Value) -> Answer {
    given(window(input, "startTime", "endTime"), expected, |window| {
        edges(window, &expected["expectedBinEdges"])
    })
}

fn variation(input: &Value, expected: &Value) -> Answer {
    given(stats::variation_milli(&numbers(&input["freqList"])), expected, |score| {
        milli_close("score", score, &expected["expectedScore"])
    })
}

fn bimodal(input: &Value, expected: &Value) -> Answer {
    let levels = levels_of(&input["freqCount"]);
    let [bars, bars_min] = ["totalBars", "minHoursForBimodalAnalysis"].map(|n| number(&input[n]));
    given(stats::two_level_milli(&levels, bars, bars_min), expected, |score| {
        milli_close("score", score, &expected["expectedScore"])
    })
}

fn frequencies(input: &Value, expected: &Value) -> Answer {
    let histogram = numbers(&input["histogram"]);
    let sensitivity = thousandths(&input["bimodalSensitivity"]);
    let mut found = Vec::new();
    given(stats::levels(&histogram, sensitivity, &mut found), expected, |(levels, bars)| {
        same_levels(levels, &expected["expectedCounts"])?;
        same("bars", &u64::from(bars), &int(&expected["totalBars"]))?;
        let run = u64::from(stats::longest_run(&histogram));
        same("run", &run, &int(&expected["longestRun"]))
    })
}

/// The whole way: a group as settling builds it, through the registry of detectors.
///
/// The case's `total_bytes` and `total_duration` are sums over both directions of its logs, whose rows the file does
/// not hold; they are for a test of the whole `analyze`.
fn proxy_beacon(case: &Value) -> Answer {
    let (input, expected) = (&case["input"], &case["expected"]);
    let mut contacts = contacts_at(&input["ts_list"]);
    for (contact, bytes) in contacts.iter_mut().zip(numbers(&input["src_ip_bytes"])) {
        contact.bytes = bytes;
    }
    same("contacts", &(contacts.len() as u64), &int(&expected["count"]))?;
    let tolerance = real(&case["tolerance"]);
    let mut scratch = Scratch::default();
    let mut around = support::around();
    around.first_second = number(&input["row_filter_min_ts"]);
    around.last_second = number(&input["dataset_max_ts"]);
    let (window, inside) =
        stats::windows(&contacts, around.first_second, around.last_second).next().ok_or("none")?;
    same("window", &window.start(), &number(&input["dataset_min_ts"]))?;
    same("contacts in the window", &inside.len(), &contacts.len())?;
    let beacon = stats::beacon(window, inside, &mut scratch).ok_or("no beacon")?;
    for (name, milli) in [
        ("score", beacon.score_milli),
        ("ts", beacon.gaps.score_milli),
        ("ds", beacon.sizes.score_milli),
        ("dur", beacon.duration.score_milli),
        ("hist", beacon.bars.score_milli),
    ] {
        close(name, f64::from(milli) / 1000.0, &expected[name], tolerance)?;
        let ours = &case["our_recomputation"][name];
        close(name, f64::from(milli) / 1000.0, ours, TOLERANCE)?;
    }
    let group = support::proxied("www.example", &contacts);
    let hits = detect::detect(&group, &around, &mut scratch);
    let behaviours: Vec<_> = hits.iter().map(|hit| hit.behaviour).collect();
    same("hits", &behaviours, &vec![Behaviour::C2BeaconProxied])?;
    same("published score", &hits[0].scores[0], &("beacon_milli", beacon.score_milli))
}

/// As the tables say, exactly as their projects compare.
const TOLERANCE: f64 = 0.001;

/// Runs `check` when there is a result and the case expects one; fits when neither.
fn given<T>(result: Option<T>, expected: &Value, check: impl FnOnce(T) -> Answer) -> Answer {
    let refused = ["expectedError", "expectError"].iter().any(|name| expected[*name] == true);
    match (result, refused) {
        (Some(result), false) => check(result),
        (None, true) => Ok(Outcome::Fits),
        (Some(_), true) => Err("a result where an error is expected".to_owned()),
        (None, false) => Err("no result".to_owned()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Answer {
    if got == expected {
        Ok(Outcome::Fits)
    } else {
        Err(format!("{what}: got {got:?}, expected {expected:?}"))
    }
}

fn close(what: &str, got: f64, expected: &Value, tolerance: f64) -> Answer {
    let expected = real(expected);
    if (got - expected).abs() <= tolerance + 1e-9 {
        Ok(Outcome::Fits)
    } else {
        Err(format!("{what}: got {got}, expected {expected} within {tolerance}"))
    }
}

/// Compares what the case names; not every case names everything.
fn optional(what: &str, got: f64, expected: &Value) -> Answer {
    if expected.is_null() { Ok(Outcome::Fits) } else { close(what, got, expected, TOLERANCE) }
}

fn milli_close(what: &str, got: u16, expected: &Value) -> Answer {
    close(what, f64::from(got) / 1000.0, expected, TOLERANCE)
}

/// Distinct values, their counts and the mode, where a case names them.
fn repeated(sorted: &[u32], expected: &Value, names: [&str; 3]) -> Answer {
    let [values, counts, mode] = names.map(|name| &expected[format!("expected{name}")]);
    let found: Vec<_> = stats::distinct(sorted).collect();
    if !values.is_null() {
        same("values", &found.iter().map(|f| f.value).collect(), &numbers(values))?;
        same("counts", &found.iter().map(|f| f.count).collect(), &list(counts, int))?;
    }
    let most = stats::mode(sorted).ok_or("no mode")?;
    same("mode", &u64::from(most.value), &int(mode))?;
    same("mode's count", &most.count, &int(&expected[format!("expected{}Count", names[2])]))
}

/// The seconds around each edge fall into the bars that the edges say.
fn edges(window: Window, expected: &Value) -> Answer {
    let edges = list(expected, real);
    let mut counts = vec![0; edges.len() - 1];
    for edge in &edges {
        for second in [edge.floor() - 1.0, edge.floor(), edge.ceil()] {
            if second < edges[0] || second > edges[edges.len() - 1] {
                continue;
            }
            let bar = edges.iter().filter(|edge| **edge <= second + TOLERANCE).count() - 1;
            window.histogram(&[Contact { second: second as u32, bytes: 0 }], &mut counts);
            let got = counts.iter().position(|count| *count == 1);
            same("bar", &got, &Some(bar.min(counts.len() - 1)))?;
        }
    }
    Ok(Outcome::Fits)
}

fn same_levels(levels: &[Level], expected: &Value) -> Answer {
    same("levels", &levels.to_vec(), &levels_of(expected))
}

fn levels_of(value: &Value) -> Vec<Level> {
    let Some(map) = value.as_object() else { return Vec::new() };
    let mut levels: Vec<Level> = map
        .iter()
        .map(|(height, bars)| Level {
            height: height.parse().expect("a height"),
            bars: number(bars),
        })
        .collect();
    levels.sort_unstable();
    levels
}

fn window(input: &Value, start: &str, end: &str) -> Option<Window> {
    Window::new(number(&input[start]), number(&input[end]))
}

fn contacts_at(value: &Value) -> Vec<Contact> {
    numbers(value).into_iter().map(|second| Contact { second, bytes: 0 }).collect()
}

fn thousandths(value: &Value) -> u32 {
    (real(value) * 1000.0).round() as u32
}

fn list<T>(value: &Value, each: fn(&Value) -> T) -> Vec<T> {
    value.as_array().map(|values| values.iter().map(each).collect()).unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<u32> {
    list(value, number)
}

/// A missing key is a zero, as the files say.
fn int(value: &Value) -> u64 {
    if value.is_null() { 0 } else { value.as_u64().expect("a whole number") }
}

fn number(value: &Value) -> u32 {
    u32::try_from(int(value)).expect("32 bits are enough for the cases")
}

fn real(value: &Value) -> f64 {
    if value.is_null() { 0.0 } else { value.as_f64().expect("a number") }
}
