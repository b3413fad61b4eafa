//! Crashes while generated manifests are made, changed and deleted: at every effect. `SEED=n` begins with this seed, and
//! `CRASH_SEEDS=n` takes so many.

use std::time::Instant;

use proptest::prelude::*;

use super::Found;
use super::random::{by_seed, number};
use super::specs::{Edit, Spec, edit, spec};

/// Manifests, and what people change of them. Those of every fourth seed are as large as random lives have them.
pub fn cases(seed: u64) -> impl Strategy<Value = (Spec, Vec<Edit>)> {
    let most = if seed.is_multiple_of(4) { 3 } else { 1 };
    (spec(most), prop::collection::vec(edit(), 1..6))
}

/// Crashes everywhere on their way; with a time, until then or until one does not end well.
pub async fn crashed((spec, edits): &(Spec, Vec<Edit>), until: Option<Instant>) -> Found {
    let spec = spec.clone().released();
    let mut changed = spec.clone();
    edits.iter().for_each(|edit| changed.edit(edit));
    let mut found = Found { every: true, until, ..Found::default() };
    found.everywhere(&spec.scene(None), &changed.released().scene(None)).await;
    found
}

#[test]
fn a_crash_at_any_effect_of_generated_manifests_loses_nothing_and_doubles_nothing() {
    let (seed, seeds) = (number("SEED", 1), number("CRASH_SEEDS", 2));
    let mut wrong = Vec::new();
    for seed in seed..seed + seeds {
        let result = by_seed(seed, &cases(seed), async |case| {
            let found = crashed(case, None).await;
            println!("seed {seed}: {} crash points", found.points);
            found.wrong.into_iter().next().map_or(Ok(()), Err)
        });
        wrong.extend(result.err().map(|(kind, text)| format!("{kind:?}: {text}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
