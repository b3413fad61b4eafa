//! Whose turn it is: users before the period's checks, which get a small share all the same; inside of both, each
//! namespace in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::caller::Priority;

/// While checks wait, one call in so many is theirs.
const SHARE_OF_RESYNC: u32 = 8;

/// Divides between the two classes.
#[derive(Debug, Default)]
struct Share {
    users_in_a_row: u32,
}

impl Share {
    /// The class whose turn it is when both wait.
    fn first(&self) -> Priority {
        if self.users_in_a_row + 1 >= SHARE_OF_RESYNC { Priority::Resync } else { Priority::User }
    }

    fn served(&mut self, priority: Priority, resync_waits: bool) {
        self.users_in_a_row = match priority {
            Priority::User if resync_waits => self.users_in_a_row + 1,
            _ => 0,
        };
    }
}

/// The namespaces that wait in one lane, of each class in the order in which it is their turn.
#[derive(Debug, Default)]
pub struct Ring {
    share: Share,
    users: VecDeque<Arc<str>>,
    checks: VecDeque<Arc<str>>,
}

impl Ring {
    /// A namespace has a first call in the lane.
    pub fn join(&mut self, priority: Priority, namespace: Arc<str>) {
        self.of(priority).push_back(namespace);
    }

    /// A namespace has no call in the lane any more.
    pub fn leave(&mut self, priority: Priority, namespace: &str) {
        self.of(priority).retain(|waiting| **waiting != *namespace);
    }

    /// Whose turn it is.
    pub fn next(&self) -> Option<(Priority, &Arc<str>)> {
        let users = self.users.front().map(|namespace| (Priority::User, namespace));
        let checks = self.checks.front().map(|namespace| (Priority::Resync, namespace));
        match self.share.first() {
            Priority::User => users.or(checks),
            Priority::Resync => checks.or(users),
        }
    }

    /// It was a namespace's turn, which waits on with other calls or does not.
    pub fn served(&mut self, priority: Priority, namespace: &Arc<str>, waits_on: bool) {
        self.share.served(priority, !self.checks.is_empty());
        self.leave(priority, namespace);
        if waits_on {
            self.join(priority, Arc::clone(namespace));
        }
    }

    /// All that wait, of both classes.
    pub fn all(&self) -> impl Iterator<Item = (Priority, &Arc<str>)> {
        let users = self.users.iter().map(|namespace| (Priority::User, namespace));
        users.chain(self.checks.iter().map(|namespace| (Priority::Resync, namespace)))
    }

    fn of(&mut self, priority: Priority) -> &mut VecDeque<Arc<str>> {
        match priority {
            Priority::User => &mut self.users,
            Priority::Resync => &mut self.checks,
        }
    }
}

/// A call that could be made now, if it is its turn.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The lane.
    pub operation: Arc<str>,
    /// The class and the namespace.
    pub file: (Priority, Arc<str>),
    /// What kind of lane it is.
    pub lane: Kind,
    /// Since when it is its turn in the lane; where there are no turns, when its caller began.
    pub since: u64,
}

/// What kind of lane a call waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Its operation has a quota of less than a call a second. Whoever's turn it is there goes first of all, for nothing of
    /// such a quota may be lost; of the quota of all it takes next to nothing.
    Scarce,
    /// Its operation has a quota of its own.
    Limited,
    /// The quota of all operations is the only one.
    Free,
}

/// Divides the quota of all operations between the namespaces.
#[derive(Debug, Default)]
pub struct Turns {
    share: Share,
    served: u64,
    last: HashMap<(Priority, Arc<str>), u64>,
}

impl Turns {
    /// Whose turn it is: of its class, the namespace that was served longest ago. Inside of a namespace a turn in a lane
    /// is used first, the oldest before others, for another namespace waits for the next; then the caller that began first
    /// ends first.
    pub fn choose(&self, candidates: &[Candidate]) -> Option<usize> {
        let first = self.share.first();
        let rank = |index: &usize| {
            let Candidate { file, lane, since, .. } = &candidates[*index];
            let last = match lane {
                Kind::Scarce => 0,
                _ => self.last.get(file).copied().unwrap_or_default(),
            };
            (file.0 != first, *lane != Kind::Scarce, last, *lane, *since)
        };
        (0..candidates.len()).min_by_key(rank)
    }

    /// It was that one's turn among these.
    pub fn served(&mut self, served: &Candidate, candidates: &[Candidate]) {
        self.share.served(served.file.0, candidates.iter().any(|candidate| candidate.file.0 == Priority::Resync));
        self.served += 1;
        self.last.insert(served.file.clone(), self.served);
    }

    /// How many were served.
    pub fn count(&self) -> u64 {
        self.served
    }

    /// Forgets who was served: nobody has waited for a while.
    pub fn forget(&mut self) {
        self.last.clear();
    }
}
