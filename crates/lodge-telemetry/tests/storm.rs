//! Storms of errors over a clock moved by hand: what reaches the log, what is told to have been left out, what is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use lodge_telemetry::catalogue::{ReasonLabels, metrics};
use lodge_telemetry::sampling::Sampler;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// What a log grew to, and its last lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<(u64, Vec<u8>)>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().unwrap();
        log.0 += bytes.len() as u64;
        if log.1.len() < 1 << 20 {
            log.1.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn size(&self) -> u64 {
        self.0.lock().unwrap().0
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().1.clone()).unwrap()
    }
}

/// Runs `storm` with a log that leaves out what repeats itself more than `repeats` times a minute.
fn under(repeats: u64, storm: impl FnOnce(&AtomicU64, &Sampler)) -> Log {
    let (log, clock) = (Log::default(), Arc::new(AtomicU64::new(0)));
    let seconds = Arc::clone(&clock);
    let sampler =
        Sampler::new(repeats, Arc::new(move || Duration::from_secs(seconds.load(Ordering::Relaxed))));
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(log.clone());
    let subscriber = tracing_subscriber::registry().with(sampler.clone()).with(lines);
    tracing::subscriber::with_default(subscriber, || storm(&clock, &sampler));
    log
}

const PLACES: u64 = 4;

/// One second of everything failing at once.
fn second_of_trouble(second: u64, each: u64) {
    let labels = ReasonLabels { inbox: "storm".to_owned(), reason: "store unavailable".to_owned() };
    let long = "connection refused by the far side, which says nothing of why it does so; ".repeat(4);
    for number in 0..each {
        let id = format!("evt_{:026}", second * each + number);
        metrics().refusals.get_or_create(&labels).inc();
        tracing::error!(
            subject = id,
            error = long,
            lane = "forward",
            "given up, kept among the dead letters"
        );
        tracing::warn!(inbox = "support", error = %format!("{long} ({number})"), "batch refused");
        tracing::info!(lane = "forward", subject = id, error = long, "deferred");
        tracing::warn!(why = %id, "each says something else about {id}");
    }
}

#[test]
fn t75_an_hour_of_errors_stays_under_a_hundred_megabytes_and_counters_stay_exact() {
    let labels = ReasonLabels { inbox: "storm".to_owned(), reason: "store unavailable".to_owned() };
    let before = metrics().refusals.get_or_create(&labels).get();
    let told = AtomicU64::new(0);
    const EACH: u64 = 30;
    let hour = |repeats| {
        under(repeats, |clock, sampler| {
            for second in 0..3600 {
                clock.store(second, Ordering::Relaxed);
                second_of_trouble(second, EACH);
                if second % 10 == 9 {
                    let left_out: u64 = sampler.flush().iter().map(|left_out| left_out.lines).sum();
                    told.fetch_add(left_out, Ordering::Relaxed);
                }
            }
        })
    };
    let log = hour(20);
    let (lines, all) = (told.load(Ordering::Relaxed), 3600 * EACH * PLACES);
    assert!(log.size() < 100_000_000 / 4, "{} bytes", log.size());
    assert!(lines > all * 9 / 10 && lines < all, "{lines} of {all} were left out");
    assert_eq!(metrics().refusals.get_or_create(&labels).get() - before, 3600 * EACH, "counters stay exact");
    let unsampled = under(0, |_, _| (0..60).for_each(|second| second_of_trouble(second, EACH)));
    assert!(
        unsampled.size() * 60 > 100_000_000,
        "without sampling the same hour is too much: the test can fail"
    );
}

#[test]
fn t75_first_lines_of_every_kind_are_written_whatever_else_goes_on() {
    let failed = |lane: &str, error: &str| tracing::error!(lane, error, "given up");
    let log = under(20, |clock, _| {
        for second in 0..120 {
            clock.store(second, Ordering::Relaxed);
            for _ in 0..50 {
                failed("forward", "the core answers 500");
            }
            if second == 59 {
                failed("forward", "the certificate has expired");
                failed("reply", "the core answers 500");
            }
        }
    });
    let text = log.text();
    assert_eq!(text.matches("the certificate has expired").count(), 1);
    assert_eq!(text.matches("\"lane\":\"reply\"").count(), 1);
    assert_eq!(text.matches("\"lane\":\"forward\",\"error\":\"the core").count(), 40, "twenty a minute");
}

#[test]
fn t75_one_line_tells_how_many_were_left_out_and_numbers_do_not_make_a_line_new() {
    let log = under(3, |_, sampler| {
        for number in 0..100_u64 {
            tracing::warn!(number, error = %format!("attempt {number} of evt_{number:026} failed"), "again");
        }
        sampler.tell();
        sampler.tell();
    });
    let lines: Vec<serde_json::Value> =
        log.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!((&lines[3]["lines"], &lines[3]["level"]), (&97.into(), &"WARN".into()));
    assert!(lines[3]["place"].as_str().unwrap().contains("storm.rs:"), "{}", lines[3]);
}

#[test]
fn t75_debug_lines_and_a_sampler_of_nothing_leave_nothing_out() {
    let debug = under(1, |_, _| (0..50).for_each(|number| tracing::debug!(number, "asked for")));
    assert_eq!(debug.text().lines().count(), 50);
    let all = under(0, |_, _| (0..50).for_each(|number| tracing::error!(number, "all of it")));
    assert_eq!(all.text().lines().count(), 50);
}
