//! Statements and the policy documents they make: written canonically, read back, compared by meaning.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What the inline policies of one role may hold together, in characters (AWS.md §1).
pub const INLINE_LIMIT: usize = 10_240;

/// Version of the policy language; without it IAM takes 2008-10-17.
const VERSION: &str = "2012-10-17";

/// Whether a statement gives or takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Gives.
    Allow,
    /// Takes away, whatever others give.
    Deny,
}

/// Conditions: operator → key → values. All operators and keys must hold, of the values any one.
pub type Conditions = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// A statement of an identity policy. `NotAction` and `Principal` do not exist here: the first can't be held against a ceiling,
/// the last belongs to trust policies ([`super::trust`]). `NotResource` counts as `*` there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Statement {
    /// A name for readers; IAM takes `[A-Za-z0-9]*`.
    pub sid: Option<String>,
    /// Allow or Deny.
    pub effect: Effect,
    /// `service:Action`, wildcards allowed in the action; case does not count.
    pub actions: Vec<String>,
    /// ARN globs, or `*`; empty where there are `not_resources`.
    pub resources: Vec<String>,
    /// `NotResource`: all but these. Only inference writes it, for `sns:Publish` to a phone number (AWS.md §5).
    pub not_resources: Vec<String>,
    /// When the statement applies; empty is always.
    pub conditions: Conditions,
}

impl Statement {
    /// An Allow without conditions.
    pub fn allow<A: Into<String>, R: Into<String>>(
        actions: impl IntoIterator<Item = A>,
        resources: impl IntoIterator<Item = R>,
    ) -> Self {
        Statement {
            sid: None,
            effect: Effect::Allow,
            actions: actions.into_iter().map(Into::into).collect(),
            resources: resources.into_iter().map(Into::into).collect(),
            not_resources: Vec::new(),
            conditions: Conditions::new(),
        }
    }

    fn canonical(mut self) -> Self {
        let values = self.conditions.values_mut().flat_map(BTreeMap::values_mut);
        for list in [&mut self.actions, &mut self.resources, &mut self.not_resources].into_iter().chain(values) {
            list.sort();
            list.dedup();
        }
        self
    }

    fn to_value(&self) -> Value {
        let mut statement = Map::new();
        if let Some(sid) = &self.sid {
            statement.insert("Sid".into(), json!(sid));
        }
        let effect = match self.effect {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        };
        statement.insert("Effect".into(), json!(effect));
        statement.insert("Action".into(), one_or_many(&self.actions));
        match self.not_resources.as_slice() {
            [] => statement.insert("Resource".into(), one_or_many(&self.resources)),
            not => statement.insert("NotResource".into(), one_or_many(not)),
        };
        if !self.conditions.is_empty() {
            let conditions = self.conditions.iter().map(|(operator, keys)| {
                let keys: Map<_, _> = keys.iter().map(|(key, values)| (key.clone(), one_or_many(values))).collect();
                (operator.clone(), Value::Object(keys))
            });
            statement.insert("Condition".into(), Value::Object(conditions.collect()));
        }
        Value::Object(statement)
    }
}

fn one_or_many(values: &[String]) -> Value {
    match values {
        [one] => json!(one),
        many => json!(many),
    }
}

/// Why a text is not a [`Document`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or JSON of another shape than a policy's.
    #[error("the policy is not a JSON policy document: {0}")]
    Malformed(String),
    /// An element of the policy language that [`Statement`] does not have.
    #[error("the policy's statement {statement} uses `{element}`, which stepgate never writes")]
    Foreign {
        /// Position of the statement, from 0.
        statement: usize,
        /// The element's name.
        element: String,
    },
}

/// An identity policy: statements in canonical form. The order of statements is the builder's; lists within them are sorted and
/// without duplicates, as is the list of statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    statements: Vec<Statement>,
}

impl Document {
    /// Makes a document, dropping repeated statements. To widen a policy, give it the old document's statements and the new ones.
    pub fn new(statements: impl IntoIterator<Item = Statement>) -> Self {
        let mut kept: Vec<Statement> = Vec::new();
        for statement in statements.into_iter().map(Statement::canonical) {
            if !kept.contains(&statement) {
                kept.push(statement);
            }
        }
        Document { statements: kept }
    }

    /// The statements, canonical.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Whether there is no statement. IAM refuses such a document: the role then has no policy.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Its size in characters as IAM counts it: without white space between tokens. IAM leaves out all white space (AWS.md §1);
    /// white space inside a string is counted here, so the figure is never too small.
    pub fn len(&self) -> usize {
        self.to_string().chars().count()
    }

    /// The size of a document that others wrote, as IAM counts it; of what is none, nothing.
    pub fn size(text: &str) -> usize {
        read(text).map_or(0, |value| value.to_string().chars().count())
    }

    /// The policy document: a single action, resource or condition value as a string, several as a sorted list.
    pub fn to_value(&self) -> Value {
        let statements: Vec<Value> = self.statements.iter().map(Statement::to_value).collect();
        json!({"Version": VERSION, "Statement": statements})
    }

    /// Reads a policy as IAM returns it (percent-encoded, RFC 3986) or as plain JSON.
    ///
    /// # Errors
    /// What is no policy, and what uses elements that a [`Statement`] does not have.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let value = read(text).map_err(DocumentError::Malformed)?;
        let statements = match &value["Statement"] {
            Value::Array(list) => list.as_slice(),
            one @ Value::Object(_) => std::slice::from_ref(one),
            _ => return Err(DocumentError::Malformed("it has no `Statement`".into())),
        };
        let statements: Result<Vec<_>, _> = statements.iter().enumerate().map(|(i, s)| parse_statement(i, s)).collect();
        Ok(Document::new(statements?))
    }

    /// Whether two policy documents, each percent-encoded or plain, mean the same: a string is a list of one; the order of statements, actions,
    /// resources, principals and condition values does not count, nor the case of actions. Works on trust policies too. A text that
    /// is not JSON equals nothing.
    pub fn equal(left: &str, right: &str) -> bool {
        match (read(left), read(right)) {
            (Ok(left), Ok(right)) => comparable(&left) == comparable(&right),
            _ => false,
        }
    }
}

/// The document as compact JSON, as it is sent to IAM.
impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_value().fmt(f)
    }
}

fn parse_statement(index: usize, value: &Value) -> Result<Statement, DocumentError> {
    let malformed = |what: &str| DocumentError::Malformed(format!("statement {index} {what}"));
    let object = value.as_object().ok_or_else(|| malformed("is not an object"))?;
    let known = ["Sid", "Effect", "Action", "Resource", "NotResource", "Condition"];
    if let Some(element) = object.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(DocumentError::Foreign { statement: index, element: element.clone() });
    }
    let list = |element: &str| {
        object
            .get(element)
            .and_then(strings)
            .ok_or_else(|| malformed(&format!("has no list of strings as `{element}`")))
    };
    let mut conditions = Conditions::new();
    for (operator, keys) in object.get("Condition").and_then(Value::as_object).into_iter().flatten() {
        let keys = keys.as_object().ok_or_else(|| malformed("has a condition that is not an object"))?;
        for (key, values) in keys {
            let values = strings(values).ok_or_else(|| malformed("has a condition value that is not a string"))?;
            conditions.entry(operator.clone()).or_default().insert(key.clone(), values);
        }
    }
    Ok(Statement {
        sid: object.get("Sid").and_then(Value::as_str).map(Into::into),
        effect: match object.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(malformed("has neither Allow nor Deny as `Effect`")),
        },
        actions: list("Action")?,
        resources: if object.contains_key("NotResource") { Vec::new() } else { list("Resource")? },
        not_resources: if object.contains_key("NotResource") { list("NotResource")? } else { Vec::new() },
        conditions,
    })
}

/// A string, number or Boolean, or a list of such, as IAM takes them for each other in conditions.
fn strings(value: &Value) -> Option<Vec<String>> {
    let text = |v: &Value| match v {
        Value::String(s) => Some(s.clone()),
        Value::Bool(_) | Value::Number(_) => Some(v.to_string()),
        _ => None,
    };
    match value {
        Value::Array(list) => list.iter().map(text).collect(),
        one => text(one).map(|t| vec![t]),
    }
}

/// A document as it was sent, or percent-encoded as IAM returns it.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let decoded = if text.starts_with(['{', '"', '[']) { text.to_owned() } else { percent_decoded(text)? };
    serde_json::from_str(&decoded).map_err(|e| e.to_string())
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let digit = |i: usize| tail.get(i).and_then(|b| char::from(*b).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err("a `%` is not followed by two hexadecimal digits".into());
        };
        bytes.push((high * 16 + low) as u8);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| "its decoded bytes are not UTF-8".into())
}

/// A value that is equal for documents of equal meaning.
fn comparable(document: &Value) -> Value {
    let Some(document) = document.as_object() else {
        return document.clone();
    };
    let mut document = document.clone();
    if let Some(statements) = document.get_mut("Statement") {
        let list = match statements.take() {
            Value::Array(list) => list,
            one => vec![one],
        };
        let mut list: Vec<Value> = list.iter().map(comparable_statement).collect();
        list.sort_by_cached_key(ToString::to_string);
        list.dedup();
        *statements = Value::Array(list);
    }
    Value::Object(document)
}

fn comparable_statement(statement: &Value) -> Value {
    let Some(statement) = statement.as_object() else {
        return statement.clone();
    };
    let elements: BTreeMap<&String, Value> = statement
        .iter()
        .map(|(element, value)| {
            let value = match element.as_str() {
                "Sid" | "Effect" => value.clone(),
                "Action" | "NotAction" => sorted_lists(value, &str::to_ascii_lowercase),
                _ => sorted_lists(value, &str::to_owned),
            };
            (element, value)
        })
        .collect();
    json!(elements)
}

/// Every list of strings sorted, without duplicates, also where it was one string; objects by sorted keys.
fn sorted_lists(value: &Value, form: &dyn Fn(&str) -> String) -> Value {
    if let Some(object) = value.as_object() {
        let keys: BTreeMap<&String, Value> = object.iter().map(|(k, v)| (k, sorted_lists(v, form))).collect();
        return json!(keys);
    }
    let Some(mut list) = strings(value) else {
        return value.clone();
    };
    for item in &mut list {
        *item = form(item);
    }
    list.sort();
    list.dedup();
    json!(list)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn document() -> Document {
        let mut conditional = Statement::allow(["s3:ListBucket"], ["arn:aws:s3:::b"]);
        conditional.sid = Some("List".into());
        conditional.conditions = Conditions::from([(
            "StringLike".into(),
            BTreeMap::from([("s3:prefix".into(), vec!["b/*".into(), "a/*".into(), "a/*".into()])]),
        )]);
        let mut deny = Statement::allow(["*"], ["*"]);
        deny.effect = Effect::Deny;
        Document::new([
            Statement::allow(["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:SendMessage"], ["arn:aws:sqs:r:1:q"]),
            conditional,
            deny.clone(),
            deny,
        ])
    }

    #[test]
    fn written_canonically() {
        assert_eq!(
            document().to_string(),
            concat!(
                r#"{"Version":"2012-10-17","Statement":["#,
                r#"{"Effect":"Allow","Action":["sqs:GetQueueUrl","sqs:SendMessage"],"Resource":"arn:aws:sqs:r:1:q"},"#,
                r#"{"Sid":"List","Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","#,
                r#""Condition":{"StringLike":{"s3:prefix":["a/*","b/*"]}}},"#,
                r#"{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
            )
        );
    }

    #[test]
    fn size_counts_characters_not_bytes() {
        let ascii = Document::new([Statement::allow(["s3:GetObject"], ["arn:aws:s3:::b/e"])]);
        let latin = Document::new([Statement::allow(["s3:GetObject"], ["arn:aws:s3:::b/é"])]);
        let sent = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/e"}]}"#;
        assert_eq!(ascii.len(), sent.len());
        assert_eq!(latin.len(), ascii.len());
    }

    #[test]
    fn read_back_plain_pretty_and_percent_encoded() {
        let document = document();
        let encoded: String = document.to_string().bytes().map(|b| format!("%{b:02X}")).collect();
        let pretty = serde_json::to_string_pretty(&document.to_value()).unwrap();
        for text in [document.to_string(), encoded, pretty] {
            assert_eq!(Document::parse(&text).as_ref(), Ok(&document));
        }
    }

    #[test]
    fn all_but_some_is_written_and_read_back() {
        let mut statement = Statement::allow(["sns:Publish"], [] as [&str; 0]);
        statement.not_resources = vec!["arn:*:sns:*:*:*".into()];
        let document = Document::new([statement]);
        assert_eq!(
            document.to_value()["Statement"],
            json!([{"Effect": "Allow", "Action": "sns:Publish", "NotResource": "arn:*:sns:*:*:*"}])
        );
        assert_eq!(Document::parse(&document.to_string()), Ok(document));
    }

    #[test]
    fn a_plus_stays_a_plus() {
        let read = Document::parse(
            "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22sqs%3ASendMessage%22%2C%22Resource%22%3A%22arn%3Aaws%3Asqs%3Ar%3A1%3Aa+b%22%7D%7D",
        );
        assert_eq!(read, Ok(Document::new([Statement::allow(["sqs:SendMessage"], ["arn:aws:sqs:r:1:a+b"])])));
    }

    #[rstest]
    #[case::not_json("%7B%22", "the policy is not a JSON policy document: ")]
    #[case::cut_off_escape(
        "%7",
        "the policy is not a JSON policy document: a `%` is not followed by two hexadecimal digits"
    )]
    #[case::no_statement("{}", "the policy is not a JSON policy document: it has no `Statement`")]
    #[case::no_effect(
        r#"{"Statement":{"Action":"a:b","Resource":"*"}}"#,
        "the policy is not a JSON policy document: statement 0 has neither Allow nor Deny"
    )]
    #[case::no_action(
        r#"{"Statement":{"Effect":"Deny","Resource":"*"}}"#,
        "the policy is not a JSON policy document: statement 0 has no list of strings as `Action`"
    )]
    #[case::foreign(
        r#"{"Statement":[{"Effect":"Allow","NotAction":"a:b","Resource":"*"}]}"#,
        "the policy's statement 0 uses `NotAction`, which stepgate never writes"
    )]
    fn refused(#[case] text: &str, #[case] message: &str) {
        let error = Document::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }

    #[rstest]
    #[case::string_or_list(
        r#"{"Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}"#,
        r#"{"Statement":[{"Resource":["*"],"Action":["a:B"],"Effect":"Allow"}]}"#,
        true
    )]
    #[case::order_and_repetition(
        r#"{"Statement":[{"Action":["a:B","a:C"]},{"Action":"a:D"}]}"#,
        r#"{"Statement":[{"Action":"a:D"},{"Action":["a:C","a:B","a:C"]}]}"#,
        true
    )]
    #[case::case_of_actions(
        r#"{"Statement":{"Action":"S3:getobject"}}"#,
        r#"{"Statement":{"Action":"s3:GetObject"}}"#,
        true
    )]
    #[case::case_of_resources(
        r#"{"Statement":{"Resource":"arn:aws:sqs:r:1:q"}}"#,
        r#"{"Statement":{"Resource":"arn:aws:sqs:r:1:Q"}}"#,
        false
    )]
    #[case::principals(
        r#"{"Statement":{"Principal":{"Service":["b","a"]}}}"#,
        r#"{"Statement":{"Principal":{"Service":["a","b"]}}}"#,
        true
    )]
    #[case::boolean_condition(
        r#"{"Statement":{"Condition":{"Bool":{"k":true}}}}"#,
        r#"{"Statement":{"Condition":{"Bool":{"k":["true"]}}}}"#,
        true
    )]
    #[case::operators_in_another_order(
        r#"{"Statement":{"Condition":{"A":{"k":"1"},"B":{"l":"2"}}}}"#,
        r#"{"Statement":{"Condition":{"B":{"l":"2"},"A":{"k":"1"}}}}"#,
        true
    )]
    #[case::another_condition(
        r#"{"Statement":{"Condition":{"A":{"k":"1"}}}}"#,
        r#"{"Statement":{"Condition":{"A":{"k":"2"}}}}"#,
        false
    )]
    #[case::one_more_resource(r#"{"Statement":{"Resource":"a"}}"#, r#"{"Statement":{"Resource":["a","b"]}}"#, false)]
    #[case::effect(r#"{"Statement":{"Effect":"Allow"}}"#, r#"{"Statement":{"Effect":"Deny"}}"#, false)]
    #[case::one_more_statement(
        r#"{"Statement":[{"Action":"a:B"}]}"#,
        r#"{"Statement":[{"Action":"a:B"},{"Action":"a:C"}]}"#,
        false
    )]
    #[case::version(r#"{"Version":"2012-10-17","Statement":[]}"#, r#"{"Version":"2008-10-17","Statement":[]}"#, false)]
    #[case::percent_encoded(r#"{"Statement":[]}"#, "%7B%22Statement%22%3A%5B%5D%7D", true)]
    #[case::not_json("nonsense", "nonsense", false)]
    fn compared_by_meaning(#[case] left: &str, #[case] right: &str, #[case] expected: bool) {
        assert_eq!(Document::equal(left, right), expected);
        assert_eq!(Document::equal(right, left), expected);
    }

    #[test]
    fn trust_policies_equal_themselves_percent_encoded() {
        let ours = super::super::trust::states("aws", "eu-central-1", "111122223333").to_string();
        let theirs: String = ours.bytes().map(|b| format!("%{b:02x}")).collect();
        assert!(Document::equal(&ours, &theirs));
        assert!(!Document::equal(&ours, &super::super::trust::apigateway().to_string()));
    }
}
