//! Printing, timing, and counting what differs.

use std::time::Instant;

/// What was shown so far.
#[derive(Debug)]
pub(super) struct Show {
    begun: Instant,
    step: Instant,
    checked: u32,
    differences: u32,
}

impl Default for Show {
    fn default() -> Self {
        let now = Instant::now();
        Self { begun: now, step: now, checked: 0, differences: 0 }
    }
}

impl Show {
    pub(super) fn line(&self, text: &str) {
        println!("{text}");
    }

    /// Ends a step: how long it took.
    pub(super) fn step(&mut self, name: &str, what: &str) {
        println!("[{:>5.1} s] {name}: {what}", self.step.elapsed().as_secs_f64());
        self.step = Instant::now();
    }

    /// Holds what a node says against what the sample says.
    pub(super) fn check(&mut self, what: &str, expected: &str, told: &str) {
        self.checked += 1;
        if expected == told {
            println!("  ok       {what}: {told}");
        } else {
            self.differences += 1;
            println!("  DIFFERS  {what}: {told}, where the sample says {expected}");
        }
    }

    pub(super) fn verdict(&self) {
        let (checked, differ) = (self.checked, self.differences);
        let seconds = self.begun.elapsed().as_secs_f64();
        println!("{checked} numbers checked, {differ} differ, {seconds:.1} s in all");
    }

    pub(super) const fn differences(&self) -> u32 {
        self.differences
    }
}
