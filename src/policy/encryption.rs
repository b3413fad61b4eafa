//! What roles need where state machines are encrypted with a customer managed key: AWS's guide, "Data at rest encryption in Step
//! Functions". All of it is plumbing: bounded by the tenant's `exposure.kmsKeyArns`, never by its ceiling.
//!
//! The encryption context ties each permission to one machine, so that two machines with one key can't read each other's data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::roles::{InvokeAction, MachineArn};
use super::statement::{Conditions, Document, Effect, Statement};

/// The part of the encryption context that Step Functions gives with what belongs to a machine (the guide, "Scoping with encryption
/// context").
const OF_MACHINE: &str = "kms:EncryptionContext:aws:states:stateMachineArn";
/// The part that log delivery gives.
const OF_LOGS: &str = "kms:EncryptionContext:SourceArn";

const DECRYPT: &str = "kms:Decrypt";
const GENERATE: &str = "kms:GenerateDataKey";

fn only_for(key: &str, values: Vec<String>) -> Conditions {
    Conditions::from([("StringEquals".to_owned(), BTreeMap::from([(key.to_owned(), values)]))])
}

/// What an execution role needs for its own machine (the guide, step 5), and where it logs too, for what goes to the log (step 3; the
/// key's own policy must let `delivery.logs.amazonaws.com` decrypt). `logs`: the partition, Region and account of the machine.
pub fn plumbing(key: &str, machine: &str, logs: Option<(&str, &str, &str)>) -> Vec<Statement> {
    let own = Statement {
        conditions: only_for(OF_MACHINE, vec![machine.to_owned()]),
        ..Statement::allow([DECRYPT, GENERATE], [key.to_owned()])
    };
    let delivery = logs.map(|(partition, region, account)| Statement {
        // AWS gives this text, asterisk and all.
        conditions: only_for(OF_LOGS, vec![format!("arn:{partition}:logs:{region}:{account}:*")]),
        ..Statement::allow([GENERATE], [key.to_owned()])
    });
    [own].into_iter().chain(delivery).collect()
}

/// The key of a statement of [`plumbing`] or [`decrypt_statements`]; `None` for any other.
pub fn key_of(statement: &Statement) -> Option<&str> {
    let Statement { effect, actions, resources, not_resources, conditions, .. } = statement;
    let known = actions.iter().all(|action| [DECRYPT, GENERATE].contains(&action.as_str()));
    let only_context = conditions.len() == 1
        && conditions.get("StringEquals").is_some_and(|keys| {
            keys.len() == 1 && keys.keys().all(|key| [OF_MACHINE, OF_LOGS].contains(&key.as_str()))
        });
    match &resources[..] {
        [key] if *effect == Effect::Allow && not_resources.is_empty() && known && only_context => Some(key),
        _ => None,
    }
}

/// Whether a task's action is one that the role may do with the machine's key.
pub fn is_plumbing_action(action: &str) -> bool {
    [DECRYPT, GENERATE].contains(&action)
}

/// Whether who calls this must be able to decrypt (the guide, "Required permissions for API callers"): what hands out an execution's
/// data. StartExecution, StopExecution, RedriveExecution and SendTask… need nothing of their callers.
pub fn reads_data(action: InvokeAction) -> bool {
    matches!(
        action,
        InvokeAction::StartSyncExecution | InvokeAction::DescribeExecution | InvokeAction::GetExecutionHistory
    )
}

/// A machine whose executions' data a caller may read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Decrypts {
    /// The ARN of the key.
    pub key: String,
    /// The machine.
    pub machine: MachineArn,
}

/// What callers of encrypted machines need: one statement for each key.
pub fn decrypt_statements(needs: &BTreeSet<Decrypts>) -> Vec<Statement> {
    let mut machines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Decrypts { key, machine } in needs {
        machines.entry(key).or_default().push(machine.as_str().to_owned());
    }
    machines
        .into_iter()
        .map(|(key, machines)| Statement {
            conditions: only_for(OF_MACHINE, machines),
            ..Statement::allow([DECRYPT], [key.to_owned()])
        })
        .collect()
}

/// What a policy with [`decrypt_statements`] allows; what else it allows is left out.
pub fn decrypts(policy: &Document) -> BTreeSet<Decrypts> {
    let ours = |statement: &&Statement| statement.actions == [DECRYPT] && key_of(statement).is_some();
    let machines = |statement: &Statement| {
        let of_machine = statement.conditions.get("StringEquals").and_then(|keys| keys.get(OF_MACHINE));
        of_machine.into_iter().flatten().filter_map(|arn| MachineArn::parse(arn).ok()).collect::<Vec<_>>()
    };
    let statements = policy.statements().iter().filter(ours);
    let pairs = statements.flat_map(|statement| {
        let key = key_of(statement).unwrap_or_default();
        machines(statement).into_iter().map(move |machine| Decrypts { key: key.to_owned(), machine })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";
    const OTHER_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/5678abcd";

    fn machine(name: &str) -> MachineArn {
        MachineArn::parse(&format!("arn:aws:states:eu-central-1:111122223333:stateMachine:{name}")).unwrap()
    }

    #[test]
    fn an_execution_role_uses_the_key_for_its_machine_only() {
        let own = machine("a");
        let statements = plumbing(KEY, own.as_str(), Some(("aws", "eu-central-1", "111122223333")));
        assert_eq!(
            Document::new(statements.clone()).to_value()["Statement"],
            json!([
                {
                    "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": KEY,
                    "Condition": {"StringEquals": {OF_MACHINE: own.as_str()}},
                },
                {
                    "Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": KEY,
                    "Condition": {"StringEquals": {OF_LOGS: "arn:aws:logs:eu-central-1:111122223333:*"}},
                },
            ])
        );
        assert!(statements.iter().all(|statement| key_of(statement) == Some(KEY)));
        assert_eq!(plumbing(KEY, own.as_str(), None).len(), 1);
    }

    #[test]
    fn what_a_user_writes_is_no_plumbing() {
        let bare = Statement::allow([DECRYPT], [KEY]);
        let wider =
            Statement { conditions: only_for(OF_MACHINE, vec!["a".into()]), ..Statement::allow(["kms:*"], [KEY]) };
        let elsewhere = Statement { conditions: only_for("kms:ViaService", vec!["s3".into()]), ..bare.clone() };
        let all =
            Statement { conditions: only_for(OF_MACHINE, vec!["a".into()]), ..Statement::allow([DECRYPT], [KEY, "*"]) };
        for statement in [bare, wider, elsewhere, all] {
            assert_eq!(key_of(&statement), None, "{statement:?}");
        }
    }

    #[test]
    fn what_callers_need_is_read_back() {
        let needs = BTreeSet::from(
            [(KEY, "a"), (KEY, "b"), (OTHER_KEY, "c")]
                .map(|(key, name)| Decrypts { key: key.to_owned(), machine: machine(name) }),
        );
        let policy = Document::new(decrypt_statements(&needs));
        assert_eq!(policy.statements().len(), 2);
        assert_eq!(decrypts(&policy), needs);
        let of_execution_role = Document::new(plumbing(KEY, machine("a").as_str(), None));
        assert_eq!(decrypts(&of_execution_role), BTreeSet::new());
    }
}
