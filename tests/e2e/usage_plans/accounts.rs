//! UsagePlans and the AWSAccount that they live in.

use serde_json::{Value, json};

use super::plan;
use crate::support::{Namespace, TENANT, account};

/// A plan with nothing in it.
fn bare(name: &str, account: Option<&str>) -> String {
    let mut spec = json!({});
    if let Some(account) = account {
        spec["accountRef"] = json!({"name": account});
    }
    format!("---\n{}\n", plan(name, &spec))
}

#[tokio::test]
async fn a_plan_needs_an_account_that_admits_it_and_stays_in_it() {
    let nobody = Namespace::labelled("usage-plans-nobody", &[]).await;
    nobody.apply(&bare("it", None)).await;
    let message = nobody.stalled("usageplan/it", "NotAdmitted").await;
    assert!(message.starts_with("no tenant of an AWSAccount admits namespace usage-plans-nobody"), "{message}");

    let ns = Namespace::labelled("usage-plans-moved", &[(TENANT, "usage-plans-moved")]).await;
    let endpoint = ns.suite.testbed.aws_endpoint();
    let named = |name: &str| {
        account("usage-plans-moved", endpoint)
            .replace("metadata: {name: usage-plans-moved}", &format!("metadata: {{name: {name}}}"))
    };
    ns.apply(&[named("up-one"), named("up-two"), bare("it", Some("up-one"))].concat()).await;
    ns.ready(&["usageplan/it"]).await;
    ns.apply(&bare("it", Some("up-two"))).await;
    let message = ns.stalled("usageplan/it", "BindingChanged").await;
    assert!(message.starts_with("it lives in account 000000000000 (up-one), Region us-east-1"), "{message}");
    // An account with a plan in it does not go.
    ns.delete("awsaccount/up-one").await;
    let message = ns.condition("awsaccount/up-one", "Reconciling", "True", "DeletionBlocked").await;
    assert!(message.contains("UsagePlan usage-plans-moved/it"), "{message}");
    ns.delete("usageplan/it").await;
    for object in ["usageplan/it", "awsaccount/up-one"] {
        ns.gone(object).await;
    }
    ns.delete("awsaccount/up-two").await;
    ns.gone("awsaccount/up-two").await;
}

#[tokio::test]
async fn an_account_that_is_another_or_does_not_answer() {
    let ns = Namespace::labelled("usage-plans-wrong", &[(TENANT, "usage-plans-wrong")]).await;
    let endpoint = ns.suite.testbed.aws_endpoint();
    let wrong = account("usage-plans-wrong", endpoint).replace("\"000000000000\"", "\"111122223333\"");
    ns.apply(&[wrong, bare("it", None)].concat()).await;
    ns.stalled("usageplan/it", "WrongAccount").await;
    for object in ["usageplan/it", "awsaccount/usage-plans-wrong"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    let lost = Namespace::labelled("usage-plans-lost", &[(TENANT, "usage-plans-lost")]).await;
    lost.apply(&[account("usage-plans-lost", "http://127.0.0.1:1"), bare("it", None)].concat()).await;
    lost.condition("usageplan/it", "Reconciling", "True", "Retrying").await;
    for object in ["usageplan/it", "awsaccount/usage-plans-lost"] {
        lost.delete(object).await;
        lost.gone(object).await;
    }
}

#[tokio::test]
async fn deletions_of_plans_are_held_too() {
    let ns = Namespace::labelled("usage-plans-held", &[(TENANT, "usage-plans-held")]).await;
    let held = account("usage-plans-held", ns.suite.testbed.aws_endpoint())
        .replace("maxDeletionsPerHour: 100000", "maxDeletionsPerHour: 1");
    ns.apply(&[held, bare("one", None), bare("two", None)].concat()).await;
    ns.ready(&["usageplan/one", "usageplan/two"]).await;
    ns.delete("usageplan/one").await;
    ns.gone("usageplan/one").await;
    ns.delete("usageplan/two").await;
    let message = ns.condition("usageplan/two", "Reconciling", "True", "DeletionHeld").await;
    assert!(message.starts_with("more than 1 deletions within an hour"), "{message}");
    let release: Value =
        json!({"metadata": {"annotations": {"stepgate.dev/deletions-released-at": "2100-01-01T00:00:00Z"}}});
    ns.patch("awsaccount/usage-plans-held", release).await;
    ns.gone("usageplan/two").await;
    ns.delete("awsaccount/usage-plans-held").await;
    ns.gone("awsaccount/usage-plans-held").await;
}
