//! The calls of one family that wait: a lane for each operation that has a quota of its own and one for the
//! others, in it a file for each namespace, in it the
//! caller first that began first.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::bucket::Bucket;
use super::caller::{Caller, Priority};
use super::quotas::{Family, Quota};
use super::turns::{Candidate, Kind, Ring, Turns};
use super::{Event, Observer};

/// The lane of all operations without a quota of their own.
const FREE: &str = "";

/// Whose quotas they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The account's id.
    pub account_id: String,
    /// The Region; empty where the quotas are the whole account's.
    pub region: String,
    /// The API family.
    pub family: Family,
}

/// The budget of one family in one account and Region: who gets the next permit, and when.
pub struct Line {
    place: Place,
    observer: Observer,
    state: Mutex<State>,
    changed: Notify,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("place", &self.place).finish_non_exhaustive()
    }
}

struct State {
    all: Option<Bucket>,
    lanes: BTreeMap<Arc<str>, Lane>,
    turns: Turns,
    waiting: usize,
    tickets: u64,
    /// When the task that gives out permits looks next; `None` without such a task.
    next: Option<Instant>,
}

#[derive(Default)]
struct Lane {
    bucket: Option<Bucket>,
    /// AWS asked to be left alone until then.
    held_until: Option<Instant>,
    files: HashMap<(Priority, Arc<str>), VecDeque<Waiter>>,
    ring: Ring,
    /// After how many turns of all its last turn ended.
    turn_since: u64,
}

struct Waiter {
    caller: u64,
    ticket: u64,
    permit: oneshot::Sender<()>,
}

/// A place in the queue.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub(super) operation: String,
    pub(super) since: Instant,
    lane: String,
    number: u64,
    file: (Priority, Arc<str>),
}

/// How long a call has to wait on, and for what.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// How long.
    pub wait: Duration,
    /// How many calls are before it.
    pub before: usize,
    /// What it waits for.
    pub limit: Limit,
    /// Whether throttling has lowered the rate under what AWS documents.
    pub lowered: bool,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The operation's own quota.
    Operation(Quota),
    /// The quota of all operations together.
    All(Quota),
    /// AWS asked to wait (`Retry-After`).
    Asked,
}

/// Leaves the queue when its call is given up.
struct Seat<'a> {
    line: &'a Line,
    caller: &'a Caller,
    ticket: Ticket,
    served: bool,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.caller.ends(self.ticket.since.elapsed());
        if !self.served {
            self.line.leave(&self.ticket);
        }
    }
}

impl Line {
    /// One where nobody waits and nothing was called for long.
    pub fn new(place: Place, observer: Observer) -> Arc<Self> {
        let state = State {
            all: place.family.all().map(|quota| Bucket::new(quota, Instant::now())),
            lanes: BTreeMap::new(),
            turns: Turns::default(),
            waiting: 0,
            tickets: 0,
            next: None,
        };
        Arc::new(Self { place, observer, state: Mutex::new(state), changed: Notify::new() })
    }

    /// The API family.
    pub fn family(&self) -> Family {
        self.place.family
    }

    /// Returns when the operation may be called once. Given up, it costs nothing.
    pub async fn permit(self: &Arc<Self>, operation: &str, caller: &Caller) {
        let (ticket, mut permit) = self.enter(operation, caller);
        let mut seat = Seat { line: self, caller, ticket, served: false };
        if permit.try_recv().is_err() {
            caller.begins(Arc::clone(self), seat.ticket.clone());
            // Its sender is dropped only with the whole line.
            let _ = permit.await;
        }
        seat.served = true;
        let waited = seat.ticket.since.elapsed();
        (self.observer)(&Event::Waited { place: &self.place, operation, priority: caller.priority, waited });
    }

    /// AWS took a call: what throttling took from the rate comes back bit by bit.
    pub fn succeeded(&self, operation: &str) {
        self.adapt(operation, Bucket::succeeded);
    }

    /// AWS refused a call for being one too many. A pause that it asks for concerns the operation's lane.
    pub fn throttled(&self, operation: &str, retry_after: Option<Duration>) {
        let now = Instant::now();
        if let Some(pause) = retry_after {
            let mut state = self.lock();
            let lane = state.lane(self.place.family, operation, now);
            lane.held_until = lane.held_until.max(Some(now + pause));
        }
        self.adapt(operation, Bucket::throttled);
    }

    /// The operation's own quota adapts where it has one, else that of all; AWS does not say which was exceeded.
    fn adapt(&self, operation: &str, change: fn(&mut Bucket, Instant)) {
        let now = Instant::now();
        let mut state = self.lock();
        let own = state.lane(self.place.family, operation, now).bucket.is_some();
        let bucket = match own {
            true => state.lane(self.place.family, operation, now).bucket.as_mut(),
            false => state.all.as_mut(),
        };
        let Some(bucket) = bucket else { return };
        let before = bucket.rate();
        change(bucket, now);
        let rate = bucket.rate();
        drop(state);
        if rate != before {
            (self.observer)(&Event::Rate { place: &self.place, operation: own.then_some(operation), rate });
            self.changed.notify_one();
        }
    }

    /// How long a call has to wait on; `None` when it does not wait any more.
    pub fn estimate(&self, ticket: &Ticket) -> Option<Estimate> {
        self.lock().estimate(ticket, Instant::now())
    }

    fn enter(self: &Arc<Self>, operation: &str, caller: &Caller) -> (Ticket, oneshot::Receiver<()>) {
        let now = Instant::now();
        let (permit, receiver) = oneshot::channel();
        let mut state = self.lock();
        if state.is_rested(now) {
            state.turns.forget();
        }
        state.tickets += 1;
        let file = (caller.priority, Arc::clone(&caller.namespace));
        let number = state.tickets;
        let lane = state.lane(self.place.family, operation, now);
        let name = if lane.bucket.is_some() { operation } else { FREE };
        let ticket =
            Ticket { operation: operation.to_owned(), since: now, lane: name.to_owned(), number, file: file.clone() };
        lane.push(file, Waiter { caller: caller.number, ticket: ticket.number, permit });
        let at = lane.ready_at(now);
        state.waiting += 1;
        match state.next {
            // The task comes by earlier than anything could be done for this call.
            Some(next) if at.max(state.all_ready_at(now)) >= next => {}
            Some(_) => self.changed.notify_one(),
            None => {
                state.next = state.give_out(now);
                if state.next.is_some() {
                    tokio::spawn(Arc::clone(self).drive());
                }
            }
        }
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.tell_waiting(waiting);
        }
        (ticket, receiver)
    }

    fn leave(&self, ticket: &Ticket) {
        let mut state = self.lock();
        let left = state.lanes.get_mut(&*ticket.lane).is_some_and(|lane| lane.remove(ticket));
        state.waiting -= usize::from(left);
    }

    /// Gives out permits as time passes, until nobody waits.
    async fn drive(self: Arc<Self>) {
        loop {
            let (next, waiting) = {
                let mut state = self.lock();
                state.next = state.give_out(Instant::now());
                (state.next, state.waiting)
            };
            self.tell_waiting(waiting);
            let Some(next) = next else { return };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn tell_waiting(&self, waiting: usize) {
        (self.observer)(&Event::Waiting { place: &self.place, waiting });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lane(&mut self, family: Family, operation: &str, now: Instant) -> &mut Lane {
        let quota = family.of(operation);
        let bucket = || quota.map(|quota| Bucket::new(quota, now));
        let name = if quota.is_some() { operation } else { FREE };
        self.lanes.entry(name.into()).or_insert_with(|| Lane { bucket: bucket(), ..Lane::default() })
    }

    /// Gives out every permit that can be given now; answers when the next can be, while anyone waits.
    fn give_out(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let mut next: Option<Instant> = None;
            let mut candidates = Vec::new();
            for (operation, lane) in self.lanes.iter().filter(|(_, lane)| !lane.files.is_empty()) {
                let at = lane.ready_at(now);
                if at > now {
                    next = Some(next.map_or(at, |next| next.min(at)));
                } else {
                    lane.offer(operation, &mut candidates);
                }
            }
            let Some(chosen) = self.turns.choose(&candidates) else { return next };
            let all_at = self.all_ready_at(now);
            if all_at > now {
                return Some(all_at);
            }
            let Candidate { operation, file, .. } = &candidates[chosen];
            let Some(lane) = self.lanes.get_mut(operation) else { return next };
            let Some(waiter) = lane.pop(file, self.turns.count()) else { return next };
            self.waiting -= 1;
            // Who gave up has no use for it.
            if waiter.permit.send(()).is_err() {
                continue;
            }
            self.turns.served(&candidates[chosen], &candidates);
            for bucket in [&mut lane.bucket, &mut self.all].into_iter().flatten() {
                bucket.take(now);
            }
        }
    }

    fn all_ready_at(&self, now: Instant) -> Instant {
        self.all.as_ref().map_or(now, |all| all.ready_at(now))
    }

    fn is_rested(&self, now: Instant) -> bool {
        self.waiting == 0 && self.all.as_ref().is_none_or(|all| all.is_full(now))
    }

    fn estimate(&self, ticket: &Ticket, now: Instant) -> Option<Estimate> {
        let lane = self.lanes.get(&*ticket.lane)?;
        let behind = lane.files.get(&ticket.file)?.iter().position(|waiter| waiter.ticket == ticket.number)?;
        let before = lane.before(&ticket.file, behind);
        let estimate = |bucket: &Bucket, before: usize, limit: fn(Quota) -> Limit| Estimate {
            wait: (bucket.ready_at(now) - now) + Duration::from_secs_f64(before as f64 / bucket.rate()),
            before,
            limit: limit(bucket.quota()),
            lowered: bucket.rate() < 0.9 * bucket.quota().rate(),
        };
        let own = lane.bucket.as_ref().map(|bucket| estimate(bucket, before, Limit::Operation));
        // Between all operations the namespaces take turns too; who has waited in a lane does not wait long again.
        let before_all = if own.is_some() { 0 } else { before };
        let all = self.all.as_ref().map(|bucket| estimate(bucket, before_all, Limit::All));
        let asked = lane.held_until.filter(|until| *until > now).map(|until| Estimate {
            wait: until - now,
            before,
            limit: Limit::Asked,
            lowered: false,
        });
        [all, own, asked].into_iter().flatten().max_by_key(|estimate| estimate.wait)
    }
}

impl Lane {
    fn ready_at(&self, now: Instant) -> Instant {
        let token = self.bucket.as_ref().map_or(now, |bucket| bucket.ready_at(now));
        token.max(self.held_until.unwrap_or(now))
    }

    fn push(&mut self, file: (Priority, Arc<str>), waiter: Waiter) {
        let (priority, namespace) = file.clone();
        let waiters = self.files.entry(file).or_default();
        if waiters.is_empty() {
            self.ring.join(priority, namespace);
        }
        // What is under way is finished before more is begun.
        let place = waiters.partition_point(|before| before.caller <= waiter.caller);
        waiters.insert(place, waiter);
    }

    /// What could be called now: whose turn it is, or where there are no turns the first of every namespace.
    fn offer(&self, operation: &Arc<str>, candidates: &mut Vec<Candidate>) {
        let mut offer = |(priority, namespace): (Priority, &Arc<str>), lane: Kind| {
            let file = (priority, Arc::clone(namespace));
            let Some(first) = self.files.get(&file).and_then(VecDeque::front) else { return };
            let since = if lane == Kind::Free { first.caller } else { self.turn_since };
            candidates.push(Candidate { operation: Arc::clone(operation), file, lane, since });
        };
        match &self.bucket {
            None => self.ring.all().for_each(|file| offer(file, Kind::Free)),
            Some(bucket) => {
                let kind = if bucket.quota().rate() < 1.0 { Kind::Scarce } else { Kind::Limited };
                self.ring.next().into_iter().for_each(|file| offer(file, kind));
            }
        }
    }

    /// The first of a file whose turn it is, after so many turns of all.
    fn pop(&mut self, file: &(Priority, Arc<str>), turns: u64) -> Option<Waiter> {
        let waiters = self.files.get_mut(file)?;
        let waiter = waiters.pop_front();
        let waits_on = !waiters.is_empty();
        if !waits_on {
            self.files.remove(file);
        }
        self.ring.served(file.0, &file.1, waits_on);
        self.turn_since = turns;
        waiter
    }

    /// Whether it was there.
    fn remove(&mut self, ticket: &Ticket) -> bool {
        let Some(waiters) = self.files.get_mut(&ticket.file) else { return false };
        let before = waiters.len();
        waiters.retain(|waiter| waiter.ticket != ticket.number);
        let left = before > waiters.len();
        if waiters.is_empty() {
            self.files.remove(&ticket.file);
            self.ring.leave(ticket.file.0, &ticket.file.1);
        }
        left
    }

    /// How many calls come before the one that has `behind` before it in its own file: as many of every other file of its
    /// class, and users before checks.
    fn before(&self, own: &(Priority, Arc<str>), behind: usize) -> usize {
        self.files
            .iter()
            .map(|(file, waiters)| match file.0.cmp(&own.0) {
                std::cmp::Ordering::Less => waiters.len(),
                std::cmp::Ordering::Equal if file == own => behind,
                std::cmp::Ordering::Equal => waiters.len().min(behind + 1),
                std::cmp::Ordering::Greater => 0,
            })
            .sum()
    }
}

#[cfg(test)]
mod tests;
