//! A definition as a picture: states as boxes, transitions as arrows, Map and Parallel states as groups.
//!
//! ```text
//! Machine ─ Graph::read ─▶ Graph ─┬─▶ mermaid
//! history ─ Way::of ─────▶ Way ───┼─▶ dot
//!                                 └─▶ layout ─▶ svg
//! ```
//!
//! It draws whatever the analyser can read, wrong definitions too: every state and every transition of the model is in the
//! picture, and a transition to a state that does not exist leads to a box that says so. Everything here takes about linear
//! time and no recursion; text from users is cut to what a box can hold and escaped for each format.

mod dot;
mod history;
mod label;
mod layout;
mod mermaid;
mod svg;
mod text;

use std::collections::HashMap;

pub use dot::dot;
pub use history::{Event, Items, Seen, Status, Way};
pub use mermaid::mermaid;
pub use svg::{Picture, svg};

use crate::asl::{Machine, MachineLevel, State, StateType, Why};

/// A machine as levels of nodes and edges; no edge leaves its level.
#[derive(Debug)]
pub struct Graph {
    /// As [`Machine::levels`]: the whole machine first, an outer one before those inside of it.
    pub levels: Vec<Level>,
}

/// A level: the machine, a branch of a Parallel state, or the processor of a Map state.
#[derive(Debug)]
pub struct Level {
    /// The level around it and the node there that it is inside of; `None` for the whole machine.
    pub owner: Option<(usize, usize)>,
    /// Whether its states run as executions of their own: in or inside of a Map state in DISTRIBUTED mode.
    pub apart: bool,
    /// The start (always the first), the states in the order they are written, and then, where something leads there, the end and states
    /// that do not exist.
    pub nodes: Vec<Node>,
    /// In the order of the states.
    pub edges: Vec<Edge>,
}

/// A box or a dot.
#[derive(Debug)]
pub struct Node {
    /// What it stands for.
    pub kind: Kind,
    /// The state's name; empty for start and end.
    pub name: String,
    /// The state's type, what it does, and what it retries, a line each.
    pub details: Vec<String>,
    /// The levels inside of it.
    pub levels: Vec<usize>,
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Where the level starts.
    Start,
    /// Where it ends.
    End,
    /// A state; `None` where its type does not exist.
    State(Option<StateType>),
    /// The target of a transition that names no state of the level.
    Missing,
}

/// All the transitions from one node to another that look alike.
#[derive(Debug)]
pub struct Edge {
    /// The node it leaves.
    pub from: usize,
    /// The node it leads to.
    pub to: usize,
    /// Whether it is taken because an error is caught.
    pub catch: bool,
    /// Conditions, error names, `Default`: one for each transition that has a word to say.
    pub labels: Vec<String>,
}

impl Graph {
    /// Reads a machine, whatever it holds.
    pub fn read(machine: &Machine<'_>) -> Self {
        let mut levels: Vec<Level> = Vec::with_capacity(machine.levels.len());
        for level in &machine.levels {
            // The start stands before the states.
            let owner = level.owner.map(|(level, state)| (level, state + 1));
            if let Some((outer, node)) = owner {
                let index = levels.len();
                levels[outer].nodes[node].levels.push(index);
            }
            let apart = level.distributed || owner.is_some_and(|(outer, _)| levels[outer].apart);
            levels.push(Level::read(level, owner, apart));
        }
        Self { levels }
    }
}

impl Level {
    fn read(level: &MachineLevel<'_>, owner: Option<(usize, usize)>, apart: bool) -> Self {
        let mut builder = Builder {
            nodes: vec![Node { kind: Kind::Start, name: String::new(), details: Vec::new(), levels: Vec::new() }],
            edges: Vec::new(),
            names: HashMap::new(),
            places: HashMap::new(),
            end: None,
        };
        for state in &level.states {
            builder.names.entry(state.at.name.to_owned()).or_insert(builder.nodes.len());
            builder.nodes.push(Node {
                kind: Kind::State(state.kind),
                name: state.at.name.to_owned(),
                details: label::details(state),
                levels: Vec::new(),
            });
        }
        if let Some(start) = level.level.value.get("StartAt") {
            let start = builder.target(start);
            builder.edge(0, start, false, None);
        }
        for (index, state) in level.states.iter().enumerate() {
            builder.ways_out(index + 1, state);
        }
        Self { owner, apart, nodes: builder.nodes, edges: builder.edges }
    }
}

struct Builder {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    names: HashMap<String, usize>,
    /// The edge between two nodes.
    places: HashMap<(usize, usize, bool), usize>,
    end: Option<usize>,
}

impl Builder {
    fn ways_out(&mut self, from: usize, state: &State<'_>) {
        let mut transitions = state.transitions();
        // As they are read: what is chosen first, errors last.
        transitions.sort_by_key(|transition| match transition.why {
            Why::Next => (0, 0),
            Why::Choice(index) => (1, index),
            Why::Default => (2, 0),
            Why::Catch(index) => (3, index),
        });
        for transition in transitions {
            let to = self.target(transition.to);
            let catch = matches!(transition.why, Why::Catch(_));
            self.edge(from, to, catch, label::transition(state, transition.why));
        }
        if state.ends() && state.kind != Some(StateType::Fail) {
            let to = match self.end {
                Some(end) => end,
                None => self.add(Kind::End, String::new()),
            };
            self.end = Some(to);
            self.edge(from, to, false, None);
        }
    }

    /// The node that a transition names.
    fn target(&mut self, name: &serde_json::Value) -> usize {
        let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
        if let Some(index) = self.names.get(&name) {
            return *index;
        }
        let index = self.add(Kind::Missing, name.clone());
        self.names.insert(name, index);
        index
    }

    fn add(&mut self, kind: Kind, name: String) -> usize {
        let details = match kind {
            Kind::Missing => vec!["no such state".to_owned()],
            _ => Vec::new(),
        };
        self.nodes.push(Node { kind, name, details, levels: Vec::new() });
        self.nodes.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, catch: bool, label: Option<String>) {
        let index = *self.places.entry((from, to, catch)).or_insert_with(|| {
            self.edges.push(Edge { from, to, catch, labels: Vec::new() });
            self.edges.len() - 1
        });
        self.edges[index].labels.extend(label);
    }
}

#[cfg(test)]
mod tests;
