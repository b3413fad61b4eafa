//! A kind is taken out of the cluster, by hand or with `crds.keep: false`: AWS loses nothing by it, neither what its objects have
//! there nor what others have that leads to it; and all is taken up where it was when the kind comes back.

use std::collections::BTreeMap;

use serde_json::json;
use stepgate_testbed::{OperatorOptions, Request, repository};

use crate::cloud::{ApiView, Cloud, MachineView, RoleView};
use crate::support::{Namespace, PATIENCE, Suite, TENANT, eventually, page, start, suite};
use crate::tenancy::account;

const NAME: &str = "e2e-kinds";
const HOST: &str = "api.e2e-kinds.example.com";
const ALL: [&str; 5] = ["statemachine/greet", "restapi/orders", "apiroute/greet", "apidomain/shop", "usageplan/it"];

/// All that is in AWS.
#[derive(Clone, Debug, PartialEq)]
struct Whole {
    api: ApiView,
    deployments: BTreeMap<String, String>,
    machine: MachineView,
    roles: Vec<RoleView>,
    /// Base paths with where they lead.
    mappings: Vec<(Option<String>, Option<String>, Option<String>)>,
    /// The plan's stages.
    stages: Vec<(Option<String>, Option<String>)>,
}

struct Ids {
    api: String,
    machine: String,
    roles: Vec<String>,
    plan: String,
}

impl Whole {
    async fn look(aws: &Cloud, ids: &Ids) -> Whole {
        let mut roles = Vec::new();
        for role in &ids.roles {
            roles.push(aws.role(role).await.unwrap());
        }
        let mappings = aws.apigateway.get_base_path_mappings().domain_name(HOST).send().await.unwrap();
        let plan = aws.apigateway.get_usage_plan().usage_plan_id(&ids.plan).send().await.unwrap();
        Whole {
            api: aws.rest_api(&ids.api).await.unwrap(),
            deployments: aws.deployments(&ids.api).await,
            machine: aws.machine(&ids.machine).await.unwrap(),
            roles,
            mappings: mappings
                .items()
                .iter()
                .map(|it| (it.base_path.clone(), it.rest_api_id.clone(), it.stage.clone()))
                .collect(),
            stages: plan.api_stages().iter().map(|it| (it.api_id.clone(), it.stage.clone())).collect(),
        }
    }

    /// Whose it is left out: what is retained is nobody's meanwhile.
    fn without_tags(mut self) -> Whole {
        self.api.tags.clear();
        self.machine.tags.clear();
        self.roles.iter_mut().for_each(|role| role.tags.clear());
        self
    }
}

/// Installs a kind again, and waits until it is served.
async fn installed(suite: &Suite, kind: &str) {
    let file = repository().join(format!("crds/stepgate.dev_{kind}.yaml"));
    suite.testbed.kubectl(["create", "-f", &file.to_string_lossy()]).await.unwrap();
    let crd = format!("crd/{kind}.stepgate.dev");
    suite.testbed.kubectl(["wait", &crd, "--for=condition=Established", "--timeout=30s"]).await.unwrap();
    eventually("the kind is served again", PATIENCE, async || {
        let listed = suite.testbed.kubectl(["get", &format!("{kind}.stepgate.dev"), "-A"]).await;
        listed.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

async fn call(url: String, host: Option<&str>) -> String {
    let host = host.map(|host| ("Host".to_owned(), host.to_owned()));
    let headers = [("Content-Type".to_owned(), "application/json".to_owned())].into_iter().chain(host).collect();
    let request = Request { method: "POST".into(), url, headers, body: Some("{}".into()), ..Request::default() };
    request.send().await.unwrap().body
}

#[tokio::test]
async fn a_kind_that_is_deleted_takes_nothing_from_aws_and_comes_back() {
    // A control plane of its own, on the same AWS.
    let suite = &*Box::leak(Box::new(start(Some(suite().await), OperatorOptions::default()).await.unwrap()));
    let ns = Namespace::on(suite, NAME, &[(TENANT, NAME)]).await;
    let tenant = json!({"exposure": {"authorizations": ["NONE", "AWS_IAM"], "domains": [HOST]}});
    let of_tenant = account(NAME, &[(NAME, tenant)]).await;
    ns.apply(&of_tenant.to_string()).await;
    let plan = json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": "it"},
        "spec": {"description": "first", "apiStages": [{"apiRef": {"name": "orders"}, "stage": "prod"}]}});
    let manifests = format!("{}---\n{plan}\n", page("docs/domains.md").replace("api.shop.example.com", HOST));
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    let aws = Cloud::new(suite.testbed.aws_endpoint());
    let status = async |object: &str, field: &str| ns.get(object).await["status"][field].as_str().unwrap().to_owned();
    let api = status("restapi/orders", "restApiId").await;
    let roles = vec![status("statemachine/greet", "roleArn").await, aws.invoke_role(&api, "POST /greet").await];
    let ids = Ids {
        machine: status("statemachine/greet", "stateMachineArn").await,
        plan: status("usageplan/it", "usagePlanId").await,
        api,
        roles,
    };
    let url = status("apiroute/greet", "url").await;
    let on_domain = format!("{}/orders/greet", suite.testbed.aws_endpoint());
    let answers = async || {
        for body in [call(url.clone(), None).await, call(on_domain.clone(), Some(HOST)).await] {
            assert!(body.contains("welcome"), "{body}");
        }
    };
    answers().await;
    let before = Whole::look(&aws, &ids).await;

    // What is left is changed, so that it is certain that it was looked at meanwhile.
    let changed = |value: &str| json!({"spec": {"description": value}});
    let described = async |value: &str| {
        ns.eventually("restapi/orders", "has the new description", async |_| {
            let now = aws.rest_api(&ids.api).await.and_then(|api| api.description);
            if now.as_deref() == Some(value) { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    };
    for kind in ["apiroutes", "usageplans", "apidomains", "restapis", "statemachines"] {
        let crd = format!("crd/{kind}.stepgate.dev");
        suite.testbed.kubectl(["delete", &crd, "--timeout=60s"]).await.unwrap();
        match kind {
            "apiroutes" => {
                ns.patch("restapi/orders", changed("without routes")).await;
                described("without routes").await;
                ns.ready(&["restapi/orders"]).await;
            }
            "restapis" => {
                for (object, patch) in [
                    ("usageplan/it", changed("without its API")),
                    ("apidomain/shop", json!({"spec": {"tags": {"team": "b"}}})),
                ] {
                    ns.patch(object, patch).await;
                    ns.eventually(object, "is looked at", async |found| {
                        let found = found.ok_or("is not there")?;
                        let seen = found["status"]["observedGeneration"] == found["metadata"]["generation"];
                        if seen { Ok(()) } else { Err(found["status"].to_string()) }
                    })
                    .await;
                }
            }
            _ => {}
        }
        answers().await;
        let mut now = Whole::look(&aws, &ids).await.without_tags();
        // A description is part of what is deployed.
        let mut was = before.clone().without_tags();
        was.api.description.clone_from(&now.api.description);
        now.api.stages.clone_from(&was.api.stages);
        now.deployments.clone_from(&was.deployments);
        assert_eq!(now, was, "{kind}");

        installed(suite, kind).await;
        ns.apply(&manifests).await;
        ns.ready(&ALL).await;
        answers().await;
        let now = Whole::look(&aws, &ids).await;
        assert_eq!(now.api.tags, before.api.tags, "{kind}");
        assert_eq!(
            (&now.machine, &now.roles, &now.mappings, &now.stages),
            (&before.machine, &before.roles, &before.mappings, &before.stages),
            "{kind}"
        );
        assert_eq!(now.api.methods, before.api.methods, "{kind}");
    }

    // A route that is not applied again is not taken for one that is gone, for a while.
    let crd = "crd/apiroutes.stepgate.dev";
    suite.testbed.kubectl(["delete", crd, "--timeout=60s"]).await.unwrap();
    let file = repository().join("crds/stepgate.dev_apiroutes.yaml");
    suite.testbed.kubectl(["create", "-f", &file.to_string_lossy()]).await.unwrap();
    suite.testbed.kubectl(["wait", crd, "--for=condition=Established", "--timeout=30s"]).await.unwrap();
    ns.patch("restapi/orders", changed("waits for its routes")).await;
    let waits = ns.condition("restapi/orders", "Reconciling", "True", "Progressing").await;
    let says = "the API in AWS serves routes that do not exist: e2e-kinds/greet; they are kept for 5 minutes";
    assert!(waits.starts_with(says), "{waits}");
    answers().await;
    eventually("routes can be applied again", PATIENCE, async || {
        let listed = suite.testbed.kubectl(["get", "apiroutes.stepgate.dev", "-A"]).await;
        listed.map(drop).map_err(|error| error.to_string())
    })
    .await;
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;

    // The kind of accounts waits for what lives in them, which goes on meanwhile.
    let before = Whole::look(&aws, &ids).await;
    let (crd, live) = ("crd/awsaccounts.stepgate.dev", format!("awsaccount/{NAME}"));
    suite.testbed.kubectl(["delete", crd, "--wait=false"]).await.unwrap();
    ns.gone("awsaccount/e2e").await;
    let waits = ns.condition(&live, "Reconciling", "True", "DeletionBlocked").await;
    for part in ["4 objects live in this account", &format!("StateMachine {NAME}/greet"), "delete them first"] {
        assert!(waits.contains(part), "no `{part}` in: {waits}");
    }
    answers().await;
    assert_eq!(Whole::look(&aws, &ids).await, before);
    // Let go of, it is gone with its kind. Then nobody admits them: they say so, and AWS is left as it is, whatever is asked for.
    ns.patch(&live, json!({"metadata": {"annotations": {"stepgate.dev/abandon": "true"}}})).await;
    ns.gone(&live).await;
    suite.testbed.kubectl(["wait", "--for=delete", crd, "--timeout=60s"]).await.unwrap();
    ns.patch("restapi/orders", changed("without an account")).await;
    for object in ["statemachine/greet", "restapi/orders", "apidomain/shop", "usageplan/it"] {
        let says = ns.stalled(object, "NotAdmitted").await;
        assert!(says.starts_with("there is no AWSAccount; the platform admin must create one"), "{says}");
    }
    answers().await;
    assert_eq!(Whole::look(&aws, &ids).await, before);
    installed(suite, "awsaccounts").await;
    ns.apply(&of_tenant.to_string()).await;
    ns.ready(&ALL).await;
    described("without an account").await;
    answers().await;
    let now = Whole::look(&aws, &ids).await;
    assert_eq!(
        (&now.api.tags, &now.api.methods, &now.machine, &now.roles, &now.mappings, &now.stages),
        (&before.api.tags, &before.api.methods, &before.machine, &before.roles, &before.mappings, &before.stages)
    );

    // And as its owner asks, all goes.
    for object in ALL {
        ns.delete(object).await;
    }
    for object in ALL {
        ns.gone(object).await;
    }
    assert_eq!((aws.rest_api(&ids.api).await, aws.machine(&ids.machine).await), (None, None));
}
