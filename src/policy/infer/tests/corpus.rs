//! The workflows of aws-samples. They are not in the repository (LICENSE there: MIT-0); where the folder is not, these say so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{HERE, lines};
use crate::policy::infer::{Class, Inferred, Need, infer};
use crate::policy::resource::Resource;
use crate::policy::statement::Statement;

fn corpus() -> Vec<(String, Value)> {
    let shared = std::env::var_os("STEPGATE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = shared.join("corpora/aws-samples-workflows/definitions");
    if !folder.is_dir() {
        println!("skipped: there is no {}; set STEPGATE_SHARED", folder.display());
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let definition = crate::asl::parse(&std::fs::read_to_string(path).unwrap()).ok()?;
        let name = path.file_name()?.to_str()?.to_owned();
        Some((name, definition.value().clone()))
    };
    files.iter().filter_map(read).collect()
}

/// Whether some statement allows it, condition and all.
fn allowed(statements: &[Statement], need: &Statement) -> bool {
    statements.iter().any(|statement| {
        let on = match (&need.resources[..], &need.not_resources[..]) {
            ([resource], _) => {
                let inner = Resource::parse(resource).unwrap();
                statement.resources.iter().any(|outer| Resource::parse(outer).unwrap().contains(&inner))
            }
            (_, not) => statement.not_resources == not,
        };
        let when = statement.conditions.is_empty() || statement.conditions == need.conditions;
        on && when && statement.actions.contains(&need.actions[0])
    })
}

/// No statement is too much, none too little.
pub(super) fn assert_least(name: &str, inferred: &Inferred) {
    let statements: Vec<Statement> = inferred.statements().into_iter().map(|explained| explained.statement).collect();
    for need in &inferred.needs {
        assert!(allowed(&statements, &need.statement), "{name}: {:?} is not allowed", need.statement);
        assert!(!need.states.is_empty());
        // A role is passed to a service that is named, and to no other.
        let passed = need.statement.conditions.values().any(|keys| keys.contains_key("iam:PassedToService"));
        assert!(need.statement.actions[0] != "iam:PassRole" || passed, "{name}: {:?}", need.statement);
    }
    // What is the same need is the same text, in whichever order the states are found.
    let mut reversed = inferred.clone();
    reversed.needs.reverse();
    assert_eq!(reversed.statements(), inferred.statements(), "{name}");
    for (index, statement) in statements.iter().enumerate() {
        let mut rest = statements.clone();
        rest.remove(index);
        let missed = inferred.needs.iter().any(|need| !allowed(&rest, &need.statement));
        assert!(missed, "{name}: nobody misses {statement:?}");
        for action in &statement.actions {
            let needed = inferred.needs.iter().any(|need| {
                need.statement.actions[0] == *action && allowed(std::slice::from_ref(statement), &need.statement)
            });
            assert!(needed, "{name}: no state needs {action}");
        }
        // Nor is a resource there for nobody, nor an action on a resource that only another action is needed on.
        for resource in &statement.resources {
            for action in &statement.actions {
                let needs = |need: &Need| {
                    let Statement { actions, resources, conditions, .. } = &need.statement;
                    actions[0] == *action
                        && resources == std::slice::from_ref(resource)
                        && *conditions == statement.conditions
                };
                assert!(inferred.needs.iter().any(needs), "{name}: no state needs {action} on {resource}");
            }
        }
        for resource in &statement.resources {
            assert!(Resource::parse(resource).is_ok(), "{name}: {resource}");
        }
    }
}

#[test]
fn least_for_every_workflow() {
    let (mut resources, mut narrow, mut machines, mut complete) = (0, 0, 0, 0);
    let (mut stars, mut unknowns) = (BTreeMap::<String, usize>::new(), 0);
    for (name, definition) in corpus() {
        let inferred = infer(&definition, &HERE);
        assert_eq!(inferred, infer(&definition, &HERE), "{name}");
        assert_least(&name, &inferred);
        machines += 1;
        complete += usize::from(inferred.unknown.is_empty());
        unknowns += inferred.unknown.len();
        for explained in inferred.statements() {
            resources += 1;
            narrow += usize::from(!explained.statement.resources.contains(&"*".to_owned()));
        }
        for need in inferred.needs.iter().filter(|need| need.statement.resources == ["*"]) {
            *stars.entry(need.statement.actions[0].clone()).or_default() += 1;
        }
        assert!(
            inferred
                .needs
                .iter()
                .all(|need| need.class != Class::Invoke || need.statement.actions[0].starts_with("states:Start"))
        );
    }
    if machines > 0 {
        println!(
            "{machines} workflows, {complete} complete, {unknowns} unknown; {narrow} of {resources} statements narrower than *; * for {stars:?}"
        );
        assert!(machines > 150);
        assert!(narrow * 10 > resources * 8, "{narrow} of {resources}");
    }
}

/// Each workflow's permissions. One reader held each against its definition, AWS.md §5 and the service authorization reference;
/// what was mended by that has not been read as a whole again.
#[test]
fn reviewed_workflows() {
    let corpus = corpus();
    if corpus.is_empty() {
        return;
    }
    let mut text = String::new();
    for (name, definition) in &corpus {
        let inferred = infer(definition, &HERE);
        text += &format!("# {name}: {}\n", inferred.summary());
        for line in lines(&inferred) {
            text += &format!("{line}\n");
        }
        text += "\n";
    }
    insta::assert_snapshot!(text);
}
