//! Two clusters with the same manifests and one AWS: they conflict loudly, until one takes over what the other had.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stepgate_testbed::OperatorOptions;

use crate::cloud::{ApiView, Cloud, MachineView, RoleView};
use crate::support::{Namespace, TENANT, account, machine, rest_api, route, start, suite};

const NAME: &str = "takeover";
const UID_TAG: &str = "stepgate.dev/cluster-uid";

/// All that is in AWS.
#[derive(Debug, PartialEq)]
struct Whole {
    api: ApiView,
    deployments: BTreeMap<String, String>,
    machine: MachineView,
    roles: Vec<RoleView>,
}

impl Whole {
    async fn look(aws: &Cloud, api: &str, machine: &str) -> Whole {
        let view = aws.machine(machine).await.unwrap();
        let invoke_role = aws.role(&aws.invoke_role(api, "POST /say").await).await.unwrap();
        Whole {
            api: aws.rest_api(api).await.unwrap(),
            deployments: aws.deployments(api).await,
            roles: vec![aws.role(&view.role_arn).await.unwrap(), invoke_role],
            machine: view,
        }
    }

    /// The same, of another cluster.
    fn of_cluster(mut self, uid: &str) -> Whole {
        let tags = [&mut self.api.tags, &mut self.machine.tags].into_iter();
        for tags in tags.chain(self.roles.iter_mut().map(|role| &mut role.tags)) {
            let replaced = tags.insert(UID_TAG.to_owned(), uid.to_owned());
            assert!(replaced.is_some(), "no owner tags: {tags:?}");
        }
        self
    }
}

async fn uid(ns: &Namespace) -> String {
    ns.get("namespace/kube-system").await["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {object}")).to_owned()
}

#[tokio::test]
async fn a_rebuilt_cluster_conflicts_until_it_takes_over_and_then_only_tags_change() {
    let lost = Namespace::new(NAME).await;
    let (body, route) = ([machine("say", "hello"), rest_api("api")].concat(), route("say", "/say", "say"));
    lost.apply(&format!("{body}{route}")).await;
    lost.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
    let aws = Cloud::new(lost.suite.testbed.aws_endpoint());
    let api = text(&lost.get("restapi/api").await, "/status/restApiId");
    let arn = text(&lost.get("statemachine/say").await, "/status/stateMachineArn");
    let before = Whole::look(&aws, &api, &arn).await;

    let rebuilt = Box::leak(Box::new(start(Some(suite().await), OperatorOptions::default()).await.unwrap()));
    let rebuilt = Namespace::on(rebuilt, NAME, &[(TENANT, "e2e")]).await;
    rebuilt.apply(&format!("{body}{route}")).await;
    let (old, new) = (uid(&lost).await, uid(&rebuilt).await);
    for object in ["statemachine/say", "restapi/api"] {
        let message = rebuilt.stalled(object, "OwnershipConflict").await;
        let mend = format!("cluster testbed with the UID {old}; if that is lost and this one replaces it");
        assert!(message.contains(&mend) && message.contains("spec.takeoverFrom of the AWSAccount"), "{message}");
    }
    assert_eq!(Whole::look(&aws, &api, &arn).await, before, "AWS was changed by the cluster that conflicts");
    lost.says("say", "hello").await;

    // Its routes come later than the API: what they serve is kept meanwhile.
    rebuilt.delete("apiroute/say").await;
    rebuilt.gone("apiroute/say").await;
    let account = account("e2e", rebuilt.suite.testbed.aws_endpoint());
    rebuilt.apply(&account.replace("  tenants:", &format!("  takeoverFrom: [{old}]\n  tenants:"))).await;
    rebuilt.ready(&["statemachine/say"]).await;
    let kept = "serves routes that do not exist: takeover/say; they are kept for 5 minutes";
    rebuilt.condition_with("restapi/api", ("Reconciling", "True", "Progressing"), &[kept]).await;
    lost.says("say", "hello").await;
    rebuilt.apply(&route).await;
    rebuilt.ready(&["restapi/api", "apiroute/say"]).await;
    assert_eq!(text(&rebuilt.get("restapi/api").await, "/status/restApiId"), api);
    assert_eq!(Whole::look(&aws, &api, &arn).await, before.of_cluster(&new), "more was changed than one tag");
    rebuilt.says("say", "hello").await;

    // The other one, which was not lost at all, says so and does no harm.
    let check = json!({"metadata": {"annotations": {"stepgate.dev/check-requested-at": "now"}}});
    for object in ["restapi/api", "statemachine/say"] {
        lost.patch(object, check.clone()).await;
        let message = lost.stalled(object, "OwnershipConflict").await;
        assert!(message.contains(&format!("with the UID {new}")), "{message}");
        lost.delete(object).await;
        lost.gone(object).await;
    }
    rebuilt.says("say", "hello").await;
    for object in ["apiroute/say", "restapi/api", "statemachine/say"] {
        rebuilt.delete(object).await;
        rebuilt.gone(object).await;
    }
    assert_eq!(aws.rest_api(&api).await, None);
    assert_eq!(aws.machine(&arn).await, None);
}
