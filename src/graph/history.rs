//! The way that an execution took, read from its history.
//!
//! How AWS links events was seen in histories recorded from it (LocalStack's snapshots of AWS): the first state's events
//! have no previous event; a caught error is a failure followed by the exit of the same state; the end of a Map or
//! Parallel state follows an event of a state inside of it; each new attempt of a Parallel state starts it again.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Graph, Kind};

/// An event of GetExecutionHistory, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Its number.
    pub id: i64,
    /// The number of the event that led to it; 0 for none.
    pub previous: i64,
    /// AWS's name of its type, such as `TaskStateEntered`.
    pub kind: String,
    /// The state that it names.
    pub state: Option<String>,
    /// The error that it names.
    pub error: Option<String>,
    /// How far the Map Run is that it starts.
    pub items: Option<Items>,
}

/// The items of a Map state in DISTRIBUTED mode, which are in no history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Items {
    /// All of them.
    pub total: usize,
    /// Those that succeeded.
    pub succeeded: usize,
    /// Those that failed, or ran out of time.
    pub failed: usize,
    /// Those that were stopped.
    pub aborted: usize,
}

/// What became of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It runs in executions of its own: inside of a Map state in DISTRIBUTED mode.
    Apart,
    /// The execution did not come there.
    NotReached,
    /// It ended well.
    Succeeded,
    /// It failed, and the error was caught.
    Caught,
    /// It was stopped, because the execution or what is around it ended.
    Aborted,
    /// It failed.
    Failed,
    /// It is not done.
    Running,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Apart, Self::NotReached, Self::Succeeded, Self::Caught, Self::Aborted, Self::Failed, Self::Running];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Apart => "in executions of its own",
            Self::NotReached => "not reached",
            Self::Succeeded => "succeeded",
            Self::Caught => "caught",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
            Self::Running => "running",
        }
    }
}

/// A node and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The worst of its visits.
    pub status: Status,
    /// In words; empty where there is nothing to say.
    pub note: String,
}

/// What became of each node and edge of a [`Graph`].
#[derive(Debug)]
pub struct Way {
    /// By level and node.
    pub nodes: Vec<Vec<Seen>>,
    /// By level and edge: whether it was taken.
    pub edges: Vec<Vec<bool>>,
    /// States of the execution that the graph does not have: it ran another definition.
    pub unknown: Vec<String>,
}

/// One time that a state was entered.
struct Visit {
    state: String,
    /// The visit of the Map or Parallel state around it.
    around: Option<usize>,
    /// The visit that led to it, and whether by a caught error.
    after: Option<(usize, bool)>,
    exited: bool,
    /// Its last event is a failure; the error's name.
    failure: Option<String>,
    /// What is around it failed because of it.
    fatal: bool,
    /// It will have no further event.
    closed: bool,
    /// It is a Fail state.
    is_fail: bool,
    /// It is a Map or Parallel state that failed as a whole.
    ended: bool,
    iterations: [usize; 4],
    /// The visits inside of it that may be open.
    inside: Vec<usize>,
}

const STARTED: usize = 0;
const DONE: usize = 1;
const FAILED: usize = 2;
const ABORTED: usize = 3;

impl Way {
    /// What a history, in the order of its events, says about a graph.
    pub fn of(graph: &Graph, events: &[Event]) -> Self {
        let owners = owners(graph);
        let groups = owners.values().copied().flatten().collect();
        let mut reader = Reader {
            owners: &owners,
            groups,
            visits: Vec::new(),
            at: HashMap::new(),
            exits: HashSet::new(),
            open: HashMap::new(),
        };
        for event in events {
            reader.read(event);
        }
        reader.show(graph)
    }
}

/// The Map or Parallel state around each state.
fn owners(graph: &Graph) -> HashMap<&str, Option<&str>> {
    let mut owners = HashMap::new();
    for level in &graph.levels {
        let owner = level.owner.map(|(level, node)| graph.levels[level].nodes[node].name.as_str());
        for node in level.nodes.iter().filter(|node| matches!(node.kind, Kind::State(_))) {
            owners.entry(node.name.as_str()).or_insert(owner);
        }
    }
    owners
}

struct Reader<'g> {
    owners: &'g HashMap<&'g str, Option<&'g str>>,
    /// The Map and Parallel states.
    groups: HashSet<&'g str>,
    visits: Vec<Visit>,
    /// The visit that an event belongs to.
    at: HashMap<i64, usize>,
    /// The events with which visits were left.
    exits: HashSet<i64>,
    /// The latest visit of each state.
    open: HashMap<String, usize>,
}

impl Reader<'_> {
    fn read(&mut self, event: &Event) {
        let kind = event.kind.as_str();
        let before = self.at.get(&event.previous).copied();
        let visit = if kind.starts_with("Execution") {
            return self.execution(event, before);
        } else if kind.ends_with("StateEntered") {
            Some(self.enter(event, before))
        } else if kind.ends_with("StateExited") {
            self.exit(event, before)
        } else if kind.starts_with("ParallelState") || kind.starts_with("MapState") {
            self.of_group(event, before)
        } else if kind.starts_with("MapIteration") {
            self.iteration(event, before)
        } else {
            // An evaluation can fail before anything else is known of the first state: then it names it.
            before.or_else(|| self.open.get(event.state.as_deref()?).copied())
        };
        let Some(visit) = visit else { return };
        self.at.insert(event.id, visit);
        if let Some(Items { total, succeeded, failed, aborted }) = event.items {
            self.visits[visit].iterations = [total, succeeded, failed, aborted];
        }
        let failed = kind.ends_with("Failed") && !kind.starts_with("MapIteration") || kind.ends_with("TimedOut");
        let state = &mut self.visits[visit];
        if failed {
            let error = event.error.clone().or_else(|| state.failure.clone()).unwrap_or_default();
            state.failure = Some(error);
        } else if !kind.ends_with("StateExited") && !kind.starts_with("MapIteration") {
            state.failure = None;
        }
        if kind.ends_with("StateAborted") {
            state.closed = true;
        }
    }

    fn enter(&mut self, event: &Event, before: Option<usize>) -> usize {
        let state = event.state.clone().unwrap_or_default();
        let owner = self.owners.get(state.as_str()).copied().flatten();
        let after = before.filter(|_| self.exits.contains(&event.previous));
        let around = owner.and_then(|owner| {
            let siblings = after.and_then(|visit| self.visits[visit].around);
            let inside = before.filter(|visit| self.visits[*visit].state == owner);
            siblings.or(inside).or_else(|| self.open.get(owner).copied())
        });
        self.visits.push(Visit {
            after: after.map(|visit| (visit, self.visits[visit].failure.is_some())),
            around,
            exited: false,
            failure: None,
            fatal: false,
            closed: false,
            is_fail: event.kind.starts_with("Fail"),
            ended: false,
            iterations: [0; 4],
            inside: Vec::new(),
            state: state.clone(),
        });
        if let Some(around) = around {
            let visit = self.visits.len() - 1;
            self.visits[around].inside.push(visit);
        }
        self.open.insert(state, self.visits.len() - 1);
        self.visits.len() - 1
    }

    fn exit(&mut self, event: &Event, before: Option<usize>) -> Option<usize> {
        let name = event.state.as_deref()?;
        let visit =
            before.filter(|visit| self.visits[*visit].state == name).or_else(|| self.open.get(name).copied())?;
        self.visits[visit].exited = true;
        self.visits[visit].closed = true;
        self.exits.insert(event.id);
        self.close_inside(visit);
        Some(visit)
    }

    /// `ParallelStateStarted`, `MapStateFailed` and so on: they name no state, and follow an event of it or of one inside.
    fn of_group(&mut self, event: &Event, before: Option<usize>) -> Option<usize> {
        let inner = before?;
        let Visit { exited, ended, around, state, .. } = &self.visits[inner];
        let own = self.groups.contains(state.as_str()) && !exited && !ended;
        let visit = if own { inner } else { around.unwrap_or(inner) };
        if event.kind.ends_with("Failed") {
            if visit != inner {
                self.visits[inner].fatal = true;
                self.visits[visit].failure = self.visits[inner].failure.clone();
            }
            self.visits[visit].ended = true;
        }
        if event.kind.ends_with("Started") || event.kind.ends_with("Failed") {
            // Before a new attempt, too: what the last one left will not go on.
            self.close_inside(visit);
        }
        Some(visit)
    }

    fn iteration(&mut self, event: &Event, before: Option<usize>) -> Option<usize> {
        let name = event.state.as_deref()?;
        let mut visit = before;
        while let Some(at) = visit
            && self.visits[at].state != name
        {
            visit = self.visits[at].around;
        }
        let visit = visit.or_else(|| self.open.get(name).copied())?;
        let count = match event.kind.strip_prefix("MapIteration") {
            Some("Started") => STARTED,
            Some("Succeeded") => DONE,
            Some("Failed") => FAILED,
            Some("Aborted") => ABORTED,
            _ => return Some(visit),
        };
        self.visits[visit].iterations[count] += 1;
        if count == FAILED
            && let Some(inner) = before.filter(|inner| *inner != visit)
        {
            self.visits[inner].fatal = true;
            self.visits[inner].closed = true;
        }
        Some(visit)
    }

    fn execution(&mut self, event: &Event, before: Option<usize>) {
        match event.kind.as_str() {
            "ExecutionStarted" => {}
            // What failed runs again, and has its own events.
            "ExecutionRedriven" => self.visits.iter_mut().for_each(|visit| visit.closed = true),
            kind => {
                self.visits.iter_mut().for_each(|visit| visit.closed = true);
                if kind == "ExecutionFailed"
                    && let Some(before) = before.or(self.visits.len().checked_sub(1))
                    && !self.visits[before].exited
                {
                    self.visits[before].fatal = true;
                    let error = self.visits[before].failure.take().filter(|error| !error.is_empty());
                    self.visits[before].failure = error.or_else(|| event.error.clone());
                }
            }
        }
    }

    /// What is inside of a visit ends with it.
    fn close_inside(&mut self, visit: usize) {
        let mut pending = std::mem::take(&mut self.visits[visit].inside);
        while let Some(inner) = pending.pop() {
            self.visits[inner].closed = true;
            pending.append(&mut self.visits[inner].inside);
        }
    }

    fn show(&self, graph: &Graph) -> Way {
        let mut states: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut taken: HashSet<(&str, &str, bool)> = HashSet::new();
        let mut first: HashSet<&str> = HashSet::new();
        for (index, visit) in self.visits.iter().enumerate() {
            states.entry(&visit.state).or_default().push(index);
            match visit.after {
                Some((before, caught)) => {
                    taken.insert((&self.visits[before].state, &visit.state, caught));
                }
                None => {
                    first.insert(&visit.state);
                }
            }
        }
        let seen = |name: &str, apart: bool| match states.get(name) {
            Some(visits) => self.seen(visits),
            None if apart => Seen { status: Status::Apart, note: String::new() },
            None => Seen { status: Status::NotReached, note: String::new() },
        };
        let (mut nodes, mut edges) = (Vec::new(), Vec::new());
        for level in &graph.levels {
            let mut here: Vec<Seen> = level.nodes.iter().map(|node| seen(&node.name, level.apart)).collect();
            let mut ways = Vec::new();
            for edge in &level.edges {
                let (from, to) = (&level.nodes[edge.from], &level.nodes[edge.to]);
                let way = match (from.kind, to.kind) {
                    (Kind::Start, _) => first.contains(to.name.as_str()),
                    (_, Kind::End) => self.left_well(states.get(from.name.as_str())),
                    _ => taken.contains(&(from.name.as_str(), to.name.as_str(), edge.catch)),
                };
                if way {
                    for end in [edge.from, edge.to] {
                        if matches!(level.nodes[end].kind, Kind::Start | Kind::End) {
                            here[end].status = Status::Succeeded;
                        }
                    }
                }
                ways.push(way);
            }
            nodes.push(here);
            edges.push(ways);
        }
        let known: HashSet<&str> = self.owners.keys().copied().collect();
        let unknown: BTreeSet<&str> = states.keys().copied().filter(|state| !known.contains(state)).collect();
        Way { nodes, edges, unknown: unknown.into_iter().map(str::to_owned).collect() }
    }

    fn left_well(&self, visits: Option<&Vec<usize>>) -> bool {
        visits.into_iter().flatten().any(|visit| self.status(&self.visits[*visit]) == Status::Succeeded)
    }

    fn status(&self, visit: &Visit) -> Status {
        match visit {
            Visit { exited: true, failure: Some(_), .. } => Status::Caught,
            Visit { exited: true, .. } => Status::Succeeded,
            Visit { closed: false, is_fail: false, .. } => Status::Running,
            Visit { is_fail: true, .. } | Visit { fatal: true, .. } | Visit { failure: Some(_), .. } => Status::Failed,
            _ => Status::Aborted,
        }
    }

    /// `succeeded`, `caught States.Timeout`, `4 succeeded, 1 failed`, `5 iterations: 4 succeeded, 1 failed`.
    fn seen(&self, visits: &[usize]) -> Seen {
        let mut counts: Vec<(Status, usize)> = Status::ALL.map(|status| (status, 0)).into();
        let mut iterations = [0; 4];
        let mut error = None;
        for visit in visits.iter().map(|visit| &self.visits[*visit]) {
            let status = self.status(visit);
            for (other, count) in &mut counts {
                *count += usize::from(*other == status);
            }
            for (sum, count) in iterations.iter_mut().zip(visit.iterations) {
                *sum += count;
            }
            if matches!(status, Status::Caught | Status::Failed) {
                error = visit.failure.clone().filter(|error| !error.is_empty()).or(error);
            }
        }
        counts.retain(|(_, count)| *count > 0);
        let status = counts.iter().map(|(status, _)| *status).max().unwrap_or(Status::NotReached);
        let words = |counts: &[(Status, usize)]| {
            let words: Vec<String> =
                counts.iter().map(|(status, count)| format!("{count} {}", status.words())).collect();
            words.join(", ")
        };
        let mut note = match visits.len() {
            1 => status.words().to_owned(),
            _ => words(&counts),
        };
        if let Some(error) = error {
            note += &format!(": {error}");
        }
        if iterations[STARTED] > 0 {
            let done = [(Status::Succeeded, DONE), (Status::Failed, FAILED), (Status::Aborted, ABORTED)];
            let mut counts: Vec<(Status, usize)> = done.map(|(status, count)| (status, iterations[count])).into();
            let ended: usize = counts.iter().map(|(_, count)| count).sum();
            counts.push((
                Status::Running,
                if status == Status::Running { iterations[STARTED].saturating_sub(ended) } else { 0 },
            ));
            counts.retain(|(_, count)| *count > 0);
            let total = iterations[STARTED];
            let noun = if total == 1 { "iteration" } else { "iterations" };
            note += &format!("; {total} {noun}: {}", words(&counts));
            note = note.trim_end_matches(": ").to_owned();
        }
        Seen { status, note }
    }
}
