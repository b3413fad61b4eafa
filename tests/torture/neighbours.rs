//! What is somebody else's, as near to ours as it can be: nobody may touch it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stepgate::identity::{Cluster, Key, Owner, joined, log_group_prefix, role_path};
use stepgate_testbed::memory::{
    ACCOUNT, Api, ApiKey, ClientCertificate, DomainName, LogGroup, Machine, Memory, Role, UsagePlan,
};

use super::adopted_roles;
use super::scene::{ADOPTABLE, Scene};

/// All that is in the account now, to be found as it is at the end of every run.
#[derive(Clone, PartialEq)]
pub struct Neighbours {
    roles: BTreeMap<String, Role>,
    policies: BTreeMap<String, String>,
    machines: BTreeMap<String, Machine>,
    apis: BTreeMap<String, Api>,
    plans: BTreeMap<String, UsagePlan>,
    keys: BTreeMap<String, ApiKey>,
    logs: BTreeMap<String, LogGroup>,
    domains: BTreeMap<String, Value>,
    certificates: BTreeMap<String, ClientCertificate>,
}

const REGION: &str = "us-east-1";

impl Neighbours {
    /// Moves them in: one of each kind, with the owner tags of another cluster; and remembers what is there.
    pub fn move_in(aws: &mut Memory, scene: &Scene) -> Self {
        let other = Cluster { name: "another".into(), uid: "another".into() };
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
        Self::here(aws)
    }

    fn here(aws: &Memory) -> Self {
        let account = aws.account(ACCOUNT).unwrap();
        let region = &account.regions[REGION];
        Self {
            roles: account.iam.roles.clone(),
            policies: account.iam.policies.iter().map(|(arn, policy)| (arn.clone(), format!("{policy:?}"))).collect(),
            machines: region.machines.clone(),
            apis: region.apis.clone(),
            plans: region.usage_plans.clone(),
            keys: region.api_keys.clone(),
            logs: region.log_groups.clone(),
            domains: region.domains.iter().map(|(name, one)| (name.clone(), whole(one))).collect(),
            certificates: region.client_certificates.clone(),
        }
    }

    /// Without a role, which is adopted.
    pub fn but_for_role(mut self, name: &str) -> Self {
        self.roles.remove(name);
        self
    }

    /// Those that are gone or changed.
    pub fn touched(&self, aws: &Memory) -> Vec<String> {
        fn walk<T>(kind: &str, then: &BTreeMap<String, T>, same: impl Fn(&str, &T) -> Option<bool>) -> Vec<String> {
            then.iter().filter(|(id, one)| same(id, one) != Some(true)).map(|(id, _)| format!("{kind} {id}")).collect()
        }
        let account = aws.account(ACCOUNT).unwrap();
        let (iam, region) = (&account.iam, &account.regions[REGION]);
        let same_role =
            |then: &Role, now: &Role| then == now || theirs(then).is_some_and(|then| Some(then) == theirs(now));
        let mut all = walk("role", &self.roles, |id, one| Some(same_role(one, iam.roles.get(id)?)));
        all.extend(walk("policy", &self.policies, |id, one| Some(format!("{:?}", iam.policies.get(id)?) == *one)));
        all.extend(walk("machine", &self.machines, |id, one| Some(region.machines.get(id)? == one)));
        all.extend(walk("API", &self.apis, |id, one| Some(region.apis.get(id)? == one)));
        all.extend(walk("usage plan", &self.plans, |id, one| Some(region.usage_plans.get(id)? == one)));
        all.extend(walk("API key", &self.keys, |id, one| Some(region.api_keys.get(id)? == one)));
        all.extend(walk("log group", &self.logs, |id, one| Some(region.log_groups.get(id)? == one)));
        all.extend(walk("domain name", &self.domains, |id, one| Some(whole(region.domains.get(id)?) == *one)));
        let same = |id: &str, one: &ClientCertificate| Some(region.client_certificates.get(id)? == one);
        all.extend(walk("client certificate", &self.certificates, same));
        all
    }
}

/// Of a role that may be adopted, what others wrote.
fn theirs(role: &Role) -> Option<Value> {
    (role.path == ADOPTABLE).then(|| adopted_roles::theirs(&json!(role)))
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
