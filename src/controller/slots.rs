//! How many reconciles of one kind run beside each other: many, for most of them wait for AWS's quotas; but never so many of some
//! namespaces, or of the period's checks, that nobody else gets in. Whose change does not get in hears how long that may take.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::budget::Priority;
use crate::identity::Key;

/// At most so many of one kind: users' changes, checks, and one that hears when to come again.
pub const ALL: u16 = 257;
/// At most so many users' changes. Past [`SHARED`] there is one for each namespace that has none.
const CHANGES: usize = 240;
const SHARED: usize = 64;
/// At most so many changes of one namespace.
const OF_A_NAMESPACE: usize = 32;
/// At most so many checks.
const CHECKS: usize = 16;
const _: () = assert!(CHANGES + CHECKS < ALL as usize);

/// A shorter wait is not worth a word, and who waits long hears again when so much has passed.
const WORTH_TELLING: Duration = Duration::from_secs(2);
const TELL_EVERY: Duration = Duration::from_mins(1);
/// By so many of the last that ended is told how long it takes.
const MEASURED: usize = OF_A_NAMESPACE;
/// Who has not asked for so long is not counted: the object is gone, or well.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// Who runs, and who waits for that.
#[derive(Default)]
pub struct Slots(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    checks: usize,
    changes: HashMap<String, usize>,
    waiting: HashMap<Key, Turn>,
    /// The changes that ended, by namespace where some wait.
    ended: HashMap<String, Ended>,
}

/// When changes of a namespace ended.
struct Ended {
    /// Since when some wait.
    since: Instant,
    /// The last.
    last: VecDeque<Instant>,
}

/// A change that waits.
struct Turn {
    since: Instant,
    asked: Instant,
    told: Option<Instant>,
}

/// When to ask again, and what is worth to be told meanwhile.
pub struct Later {
    /// After so long.
    pub after: Duration,
    /// What to tell the object's users, if anything.
    pub tell: Option<Queue>,
}

/// How a change waits for its turn.
#[derive(Debug, PartialEq, Eq)]
pub struct Queue {
    running: usize,
    waiting: usize,
    /// For all of them; unknown until some have ended.
    wait: Option<Duration>,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { running, waiting, wait } = self;
        f.write_str("waiting for its turn")?;
        if let Some(wait) = wait {
            write!(f, ", about {} s", wait.as_secs().max(1))?;
        }
        write!(
            f,
            ": {running} objects of this kind are carried out as fast as AWS takes their calls, and {waiting} of this namespace wait"
        )
    }
}

/// One that runs, until it is dropped.
pub struct Slot {
    taken: Arc<Mutex<Taken>>,
    priority: Priority,
    namespace: String,
}

impl Slots {
    /// A slot, or when to ask again.
    pub fn take(&self, priority: Priority, key: &Key) -> Result<Slot, Later> {
        let mut taken = lock(&self.0);
        if priority == Priority::Resync {
            if taken.checks >= CHECKS {
                return Err(Later { after: Duration::from_secs(5), tell: None });
            }
            taken.checks += 1;
        } else {
            let all: usize = taken.changes.values().sum();
            let most = match taken.changes.get(&key.namespace).copied().unwrap_or_default() {
                0 => CHANGES,
                1..OF_A_NAMESPACE => SHARED,
                _ => 0,
            };
            if all >= most {
                return Err(Later { after: Duration::from_millis(250), tell: taken.waits(key, all) });
            }
            taken.waiting.remove(key);
            *taken.changes.entry(key.namespace.clone()).or_default() += 1;
        }
        Ok(Slot { taken: Arc::clone(&self.0), priority, namespace: key.namespace.clone() })
    }
}

impl Taken {
    /// A change does not get in: what to tell of it now, if anything.
    fn waits(&mut self, key: &Key, running: usize) -> Option<Queue> {
        let now = Instant::now();
        let turn = self.waiting.entry(key.clone()).or_insert(Turn { since: now, asked: now, told: None });
        turn.asked = now;
        let ended =
            self.ended.entry(key.namespace.clone()).or_insert_with(|| Ended { since: now, last: VecDeque::new() });
        if turn.told.map_or(turn.since + WORTH_TELLING, |told| told + TELL_EVERY) > now {
            return None;
        }
        turn.told = Some(now);
        let per_second = ended.per_second(now);
        self.forget(now);
        let waits = |(other, turn): &(&Key, &Turn)| {
            other.namespace == key.namespace && now.duration_since(turn.asked) < GIVEN_UP
        };
        let waiting = self.waiting.iter().filter(waits).count();
        let wait = per_second.map(|per_second| Duration::from_secs_f64(waiting as f64 / per_second));
        Some(Queue { running, waiting, wait })
    }

    /// Who does not wait any more, and what was measured for them.
    fn forget(&mut self, now: Instant) {
        let Self { waiting, ended, .. } = self;
        waiting.retain(|_, turn| now.duration_since(turn.asked) < TELL_EVERY);
        ended.retain(|namespace, _| waiting.keys().any(|key| key.namespace == *namespace));
    }
}

impl Ended {
    /// How many end in a second.
    fn per_second(&self, now: Instant) -> Option<f64> {
        let (first, count) = match self.last.len() {
            MEASURED => (*self.last.front()?, MEASURED - 1),
            count => (self.since, count),
        };
        let seconds = now.duration_since(first).as_secs_f64();
        (count > 0 && seconds > 0.0).then(|| count as f64 / seconds)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if self.priority == Priority::Resync {
            taken.checks -= 1;
            return;
        }
        if let Some(count) = taken.changes.get_mut(&self.namespace) {
            *count -= 1;
            if *count == 0 {
                taken.changes.remove(&self.namespace);
            }
        }
        let now = Instant::now();
        taken.forget(now);
        if let Some(ended) = taken.ended.get_mut(&self.namespace) {
            ended.last.push_back(now);
            if ended.last.len() > MEASURED {
                ended.last.pop_front();
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(slots: &Slots, namespace: &str) -> Option<Slot> {
        slots.take(Priority::User, &Key::new(namespace, "any")).ok()
    }

    #[test]
    fn no_namespaces_and_no_checks_take_all() {
        let slots = Slots::default();
        let mut big: Vec<_> = (0..OF_A_NAMESPACE).map(|_| change(&slots, "big").unwrap()).collect();
        assert!(change(&slots, "big").is_none());
        let checks: Vec<_> =
            (0..CHECKS).map(|_| slots.take(Priority::Resync, &Key::new("big", "any")).ok().unwrap()).collect();
        assert!(slots.take(Priority::Resync, &Key::new("one-more", "any")).is_err());
        let other: Vec<_> = (0..OF_A_NAMESPACE).map(|_| change(&slots, "other").unwrap()).collect();
        // However many have all that is shared, each further namespace has one.
        let small: Vec<_> = (0..100).map(|team| change(&slots, &format!("team-{team}")).unwrap()).collect();
        assert!(change(&slots, "team-7").is_none());
        big.pop();
        assert!(change(&slots, "big").is_none(), "the others have more than what is shared");
        drop((big, checks, other, small));
        assert!(slots.take(Priority::Resync, &Key::new("one-more", "any")).is_ok());
        assert!(change(&slots, "big").is_some());
        assert!(lock(&slots.0).changes.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_how_long_once_a_minute() {
        let slots = Slots::default();
        let ask = |name: &str| slots.take(Priority::User, &Key::new("big", name)).err().and_then(|later| later.tell);
        let mut running: Vec<_> = (0..OF_A_NAMESPACE).map(|_| change(&slots, "big").unwrap()).collect();
        // One ends each second, and another one takes its place; `a` asks again and again.
        let mut pass = async |seconds: usize| {
            let mut told = Vec::new();
            for _ in 0..seconds {
                tokio::time::advance(Duration::from_secs(1)).await;
                running.remove(0);
                running.push(change(&slots, "big").unwrap());
                told.extend(ask("a"));
            }
            told
        };
        assert_eq!((ask("a"), ask("b"), ask("c")), (None, None, None));
        assert_eq!(pass(1).await, [], "it may be its turn at once");
        let told = |waiting: u64| {
            let wait = Some(Duration::from_secs(waiting));
            Queue { running: OF_A_NAMESPACE, waiting: waiting as usize, wait }
        };
        assert_eq!(pass(1).await, [told(3)]);
        assert!(told(3).to_string().starts_with("waiting for its turn, about 3 s: 32 objects of this kind are"));
        assert_eq!(pass(59).await, [], "it was told a minute ago");
        assert_eq!(pass(1).await, [told(1)], "b and c have not asked since");
    }

    #[tokio::test(start_paused = true)]
    async fn so_is_who_waits_although_none_has_ended() {
        let slots = Slots::default();
        let others = ["red", "blue"].map(|team| (0..OF_A_NAMESPACE).map(|_| change(&slots, team)).collect::<Vec<_>>());
        let only = change(&slots, "small").unwrap();
        let ask = || slots.take(Priority::User, &Key::new("small", "a")).err().and_then(|later| later.tell);
        assert_eq!(ask(), None);
        tokio::time::advance(Duration::from_secs(2)).await;
        let says = ask().unwrap();
        assert_eq!(says, Queue { running: 2 * OF_A_NAMESPACE + 1, waiting: 1, wait: None });
        assert!(says.to_string().starts_with("waiting for its turn: 65 objects of this kind are"), "{says}");
        // The only one of its team ends, and another one begins.
        drop(only);
        let _only = change(&slots, "small").unwrap();
        tokio::time::advance(TELL_EVERY / 2).await;
        assert_eq!(ask(), None);
        tokio::time::advance(TELL_EVERY / 2).await;
        assert_eq!(ask().map(|says| says.wait.is_some()), Some(true));
        drop(others);
    }
}
