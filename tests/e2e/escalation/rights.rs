//! What Kubernetes' own roles give a team, with what the chart adds to them.

use serde_json::Value;

use crate::support::Namespace;

#[tokio::test]
async fn a_team_writes_manifests_and_nothing_that_is_believed() {
    let ns = Namespace::new("esc-rights").await;
    let testbed = ns.suite.testbed;
    for role in ["edit", "admin"] {
        let (user, role) = (format!("--user={role}-of-team"), format!("--clusterrole={role}"));
        testbed.kubectl(["create", "rolebinding", &user[7..], "-n", &ns.name, &role, &user]).await.unwrap();
    }
    let may = async |user: &str, verb: &str, what: &str, namespace: &str| {
        let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
        let subresource = format!("--subresource={subresource}");
        let question = ["auth", "can-i", verb, resource, &subresource, "-n", namespace, "--as", user];
        // It exits with 1 after a no.
        let answer = testbed.kubectl(question).await;
        answer.is_ok_and(|answer| answer.lines().any(|line| line.trim() == "yes"))
    };
    for user in ["edit-of-team", "admin-of-team"] {
        let aggregated = async |_: Option<&Value>| match may(user, "create", "apiroutes.stepgate.dev", &ns.name).await {
            true => Ok(()),
            false => Err("the chart's rights are not there yet".to_owned()),
        };
        ns.eventually("configmap/kube-root-ca.crt", "finds aggregated roles", aggregated).await;
        for kind in ["statemachines", "restapis", "apiroutes", "usageplans"] {
            let kind = format!("{kind}.stepgate.dev");
            for verb in ["get", "create", "patch", "delete"] {
                assert!(may(user, verb, &kind, &ns.name).await, "{user} may not {verb} {kind}");
                assert!(!may(user, verb, &kind, "default").await, "{user} may {verb} {kind} elsewhere");
            }
            for verb in ["patch", "update"] {
                assert!(
                    !may(user, verb, &format!("{kind}/status"), &ns.name).await,
                    "{user} may {verb} the status of {kind}"
                );
            }
        }
        for (verb, what) in [
            ("create", "controllerrevisions.apps"),
            ("patch", "controllerrevisions.apps"),
            // Labels of a namespace decide of which tenant it is.
            ("patch", "namespaces"),
            ("update", "namespaces"),
        ] {
            assert!(!may(user, verb, what, &ns.name).await, "{user} may {verb} {what}");
        }
        // Of what has no namespace, can-i answers for one all the same.
        for (verb, more) in [("get", &[][..]), ("label", &["a=b"]), ("delete", &[])] {
            let request = [&[verb, "awsaccounts.stepgate.dev", "e2e", "--as", user], more].concat();
            let refused = testbed.kubectl(&request).await.expect_err(verb).to_string();
            assert!(refused.contains("is forbidden"), "{refused}");
        }
    }
}
