//! A role's policy over several documents: the inline one while it fits, else customer-managed policies beside it. And the way from
//! one such layout to another on which the role can at every moment do all that both admit.
//!
//! The layout follows from the policy alone, so that the same need is always the same text.

use std::collections::{BTreeMap, BTreeSet};

use super::infer;
use super::statement::{Conditions, Document, Effect, INLINE_LIMIT, Statement};

/// What one customer-managed policy may hold, in characters without white space (AWS.md §1).
pub const PART_LIMIT: usize = 6_144;
/// How many managed policies a role may have attached (AWS.md §1; raisable, which nothing here relies on).
pub const MOST_ATTACHED: usize = 10;

/// Where a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The role's inline policy.
    Inline,
    /// A customer-managed policy; the first is 1.
    Part(usize),
}

impl Slot {
    fn limit(self) -> usize {
        match self {
            Self::Inline => INLINE_LIMIT,
            Self::Part(_) => PART_LIMIT,
        }
    }
}

/// The documents of a role; none is empty.
pub type Layout = BTreeMap<Slot, Document>;

/// One action on one resource, or on all but some, perhaps under conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Allow or Deny.
    pub effect: Effect,
    /// The action, in lower case: case does not count.
    action: String,
    conditions: Conditions,
    not_resources: Vec<String>,
    resource: Option<String>,
}

/// What the documents say, however it is grouped.
pub fn pairs<'a>(documents: impl IntoIterator<Item = &'a Document>) -> BTreeSet<Pair> {
    let statements = documents.into_iter().flat_map(Document::statements);
    let of = |statement: &Statement| -> Vec<Pair> { statement_pairs(statement).map(|(pair, _)| pair).collect() };
    statements.flat_map(of).collect()
}

/// Each pair of a statement, and the statement that says it alone.
fn statement_pairs(statement: &Statement) -> impl Iterator<Item = (Pair, Statement)> {
    let resources: Vec<Option<String>> = match statement.resources.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    statement.actions.iter().flat_map(move |action| {
        resources.clone().into_iter().map(move |resource| {
            let pair = Pair {
                effect: statement.effect,
                action: action.to_ascii_lowercase(),
                conditions: statement.conditions.clone(),
                not_resources: statement.not_resources.clone(),
                resource: resource.clone(),
            };
            let alone = Statement {
                sid: None,
                actions: vec![action.clone()],
                resources: resource.into_iter().collect(),
                ..statement.clone()
            };
            (pair, alone)
        })
    })
}

/// What of a document `keep` admits, pair by pair; the document itself where that is all of it.
pub fn filtered(document: &Document, keep: impl Fn(&Pair, &Statement) -> bool) -> Document {
    let alone: Vec<(Pair, Statement)> = document.statements().iter().flat_map(statement_pairs).collect();
    if alone.iter().all(|(pair, statement)| keep(pair, statement)) {
        return document.clone();
    }
    let kept = alone.into_iter().filter(|(pair, statement)| keep(pair, statement)).map(|(_, statement)| statement);
    Document::new(infer::folded(&kept.collect::<Vec<_>>()))
}

/// Lays out a policy: inline while it fits, folded if need be; else `guard` stays inline and the rest becomes at most `most` parts.
/// `None` where that holds it not.
pub fn lay_out(statements: &[Statement], guard: Option<Statement>, most: usize) -> Option<Layout> {
    let inline = |statements: &[Statement]| Document::new(statements.iter().cloned().chain(guard.clone()));
    let mut whole = inline(statements);
    let mut layout = Layout::new();
    if whole.len() > INLINE_LIMIT {
        let folded = infer::folded(statements);
        whole = inline(&folded);
        if whole.len() > INLINE_LIMIT {
            let parts = split(&folded, most)?;
            layout.extend((1..).map(Slot::Part).zip(parts));
            whole = inline(&[]);
        }
    }
    if !whole.is_empty() {
        layout.insert(Slot::Inline, whole);
    }
    Some(layout)
}

/// Cuts statements into documents of [`PART_LIMIT`] characters, `most` at most: each goes where it first fits, in the order given. One
/// that is too long alone is cut along its resources, or else its actions.
fn split(statements: &[Statement], most: usize) -> Option<Vec<Document>> {
    let empty = Document::default().len();
    let mut parts: Vec<(usize, Vec<Statement>)> = Vec::new();
    for statement in statements {
        for (length, piece) in pieces(statement)? {
            match parts.iter().position(|(taken, _)| taken + 1 + length <= PART_LIMIT) {
                Some(at) => {
                    parts[at].0 += 1 + length;
                    parts[at].1.push(piece);
                }
                None if parts.len() < most => parts.push((empty + length, vec![piece])),
                None => return None,
            }
        }
    }
    Some(parts.into_iter().map(|(_, part)| Document::new(part)).collect())
}

/// A statement's length, or of the statements that it must be cut into.
fn pieces(statement: &Statement) -> Option<Vec<(usize, Statement)>> {
    let empty = Document::default().len();
    let length = |statement: &Statement| Document::new([statement.clone()]).len() - empty;
    let room = PART_LIMIT - empty;
    let whole = length(statement);
    if whole <= room {
        return Some(vec![(whole, statement.clone())]);
    }
    let characters = |list: &[String]| list.iter().map(|text| text.chars().count()).sum::<usize>();
    let by_resource =
        statement.resources.len() > 1 && characters(&statement.resources) >= characters(&statement.actions);
    let list = if by_resource { &statement.resources } else { &statement.actions };
    if list.len() < 2 {
        return None;
    }
    let with = |list: &[String]| {
        let mut piece = statement.clone();
        *(if by_resource { &mut piece.resources } else { &mut piece.actions }) = list.to_vec();
        piece
    };
    // As many as fit; where one is too long, it is cut along the other list.
    let item = |text: &String| serde_json::Value::from(text.as_str()).to_string().chars().count() + 1;
    let rest = (whole + 1).saturating_sub(list.iter().map(item).sum());
    let mut taken = rest;
    let fitting = list.iter().take_while(|text| {
        taken += item(text);
        taken <= room
    });
    let end = fitting.count().clamp(1, list.len() - 1);
    let mut all = pieces(&with(&list[..end]))?;
    all.extend(pieces(&with(&list[end..]))?);
    Some(all)
}

/// The layout on the way from one to another: each slot has what it had and what it will have, and what finds no room there stands in
/// further parts until the end. Who writes all of it before anything of `from` goes, and the parts that `to` lacks last, takes nothing
/// away that both layouts allow. `from` itself where nothing is to be added; `None` where a role can't hold it in `most` parts.
pub fn between(from: &Layout, to: &Layout, most: usize) -> Option<Layout> {
    let mut between = from.clone();
    // These go last, so what they hold is held until then.
    let leaving = pairs(from.iter().filter(|(slot, _)| !to.contains_key(slot)).map(|(_, document)| document));
    let mut homeless = Vec::new();
    for (slot, wanted) in to {
        let mut held = leaving.clone();
        held.extend(pairs(from.get(slot)));
        let missing: Vec<Statement> = filtered(wanted, |pair, _| !held.contains(pair)).statements().to_vec();
        if missing.is_empty() {
            continue;
        }
        if pairs(from.get(slot)).is_subset(&pairs([wanted])) {
            between.insert(*slot, wanted.clone());
            continue;
        }
        let now = from.get(slot).map(Document::statements).unwrap_or_default();
        let both = [now, wanted.statements()].concat();
        let fits = |document: &Document| document.len() <= slot.limit();
        let plain = Some(Document::new(both.iter().cloned())).filter(fits);
        match plain.or_else(|| Some(Document::new(infer::folded(&both))).filter(fits)) {
            Some(document) => drop(between.insert(*slot, document)),
            None => homeless.extend(missing),
        }
    }
    let taken = from.keys().chain(to.keys()).filter(|slot| **slot != Slot::Inline);
    let last = taken.clone().map(|slot| if let Slot::Part(number) = slot { *number } else { 0 }).max().unwrap_or(0);
    let used = taken.collect::<BTreeSet<_>>().len();
    let more = split(&infer::folded(&homeless), most.checked_sub(used)?)?;
    between.extend((last + 1..).map(Slot::Part).zip(more));
    Some(between)
}

#[cfg(test)]
mod tests;
