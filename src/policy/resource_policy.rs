//! Resource policies of REST APIs: who may call, from where, whatever the routes ask for besides.
//!
//! The user's text and AWS's read-back are brought to one form, in which neither the order of statements nor AWS's own
//! spelling counts: AWS returns quotes escaped, and `execute-api:/…` as the API's full ARN (AWS.md §3).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// API Gateway's limit, in characters of compact JSON.
pub const LIMIT: usize = 8192;

/// Keys that say from which VPC endpoint or VPC a call comes.
const SOURCES: [&str; 2] = ["aws:SourceVpce", "aws:SourceVpc"];

/// A resource policy in its one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourcePolicy(Value);

/// Why a text is no resource policy that can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ResourcePolicyError(String);

/// Whom one Allow statement lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Such as `Statement[0]`.
    pub place: String,
    /// ARNs, 12-digit accounts, services or `*`.
    pub principals: Vec<String>,
    /// VPC endpoints and VPCs, where it, or a Deny on everything, lets calls only from them; each list on its own holds.
    pub sources: Vec<Vec<String>>,
}

impl ResourcePolicy {
    /// Reads the user's text, JSON or YAML.
    ///
    /// # Errors
    /// What is no policy, what can't be bounded (NotPrincipal, NotAction, NotResource), and what is over [`LIMIT`].
    pub fn parse(text: &str) -> Result<Self, ResourcePolicyError> {
        let error = |what: String| ResourcePolicyError(what);
        let value: Value = serde_saphyr::from_str(text).map_err(|cause| {
            let cause = cause.to_string();
            // What follows is advice to programmers.
            let cause = cause.lines().next().unwrap_or_default();
            error(format!("is neither JSON nor YAML: {}", cause.split(", set ").next().unwrap_or_default()))
        })?;
        let Some(document) = value.as_object() else {
            return Err(error("is no policy: it must be an object with Version and Statement".into()));
        };
        if let Some(other) = document.keys().find(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
            return Err(error(format!("has `{other}`: a policy holds Version, Id and Statement")));
        }
        if document.get("Version") != Some(&json!("2012-10-17")) {
            return Err(error("needs Version \"2012-10-17\"".into()));
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) if !list.is_empty() => list.clone(),
            Some(one @ Value::Object(_)) => vec![one.clone()],
            _ => return Err(error("needs at least one statement in Statement".into())),
        };
        for (index, statement) in statements.iter().enumerate() {
            check(statement).map_err(|what| error(format!("Statement[{index}] {what}")))?;
        }
        let policy = Self(canonical(&value, None));
        match policy.to_string().chars().count() {
            length if length > LIMIT => Err(error(format!(
                "has {length} characters as compact JSON, and API Gateway takes {LIMIT}; join statements, or use wildcards"
            ))),
            _ => Ok(policy),
        }
    }

    /// What AWS has for the API of this id, or for the private domain `/domainnames/NAME+ID`. What can't be read equals nothing.
    pub fn read(text: &str, rest_api_id: &str) -> Self {
        let plain = serde_json::from_str(text).ok().filter(Value::is_object);
        let escaped = || serde_json::from_str(&serde_json::from_str::<String>(&format!("\"{text}\"")).ok()?).ok();
        let value: Value = plain.or_else(escaped).unwrap_or_else(|| json!(text));
        Self(canonical(&value, Some(rest_api_id)))
    }

    fn statements(&self) -> impl Iterator<Item = &Value> {
        self.0["Statement"].as_array().into_iter().flatten()
    }

    /// Its Allow statements; a Deny only narrows.
    pub fn allowed(&self) -> Vec<Allowed> {
        let everywhere: Vec<Vec<String>> = self.statements().filter_map(denies_other_sources).collect();
        let allow = |(index, statement): (usize, &Value)| {
            let sources = only_condition(statement, "StringEquals").into_iter().chain(everywhere.iter().cloned());
            (statement["Effect"] == "Allow").then(|| Allowed {
                place: match statement["Sid"].as_str() {
                    Some(sid) => format!("the statement {sid}"),
                    None => format!("the Allow statement {}", index + 1),
                },
                principals: principals(&statement["Principal"]),
                sources: sources.collect(),
            })
        };
        self.statements().enumerate().filter_map(allow).collect()
    }
}

/// Compact JSON, as it is sent to AWS.
impl std::fmt::Display for ResourcePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn check(statement: &Value) -> Result<(), String> {
    let Some(object) = statement.as_object() else { return Err("is not an object".into()) };
    let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
    if let Some(other) = object.keys().find(|key| !known.contains(&key.as_str())) {
        let why = if other.starts_with("Not") { ", because what it means can't be bounded" } else { "" };
        return Err(format!("has `{other}`, which is not taken{why}; write {}", known.join(", ")));
    }
    if !["Allow", "Deny"].iter().any(|effect| statement["Effect"] == *effect) {
        return Err("needs Effect Allow or Deny".into());
    }
    if principals(&statement["Principal"]).is_empty() {
        return Err("needs a Principal: \"*\", or {AWS: [ARNs and accounts]}".into());
    }
    let actions = strings(&statement["Action"]).unwrap_or_default();
    if actions.is_empty() || !actions.iter().all(|action| action.to_ascii_lowercase().starts_with("execute-api:")) {
        return Err("needs Actions of execute-api, such as execute-api:Invoke".into());
    }
    let resources = strings(&statement["Resource"]).unwrap_or_default();
    let of_api = |resource: &String| {
        let arn = resource.starts_with("arn:") && resource.split(':').nth(2) == Some("execute-api");
        arn || resource.starts_with("execute-api:/") || resource == "*"
    };
    if resources.is_empty() || !resources.iter().all(of_api) {
        return Err("needs Resources such as execute-api:/STAGE/METHOD/PATH, or execute-api:/* for all".into());
    }
    let conditions = statement.get("Condition").map_or_else(|| Some(Map::new()), |it| it.as_object().cloned());
    let whole = |keys: &Value| keys.as_object().is_some_and(|keys| keys.values().all(|value| strings(value).is_some()));
    match conditions.is_some_and(|conditions| conditions.values().all(whole)) {
        true => Ok(()),
        false => Err("needs a Condition of the form {OPERATOR: {KEY: VALUES}}".into()),
    }
}

/// A text, number or Boolean, or a list of them, as IAM takes them for each other; sorted.
fn strings(value: &Value) -> Option<Vec<String>> {
    let text = |one: &Value| match one {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(one.to_string()),
        _ => None,
    };
    let mut all: Vec<String> = match value {
        Value::Array(list) => list.iter().map(text).collect::<Option<_>>()?,
        one => vec![text(one)?],
    };
    all.sort();
    all.dedup();
    Some(all)
}

/// Of whatever kind; `arn:aws:iam::ACCOUNT:root` is the account.
fn principals(value: &Value) -> Vec<String> {
    let mut all = match value {
        Value::Object(kinds) => kinds.values().filter_map(strings).flatten().collect(),
        Value::String(one) if one == "*" => vec![one.clone()],
        _ => Vec::new(),
    };
    for one in &mut all {
        if let ["arn", _, "iam", "", account, "root"] = one.split(':').collect::<Vec<_>>()[..] {
            *one = account.to_owned();
        }
    }
    all
}

/// The values of a condition on [`SOURCES`], where it is the statement's only one.
fn only_condition(statement: &Value, operator: &str) -> Option<Vec<String>> {
    let conditions = statement["Condition"].as_object().filter(|conditions| conditions.len() == 1)?;
    let keys = conditions.get(operator)?.as_object().filter(|keys| keys.len() == 1)?;
    let (_, values) = keys.iter().find(|(key, _)| SOURCES.iter().any(|source| source.eq_ignore_ascii_case(key)))?;
    strings(values)
}

/// The sources, where a statement denies everybody everything from anywhere else.
fn denies_other_sources(statement: &Value) -> Option<Vec<String>> {
    let has = |field: &str, wanted: &[&str]| {
        strings(&statement[field])
            .unwrap_or_default()
            .iter()
            .any(|one| wanted.iter().any(|it| one.eq_ignore_ascii_case(it)))
    };
    let everybody = principals(&statement["Principal"]) == ["*"];
    let everything =
        has("Action", &["execute-api:Invoke", "execute-api:*"]) && has("Resource", &["execute-api:/*", "*"]);
    (statement["Effect"] == "Deny" && everybody && everything)
        .then(|| only_condition(statement, "StringNotEquals"))
        .flatten()
}

/// The one form: lists are sorted lists, the API's own ARN is `execute-api:`, statements are sorted.
fn canonical(value: &Value, rest_api_id: Option<&str>) -> Value {
    let Some(document) = value.as_object() else { return value.clone() };
    let statements = match &document.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![(*one).clone()],
        None => Vec::new(),
    };
    let mut statements: Vec<Value> =
        statements.iter().map(|statement| canonical_statement(statement, rest_api_id)).collect();
    statements.sort_by_key(ToString::to_string);
    statements.dedup();
    let mut form = Map::new();
    for key in ["Id", "Version"] {
        form.extend(document.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    form.insert("Statement".to_owned(), json!(statements));
    form.sort_keys();
    Value::Object(form)
}

fn canonical_statement(statement: &Value, rest_api_id: Option<&str>) -> Value {
    let Some(object) = statement.as_object() else { return statement.clone() };
    let listed = |value: &Value| strings(value).map_or_else(|| value.clone(), |list| json!(list));
    let mut form = Map::new();
    for (key, value) in object {
        let value = match key.as_str() {
            "Principal" => match value.as_object() {
                Some(kinds)
                    if kinds.len() == 1 && kinds.get("AWS").is_some_and(|it| strings(it) == Some(vec!["*".into()])) =>
                {
                    json!("*")
                }
                Some(kinds) => {
                    kinds.iter().map(|(kind, value)| (kind.clone(), json!(principals(&json!({kind: value}))))).collect()
                }
                None => value.clone(),
            },
            "Action" => listed(value),
            "Resource" => {
                let short = |resource: &String| shortened(resource, rest_api_id);
                let all = strings(value).unwrap_or_default();
                let mut all: Vec<String> = all.iter().map(short).collect();
                all.sort();
                json!(all)
            }
            "Condition" => {
                let operators = value.as_object().into_iter().flatten();
                let keys = |keys: &Value| -> Value {
                    let keys = keys.as_object().into_iter().flatten();
                    keys.map(|(key, values)| (key.clone(), listed(values))).collect()
                };
                operators.map(|(operator, of)| (operator.clone(), keys(of))).collect()
            }
            _ => value.clone(),
        };
        form.insert(key.clone(), value);
    }
    let mut form = Value::Object(form);
    form.sort_all_objects();
    form
}

/// `arn:aws:execute-api:REGION:ACCOUNT:ID/…` of the API itself → `execute-api:/…`; a private domain's stands for all of it.
fn shortened(resource: &str, id: Option<&str>) -> String {
    match resource.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "execute-api", _, _, own] => match id.and_then(|id| own.strip_prefix(id)) {
            Some(rest) if rest.starts_with('/') => format!("execute-api:{rest}"),
            Some("") if own.starts_with("/domainnames/") => "execute-api:/*".to_owned(),
            _ => resource.to_owned(),
        },
        _ => resource.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A private API's policy, as AWS's documentation shows it.
    const PRIVATE: &str = r#"
Version: "2012-10-17"
Statement:
- {Effect: Allow, Principal: "*", Action: execute-api:Invoke, Resource: execute-api:/*}
- Effect: Deny
  Principal: "*"
  Action: execute-api:Invoke
  Resource: execute-api:/*
  Condition: {StringNotEquals: {aws:SourceVpce: vpce-1}}
"#;

    #[test]
    fn what_aws_returns_is_what_was_sent() {
        let returned = r#"{\"Version\":\"2012-10-17\",\"Statement\":[
            {\"Effect\":\"Deny\",\"Principal\":{\"AWS\":\"*\"},\"Action\":[\"execute-api:Invoke\"],
             \"Resource\":\"arn:aws:execute-api:eu-central-1:111122223333:a1\/*\",
             \"Condition\":{\"StringNotEquals\":{\"aws:SourceVpce\":[\"vpce-1\"]}}},
            {\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"execute-api:Invoke\",
             \"Resource\":\"arn:aws:execute-api:eu-central-1:111122223333:a1\/*\"}]}"#
            .replace('\n', "");
        let wanted = ResourcePolicy::parse(PRIVATE).unwrap();
        assert_eq!(ResourcePolicy::read(&returned, "a1"), wanted);
        assert_eq!(ResourcePolicy::read(&wanted.to_string(), "a1"), wanted, "unescaped, as emulators return it");
        assert_ne!(ResourcePolicy::read(&returned, "a2"), wanted, "another API's ARN");
        assert_ne!(ResourcePolicy::read(&returned.replace("vpce-1", "vpce-2"), "a1"), wanted);
        assert_ne!(ResourcePolicy::read("no policy", "a1"), wanted);
    }

    #[test]
    fn an_account_is_its_root() {
        let of = |principal: Value| {
            let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "execute-api:Invoke", "Resource": "execute-api:/*"});
            ResourcePolicy::parse(&json!({"Version": "2012-10-17", "Statement": statement}).to_string()).unwrap()
        };
        assert_eq!(of(json!({"AWS": "111122223333"})), of(json!({"AWS": ["arn:aws:iam::111122223333:root"]})));
        assert_eq!(of(json!({"AWS": "111122223333"})).allowed()[0].principals, ["111122223333"]);
    }

    #[test]
    fn sources_hold_by_a_deny_on_everything_or_by_the_statement_itself() {
        let allowed = |text: &str| ResourcePolicy::parse(text).unwrap().allowed();
        assert_eq!(allowed(PRIVATE)[0].sources, [["vpce-1"]]);
        assert_eq!(allowed(PRIVATE)[0].principals, ["*"]);
        let own = "Version: '2012-10-17'\nStatement: {Effect: Allow, Principal: '*', Action: 'execute-api:*', Resource: 'execute-api:/*', Condition: {StringEquals: {aws:SourceVpc: [vpc-1, vpc-2]}}}";
        assert_eq!(allowed(own)[0].sources, [["vpc-1", "vpc-2"]]);
    }

    #[rstest]
    #[case::one_path_is_denied("Resource: execute-api:/*\n  Condition", "Resource: execute-api:/prod/*\n  Condition")]
    #[case::one_caller_is_denied(
        "Effect: Deny\n  Principal: \"*\"",
        "Effect: Deny\n  Principal: {AWS: '111122223333'}"
    )]
    #[case::and_something_else("{aws:SourceVpce: vpce-1}", "{aws:SourceVpce: vpce-1, aws:PrincipalArn: x}")]
    #[case::another_operator("StringNotEquals", "StringNotLike")]
    #[case::the_other_way_round("StringNotEquals", "StringEquals")]
    #[case::allows("Effect: Deny", "Effect: Allow")]
    fn sources_that_do_not_hold(#[case] from: &str, #[case] to: &str) {
        let text = PRIVATE.replace(from, to);
        assert_ne!(text, PRIVATE);
        let allowed = ResourcePolicy::parse(&text).unwrap().allowed();
        assert!(allowed.iter().any(|one| one.sources.is_empty()), "{allowed:?}");
    }

    #[rstest]
    #[case::no_text("- a", "is no policy: it must be an object with Version and Statement")]
    #[case::version("Statement: []", "needs Version \"2012-10-17\"")]
    #[case::none("{Version: '2012-10-17', Statement: []}", "needs at least one statement in Statement")]
    #[case::key(
        "{Version: '2012-10-17', Statements: []}",
        "has `Statements`: a policy holds Version, Id and Statement"
    )]
    #[case::not_principal(
        "{Version: '2012-10-17', Statement: [{Effect: Allow, NotPrincipal: '*', Action: 'execute-api:*', Resource: '*'}]}",
        "Statement[0] has `NotPrincipal`, which is not taken, because what it means can't be bounded; write Sid, Effect, Principal, Action, Resource, Condition"
    )]
    #[case::effect(
        "{Version: '2012-10-17', Statement: [{Effect: allow, Principal: '*', Action: 'execute-api:*', Resource: '*'}]}",
        "Statement[0] needs Effect Allow or Deny"
    )]
    #[case::action(
        "{Version: '2012-10-17', Statement: [{Effect: Allow, Principal: '*', Action: '*', Resource: '*'}]}",
        "Statement[0] needs Actions of execute-api, such as execute-api:Invoke"
    )]
    #[case::resource(
        "{Version: '2012-10-17', Statement: [{Effect: Allow, Principal: '*', Action: 'execute-api:Invoke', Resource: /prod}]}",
        "Statement[0] needs Resources such as execute-api:/STAGE/METHOD/PATH, or execute-api:/* for all"
    )]
    fn what_is_refused(#[case] text: &str, #[case] message: &str) {
        assert_eq!(ResourcePolicy::parse(text).unwrap_err().to_string(), message);
    }
}
