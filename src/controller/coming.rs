//! Routes that come together with what they refer to are deployed together: what is ready does not go ahead of what is about to
//! be, so that one `kubectl apply` of routes and machines is one revision to go back to, not one for each machine.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::identity::Key;

/// So long the rest of an API waits for routes: a machine is ready in less, its new role included.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A route, at one generation.
pub type Coming = (Key, Option<i64>);

/// The APIs with routes that wait for what they refer to.
#[derive(Default)]
pub struct Arrivals(Mutex<HashMap<Key, Waits>>);

#[derive(Default)]
struct Waits {
    /// Since when the rest waits.
    since: Option<Instant>,
    /// For these it has waited.
    waited_for: BTreeSet<Coming>,
}

impl Arrivals {
    /// How long the rest of an API waits for those of its routes that wait `now`; `None` when it is over. It waits once for a
    /// route, and whoever never stops to add others does not hold it up.
    pub fn end_in(&self, api: &Key, waiting: Vec<Coming>, now: Instant) -> Option<Duration> {
        // A panic elsewhere cannot leave an entry half written.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            all.remove(api);
            return None;
        }
        let waits = all.entry(api.clone()).or_default();
        waits.waited_for.retain(|route| waiting.contains(route));
        if waits.waited_for.len() == waiting.len() {
            waits.since = None;
            return None;
        }
        let since = *waits.since.get_or_insert(now);
        let left = (since + PATIENCE).saturating_duration_since(now);
        if left.is_zero() {
            *waits = Waits { since: None, waited_for: waiting.into_iter().collect() };
            return None;
        }
        Some(left)
    }
}

/// APIs that serve routes which do not exist and may yet be applied. By UID.
#[derive(Default)]
pub struct Returns(Mutex<HashMap<String, Return>>);

#[derive(Default)]
struct Return {
    /// Since when it waits for each: not before the API is this operator's.
    since: HashMap<Key, Instant>,
    /// Those that were let go because they were deleted: they do not come.
    gone: BTreeSet<Key>,
}

impl Returns {
    /// An API is this operator's, and serves these routes that do not exist. How long until the first has been waited for so long.
    pub fn wait(&self, api: &str, routes: &BTreeSet<Key>, time: Duration, now: Instant) -> Option<Duration> {
        let mut all = self.lock();
        let waits = routes.iter().map(|route| {
            let since = &mut all.entry(api.to_owned()).or_default().since;
            *since.entry(route.clone()).or_insert(now)
        });
        waits.min().map(|first| (first + time).saturating_duration_since(now))
    }

    /// These exist: should they go again, they are waited for anew.
    pub fn exist(&self, api: &str, exists: impl Fn(&Key) -> bool) {
        if let Some(waits) = self.lock().get_mut(api) {
            waits.since.retain(|route, _| !exists(route));
        }
    }

    /// Whether a route was waited for so long.
    pub fn is_over(&self, api: &str, route: &Key, time: Duration, now: Instant) -> bool {
        let since = self.lock().get(api).and_then(|waits| waits.since.get(route).copied());
        since.is_some_and(|since| now.saturating_duration_since(since) >= time)
    }

    /// A route of it was deleted, and its finalizer goes.
    pub fn gone(&self, api: &str, route: Key) {
        self.lock().entry(api.to_owned()).or_default().gone.insert(route);
    }

    /// There is a route of this name again.
    pub fn comes(&self, api: &str, route: &Key) {
        if let Some(waits) = self.lock().get_mut(api) {
            waits.gone.remove(route);
        }
    }

    /// Whether this process knows that a route was deleted, and not only let go of.
    pub fn is_gone(&self, api: &str, route: &Key) -> bool {
        self.lock().get(api).is_some_and(|waits| waits.gone.contains(route))
    }

    /// All is as it should be. Those that are on record still and do not exist stay known as deleted.
    pub fn end(&self, api: &str, stays: impl Fn(&Key) -> bool) {
        let mut all = self.lock();
        if let Some(waits) = all.get_mut(api) {
            waits.since.clear();
            waits.gone.retain(stays);
            if waits.gone.is_empty() {
                all.remove(api);
            }
        }
    }

    /// The API is gone.
    pub fn forget(&self, api: &str) {
        self.lock().remove(api);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Return>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, generation: i64) -> Coming {
        (Key::new("demo", name), Some(generation))
    }

    #[test]
    fn a_route_is_waited_for_once_and_again_when_it_changes() {
        let (arrivals, api, start) = (Arrivals::default(), Key::new("demo", "api"), Instant::now());
        let left = |waiting: &[Coming], seconds: u64| {
            arrivals.end_in(&api, waiting.to_vec(), start + Duration::from_secs(seconds)).map(|left| left.as_secs())
        };
        assert_eq!(left(&[], 0), None);
        assert_eq!(left(&[route("a", 1)], 0), Some(20));
        assert_eq!(left(&[route("a", 1), route("b", 1)], 15), Some(5), "another one comes");
        assert_eq!(left(&[route("a", 1)], 16), Some(4), "which is ready");
        assert_eq!(left(&[route("a", 1)], 20), None, "the other never comes");
        assert_eq!(left(&[route("a", 1)], 3600), None);
        assert_eq!(left(&[route("a", 1), route("b", 2)], 3600), Some(20));
        assert_eq!(left(&[route("a", 2)], 3610), Some(10), "it was changed");
        assert_eq!(left(&[], 3611), None);
        assert_eq!(left(&[route("a", 2)], 3612), Some(20), "what it refers to is gone again");
        let other = Key::new("demo", "other");
        assert_eq!(arrivals.end_in(&other, vec![route("a", 2)], start), Some(PATIENCE));
    }

    #[test]
    fn whoever_never_stops_to_add_routes_does_not_hold_up_the_others() {
        let (arrivals, api, start) = (Arrivals::default(), Key::new("demo", "api"), Instant::now());
        let mut waiting = Vec::new();
        let looks = (0..600).filter(|second| {
            waiting.push(route(&format!("route-{second}"), 1));
            arrivals.end_in(&api, waiting.clone(), start + Duration::from_secs(*second)).is_none()
        });
        let looks: Vec<_> = looks.collect();
        assert!(looks.len() >= 28 && looks.windows(2).all(|two| two[1] - two[0] <= 21), "{looks:?}");
    }

    #[test]
    fn each_route_that_may_come_is_waited_for_as_long() {
        let (returns, start, time) = (Returns::default(), Instant::now(), Duration::from_mins(5));
        let [a, b] = ["a", "b"].map(|name| Key::new("demo", name));
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let wait = |routes: &[&Key], seconds: u64| {
            let routes = routes.iter().map(|route| (*route).clone()).collect();
            returns.wait("api", &routes, time, at(seconds)).map(|left| left.as_secs())
        };
        let is_over = |route: &Key, seconds: u64| returns.is_over("api", route, time, at(seconds));
        assert_eq!((wait(&[], 0), is_over(&a, 0)), (None, false));
        assert_eq!(wait(&[&a], 0), Some(300));
        assert_eq!(wait(&[&a, &b], 290), Some(10));
        assert!(is_over(&a, 300) && !is_over(&b, 300));
        // It stays over until it is there again, or all is well.
        assert_eq!(wait(&[&b], 301), Some(289));
        assert!(is_over(&a, 302));
        returns.exist("api", |route| *route == a);
        assert!(!is_over(&a, 303));
        returns.gone("api", b.clone());
        returns.end("api", |_| true);
        assert!(!is_over(&b, 1_000) && returns.is_gone("api", &b));
        returns.end("api", |_| false);
        assert!(!returns.is_gone("api", &b));
    }
}
