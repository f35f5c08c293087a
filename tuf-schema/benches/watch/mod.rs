//! The watch of the micro-benchmarks of all crates. Each measure is a line `MICRO TITLE|SIZE|MIN|MEDIAN|MAX`, in microseconds.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// The sizes of the documents: tags, delegations.
pub(crate) const SIZES: [(usize, usize); 7] =
    [(10, 0), (1_000, 0), (10_000, 0), (100_000, 0), (100, 1), (100, 10), (100, 100)];

/// What the tables call a size.
pub(crate) fn named((tags, delegations): (usize, usize)) -> String {
    match delegations {
        0 => format!("{tags} tags"),
        1 => format!("{tags} tags, 1 delegation"),
        _ => format!("{tags} tags, {delegations} delegations"),
    }
}

/// Measures.
pub(crate) struct Watch {
    rounds: u32,
    least: Duration,
}

impl Watch {
    /// As the arguments say: `[ROUNDS [MILLISECONDS]]`, 11 rounds of at least 50 ms.
    pub(crate) fn of_arguments() -> Self {
        // cargo passes --bench
        let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
        let (rounds, least) = (numbers.next().unwrap_or(11), numbers.next().unwrap_or(50));
        Self { rounds, least: Duration::from_millis(least.into()) }
    }

    /// Measures `work` on what `prepare` makes, which is not counted.
    pub(crate) fn measure<T, R>(
        &self,
        title: &str,
        size: &str,
        mut prepare: impl FnMut() -> T,
        mut work: impl FnMut(T) -> R,
    ) {
        let mut costs: Vec<f64> = (0..self.rounds)
            .map(|_| {
                let (mut spent, mut times) = (Duration::ZERO, 0_u32);
                while spent < self.least {
                    let prepared = prepare();
                    let started = Instant::now();
                    let result = black_box(work(black_box(prepared)));
                    spent += started.elapsed();
                    times += 1;
                    drop(result);
                }
                spent.as_secs_f64() * 1e6 / f64::from(times)
            })
            .collect();
        costs.sort_by(f64::total_cmp);
        let at = |place: usize| costs.get(place).copied().unwrap_or(f64::NAN);
        let last = costs.len().saturating_sub(1);
        println!("MICRO {title}|{size}|{:.2}|{:.2}|{:.2}", at(0), at(last / 2), at(last));
    }
}
