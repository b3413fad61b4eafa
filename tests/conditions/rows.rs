//! The rows of docs/conditions.md, and which of them an object shows: for the proof of the document, and for the recorder
//! of the end-to-end suite.

use serde_json::Value;

/// A row of a kind's table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub kind: String,
    pub condition: String,
    pub status: String,
    pub reason: Reason,
}

/// The reason of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Named(String),
    /// A rule, such as *that of Reconciling or Stalled*: whatever reason these conditions have. It is no row to record; it
    /// is held to every object that is recorded for another row.
    Of(Vec<String>),
}

impl Row {
    /// Where the object that shows it is kept: `<Kind>/<condition>-<status>-<reason>.yaml`; nowhere for a rule.
    pub fn file(&self) -> Option<String> {
        let Self { kind, condition, status, reason } = self;
        match reason {
            Reason::Named(reason) => Some(format!("{kind}/{condition}-{status}-{reason}.yaml")),
            Reason::Of(_) => None,
        }
    }
}

/// All rows.
///
/// # Panics
/// Where a table can't be read.
pub fn rows() -> Vec<Row> {
    let (mut kind, mut rows) = (String::new(), Vec::new());
    for line in include_str!("../../docs/conditions.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading.to_owned();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", condition, status, reason, _, action, ""] = cells[..] else { continue };
        if condition == "condition" || condition.starts_with('-') {
            continue;
        }
        assert!(!action.is_empty(), "{kind}: {condition} {reason} does not say what to do");
        let between = |start: &str, end: char| reason.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        let reason = match (between("`", '`'), between("*that of ", '*')) {
            (Some(name), _) => Reason::Named(name.to_owned()),
            (_, Some(conditions)) => Reason::Of(conditions.split(" or ").map(str::to_owned).collect()),
            _ => panic!("{kind}: {reason} is no reason"),
        };
        rows.push(Row { kind: kind.clone(), condition: condition.to_owned(), status: status.to_owned(), reason });
    }
    rows
}

/// What an object shows of its present generation: rows, and what should be one because no row and no rule allows it.
pub fn shown(rows: &[Row], object: &Value) -> Vec<Row> {
    let generation = &object["metadata"]["generation"];
    let is_of = |observed: &Value| observed.is_null() || observed == generation;
    if !is_of(&object["status"]["observedGeneration"]) {
        return Vec::new();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions
        .iter()
        // Programmed speaks of the generation that serves.
        .filter(|condition| condition["type"] == "Programmed" || is_of(&condition["observedGeneration"]))
        .map(|condition| Row {
            kind: text(&object["kind"]),
            condition: text(&condition["type"]),
            status: text(&condition["status"]),
            reason: Reason::Named(text(&condition["reason"])),
        })
        .filter(|found| rows.contains(found) || !follows_a_rule(rows, conditions, found))
        .collect()
}

fn follows_a_rule(rows: &[Row], conditions: &[Value], found: &Row) -> bool {
    let Reason::Named(reason) = &found.reason else { return false };
    let has_it = |other: &String| {
        let has = |it: &Value| it["type"] == **other && it["reason"] == **reason;
        conditions.iter().any(|it| has(it) && (*other == "Ready" || it["status"] == "True"))
    };
    rows.iter().any(|row| {
        let same = (&row.kind, &row.condition, &row.status) == (&found.kind, &found.condition, &found.status);
        matches!(&row.reason, Reason::Of(others) if same && others.iter().any(has_it))
    })
}
