//! Generated manifests, made, changed and deleted: with crashes at every effect, and by two operators at once. `SEED=n` begins
//! with this seed, and `CRASH_SEEDS=n` takes so many.

use std::time::Instant;

use proptest::prelude::*;

use super::races::races;
use super::random::{by_seed, number};
use super::scene::Scene;
use super::specs::{Edit, Spec, edit, spec};
use super::{Failure, Found, unconverged};

type Case = (Spec, Vec<Edit>);

/// Manifests, and what people change of them. Those of every fourth seed are as large as random lives have them.
pub fn cases(seed: u64) -> impl Strategy<Value = Case> {
    let most = if seed.is_multiple_of(4) { 3 } else { 1 };
    (spec(most), prop::collection::vec(edit(), 1..6))
}

fn scenes((spec, edits): &Case) -> (Scene, Scene) {
    let spec = spec.clone().released();
    let mut changed = spec.clone();
    edits.iter().for_each(|edit| changed.edit(edit));
    (spec.scene(None), changed.released().scene(None))
}

/// Crashes everywhere on their way.
async fn crashed(case: &Case) -> Found {
    crashes(case, Found::default()).await
}

/// Crashes at some places of many, other ones with each seed, until it is time or one does not end well.
pub async fn crashed_until(case: &Case, seed: u64, until: Instant) -> Found {
    crashes(case, Found { sampled: Some(seed as usize), until: Some(until), ..Found::default() }).await
}

async fn crashes(case: &Case, mut found: Found) -> Found {
    let (scene, changed) = scenes(case);
    found.everywhere(&scene, &changed).await;
    found
}

fn each_seed(seeds: u64, test: impl AsyncFn(u64, &Case) -> Result<(), Failure>) {
    let seed = number("SEED", 1);
    let each = seed..seed + number("CRASH_SEEDS", seeds);
    let failures = each.filter_map(|seed| by_seed(seed, &cases(seed), async |case| test(seed, case).await).err());
    let wrong: Vec<_> = failures.map(|(kind, text)| format!("{kind:?}: {text}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_crash_at_any_effect_of_generated_manifests_loses_nothing_and_doubles_nothing() {
    each_seed(2, async |seed, case| {
        let found = crashed(case).await;
        println!("seed {seed}: {} crash points", found.points);
        found.wrong.into_iter().next().map_or(Ok(()), Err)
    });
}

#[test]
fn two_operators_at_once_do_what_one_does_with_generated_manifests() {
    each_seed(3, async |seed, case| {
        let (scene, changed) = scenes(case);
        let wrong = races(&scene, &changed, seed..seed + 1).await;
        println!("seed {seed}: 6 races");
        wrong.into_iter().next().map_or(Ok(()), |what| Err(unconverged(what)))
    });
}
