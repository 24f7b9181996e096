//! Rounds, medians, ratios. CPU time is read from `/proc`, in hundredths of a second: long enough rounds make it exact.

use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// What one round gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Messages in a second.
    pub(crate) rate: f64,
    /// CPU time a message, in microseconds, of the process that was watched.
    pub(crate) cpu: f64,
}

/// A watch on time and on the CPU time of one process.
pub(crate) struct Watch {
    process: String,
    cpu: Duration,
    started: Instant,
}

impl Watch {
    /// Watches this process.
    pub(crate) fn start() -> Result<Self> {
        Self::on("self".to_owned())
    }

    /// Watches the process with this id.
    pub(crate) fn on(process: String) -> Result<Self> {
        Ok(Self { cpu: cpu_time(&process)?, process, started: Instant::now() })
    }

    /// What `count` messages cost since the start.
    pub(crate) fn stop(&self, count: usize) -> Result<Figure> {
        let (time, cpu) = (self.started.elapsed(), cpu_time(&self.process)?.saturating_sub(self.cpu));
        let count = count as f64;
        Ok(Figure { rate: count / time.as_secs_f64(), cpu: cpu.as_secs_f64() * 1e6 / count })
    }
}

/// User and system time of a process so far (proc(5), fields 14 and 15; 100 ticks a second on Linux).
fn cpu_time(process: &str) -> Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).context("read the CPU time")?;
    let fields = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>())
        .unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    Ok(Duration::from_millis((ticks(11) + ticks(12)) * 10))
}

/// Rounds of one bench.
#[derive(Default)]
pub(crate) struct Rounds {
    pub(crate) ours: Vec<Figure>,
    pub(crate) floor: Vec<Figure>,
}

impl Rounds {
    /// How many rounds are taken.
    pub(crate) const COUNT: usize = 3;

    /// Prints the medians, their ratio, and whether it reaches `goal`.
    pub(crate) fn report(&self, name: &str, goal: f64) {
        let (ours, floor) = (median(&self.ours), median(&self.floor));
        line(name, ours, floor.rate, floor.cpu, goal);
    }
}

/// Prints the head of the table.
pub(crate) fn title() {
    println!(
        "{:<18} {:>10} {:>10} {:>7} {:>6}  {:>9} {:>9}",
        "bench", "ours/s", "floor/s", "ratio", "goal", "cpu µs", "floor µs"
    );
}

/// Prints one line of the table.
pub(crate) fn line(name: &str, ours: Figure, floor_rate: f64, floor_cpu: f64, goal: f64) {
    let ratio = ours.rate / floor_rate;
    let verdict = if ratio >= goal { "reached" } else { "MISSED" };
    println!(
        "{name:<18} {:>10.0} {floor_rate:>10.0} {ratio:>7.2} {goal:>6.2}  {:>9.1} {floor_cpu:>9.1}  {verdict}",
        ours.rate, ours.cpu
    );
}

/// The median of the rates, and of the CPU times.
pub(crate) fn median(figures: &[Figure]) -> Figure {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let rates = figures.iter().map(|figure| figure.rate).collect();
    Figure { rate: middle(rates), cpu: middle(figures.iter().map(|figure| figure.cpu).collect()) }
}
