//! What is somebody else's, as near to ours as it can be: nobody may touch it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stepgate::identity::{Cluster, Key, Owner, joined, log_group_prefix, role_path};
use stepgate_testbed::memory::{
    ACCOUNT, Api, ApiKey, ClientCertificate, DomainName, LogGroup, Machine, Memory, Policy, Role, UsagePlan,
};

use super::Moment;
use super::adopted_roles::theirs;
use super::operator::Site;
use super::scene::{ADOPTABLE, Scene};

/// Those who are not to be touched, and how they are.
pub struct Neighbours {
    roles: BTreeMap<String, Role>,
    policies: BTreeMap<String, Policy>,
    machines: BTreeMap<String, Machine>,
    apis: BTreeMap<String, Api>,
    plans: BTreeMap<String, UsagePlan>,
    keys: BTreeMap<String, ApiKey>,
    logs: BTreeMap<String, LogGroup>,
    domains: BTreeMap<String, Value>,
    certificates: BTreeMap<String, ClientCertificate>,
}

/// The uid of their cluster.
const ANOTHER: &str = "another";

const CLUSTER_TAG: &str = "stepgate.dev/cluster-uid";

type Tags = BTreeMap<String, String>;

/// Another cluster's.
fn another_s(tags: &Tags) -> bool {
    tags.get(CLUSTER_TAG).is_some_and(|uid| uid == ANOTHER)
}

/// Of no cluster: what manifests take as it is.
fn nobody_s(tags: &Tags) -> bool {
    !tags.contains_key(CLUSTER_TAG)
}

const REGION: &str = "us-east-1";

impl Neighbours {
    /// Moves them in: one of each kind, with the owner tags of another cluster.
    pub fn move_in(aws: &mut Memory, scene: &Scene) {
        let other = Cluster { name: ANOTHER.into(), uid: ANOTHER.into() };
        let api = scene.world.apis.keys().next().cloned().unwrap_or(Key::new("other", "other"));
        let owner = Owner::new(other, "RestAPI", api.clone());
        let tags = owner.tags();
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "states.amazonaws.com"}}]});
        let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]});
        // Where our own invoke roles are.
        let ours = Owner { cluster: Cluster { name: "test".into(), uid: "uid".into() }, ..owner.clone() };
        let path = role_path(&ours, REGION);
        let mut form = vec![
            ("RoleName".to_owned(), "neighbour".to_owned()),
            ("Path".to_owned(), path.clone()),
            ("AssumeRolePolicyDocument".to_owned(), trust.to_string()),
        ];
        for (index, (key, value)) in tags.iter().enumerate() {
            form.push((format!("Tags.member.{}.Key", index + 1), key.clone()));
            form.push((format!("Tags.member.{}.Value", index + 1), value.clone()));
        }
        iam(aws, "CreateRole", &form);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let policy = [pair("PolicyName", "neighbour"), pair("PolicyDocument", &document.to_string())];
        iam(aws, "CreatePolicy", &policy);
        iam(aws, "PutRolePolicy", &[&policy[..], &[pair("RoleName", "neighbour")]].concat());
        let attach =
            [pair("RoleName", "neighbour"), pair("PolicyArn", &format!("arn:aws:iam::{ACCOUNT}:policy/neighbour"))];
        iam(aws, "AttachRolePolicy", &attach);

        let listed: Vec<_> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let machine = json!({"name": format!("{}_neighbour", api.namespace), "type": "STANDARD", "tags": listed,
            "roleArn": format!("arn:aws:iam::{ACCOUNT}:role{path}neighbour"),
            "definition": "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"End\":true}}}"});
        let request = http::Request::post("https://states.us-east-1.amazonaws.com/")
            .header("x-amz-target", "AWSStepFunctions.CreateStateMachine");
        done(aws, request.body(machine.to_string().into_bytes()).unwrap());

        // Names of APIs are not unique: that of ours.
        let name = joined(&api, 255);
        let made = gateway(aws, "POST", "/restapis", &json!({"name": name, "tags": tags}));
        let id = made["id"].as_str().unwrap().to_owned();
        let root = made["rootResourceId"].as_str().unwrap().to_owned();
        let child = gateway(aws, "POST", &format!("/restapis/{id}/resources/{root}"), &json!({"pathPart": "theirs"}));
        let method = format!("/restapis/{id}/resources/{}/methods/GET", child["id"].as_str().unwrap());
        gateway(aws, "PUT", &method, &json!({"authorizationType": "NONE"}));
        gateway(aws, "PUT", &format!("{method}/integration"), &json!({"type": "MOCK"}));
        gateway(aws, "POST", &format!("/restapis/{id}/deployments"), &json!({"stageName": "prod"}));
        // A plan and a key with the names of ours, and a stage that we may have too.
        let plan = scene.world.plans.keys().next().cloned().unwrap_or(Key::new("other", "other"));
        let of_plan = Owner { kind: "UsagePlan", key: plan.clone(), ..owner }.tags();
        let stage = json!([{"apiId": id, "stage": "prod"}]);
        let named = json!({"name": joined(&plan, 255), "tags": of_plan, "apiStages": stage});
        let made = gateway(aws, "POST", "/usageplans", &named);
        let named = json!({"name": format!("{}_partner", joined(&plan, 191)), "tags": of_plan, "value": "theirs-theirs-theirs"});
        let key = gateway(aws, "POST", "/apikeys", &named);
        let keys = format!("/usageplans/{}/keys", made["id"].as_str().unwrap());
        gateway(aws, "POST", &keys, &json!({"keyId": key["id"], "keyType": "API_KEY"}));
        // Below where our own log groups are.
        let group = json!({"logGroupName": format!("{}neighbour", log_group_prefix(&ours)), "tags": tags});
        logs(aws, "CreateLogGroup", &group);
        logs(aws, "PutRetentionPolicy", &json!({"logGroupName": group["logGroupName"], "retentionInDays": 7}));
        let domain = json!({"domainName": "theirs.example.com", "tags": tags,
            "regionalCertificateArn": format!("arn:aws:acm:{REGION}:{ACCOUNT}:certificate/theirs"),
            "endpointConfiguration": {"types": ["REGIONAL"]}});
        gateway(aws, "POST", "/domainnames", &domain);
        let mapping = json!({"restApiId": id, "stage": "prod", "basePath": "theirs"});
        gateway(aws, "POST", "/domainnames/theirs.example.com/basepathmappings", &mapping);
        let private = json!({"domainName": "theirs.internal", "tags": tags,
            "certificateArn": format!("arn:aws:acm:{REGION}:{ACCOUNT}:certificate/theirs"),
            "endpointConfiguration": {"types": ["PRIVATE"]}});
        let made = gateway(aws, "POST", "/domainnames", &private);
        let association = json!({"domainNameArn": made["domainNameArn"], "accessAssociationSourceType": "VPCE",
            "accessAssociationSource": "vpce-theirs", "tags": tags});
        gateway(aws, "POST", "/domainnameaccessassociations", &association);
        gateway(aws, "POST", "/clientcertificates", &json!({"tags": tags}));
    }

    /// Who lives here: another cluster's objects, and roles and log groups of nobody.
    ///
    /// # Panics
    /// Where nobody of some kind does.
    pub fn among(aws: &Memory) -> Self {
        fn those<T: Clone>(all: &BTreeMap<String, T>, are: impl Fn(&T) -> bool) -> BTreeMap<String, T> {
            let those: BTreeMap<_, _> =
                all.iter().filter(|(_, one)| are(one)).map(|(id, one)| (id.clone(), one.clone())).collect();
            assert!(!those.is_empty(), "no neighbour among {} {}", all.len(), std::any::type_name::<T>());
            those
        }
        let account = aws.account(ACCOUNT).unwrap();
        let (iam, region) = (&account.iam, &account.regions[REGION]);
        let near = |tags: &Tags| another_s(tags) || nobody_s(tags);
        let domains = those(&region.domains, |domain| another_s(&domain.tags));
        Self {
            roles: those(&iam.roles, |role| near(&role.tags)),
            policies: those(&iam.policies, |policy| near(&policy.tags)),
            machines: those(&region.machines, |machine| another_s(&machine.tags)),
            apis: those(&region.apis, |api| another_s(&api.tags)),
            plans: those(&region.usage_plans, |plan| another_s(&plan.tags)),
            keys: those(&region.api_keys, |key| another_s(&key.tags)),
            logs: those(&region.log_groups, |group| near(&group.tags)),
            domains: domains.iter().map(|(name, domain)| (name.clone(), whole(domain))).collect(),
            certificates: those(&region.client_certificates, |certificate| another_s(&certificate.tags)),
        }
    }

    /// Those that are gone or changed.
    pub fn touched(&self, aws: &Memory) -> Vec<String> {
        fn walk<T: PartialEq>(kind: &str, then: &BTreeMap<String, T>, now: &BTreeMap<String, T>) -> Vec<String> {
            then.iter().filter(|(id, one)| now.get(*id) != Some(one)).map(|(id, _)| format!("{kind} {id}")).collect()
        }
        let account = aws.account(ACCOUNT).unwrap();
        let (iam, region) = (&account.iam, &account.regions[REGION]);
        // What was nobody's may be adopted, or taken back; what others wrote in such a role stays.
        let taken = |then: &Tags, now: &Tags| nobody_s(then) && !nobody_s(now);
        let mut all = Vec::new();
        for (name, then) in &self.roles {
            let now = iam.roles.get(name);
            let kept = |now: &Role| match then.path == ADOPTABLE {
                true => theirs(&json!(then)) == theirs(&json!(now)),
                false => taken(&then.tags, &now.tags),
            };
            // As it is: what it was a moment ago is in no tree.
            let same = now.is_some_and(|now| json!(now) == json!(then));
            if !same && !now.is_some_and(kept) {
                all.push(format!("role {name}"));
            }
        }
        for (arn, then) in &self.policies {
            let now = iam.policies.get(arn);
            if now != Some(then) && !now.is_some_and(|now| taken(&then.tags, &now.tags)) {
                all.push(format!("policy {arn}"));
            }
        }
        for (name, then) in &self.logs {
            let now = region.log_groups.get(name);
            if now != Some(then) && !now.is_some_and(|now| taken(&then.tags, &now.tags)) {
                all.push(format!("log group {name}"));
            }
        }
        all.extend(walk("machine", &self.machines, &region.machines));
        all.extend(walk("API", &self.apis, &region.apis));
        all.extend(walk("usage plan", &self.plans, &region.usage_plans));
        all.extend(walk("API key", &self.keys, &region.api_keys));
        let domains = region.domains.iter().map(|(name, domain)| (name.clone(), whole(domain))).collect();
        all.extend(walk("domain name", &self.domains, &domains));
        all.extend(walk("client certificate", &self.certificates, &region.client_certificates));
        all
    }
}

fn whole(domain: &DomainName) -> Value {
    json!([domain, domain.mappings, domain.associations])
}

fn done(aws: &mut Memory, request: http::Request<Vec<u8>>) -> Value {
    let answer = aws.handle(&request);
    assert!(answer.status().is_success(), "{}", String::from_utf8_lossy(answer.body()));
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

fn gateway(aws: &mut Memory, method: &str, path: &str, body: &Value) -> Value {
    let uri = format!("https://apigateway.us-east-1.amazonaws.com{path}");
    let request = http::Request::builder().method(method).uri(uri);
    done(aws, request.body(body.to_string().into_bytes()).unwrap())
}

/// One call of CloudWatch Logs.
pub fn logs(aws: &mut Memory, operation: &str, body: &Value) {
    let request = http::Request::post("https://logs.us-east-1.amazonaws.com/")
        .header("x-amz-target", format!("Logs_20140328.{operation}"));
    done(aws, request.body(body.to_string().into_bytes()).unwrap());
}

/// One call of IAM.
pub fn iam(aws: &mut Memory, action: &str, form: &[(String, String)]) {
    let mut body = format!("Action={action}&Version=2010-05-08");
    for (key, value) in form {
        body += &format!("&{}={}", encoded(key), encoded(value));
    }
    done(aws, http::Request::post("https://iam.amazonaws.com/").body(body.into_bytes()).unwrap());
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Each of them is missed, and a changed one is seen.
#[test]
fn whoever_is_touched_is_missed() {
    let start = Moment::first(&Scene::example("hello-world"));
    let neighbours = Neighbours::among(&start.aws);
    let tree = start.aws.tree();
    let rooms = ["machines", "apis", "usage_plans", "api_keys", "log_groups", "domains", "client_certificates"];
    let rooms = rooms.map(|room| format!("/{ACCOUNT}/regions/{REGION}/{room}"));
    let rooms = rooms.into_iter().chain(["roles", "policies"].map(|room| format!("/{ACCOUNT}/iam/{room}")));
    for room in rooms {
        let all = tree.pointer(&room).unwrap().as_object().unwrap();
        assert!(!all.is_empty(), "{room}");
        for id in all.keys() {
            for gone in [true, false] {
                let (mut aws, mut tree) = (start.aws.clone(), tree.clone());
                let found = tree.pointer_mut(&room).unwrap().as_object_mut().unwrap();
                if gone {
                    found.shift_remove(id);
                } else {
                    found[id]["tags"]["touched"] = json!("yes");
                }
                aws.plant(&tree).unwrap();
                assert_eq!(neighbours.touched(&aws).len(), 1, "{room} {id}, gone {gone}");
            }
        }
    }
}

/// Whatever a test looks at.
#[test]
#[should_panic(expected = "neighbours were touched: role neighbour")]
fn no_run_ends_in_which_one_was_touched() {
    let start = Moment::first(&Scene::example("hello-world"));
    let site = Site::new(start.aws, start.objects);
    let form = [("RoleName", "neighbour"), ("Description", "touched")];
    let form = form.map(|(key, value)| (key.to_owned(), value.to_owned()));
    site.aws.with(|memory| iam(memory, "UpdateRole", &form));
}
