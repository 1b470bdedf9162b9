//! Goal: each formula, detector and row of the severity table gives what DETECTORS.md says, at its edges too.
//!
//! Method: tables of our own making, worked out by hand from the formulas; a name per row. Then properties that hold
//! for any input: bounds, independence of order, monotony.

use flowlore_analyzer::{
    category::{Shape, categorise},
    detect::{Hit, detect, scores},
    pair::{Arrival, Contact, Group, Surroundings},
    score::{self, BEACON_STEPS, LONG_STEPS, Modifiers, bucket},
    severity::{judge, rule},
    stats::{self, BARS, Bars, Level, Scratch, Window},
};
use flowlore_common::label::{Behaviour, Category, Direction, Severity};

#[path = "support/mod.rs"]
mod support;

use support::{DAY, Random, START, around, by_address, by_name, proxied, ticks};

mod categories {
    use super::*;

    /// Source packets, source bytes, destination packets, destination bytes, milliseconds, port.
    type Row = (&'static str, [u64; 5], u16, Category);

    fn shape([packets_out, bytes_out, packets_in, bytes_in, millis]: [u64; 5], port: u16) -> Shape {
        Shape { packets_out, bytes_out, packets_in, bytes_in, duration_us: millis * 1000, port }
    }

    #[test]
    fn every_rung_at_its_edges() {
        use Category as C;
        #[rustfmt::skip]
        const ROWS: &[Row] = &[
            ("nothing at all",                       [0, 0, 0, 0, 0],                  443, C::FailedConnection),
            ("66 a packet",                          [3, 198, 0, 0, 0],                443, C::FailedConnection),
            ("66.5 rounds to the even 66",           [4, 266, 0, 0, 0],                443, C::FailedConnection),
            ("above 66.5",                           [4, 267, 0, 0, 0],                443, C::Unidirectional),
            ("bytes without a packet",               [0, 1, 0, 0, 0],                  443, C::Unidirectional),
            ("853 unanswered is no DoT",             [9, 9000, 0, 0, 0],               853, C::Unidirectional),
            ("one question, one answer",             [1, 40, 1, 90, 5],                 53, C::DnsQuery),
            ("asked twice",                          [2, 80, 1, 10_000, 5_000],         53, C::SomeResourcesDownloaded),
            ("853 before anything but no answer",    [1, 0, 1, 0, 60_000],             853, C::DotsQuery),
            ("two seconds, one byte",                [3, 1, 1, 0, 2_000],              443, C::KeepAlive),
            ("just under two seconds, no byte",      [2, 0, 2, 0, 1_999],              443, C::ClosedSession),
            ("three packets apart",                  [4, 1, 1, 0, 2_000],              443, C::Unclassified),
            ("hello both ways",                      [6, 1_024, 5, 1_023, 500],        443, C::TlsNegotiationOnly),
            ("hello of 2,048 bytes in all",          [6, 1_024, 5, 1_024, 500],        443, C::SingleResourceLoaded),
            ("hello elsewhere",                      [6, 1_024, 5, 1_023, 500],       8443, C::SingleResourceLoaded),
            ("hello taking longer",                  [6, 1_024, 5, 1_023, 501],        443, C::SingleResourceLoaded),
            ("hello of 100 bytes",                   [5, 100, 5, 101, 100],            443, C::SingleResourceLoaded),
            ("half of 7 is 4, rounded to even",      [5, 7, 5, 3, 100],                 80, C::SmallUpload),
            ("half of 5 is 2, rounded to even",      [5, 5, 5, 2, 100],                 80, C::SingleResourceLoaded),
            ("1 MB up",                              [700, 1_000_000, 90, 499_999, 9], 443, C::SmallUpload),
            ("above 1 MB up",                        [700, 1_000_001, 90, 300_000, 9], 443, C::LargeUpload),
            ("above 1 MB up, more than 30 % back",   [700, 1_000_001, 90, 300_001, 9], 443, C::Unclassified),
            ("two full packets, quick",              [3, 200, 2, 2_423, 1_000],         80, C::MinorContentDownloadedQuickly),
            ("80 % of five frames exactly",          [3, 200, 5, 6_056, 1_000],         80, C::MinorResourcesDownloadedQuickly),
            ("80 % of five frames and a byte",       [3, 200, 5, 6_057, 1_000],         80, C::MinorContentDownloadedQuickly),
            ("one full packet is no content",        [3, 200, 1, 1_400, 1_000],         80, C::MinorResourcesDownloadedQuickly),
            ("some content, quick",                  [9, 200, 8, 11_000, 900],          80, C::SomeContentDownloadedQuickly),
            ("major content, quick",                 [9, 200, 700, 1_000_000, 900],     80, C::MajorContentDownloadedQuickly),
            ("some resources, quick",                [9, 200, 80, 999_999 / 20, 900],   80, C::SomeResourcesDownloadedQuickly),
            ("major resources, quick",               [9, 200, 900, 1_000_000, 900],     80, C::MajorResourcesDownloadedQuickly),
            ("two packets a second",                 [3, 200, 4, 5_000, 2_000],         80, C::MinorContentDownloaded),
            ("fewer than two packets a second",      [3, 200, 4, 5_000, 2_001],         80, C::MinorResourcesDownloaded),
            ("some content",                         [9, 200, 20, 30_000, 9_999],       80, C::SomeContentDownloaded),
            ("major content",                        [9, 200, 800, 1_200_000, 5_000],   80, C::MajorContentDownloaded),
            ("major resources",                      [9, 200, 2_000, 1_200_000, 5_000], 80, C::MajorResourcesDownloaded),
            ("minor data, ten seconds",              [9, 200, 20, 9_999, 10_000],       80, C::MinorDataDownloadedViaLongSession),
            ("some data, ten seconds",               [9, 200, 20, 10_000, 10_000],      80, C::SomeDataDownloadedViaLongSession),
            ("major data, ten seconds",              [9, 200, 20, 1_000_000, 10_000],   80, C::MajorDataDownloadedViaLongSession),
            ("more out than 80 % of the packets",    [10, 1_000, 8, 1_500, 10_000],     80, C::SingleResourceLoaded),
            ("79 of 100 packets",                    [100, 1_000, 79, 1_500, 10_000],   80, C::Unclassified),
            ("client talks",                         [9, 11, 9, 0, 10_001],             80, C::ContinuousClientChannel),
            ("client talks, ten seconds",            [9, 11, 9, 0, 10_000],             80, C::Unclassified),
            ("client says ten bytes",                [9, 10, 9, 0, 10_001],             80, C::AsNeededChannel),
            ("server talks",                         [9, 0, 9, 11, 10_001],             80, C::ContinuousServerChannel),
            ("as needed",                            [40, 9_000, 42, 9_000, 10_001],    80, C::AsNeededChannel),
            ("three packets apart, long",            [40, 9_000, 43, 9_000, 10_001],    80, C::Unclassified),
            ("closed",                               [2, 0, 1, 0, 1_999],               80, C::ClosedSession),
            ("closed after two packets only",        [3, 0, 1, 0, 1_999],               80, C::Unclassified),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (name, numbers, port, expected) in ROWS {
            assert_eq!(categorise(&shape(*numbers, *port)), *expected, "{name}");
            seen.insert(*expected);
        }
        let unseen: Vec<_> = Category::ALL.iter().filter(|c| !seen.contains(c)).collect();
        assert_eq!(unseen, [&C::SomeResourcesDownloaded; 0], "each category has a row");
    }

    #[test]
    fn no_input_is_too_large() {
        for numbers in [[u64::MAX; 5], [0, 0, 1, u64::MAX, 0], [u64::MAX, u64::MAX, 0, 0, 0]] {
            let [packets_out, bytes_out, packets_in, bytes_in, duration_us] = numbers;
            let _ = categorise(&Shape {
                packets_out,
                bytes_out,
                packets_in,
                bytes_in,
                duration_us,
                port: u16::MAX,
            });
        }
    }
}

mod formulas {
    use super::*;

    /// Name, values, default; median, deviation, skewness; score.
    type Row = (&'static str, &'static [u32], f64, [f64; 3], u16);

    #[test]
    fn spread_of_values() {
        #[rustfmt::skip]
        const ROWS: &[Row] = &[
            ("one value",                      &[7],                        0.0, [7.0, 0.0, 0.0], 1000),
            ("even, middle of two",            &[10, 20],                   0.0, [15.0, 5.0, 0.0], 833),
            // Halves 0,10 and 30,100: Q1 5, Q2 20, Q3 65; (5+65-40)/60 = 0.5. Distances 20,10,10,80: 15.
            ("lopsided, even",                 &[0, 10, 30, 100],           0.0, [20.0, 15.0, 0.5], 375),
            // The middle 30 is in neither half: Q1 5, Q3 150; (155-60)/145. Distances 30,20,0,70,170: 30.
            ("lopsided, odd",                  &[0, 10, 30, 100, 200],      0.0, [30.0, 30.0, 95.0 / 145.0], 172),
            ("middle half 9 apart: no skew",   &[1, 1, 2, 10, 10],          0.0, [2.0, 1.0, 0.0], 750),
            ("middle half 10 apart: skew",     &[1, 1, 2, 11, 11],          0.0, [2.0, 1.0, 0.8], 350),
            ("median is the first quartile",   &[5, 5, 5, 90, 90],          0.0, [5.0, 0.0, 0.0], 1000),
            ("median below 1, default 0",      &[0, 0, 0, 9],               0.0, [0.0, 0.0, 0.0], 500),
            ("median below 1, default 1",      &[0, 0, 0, 9],               1.0, [0.0, 0.0, 0.0], 1000),
            // Q1 0, Q2 0.5, Q3 25.5; 24.5/25.5. Distances 0.5, 0.5, 0.5, 49.5. The ratio is the default.
            ("median of a half",               &[0, 0, 1, 50],              1.0, [0.5, 0.5, 24.5 / 25.5], 520),
        ];
        for (name, values, default, [median, deviation, skewness], score) in ROWS {
            let got = stats::spread(values, *default).expect(name);
            let shown = (got.median, got.deviation, got.score_milli);
            assert_eq!(shown, (*median, *deviation, *score), "{name}");
            assert!((got.skewness - skewness).abs() < 1e-12, "{name}: {}", got.skewness);
        }
        assert_eq!(stats::spread(&[], 1.0), None);
    }

    #[test]
    fn far_values_do_not_score_below_zero() {
        // Median 1, distances 1,0,..: a deviation above the median would be negative without the clamp.
        let got = stats::spread(&[1, 1, 3, 9, 9], 0.0).expect("values");
        assert_eq!((got.median, got.deviation, got.deviation_score), (3.0, 2.0, 1.0 / 3.0));
        let got = stats::spread(&[0, 0, 1, 50, 99], 0.5).expect("values");
        assert_eq!((got.median, got.deviation, got.deviation_score), (1.0, 1.0, 0.0));
        let got = stats::spread(&[1, 40, 90, 900, 901], 0.0).expect("values");
        assert!(got.deviation_score >= 0.0);
    }

    #[test]
    fn retries_within_a_second_are_one_knock() {
        let at = |seconds: &[u32]| -> Vec<Contact> {
            seconds.iter().map(|second| Contact { second: *second, bytes: 60 }).collect()
        };
        let mut scratch = Scratch::default();
        assert_eq!(stats::gap_spread(&at(&[1, 1, 2, 2, 3, 3]), &mut scratch), None);
        let four = stats::gap_spread(&at(&[1, 1, 2, 2, 3, 3, 4]), &mut scratch).expect("four");
        assert_eq!((four.median, four.score_milli), (1.0, 1000));
    }

    #[test]
    fn bars_of_a_window() {
        let window = Window::new(100, 340).expect("a window");
        let contact = |second| Contact { second, bytes: 0 };
        let mut bars = [0; BARS];
        // Before the start, the start, just before and at an edge, the end, after it.
        let contacts = [90, 100, 109, 110, 339, 340, 400].map(contact);
        window.histogram(&contacts, &mut bars);
        assert_eq!((bars[0], bars[1], bars[23], bars.iter().sum::<u32>()), (3, 1, 3, 7));
        assert_eq!(Window::new(5, 5), None);
        window.histogram(&contacts, &mut []);
    }

    #[test]
    fn longest_run_goes_round_midnight() {
        for (bars, run) in
            [(&[][..], 0), (&[0, 0, 0], 0), (&[1, 1, 1], 3), (&[1, 0, 1, 1], 3), (&[0, 1, 1, 0], 2)]
        {
            assert_eq!(stats::longest_run(bars), run, "{bars:?}");
        }
    }

    #[test]
    fn variation_counts_empty_bars() {
        assert_eq!(stats::variation_milli(&[5, 5, 5, 5]), Some(1000));
        // Mean 1, deviation 1: nothing left. Mean 2, deviation 1: half.
        assert_eq!(stats::variation_milli(&[2, 0, 2, 0]), Some(0));
        assert_eq!(stats::variation_milli(&[3, 1, 3, 1]), Some(500));
        assert_eq!(stats::variation_milli(&[9, 0, 0, 0]), Some(0));
        assert_eq!(stats::variation_milli(&[0, 0]), None);
        assert_eq!(stats::variation_milli(&[u32::MAX; 24]), Some(1000));
    }

    #[test]
    fn levels_and_two_of_them() {
        let mut found = Vec::new();
        // 5 % of 41 is 2.05, so steps of 3: 41 -> 39, 39 -> 39, 38 -> 36.
        let (levels, bars) = stats::levels(&[41, 0, 39, 38], 50, &mut found).expect("levels");
        assert_eq!(
            (levels, bars),
            (&[Level { height: 36, bars: 1 }, Level { height: 39, bars: 2 }][..], 3)
        );
        let level = |height, bars| Level { height, bars };
        // 11 of 12 bars on two levels, one forgiven: all of them.
        let two = [level(1, 6), level(2, 5), level(3, 1)];
        assert_eq!(stats::two_level_milli(&two, 12, 11), Some(1000));
        let three = [level(1, 5), level(2, 4), level(3, 3)];
        assert_eq!(stats::two_level_milli(&three, 12, 11), Some(818));
        assert_eq!(stats::two_level_milli(&three, 10, 11), Some(0), "too few bars");
        assert_eq!(stats::two_level_milli(&three, 10, 5), Some(0), "a minimum below 6 means 11");
        assert_eq!(stats::two_level_milli(&three, 10, 6), Some(1000));
        assert_eq!(stats::two_level_milli(&[], 10, 6), None);
    }

    #[test]
    fn duration_rounds_up() {
        let window = Window::new(0, 86_400).expect("a day");
        let ask = |ends, filled, longest_run| {
            stats::duration(window, ends, Bars { filled, longest_run, score_milli: 0 }, [6, 12])
                .map(|duration| {
                    (duration.coverage_milli, duration.consistency_milli, duration.score_milli)
                })
        };
        assert_eq!(ask([0, 43_200], 6, 1), Some((500, 84, 500)));
        assert_eq!(ask([0, 43_201], 6, 12), Some((501, 1000, 1000)));
        assert_eq!(ask([0, 86_400], 5, 5), Some((0, 0, 0)), "fewer than six bars");
        assert_eq!(ask([0, 99_999], 24, 24), Some((1000, 1000, 1000)));
    }

    #[test]
    fn weights_are_those_of_the_parts() {
        assert_eq!(stats::combine([1000, 0, 0, 0], [400, 300, 200, 100]), Some(400));
        assert_eq!(stats::combine([0, 1000, 0, 0], [400, 300, 200, 100]), Some(300));
        assert_eq!(stats::combine([0, 0, 1000, 0], [400, 300, 200, 100]), Some(200));
        assert_eq!(stats::combine([0, 0, 0, 1000], [400, 300, 200, 100]), Some(100));
        assert_eq!(stats::combine([1, 1, 0, 0], [250; 4]), Some(1), "a half rounds up");
        assert_eq!(stats::combine([1001, 0, 0, 0], [250; 4]), None);
        assert_eq!(stats::combine([0; 4], [251, 250, 250, 250]), None);
    }

    #[test]
    fn buckets_modifiers_and_bands() {
        let beacon = |value| bucket(value, &BEACON_STEPS);
        for (value, milli) in
            [(499, 0), (500, 200), (600, 300), (699, 399), (700, 400), (900, 600), (950, 700)]
        {
            assert_eq!(beacon(value), milli, "{value}");
        }
        assert_eq!((beacon(999), beacon(1000), beacon(9999)), (798, 800, 800));
        assert_eq!(bucket(14_399, &LONG_STEPS), 399, "a value below a step keeps below");
        assert_eq!(score::band(199), Severity::Info);
        for (from, severity) in [
            (200, Severity::Low),
            (400, Severity::Medium),
            (600, Severity::High),
            (801, Severity::Critical),
        ] {
            assert_eq!((score::band(from), score::band(from - 1) < severity), (severity, true));
        }
        assert_eq!(score::threat(0, &Modifiers::of(&by_address(&[]), &around())), 0);
        assert_eq!(score::threat(780, &Modifiers::of(&by_address(&[]), &around())), 930);
    }

    #[test]
    fn each_modifier_at_its_edges() {
        let of = |change: fn(&mut Surroundings)| {
            let mut around = around();
            change(&mut around);
            Modifiers::of(&by_address(&[]), &around)
        };
        let hosts = |all, some: u32| {
            let around = Surroundings { inside_hosts: all, hosts_contacting: some, ..around() };
            Modifiers::of(&by_address(&[]), &around).prevalence_milli
        };
        assert_eq!(hosts(9, 1), None, "too few hosts");
        assert_eq!(hosts(10, 1), Some(0), "one of ten is no 2 %");
        assert_eq!((hosts(50, 1), hosts(49, 1)), (Some(150), Some(0)));
        assert_eq!((hosts(100, 50), hosts(100, 49)), (Some(-150), Some(0)));
        assert_eq!(hosts(100, 0), None, "an inside destination");
        assert_eq!(of(|a| a.first_seen_days = Some(0)).first_seen_milli, None, "no history");
        let seen = |days| {
            let around = Surroundings { history_days: 7, first_seen_days: Some(days), ..around() };
            Modifiers::of(&by_address(&[]), &around).first_seen_milli
        };
        assert_eq!([seen(7), seen(8), seen(29), seen(30)].map(Option::unwrap), [150, 0, 0, -150]);
        let mut group = by_address(&[]);
        group.hints.missing_host_header = 1;
        assert_eq!(Modifiers::of(&group, &around()).sum_milli(), 250);
        group.hints.rare_signature = true;
        assert_eq!(Modifiers::of(&group, &around()).sum_milli(), 400);
        group.hints.mime_mismatch = 1;
        assert_eq!(Modifiers::of(&group, &around()).sum_milli(), 550);
    }
}

mod windows {
    use super::*;

    fn of(contacts: &[Contact], first: u32, last: u32) -> Vec<(u32, u32, usize)> {
        stats::windows(contacts, first, last)
            .map(|(window, contacts)| (window.start(), window.end(), contacts.len()))
            .collect()
    }

    #[test]
    fn a_short_day_is_one_window() {
        let contacts = ticks(START, START + 3_600, 600, 0, 1);
        assert_eq!(of(&contacts, START, START + 3_000), [(START, START + 3_000, 6)]);
        assert_eq!(of(&contacts, START, START), []);
        assert_eq!(of(&[], START, START + 10), []);
    }

    #[test]
    fn days_are_counted_back_from_the_end_and_the_first_is_whole() {
        let (first, last) = (START, START + 3 * DAY - 3_600);
        let contacts = ticks(first, last + 1, 3_600, 0, 1);
        let windows = of(&contacts, first, last);
        let spans: Vec<_> = windows.iter().map(|(start, end, _)| (*start, *end)).collect();
        assert_eq!(spans, [(last - DAY, last), (last - 2 * DAY, last - DAY), (first, first + DAY)]);
    }

    #[test]
    fn rows_of_the_hour_in_which_a_window_starts_count() {
        let (first, last) = (START, START + DAY + 1_800);
        let contacts =
            [START, START + 1_799, START + 1_800, last].map(|second| Contact { second, bytes: 1 });
        assert_eq!(of(&contacts, first, last)[0], (START + 1_800, last, 4));
    }

    #[test]
    fn contacts_outside_the_stated_data_do_no_harm() {
        let contacts = [5, START + 10, u32::MAX].map(|second| Contact { second, bytes: 1 });
        for (first, last) in [(START, START + 60), (0, u32::MAX), (10, 5), (u32::MAX, u32::MAX)] {
            assert!(of(&contacts, first, last).len() <= contacts.len());
        }
    }
}

/// What `detect` finds in a day with these surroundings.
fn find(group: &Group<'_>) -> Vec<Hit> {
    detect(group, &around(), &mut Scratch::default())
}

/// The behaviours of hits.
fn behaviours(hits: &[Hit]) -> Vec<Behaviour> {
    hits.iter().map(|hit| hit.behaviour).collect()
}

mod detectors {
    use super::*;

    #[test]
    fn an_implant_is_a_beacon_of_its_grouping() {
        let contacts = ticks(START, START + DAY, 300, 10, 1_482);
        let hits = find(&by_name("beacon.example", &contacts));
        assert_eq!(behaviours(&hits), [Behaviour::C2BeaconHttpTls]);
        assert!(hits[0].scores[0].1 >= 950, "{:?}", hits[0].scores);
        let said: Vec<&str> = hits[0].evidence.iter().map(|e| e.sentence.as_str()).collect();
        assert!(said[0].starts_with("Every 300"), "{said:?}");
        assert!(said[0].ends_with("without a pause."), "{said:?}");
        assert_eq!(said[1], "Same size each time: 1,482 B out with headers.");
        assert_eq!(said[2], "Little comes back: 611 B a contact.");
        assert!(said[3].starts_with("Beacon score 0.9"), "{said:?}");
        assert!(hits[0].evidence.iter().any(|e| !e.supports && e.measure == "ordinary_protocol"));

        assert_eq!(behaviours(&find(&by_address(&contacts))), [Behaviour::C2BeaconIp]);
        let proxied = find(&proxied("beacon.example", &contacts));
        assert_eq!(behaviours(&proxied), [Behaviour::C2BeaconProxied]);
        let mut by_dns_only = by_name("beacon.example", &contacts);
        by_dns_only.hints.client_named = 0;
        assert_eq!(behaviours(&find(&by_dns_only)), [Behaviour::C2BeaconIp]);
    }

    #[test]
    fn a_beacon_of_the_second_day_of_seven_is_found() {
        let contacts = ticks(START + DAY, START + 2 * DAY, 300, 10, 1_482);
        let week = Surroundings { last_second: START + 7 * DAY, ..around() };
        let hits = detect(&by_address(&contacts), &week, &mut Scratch::default());
        assert_eq!(behaviours(&hits), [Behaviour::C2BeaconIp]);
        assert!(hits[0].base_milli >= 600);
    }

    #[test]
    fn the_latest_of_equally_grave_windows_is_shown() {
        let mut contacts = ticks(START, START + DAY, 300, 0, 100);
        contacts.extend(ticks(START + DAY + 1, START + 2 * DAY, 60, 0, 100));
        let data = Surroundings { last_second: START + 2 * DAY, ..around() };
        let hits = detect(&by_address(&contacts), &data, &mut Scratch::default());
        assert!(hits[0].evidence[0].sentence.starts_with("Every 60 s"), "{:?}", hits[0].evidence);
    }

    #[test]
    fn few_or_irregular_contacts_are_nothing() {
        assert_eq!(find(&by_address(&ticks(START, START + 3, 1, 0, 60))), []);
        let mut random = Random(7);
        let mut contacts: Vec<Contact> = (0..200)
            .map(|_| {
                let visit = random.below(3) * 20_000;
                let second = START + visit + random.below(400);
                Contact { second, bytes: 300 + random.below(30) * random.below(3_000) }
            })
            .collect();
        contacts.sort_unstable();
        assert_eq!(find(&by_address(&contacts)), [], "three sittings of a person");
    }

    /// Contacts with exponential gaps, as independent events have.
    fn at_random(mean_s: f64, bytes: u32) -> Vec<Contact> {
        let mut random = Random(11);
        let mut second = f64::from(START);
        let mut contacts = Vec::new();
        while second < f64::from(START + DAY) {
            contacts.push(Contact { second: second as u32, bytes });
            second -= mean_s * (f64::from(random.below(1 << 30) + 1) / f64::from(1 << 30)).ln();
        }
        contacts
    }

    #[test]
    fn business_without_a_rhythm_is_held_low() {
        let busy = at_random(60.0, 900);
        let gaps = stats::gap_spread(&busy, &mut Scratch::default()).expect("gaps");
        assert!(gaps.score_milli.abs_diff(522) < 40, "theory says 522: {gaps:?}");
        let hits = find(&by_address(&busy));
        assert!(hits[0].scores[0].1 > 700, "RITA's score alone is high: {:?}", hits[0].scores);
        assert_eq!(hits[0].base_milli, 200);
        assert!(hits[0].evidence.iter().any(|e| !e.supports && e.measure == "rhythm"));
        // Half a period of jitter is a rhythm still.
        let jittered = ticks(START, START + DAY, 300, 150, 900);
        assert!(find(&by_address(&jittered))[0].base_milli >= 600);
    }

    #[test]
    fn protocols_that_tick_by_nature_are_left_alone() {
        let contacts = ticks(START, START + DAY, 1_024, 10, 76);
        let mut time = by_address(&contacts);
        (time.transport, time.port) = (17, 123);
        let flows = time.totals.flows;
        let totals = &mut time.totals;
        (totals.packets_out, totals.packets_in) = (flows, flows);
        (totals.bytes_out, totals.bytes_in) = (48 * flows, 48 * flows);
        assert_eq!(find(&time), [], "NTP");

        time.totals.bytes_out = 69 * flows;
        let hits = find(&time);
        assert_eq!(behaviours(&hits), [Behaviour::C2BeaconIp], "no NTP packet is that large");
        assert!(hits[0].evidence.iter().any(|e| !e.supports && e.measure == "service_port"));

        let mut ssdp = by_address(&contacts);
        (ssdp.transport, ssdp.port) = (17, 1_900);
        assert_eq!(
            behaviours(&find(&ssdp)),
            [Behaviour::C2BeaconIp],
            "SSDP does not leave a network"
        );
        ssdp.direction = Direction::Internal;
        assert_eq!(find(&ssdp), []);

        let mut multicast = by_address(&contacts);
        multicast.address = support::ip("239.255.255.250");
        assert_eq!(find(&multicast), [], "nobody in particular");
        multicast.address = support::ip("ff02::fb");
        assert_eq!(find(&multicast), []);
    }

    #[test]
    fn a_strobe_needs_a_contact_a_second() {
        let second = |second| Contact { second, bytes: 60 };
        let contacts: Vec<_> = (START..START + DAY).map(second).collect();
        assert_eq!(behaviours(&find(&by_address(&contacts))), [Behaviour::Strobe]);
        let hits = find(&by_address(&contacts[1..]));
        assert_eq!(behaviours(&hits), [Behaviour::C2BeaconIp], "one contact short");
        // As many contacts, but over two days.
        let slow: Vec<_> = (START..START + DAY).map(|s| second(START + (s - START) * 2)).collect();
        let data = Surroundings { last_second: START + 2 * DAY, ..around() };
        let hits = detect(&by_address(&slow), &data, &mut Scratch::default());
        assert_eq!(behaviours(&hits), [Behaviour::C2BeaconIp]);
    }

    #[test]
    fn reconnect_storm_is_twenty_tries_an_hour_at_a_dead_server() {
        let unanswered = |contacts: &'static [Contact]| {
            let mut group = by_address(contacts);
            (group.totals.bytes_in, group.totals.bytes_out) = (0, 0);
            group.totals.unanswered = group.totals.flows;
            group
        };
        let every = |period, count: u32| -> &'static [Contact] {
            let at = |number| Contact { second: START + number * period, bytes: 60 };
            Vec::leak((0..count).map(at).collect())
        };
        let storm = |group: &Group<'_>| {
            let hits = find(group);
            let storm = hits.into_iter().find(|hit| hit.behaviour == Behaviour::ReconnectStorm);
            storm.map(|hit| hit.base_milli)
        };
        assert_eq!(storm(&unanswered(every(180, 20))), Some(200), "20 in 57 minutes");
        assert_eq!(storm(&unanswered(every(190, 400))), None, "19 in any hour");
        assert_eq!(storm(&unanswered(every(10, 100))), Some(400));
        assert_eq!(storm(&unanswered(every(1, 1_000))), Some(600));
        let mut other = unanswered(every(10, 100));
        other.totals.bytes_in = 1;
        assert_eq!(storm(&other), None, "answered");
        other.totals.bytes_in = 0;
        other.direction = Direction::Inbound;
        assert_eq!(storm(&other), None, "a probe");
        other.direction = Direction::Outbound;
        other.address = support::ip("2001:db8::77");
        assert_eq!(storm(&other), None, "IPv6 that does not work");
        other.address = support::ip("203.0.113.77");
        other.transport = 17;
        assert_eq!(storm(&other), None, "UDP asks nobody");
        other.transport = 6;
        let of = |group: &Group<'_>| {
            rule(
                Behaviour::ReconnectStorm,
                650,
                group,
                &Surroundings { history_days: 30, ..around() },
            )
        };
        assert_eq!(of(&other).severity, Severity::Medium);
        other.direction = Direction::Internal;
        assert_eq!(of(&other).severity, Severity::Low);
    }

    #[test]
    fn pieces_of_one_connection_are_one_long_connection_and_no_beacon() {
        let contacts = ticks(START, START + DAY, 300, 1, 222);
        let mut group = by_address(&contacts);
        assert_eq!(behaviours(&find(&group)), [Behaviour::C2BeaconIp]);
        group.hints.one_connection = true;
        let hits = find(&group);
        assert_eq!((behaviours(&hits), hits[0].base_milli), (vec![Behaviour::LongConnection], 800));
        let said = &hits[0].evidence[0].sentence;
        assert!(said.starts_with("One connection, open for "), "{said}");
        group.totals.last_us = group.totals.first_us + 3_599 * 1_000_000;
        assert_eq!(find(&group), []);
    }

    #[test]
    fn a_long_connection_is_long_by_itself() {
        let contacts = [Contact { second: START, bytes: 9_000 }];
        let hour_us = 3_600 * 1_000_000;
        let mut group = by_address(&contacts);
        let set = |group: &mut Group<'_>, longest: u64, sum: u64, elapsed: u64| {
            group.totals.longest_us = longest;
            group.totals.duration_us = sum;
            group.totals.last_us = group.totals.first_us + i64::try_from(elapsed).expect("small");
        };
        set(&mut group, hour_us - 1, 20 * hour_us, 20 * hour_us);
        assert_eq!(find(&group), [], "many short ones");
        set(&mut group, hour_us, hour_us, hour_us);
        let hits = find(&group);
        assert_eq!((behaviours(&hits), hits[0].base_milli), (vec![Behaviour::LongConnection], 200));
        set(&mut group, 2 * hour_us, 40 * hour_us, 8 * hour_us);
        assert_eq!(find(&group)[0].base_milli, 600, "overlap counts once");
        set(&mut group, 75 * hour_us, 75 * hour_us, 75 * hour_us);
        assert_eq!(find(&group)[0].base_milli, 800);
        assert!(find(&group)[0].evidence[0].sentence.contains("75.0 h"));
    }
}

mod properties {
    use super::*;

    fn random_contacts(random: &mut Random) -> Vec<Contact> {
        let count = 4 + random.below(300);
        let spread = 1 + random.below(2 * DAY);
        let sizes = 1 + random.below(u32::MAX - 1);
        let mut contacts: Vec<Contact> = (0..count)
            .map(|_| Contact { second: START + random.below(spread), bytes: random.below(sizes) })
            .collect();
        contacts.sort_unstable();
        contacts
    }

    #[test]
    fn scores_keep_within_bounds_and_do_not_remember() {
        let mut random = Random(1);
        let mut used = Scratch::default();
        for _ in 0..2_000 {
            let contacts = random_contacts(&mut random);
            let last = START + 2 * DAY;
            let fresh: Vec<_> = stats::windows(&contacts, START, last)
                .map(|(window, contacts)| stats::beacon(window, contacts, &mut Scratch::default()))
                .collect();
            let reused: Vec<_> = stats::windows(&contacts, START, last)
                .map(|(window, contacts)| stats::beacon(window, contacts, &mut used))
                .collect();
            assert_eq!(fresh, reused, "what was scored before does not matter");
            for beacon in fresh.into_iter().flatten() {
                let parts = [
                    beacon.gaps.score_milli,
                    beacon.sizes.score_milli,
                    beacon.duration.score_milli,
                    beacon.bars.score_milli,
                ];
                assert!(parts.iter().all(|part| *part <= 1000), "{beacon:?}");
                let (low, high) = (parts.iter().min(), parts.iter().max());
                assert!(low <= Some(&beacon.score_milli) && Some(&beacon.score_milli) <= high);
            }
        }
    }

    #[test]
    fn the_order_of_sizes_does_not_matter() {
        let mut random = Random(2);
        for limit in [3, 999, 70_000, u32::MAX] {
            for _ in 0..200 {
                let count = 3 + random.below(400);
                let mut sizes: Vec<u32> = (0..count).map(|_| random.below(limit)).collect();
                let contacts: Vec<Contact> =
                    sizes.iter().map(|bytes| Contact { second: START, bytes: *bytes }).collect();
                let mut scratch = Scratch::default();
                let got = stats::size_spread(&contacts, &mut scratch);
                let most = stats::most_frequent(sizes.iter().copied(), &mut scratch);
                sizes.sort_unstable();
                assert_eq!(got, stats::spread(&sizes, 0.0));
                assert_eq!(most, stats::mode(&sizes));
            }
        }
    }

    #[test]
    fn quartiles_agree_with_a_sorted_list() {
        let mut random = Random(3);
        let median = |sorted: &[u32]| match sorted.len() {
            0 => 0.0,
            n if n % 2 == 1 => f64::from(sorted[n / 2]),
            n => f64::midpoint(f64::from(sorted[n / 2 - 1]), f64::from(sorted[n / 2])),
        };
        for _ in 0..500 {
            let count = 2 + random.below(40) as usize;
            let mut sorted: Vec<u32> = (0..count).map(|_| random.below(5_000)).collect();
            sorted.sort_unstable();
            let (q1, q2, q3) = (
                median(&sorted[..count / 2]),
                median(&sorted),
                median(&sorted[count.div_ceil(2)..]),
            );
            let mut distances: Vec<f64> =
                sorted.iter().map(|value| (f64::from(*value) - q2).abs()).collect();
            distances.sort_by(f64::total_cmp);
            let middle = f64::midpoint(distances[(count - 1) / 2], distances[count / 2]);
            let got = stats::spread(&sorted, 0.0).expect("values");
            assert_eq!((got.median, got.deviation), (q2, middle));
            if q3 - q1 >= 10.0 && q2 > q1 && q2 < q3 {
                let skewness = (q1 + q3 - 2.0 * q2) / (q3 - q1);
                assert!((got.skewness - skewness).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn buckets_only_rise() {
        for value in 1..=1100 {
            assert!(bucket(value, &BEACON_STEPS) >= bucket(value - 1, &BEACON_STEPS));
        }
        assert_eq!(bucket(u64::MAX, &LONG_STEPS), 800);
    }

    #[test]
    fn a_day_later_the_score_is_the_same() {
        let mut random = Random(4);
        for _ in 0..200 {
            let contacts = random_contacts(&mut random);
            let later: Vec<Contact> = contacts
                .iter()
                .map(|contact| Contact { second: contact.second + DAY, ..*contact })
                .collect();
            let score = |contacts: &[Contact], by: u32| -> Vec<_> {
                stats::windows(contacts, START + by, START + 2 * DAY + by)
                    .map(|(window, contacts)| {
                        stats::beacon(window, contacts, &mut Scratch::default())
                            .map(|beacon| beacon.score_milli)
                    })
                    .collect()
            };
            assert_eq!(score(&contacts, 0), score(&later, DAY));
        }
    }

    #[test]
    fn detectors_and_judges_take_anything() {
        let mut random = Random(5);
        for _ in 0..500 {
            let contacts = random_contacts(&mut random);
            let mut group = by_address(&contacts);
            let totals = &mut group.totals;
            totals.flows = random.bits() >> random.below(64);
            totals.bytes_in = random.bits();
            totals.bytes_out = random.bits();
            totals.duration_us = random.bits();
            totals.longest_us = random.bits();
            totals.first_us = random.bits() as i64;
            totals.last_us = random.bits() as i64;
            totals.unanswered = random.bits() >> random.below(64);
            group.port = random.below(65_536) as u16;
            let around = Surroundings {
                first_second: random.bits() as u32,
                last_second: random.bits() as u32,
                inside_hosts: random.bits() as u32,
                hosts_contacting: random.bits() as u32,
                history_days: random.below(60),
                first_seen_days: Some(random.bits() as u32),
                arrival: [Arrival::Unknown, Arrival::Settled, Arrival::New]
                    [random.below(3) as usize],
                weak_evidence: random.below(2) == 1,
                nothing_named: random.below(2) == 0,
                critical_asset: random.below(2) == 1,
            };
            let hits = detect(&group, &around, &mut Scratch::default());
            let told: Vec<_> = hits.iter().map(Hit::score).collect();
            assert_eq!(scores(&group, &around, &mut Scratch::default()), told);
            for hit in hits {
                let judged = judge(hit, &group, &around);
                assert!(judged.threat_milli <= 1000 && judged.confidence <= 100);
                assert!(judged.hit.evidence.iter().all(|e| e.value.is_finite()));
            }
        }
    }
}
