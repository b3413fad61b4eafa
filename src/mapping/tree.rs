//! The document that inputs, or parts of an answer, make together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::escape::{self, Level, Vtl, join};
use super::source::as_json;
use super::{Input, Source, pointer_keys};

/// The document that inputs make together.
pub(super) enum Tree<'a> {
    /// Members by key.
    Object(BTreeMap<String, Tree<'a>>),
    /// One value.
    Leaf(&'a Source),
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Tree::Object(BTreeMap::new())
    }
}

impl<'a> Tree<'a> {
    /// Of these inputs.
    pub(super) fn of(inputs: &'a [Input]) -> Self {
        inputs.iter().fold(Tree::default(), |mut tree, input| {
            tree.put(&pointer_keys(&input.to), &input.source);
            tree
        })
    }

    fn put(&mut self, keys: &[String], source: &'a Source) {
        let Some((key, rest)) = keys.split_first() else {
            *self = Tree::Leaf(source);
            return;
        };
        if let Tree::Leaf(_) = self {
            *self = Tree::default();
        }
        if let Tree::Object(members) = self {
            members.entry(key.clone()).or_default().put(rest, source);
        }
    }

    /// As JSON.
    pub(super) fn print(&self, level: Level) -> Vtl {
        match self {
            Tree::Leaf(source) => as_json(level, source),
            Tree::Object(members) => {
                let members = members.iter().enumerate().map(|(index, (key, value))| {
                    join([
                        if index == 0 { "" } else { "," }.into(),
                        escape::json(level, &Value::from(key.as_str())),
                        ":".into(),
                        value.print(level),
                    ])
                });
                join(["{".into(), members.collect(), "}".into()])
            }
        }
    }
}
