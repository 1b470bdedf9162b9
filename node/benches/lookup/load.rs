//! Calls from so many callers at once, and how they went.

use std::time::{Duration, Instant};

/// How calls went.
#[derive(Default)]
pub(crate) struct Load {
    took: Duration,
    cpu: Duration,
    each: Vec<Duration>,
}

impl Load {
    pub(crate) fn add(&mut self, other: Self) {
        self.took += other.took;
        self.cpu += other.cpu;
        self.each.extend(other.each);
        self.each.sort_unstable();
    }

    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.each.len() as f64 / self.took.as_secs_f64()
    }

    /// CPU time of a call, both ends: where other programs run beside, the steadier figure.
    pub(crate) fn cpu_a_call_s(&self) -> f64 {
        self.cpu.as_secs_f64() / self.each.len() as f64
    }

    pub(crate) fn p99(&self) -> Duration {
        self.each[self.each.len() * 99 / 100]
    }

    pub(crate) fn print(&self, what: &str, size: usize) {
        println!(
            "  {what:<22} {:>8.0} calls/s {:>9.0} names/s   p50 {:>7.0?} p99 {:>7.0?}   {:>6.2} us CPU a name, both ends",
            self.rate(),
            self.rate() * size as f64,
            self.each[self.each.len() / 2],
            self.p99(),
            self.cpu_a_call_s() * 1e6 / size as f64,
        );
    }

    /// Beside a peer under the same load in the same run.
    pub(crate) fn compare(&self, peer: &str, other: &Self) {
        println!(
            "  of the {peer}: {:.0} % of its rate, {:.2} times its p99, {:.2} times its CPU time",
            100.0 * self.rate() / other.rate(),
            self.p99().as_secs_f64() / other.p99().as_secs_f64(),
            self.cpu_a_call_s() / other.cpu_a_call_s(),
        );
    }
}

/// Makes each caller's calls, one after the other; callers go side by side. Requests are made before the clock starts.
pub(crate) async fn load<C, R, F>(
    callers: Vec<C>,
    requests: Vec<R>,
    processes: &[u32],
    call: impl Fn(C, R) -> F + Copy + Send + Sync + 'static,
) -> Load
where
    C: Send + 'static,
    R: Send + 'static,
    F: Future<Output = C> + Send + 'static,
{
    let count = callers.len();
    let mut work: Vec<(C, Vec<R>)> = callers.into_iter().map(|caller| (caller, vec![])).collect();
    for (at, request) in requests.into_iter().enumerate() {
        work[at % count].1.push(request);
    }
    let (begun, cpu) = (Instant::now(), cpu_time(processes));
    let callers = work.into_iter().map(|(mut caller, requests)| {
        tokio::spawn(async move {
            let mut each = Vec::with_capacity(requests.len());
            for request in requests {
                let asked = Instant::now();
                caller = call(caller, request).await;
                each.push(asked.elapsed());
            }
            each
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut each = vec![];
    for caller in callers {
        each.extend(caller.await.unwrap());
    }
    Load { took: begun.elapsed(), cpu: cpu_time(processes) - cpu, each }
}

/// User and system time of this process and others: fields 14 and 15 of proc(5), in ticks of 10 ms.
fn cpu_time(others: &[u32]) -> Duration {
    let others = others.iter().map(u32::to_string);
    let ticks = std::iter::once("self".to_owned()).chain(others).map(|process| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>()
    });
    Duration::from_millis(10 * ticks.sum::<u64>())
}
