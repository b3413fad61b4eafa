//! Microseconds per state: parse and check each definition of a folder, again and again. `run.sh` beside this puts other
//! validators next to it.
#![allow(dead_code, unused_imports)]

#[path = "../../../src/asl/mod.rs"]
mod asl;

use std::fs;
use std::time::{Duration, Instant};

fn main() {
    let folder = std::env::args().nth(1).expect("usage: asl-bench FOLDER");
    let texts: Vec<String> = fs::read_dir(folder)
        .expect("the folder can be read")
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .filter(|text| asl::parse(text).is_ok())
        .collect();
    let states: usize = texts
        .iter()
        .map(|text| asl::walk(asl::parse(text).expect("it was read before").value()).count())
        .sum();
    let (start, mut rounds, mut findings) = (Instant::now(), 0u32, 0);
    while start.elapsed() < Duration::from_secs(3) {
        for text in &texts {
            let definition = asl::parse(text).expect("it was read before");
            findings += asl::check(&definition, asl::MachineType::Standard).len();
        }
        rounds += 1;
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(rounds);
    println!(
        "stepgate: {} definitions, {states} states, {:.2} µs a state, {:.0} µs a definition, {} findings",
        texts.len(),
        seconds * 1e6 / states as f64,
        seconds * 1e6 / texts.len() as f64,
        findings / rounds as usize,
    );
}
