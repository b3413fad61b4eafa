//! The brake: past a number of deletions an hour in an account, all further ones are held until its admin lets them go. A
//! wrong prune of a GitOps tool costs so many objects and no more.
//!
//! What was counted is in memory and, for the next process, in the AWSAccount's status, which only its own controller
//! writes. An object is counted once, however often its deletion is tried.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::UnboundedSender;

use super::publish::now;
use crate::api::conditions::reasons;
use crate::api::{AWSAccount, DELETIONS_RELEASED, Deletions, DeletionsPart};
use crate::problem::Problem;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// So exactly another process knows when deletions were.
const PART: SignedDuration = SignedDuration::from_mins(5);

/// Counts deletions, by AWSAccount.
#[derive(Default)]
pub struct Brake {
    accounts: Mutex<HashMap<String, Account>>,
    counted: OnceLock<UnboundedSender<ObjectRef<AWSAccount>>>,
}

#[derive(Default)]
struct Account {
    window: Window,
    /// UIDs of objects that were let go, and since when one is gone: the stores may still hold it for a moment, and a
    /// reconcile of what they hold asks again.
    passed: HashMap<String, Option<Timestamp>>,
}

impl Brake {
    /// Has the controller of AWSAccounts woken when something was counted, to write it down. Called once.
    pub fn tell(&self, accounts: UnboundedSender<ObjectRef<AWSAccount>>) {
        let _ = self.counted.set(accounts);
    }

    /// Lets an object's deletion pass, and counts it.
    ///
    /// # Errors
    /// That it is held.
    pub fn pass(&self, account: &AWSAccount, uid: &str) -> Result<(), Problem> {
        let mut accounts = self.accounts();
        let entry = entry(&mut accounts, account);
        if entry.passed.contains_key(uid) {
            return Ok(());
        }
        let before = entry.window.clone();
        let passes = entry.window.count(account, now());
        if passes {
            entry.passed.insert(uid.to_owned(), None);
        }
        if let (true, Some(accounts)) = (before != entry.window, self.counted.get()) {
            // A closed queue means that the process is ending.
            let _ = accounts.send(ObjectRef::new(&account.name_any()));
        }
        if passes { Ok(()) } else { Err(held(account)) }
    }

    /// Whether an object's deletion is held: it did not pass, and none does now.
    ///
    /// # Errors
    /// That it is held.
    pub fn check(&self, account: &AWSAccount, uid: &str) -> Result<(), Problem> {
        let mut accounts = self.accounts();
        let entry = entry(&mut accounts, account);
        let mut after = entry.window.clone();
        if entry.passed.contains_key(uid) || after.count(account, now()) { Ok(()) } else { Err(held(account)) }
    }

    /// Whether all deletions are held already, but those that passed: then nobody asks AWS whether this one is about to go.
    ///
    /// # Errors
    /// That it is held.
    pub fn holds(&self, account: &AWSAccount, uid: &str) -> Result<(), Problem> {
        let mut accounts = self.accounts();
        let entry = entry(&mut accounts, account);
        entry.window.forget_old(account, now());
        let holds = entry.window.held_since.is_some() && !entry.passed.contains_key(uid);
        if holds { Err(held(account)) } else { Ok(()) }
    }

    /// The object is gone, or goes as soon as Kubernetes takes its finalizer off.
    pub fn gone(&self, uid: &str) {
        let now = now();
        for account in self.accounts().values_mut() {
            account.passed.retain(|_, gone| gone.is_none_or(|gone| now.duration_since(gone) < HOUR));
            if let Some(gone) = account.passed.get_mut(uid) {
                gone.get_or_insert(now);
            }
        }
    }

    /// What was counted, for the AWSAccount's status.
    pub fn counted(&self, account: &AWSAccount) -> Option<Deletions> {
        let mut accounts = self.accounts();
        let entry = entry(&mut accounts, account);
        entry.window.forget_old(account, now());
        entry.window.shown()
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry<'a>(accounts: &'a mut HashMap<String, Account>, account: &AWSAccount) -> &'a mut Account {
    accounts.entry(account.name_any()).or_insert_with(|| Account {
        // What the process before this one counted.
        window: account
            .status
            .as_ref()
            .and_then(|status| status.deletions.as_ref())
            .map(Window::of)
            .unwrap_or_default(),
        passed: HashMap::new(),
    })
}

/// When the admin last let deletions go.
///
/// # Errors
/// What the annotation holds instead of a time.
pub fn released_at(account: &AWSAccount) -> Result<Option<Timestamp>, String> {
    let value = account.annotations().get(DELETIONS_RELEASED);
    value.map(|value| value.parse().map_err(|_| value.clone())).transpose()
}

/// The deletions of the last hour.
#[derive(Clone, Debug, Default, PartialEq)]
struct Window {
    /// When they were counted, oldest first.
    times: VecDeque<Timestamp>,
    /// Since when all further ones are held.
    held_since: Option<Timestamp>,
}

impl Window {
    /// As another process wrote it down. Those of a part may have been as late as the last of them.
    fn of(deletions: &Deletions) -> Self {
        let parts = deletions.parts.iter().flat_map(|part| {
            let count = usize::try_from(part.count).unwrap_or_default();
            std::iter::repeat_n(part.until.0, count)
        });
        let mut times: VecDeque<Timestamp> = parts.collect();
        if let Some(first) = times.front_mut() {
            *first = deletions.since.0;
        }
        Self { times, held_since: deletions.held_since.as_ref().map(|held| held.0) }
    }

    fn shown(&self) -> Option<Deletions> {
        let since = self.times.front().copied().or(self.held_since)?;
        let count = i32::try_from(self.times.len()).unwrap_or(i32::MAX);
        let mut parts: Vec<DeletionsPart> = Vec::new();
        let mut begun = since;
        for at in &self.times {
            match parts.last_mut().filter(|_| at.duration_since(begun) < PART) {
                Some(part) => (part.until, part.count) = (Time(*at), part.count + 1),
                None => {
                    begun = *at;
                    parts.push(DeletionsPart { until: Time(*at), count: 1 });
                }
            }
        }
        Some(Deletions { since: Time(since), parts, count, held_since: self.held_since.map(Time) })
    }

    /// Forgets what was before the last hour, unless further ones are held, and what was let go.
    fn forget_old(&mut self, account: &AWSAccount, now: Timestamp) {
        let released = released_at(account).ok().flatten();
        match self.held_since {
            Some(held) if released.is_none_or(|released| released < held) => {}
            Some(_) => *self = Self::default(),
            None => {
                self.times.retain(|at| now.duration_since(*at) < HOUR && released.is_none_or(|released| released < *at))
            }
        }
    }

    /// Counts one more; answers whether it passes.
    fn count(&mut self, account: &AWSAccount, now: Timestamp) -> bool {
        self.forget_old(account, now);
        if released_at(account).is_ok_and(|released| released.is_some_and(|released| now <= released)) {
            return true;
        }
        let most = usize::try_from(account.spec.max_deletions_per_hour).unwrap_or_default();
        if self.held_since.is_none() && self.times.len() < most {
            self.times.push_back(now);
            return true;
        }
        self.held_since.get_or_insert(now);
        false
    }
}

fn held(account: &AWSAccount) -> Problem {
    let (name, most) = (account.name_any(), account.spec.max_deletions_per_hour);
    Problem::waiting(
        reasons::DELETION_HELD,
        format!(
            "more than {most} deletions within an hour in AWSAccount {name} (spec.maxDeletionsPerHour): nothing more is deleted until the platform admin lets it go with `kubectl annotate awsaccount {name} --overwrite {DELETIONS_RELEASED}=$(date -u +%FT%TZ)`"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(most: i32, released: Option<&str>) -> AWSAccount {
        let spec = serde_json::json!({
            "accountId": "111122223333", "regions": [{"name": "eu-central-1"}], "maxDeletionsPerHour": most,
        });
        let mut account = AWSAccount::new("dev", serde_json::from_value(spec).unwrap());
        account.annotations_mut().extend(released.map(|at| (DELETIONS_RELEASED.to_owned(), at.to_owned())));
        account
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    /// How many of these pass, one at each minute.
    fn passing(window: &mut Window, account: &AWSAccount, minutes: impl IntoIterator<Item = i64>) -> usize {
        minutes.into_iter().filter(|minute| window.count(account, at(*minute))).count()
    }

    #[test]
    fn no_hour_sees_more_wherever_it_begins() {
        let mut window = Window::default();
        assert_eq!(passing(&mut window, &account(3, None), [0, 59, 59, 60]), 4, "the first was an hour ago");
        assert_eq!(passing(&mut window, &account(3, None), [61, 62]), 0);
        let written = window.shown().unwrap();
        assert_eq!((written.count, written.since.0, written.held_since), (3, at(59), Some(Time(at(61)))));
        assert_eq!(Window::of(&window.shown().unwrap()).shown(), window.shown());
    }

    #[test]
    fn nor_does_an_hour_in_which_another_process_begins() {
        let mut window = Window::default();
        assert_eq!(passing(&mut window, &account(3, None), [0, 59, 59]), 3);
        let mut next = Window::of(&window.shown().unwrap());
        assert_eq!(passing(&mut next, &account(3, None), [61, 61]), 1, "only the first was more than an hour ago");

        // Nor does it hold what is no more than in any other hour.
        let mut steady = Window::default();
        assert_eq!(passing(&mut steady, &account(70, None), 0..60), 60);
        let mut next = Window::of(&steady.shown().unwrap());
        assert_eq!(passing(&mut next, &account(70, None), 60..180), 120);
    }

    #[test]
    fn so_many_an_hour_pass_and_then_none_however_long_it_lasts() {
        let mut deletions = Window::default();
        assert_eq!(passing(&mut deletions, &account(3, None), [0, 1, 2]), 3);
        assert_eq!(passing(&mut deletions, &account(3, None), [61, 62, 63]), 3, "the hour is over");
        assert_eq!(passing(&mut deletions, &account(3, None), [64]), 0);
        assert_eq!(passing(&mut deletions, &account(3, None), [65, 300, 3000]), 0, "only the admin lets them go");
        assert_eq!(passing(&mut deletions, &account(30, None), [3001]), 0, "not even a higher number does");
    }

    #[test]
    fn the_admin_lets_go_of_what_is_held_and_counting_begins_anew() {
        let mut deletions = Window::default();
        assert_eq!(passing(&mut deletions, &account(1, None), [0, 1]), 1);
        let earlier = account(1, Some(&at(0).to_string()));
        assert_eq!(passing(&mut deletions, &earlier, [2]), 0, "an older release does not count");
        let released = account(1, Some(&at(10).to_string()));
        assert_eq!(passing(&mut deletions, &released, [5, 6, 10]), 3, "until then everything passes");
        assert_eq!(passing(&mut deletions, &released, [11, 12]), 1);
    }

    #[test]
    fn an_object_is_counted_once_and_a_restart_forgets_nothing_that_was_counted() {
        let (wake, mut woken) = tokio::sync::mpsc::unbounded_channel();
        let brake = Brake::default();
        brake.tell(wake);
        let mut account = account(2, None);
        for uid in ["a", "a", "b", "a"] {
            assert_eq!(brake.pass(&account, uid), Ok(()));
        }
        brake.gone("a");
        assert_eq!(brake.pass(&account, "a"), Ok(()), "a reconcile that had not heard of it");
        assert_eq!(brake.check(&account, "b"), Ok(()), "it passed");
        assert!(brake.check(&account, "c").is_err());
        assert_eq!(brake.holds(&account, "c"), Ok(()), "nothing more was about to go yet");
        let problem = brake.pass(&account, "c").unwrap_err();
        assert!(problem.message.starts_with("more than 2 deletions within an hour in AWSAccount dev"), "{problem}");
        assert_eq!((brake.holds(&account, "c"), brake.holds(&account, "b")), (Err(problem), Ok(())));
        assert!(woken.try_recv().is_ok());
        account.status =
            Some(crate::api::AWSAccountStatus { deletions: brake.counted(&account), ..Default::default() });
        assert!(Brake::default().pass(&account, "d").is_err());
    }
}
