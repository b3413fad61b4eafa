//! The documented policy, held by the requests that are really made. Of each that arrives while manifests become something else
//! (`coverage.rs`), what IAM would ask of the caller is put together from the request and from AWS before it: the table that tests/docs.rs
//! holds the policy to says which actions, on what kind of resource; the request says on which one, and with which tags.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use stepgate_testbed::memory::{ACCOUNT, Attempt, Region, Service};

use super::adopted_roles::{self, ASKED};
use super::coverage::calls::policy::{Context, VIA_SERVICE, allowing, needs, policy};
use super::coverage::{AllAsked, LIVED, live, lives};
use super::scene::Scene;

/// The cluster of the scenes.
const CLUSTER: &str = "test";

/// The roles that machines adopt.
const ADOPTED: [&str; 2] = ["legacy", "second"];

/// As the SDK writes an ARN into a path.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

type Tags = BTreeMap<String, String>;
type Conditions = BTreeMap<String, Vec<String>>;

/// One that a request is about, and what IAM knows of it then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Resource {
    arn: String,
    conditions: Conditions,
}

/// What a request asks IAM about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    operation: String,
    /// Of API Gateway's, whose actions are verbs.
    verb: Option<String>,
    resources: Vec<Resource>,
}

impl Asked {
    pub fn of(attempt: &Attempt<'_>) -> Self {
        let call = attempt.call;
        let request = Request { attempt, input: attempt.input() };
        let resources = match call.service {
            Service::Sts => vec![Resource { arn: "*".into(), conditions: Conditions::new() }],
            Service::Iam => vec![request.of_iam()],
            Service::States => request.of_states(),
            Service::Logs => vec![request.of_logs()],
            Service::ApiGateway => request.of_api_gateway(),
        };
        let verb = (call.service == Service::ApiGateway).then(|| attempt.request.method().to_string());
        Self { operation: call.operation.clone(), verb, resources }
    }

    /// IAM's questions, as actions on resources.
    ///
    /// # Errors
    /// What the table does not say.
    fn questions(&self) -> Result<Vec<(&'static str, &Resource)>, String> {
        let mut questions = BTreeSet::new();
        for resource in &self.resources {
            let needs = needs(&self.operation).iter().map(|need| need.action_and_resource());
            let of_it: Vec<_> = needs.filter(|(_, like)| kind(like) == kind(&resource.arn)).collect();
            if of_it.is_empty() {
                return Err(format!("no need of {} on {} is in the table", self.operation, resource.arn));
            }
            questions.extend(of_it.into_iter().map(|(action, _)| (action, resource)));
        }
        let verb = self.verb.as_ref().map(|verb| format!("apigateway:{verb}"));
        if let Some(verb) = verb.filter(|verb| questions.iter().all(|(action, _)| action != verb)) {
            return Err(format!("{} is {verb}, which is not in the table", self.operation));
        }
        Ok(questions.into_iter().collect())
    }
}

/// What kind of resource an ARN is of; of API Gateway's, the root of its path and whether there is more.
fn kind(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, _, _, rest] = parts[..] else { return arn.to_owned() };
    let (root, more) = rest.trim_start_matches('/').split_once(['/', ':']).unwrap_or((rest, ""));
    match (service, root) {
        ("apigateway", "tags") => format!("tags of {}", kind(&percent_decode_str(more).decode_utf8_lossy())),
        ("apigateway", _) => {
            format!("{service} {}{}", root.trim_start_matches('/'), if more.is_empty() { "" } else { "/…" })
        }
        _ => format!("{service} {root}"),
    }
}

struct Request<'a> {
    attempt: &'a Attempt<'a>,
    input: Value,
}

impl Request<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.input[name].as_str()
    }

    fn region(&self) -> Option<&Region> {
        self.attempt.memory.region(&self.attempt.call.account, &self.attempt.call.region)
    }

    fn arn(&self, service: &str, account: bool, rest: &str) -> String {
        let call = self.attempt.call;
        let region = if service == "iam" { "" } else { &call.region };
        format!("arn:aws:{service}:{region}:{}:{rest}", if account { &call.account } else { "" })
    }

    /// The tags in the request, and all keys of tags there.
    fn conditions(&self) -> Conditions {
        let tags = match (&self.input["tags"], &self.input["Tags"]) {
            (Value::Null, tags) | (tags, _) => tags,
        };
        let pair = |tag: &Value| {
            let text = |names: [&str; 2]| names.iter().find_map(|name| tag[*name].as_str()).unwrap().to_owned();
            (text(["key", "Key"]), text(["value", "Value"]))
        };
        let tags: Tags = match tags {
            Value::Array(tags) => tags.iter().map(pair).collect(),
            Value::Object(tags) => {
                tags.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
            }
            _ => Tags::new(),
        };
        let untagged = ["tagKeys", "TagKeys"].map(|name| &self.input[name]).into_iter().filter_map(Value::as_array);
        let untagged = untagged.flatten().map(|key| key.as_str().unwrap().to_owned());
        let keys: Vec<_> = tags.keys().cloned().chain(untagged).chain(self.attempt.query("tagKeys")).collect();
        let mut conditions: Conditions =
            tags.into_iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), vec![value])).collect();
        if !keys.is_empty() {
            conditions.insert("aws:TagKeys".into(), keys);
        }
        conditions
    }

    /// What the request is about: with its own tags and those in the request.
    fn about(&self, arn: String, tags: Option<&Tags>) -> Resource {
        let mut conditions = self.conditions();
        for (key, value) in tags.into_iter().flatten() {
            conditions.insert(format!("aws:ResourceTag/{key}"), vec![value.clone()]);
        }
        Resource { arn, conditions }
    }

    /// Of a role that is passed IAM's reference calls the tags unreliable: they count for nothing here.
    fn passed(arn: &str, service: &str) -> Resource {
        let to = ("iam:PassedToService".to_owned(), vec![format!("{service}.amazonaws.com")]);
        Resource { arn: arn.to_owned(), conditions: Conditions::from([to]) }
    }

    fn of_iam(&self) -> Resource {
        let iam = self.attempt.memory.account(&self.attempt.call.account).map(|account| &account.iam);
        let path = self.text("Path").unwrap_or("/");
        match (self.text("RoleName"), self.text("PolicyArn"), self.text("PolicyName")) {
            (Some(name), policy, _) => {
                let role = iam.and_then(|iam| iam.roles.get(&name.to_lowercase()));
                // AWS does not know the path of a role that is not there.
                let arn = role.map_or_else(
                    || self.arn("iam", true, &format!("role{path}{name}")),
                    |role| role.arn("aws", &self.attempt.call.account),
                );
                let mut resource = self.about(arn, role.map(|role| &role.tags));
                if let Some(policy) = policy {
                    resource.conditions.insert("iam:PolicyARN".into(), vec![policy.to_owned()]);
                }
                resource
            }
            (None, Some(arn), _) => {
                self.about(arn.to_owned(), iam.and_then(|iam| iam.policies.get(arn)).map(|policy| &policy.tags))
            }
            (None, None, Some(name)) => self.about(self.arn("iam", true, &format!("policy{path}{name}")), None),
            (None, None, None) => self.about("*".into(), None),
        }
    }

    fn of_states(&self) -> Vec<Resource> {
        let operation = self.attempt.call.operation.as_str();
        let named = self.text("stateMachineArn").or_else(|| self.text("resourceArn")).map(str::to_owned);
        let arn = named.unwrap_or_else(|| {
            self.arn("states", true, &format!("stateMachine:{}", self.text("name").expect("a name")))
        });
        let machine = self.region().and_then(|region| region.machines.get(&arn));
        let mut resources = vec![self.about(arn, machine.map(|machine| &machine.tags))];
        resources.extend(self.text("roleArn").map(|role| Self::passed(role, "states")));
        let key = self.input["encryptionConfiguration"]["kmsKeyId"].as_str();
        let key = key.or_else(|| machine?.form.encryption["kmsKeyId"].as_str());
        let uses = ["CreateStateMachine", "UpdateStateMachine", "DescribeStateMachine"].contains(&operation);
        resources.extend(key.filter(|_| uses).map(|key| {
            let via = format!("states.{}.amazonaws.com", self.attempt.call.region);
            Resource { arn: key.to_owned(), conditions: Conditions::from([(VIA_SERVICE.to_owned(), vec![via])]) }
        }));
        resources
    }

    fn of_logs(&self) -> Resource {
        let arn = match (self.text("resourceArn"), self.text("logGroupName")) {
            (Some(arn), _) => arn.to_owned(),
            (None, Some(name)) => self.arn("logs", true, &format!("log-group:{name}")),
            (None, None) => self.arn("logs", true, "log-group::log-stream:"),
        };
        let name = arn.split(":log-group:").nth(1);
        let group = name.and_then(|name| self.region()?.log_groups.get(name));
        self.about(arn, group.map(|group| &group.tags))
    }

    /// Whether IAM is given a path as it is written or decoded is not documented; no pattern of the policy sees the difference, but for
    /// that of `/tags/…`, which is written (iann0036/iam-dataset#39).
    fn of_api_gateway(&self) -> Vec<Resource> {
        let path = self.attempt.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let id = self.attempt.query("domainNameId").pop();
        let mut resources = match (&path[..], id) {
            (["tags", arn], _) => vec![self.tags_of(arn), self.about((*arn).to_owned(), self.tags(arn).as_ref())],
            // IAM knows no tags of these when they are deleted.
            (["domainnameaccessassociations", arn], _) => vec![self.about((*arn).to_owned(), None)],
            (["domainnameaccessassociations"], _) => {
                vec![self.about(self.arn("apigateway", true, "/domainnameaccessassociations"), None)]
            }
            (["domainnames", name, rest @ ..], Some(id)) => {
                let rest: String = rest.iter().map(|part| format!("/{part}")).collect();
                let arn = self.arn("apigateway", true, &format!("/domainnames/{name}+{id}{rest}"));
                let tags = self.tags(&arn);
                vec![self.about(arn, tags.as_ref())]
            }
            _ => {
                let arn = self.arn("apigateway", false, self.attempt.request.uri().path());
                let tags = self.tags(&arn);
                vec![self.about(arn, tags.as_ref())]
            }
        };
        if self.attempt.request.method() == "POST"
            && self.input["tags"].as_object().is_some_and(|tags| !tags.is_empty())
        {
            resources.extend(self.made(&path));
        }
        let patches = self.input["patchOperations"].as_array().into_iter().flatten();
        let roles = ["/credentials", "/authorizerCredentials", "/cloudwatchRoleArn"];
        let patched = patches.filter(|patch| roles.iter().any(|path| patch["path"] == **path));
        let passed = [&self.input["credentials"], &self.input["authorizerCredentials"]].into_iter();
        let passed = passed.chain(patched.map(|patch| &patch["value"])).filter_map(Value::as_str);
        resources.extend(passed.filter(|arn| arn.starts_with("arn:")).map(|arn| Self::passed(arn, "apigateway")));
        resources
    }

    /// What is made with tags, and its tags. AWS gives an id only then: which one IAM sees is not documented.
    fn made(&self, path: &[&str]) -> Vec<Resource> {
        let under = |name: &str| self.arn("apigateway", false, &format!("/{}/{name}", path.join("/")));
        match path {
            ["domainnameaccessassociations"] => {
                let domain = self.text("domainNameArn").unwrap();
                let name = domain.split(":/domainnames/").nth(1).unwrap();
                let endpoint = self.text("accessAssociationSource").unwrap();
                let rest = format!("/domainnameaccessassociations/domainname/{name}/vpcesource/{endpoint}");
                let arn = self.arn("apigateway", true, &rest);
                let domain = self.about(domain.to_owned(), self.tags(domain).as_ref());
                vec![self.tags_of(&arn), self.about(arn, None), domain]
            }
            ["domainnames"] if self.input["endpointConfiguration"]["types"][0] == "PRIVATE" => {
                let rest = format!("/domainnames/{}+new", self.text("domainName").unwrap());
                vec![self.tags_of(&self.arn("apigateway", true, &rest))]
            }
            ["domainnames"] => vec![self.tags_of(&under(self.text("domainName").unwrap()))],
            [.., "stages"] => vec![self.tags_of(&under(self.text("stageName").unwrap()))],
            _ => vec![self.tags_of(&under("new"))],
        }
    }

    fn tags_of(&self, arn: &str) -> Resource {
        let label = utf8_percent_encode(arn, LABEL);
        self.about(self.arn("apigateway", false, &format!("/tags/{label}")), None)
    }

    /// The tags of what an ARN of API Gateway names, and those that it inherits ("API Gateway resources that can be tagged").
    fn tags(&self, arn: &str) -> Option<Tags> {
        let region = self.region()?;
        let path = percent_decode_str(arn.splitn(6, ':').nth(5)?).decode_utf8_lossy();
        match path.split('/').skip(1).collect::<Vec<_>>()[..] {
            ["restapis", id, ref rest @ ..] => {
                let api = region.apis.get(id)?;
                let mut tags = api.tags.clone();
                if let ["stages", stage, ..] = *rest {
                    tags.extend(api.stages.get(stage).map(|stage| stage.tags.clone()).unwrap_or_default());
                }
                Some(tags)
            }
            ["usageplans", id, ..] => region.usage_plans.get(id).map(|plan| plan.tags.clone()),
            ["apikeys", id, ..] => region.api_keys.get(id).map(|key| key.tags.clone()),
            ["domainnames", name, ..] => region.domains.get(name).map(|domain| domain.tags.clone()),
            _ => None,
        }
    }
}

/// The policy as docs/aws-permissions.md has it put in place for these manifests.
fn policy_in_place(scenes: &[Scene]) -> Vec<Value> {
    let (mut roles, mut managed) = (BTreeSet::new(), BTreeSet::new());
    for world in scenes.iter().map(|scene| &scene.world) {
        let manifests = world.machines.values().map(|one| json!(**one));
        let manifests = manifests.chain(world.routes.values().map(|one| json!(**one)));
        manifests.chain(world.apis.values().map(|one| json!(**one))).for_each(|one| named_roles(&one, &mut roles));
        for account in &world.accounts {
            roles.extend(account.spec.api_gateway_log_role.as_ref().map(|role| role.arn.clone()));
            managed.extend(account.spec.tenants.iter().flat_map(|tenant| tenant.managed_policy_arns.clone()));
        }
    }
    let mut policy = policy();
    for statement in &mut policy {
        for value in statement["Condition"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
            let values = value.as_object_mut().unwrap().values_mut();
            values.filter(|value| **value == "default").for_each(|value| *value = json!(CLUSTER));
        }
        if statement["Resource"] == "arn:aws:iam::111122223333:role/orders-*" {
            statement["Resource"] = json!(ADOPTED.map(adopted_roles::arn));
        }
        match statement["Sid"].as_str().unwrap() {
            "PassYourOwnRoles" => statement["Resource"] = json!(roles),
            "AttachManagedPolicies" => statement["Condition"]["ArnLike"]["iam:PolicyARN"] = json!(managed),
            "AttachToAdoptedRoles" => statement["Condition"]["ArnLike"]["iam:PolicyARN"][1] = json!(ASKED),
            _ => {}
        }
    }
    policy
}

/// Roles that a manifest names.
fn named_roles(manifest: &Value, roles: &mut BTreeSet<String>) {
    let children: Vec<_> = match manifest {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        Value::Array(values) => values.iter().map(|value| ("", value)).collect(),
        _ => return,
    };
    for (name, value) in children {
        let role = match name {
            "executionRole" | "invokeRole" => &value["arn"],
            "roleArn" => value,
            _ => &Value::Null,
        };
        roles.extend(role.as_str().map(|role| role.replace("${AWS::AccountId}", ACCOUNT)));
        named_roles(value, roles);
    }
}

/// A machine adopts a role, whose policies it fills, then another, then none.
fn adopting() -> Vec<Scene> {
    let queues: Vec<String> =
        (0..150).map(|n| format!("a-queue-with-a-name-that-is-long-enough-to-fill-policies-{n}")).collect();
    let queues: Vec<&str> = queues.iter().map(String::as_str).collect();
    let [first, second] = ADOPTED.map(adopted_roles::adopts);
    let mut asks = first.clone();
    asks["managedPolicyArns"] = json!([ASKED]);
    let scene = |queues: &[&str], role: &Value| adopted_roles::scene("EXPRESS", queues, role);
    vec![scene(&["q"], &asks), scene(&queues, &first), scene(&["q"], &second), scene(&["q"], &second).gone()]
}

#[tokio::test(start_paused = true)]
async fn the_policy_allows_every_request_that_is_made() {
    let policy = policy_in_place(&lives().flatten().chain(adopting()).collect::<Vec<_>>());
    let asked = AllAsked::default();
    live(adopted_roles::start().await, &adopting(), &asked).await;
    let lived = tokio::task::spawn_blocking(|| LIVED.1.lock().unwrap().clone()).await.unwrap();
    let asked: BTreeSet<Asked> = asked.lock().unwrap().iter().cloned().chain(lived).collect();
    let (mut wrong, mut used) = (BTreeSet::new(), BTreeSet::new());
    for asked in &asked {
        let questions = asked.questions().unwrap_or_else(|unknown| {
            wrong.insert(unknown);
            Vec::new()
        });
        for (action, Resource { arn, conditions }) in questions {
            let texts = conditions.iter().map(|(key, all)| (key.as_str(), all.iter().map(String::as_str).collect()));
            let context: Context<'_> = texts.collect();
            let allowing = allowing(&policy, action, arn, &context);
            if allowing.is_empty() {
                wrong.insert(format!("{}: {action} on {arn} is not allowed with {context:?}", asked.operation));
            }
            used.extend(allowing.into_iter().map(|index| policy[index]["Sid"].as_str().unwrap()));
        }
    }
    let some: Vec<_> = wrong.iter().take(20).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), asked.len(), some.join("\n"));
    // Else some names are not tried.
    let allow = policy.iter().filter(|one| one["Effect"] == "Allow").map(|one| one["Sid"].as_str().unwrap());
    let idle: Vec<_> = allow.filter(|sid| !used.contains(sid)).collect();
    assert!(idle.is_empty(), "no request needs {idle:?}");
}
