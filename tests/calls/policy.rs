//! What IAM asks of the operator for each operation, and what the documented policy allows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{in_camel_case, read};

pub const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:shop_orders";
const KMS_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
pub const VIA_SERVICE: &str = "kms:ViaService";
const ROLE: &str =
    "arn:aws:iam::111122223333:role/stepgate/0123456789abcdef/stepgate-exec-shop_orders-0123456789abcdef";
/// AWS does not know the path of a role that does not exist.
const MISSING_ROLE: &str = "arn:aws:iam::111122223333:role/stepgate-exec-shop_orders-0123456789abcdef";
const OWN_ROLE: &str = "arn:aws:iam::111122223333:role/service-role/StepFunctions-MyStepFunctionRole";
const ADOPTED_ROLE: &str = "arn:aws:iam::111122223333:role/orders-legacy";
pub const POLICY: &str =
    "arn:aws:iam::111122223333:policy/stepgate/0123456789abcdef/stepgate-exec-shop_orders-0123456789abcdef-1";
const API: &str = "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3";
const APIS: &str = "arn:aws:apigateway:eu-central-1::/restapis";
const API_TAGS: &str =
    "arn:aws:apigateway:eu-central-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Frestapis%2Fa1b2c3";

const STAGE_TAGS: &str = "arn:aws:apigateway:eu-central-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Frestapis%2Fa1b2c3%2Fstages%2Fprod";
const PLANS: &str = "arn:aws:apigateway:eu-central-1::/usageplans";
const PLAN: &str = "arn:aws:apigateway:eu-central-1::/usageplans/a1b2c3";
const PLAN_KEYS: &str = "arn:aws:apigateway:eu-central-1::/usageplans/a1b2c3/keys";
const PLAN_KEY: &str = "arn:aws:apigateway:eu-central-1::/usageplans/a1b2c3/keys/d4e5f6";
const PLAN_TAGS: &str =
    "arn:aws:apigateway:eu-central-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Fusageplans%2Fa1b2c3";
const KEYS: &str = "arn:aws:apigateway:eu-central-1::/apikeys";
const KEY: &str = "arn:aws:apigateway:eu-central-1::/apikeys/d4e5f6";
const KEY_TAGS: &str =
    "arn:aws:apigateway:eu-central-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Fapikeys%2Fd4e5f6";
const DOMAINS: &str = "arn:aws:apigateway:eu-central-1::/domainnames";
const DOMAIN: &str = "arn:aws:apigateway:eu-central-1::/domainnames/api.example.com";
const MAPPING: &str = "arn:aws:apigateway:eu-central-1::/domainnames/api.example.com/basepathmappings/orders";
const DOMAIN_TAGS: &str = "arn:aws:apigateway:eu-central-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A%3A%2Fdomainnames%2Fapi.example.com";
const ASSOCIATIONS: &str = "arn:aws:apigateway:eu-central-1:111122223333:/domainnameaccessassociations";
const ASSOCIATION: &str = "arn:aws:apigateway:eu-central-1:111122223333:/domainnameaccessassociations/domainname/api.example.com+a1b2c3/vpcesource/vpce-1";
const ASSOCIATION_TAGS: &str = "arn:aws:apigateway:eu-central-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-central-1%3A111122223333%3A%2Fdomainnameaccessassociations%2Fdomainname%2Fapi.example.com%2Ba1b2c3%2Fvpcesource%2Fvpce-1";
const API_ACCOUNT: &str = "arn:aws:apigateway:eu-central-1::/account";
const LOG_ROLE: &str = "arn:aws:iam::111122223333:role/service-role/APIGatewayLogs";
const LOG_GROUP: &str = "arn:aws:logs:eu-central-1:111122223333:log-group:/stepgate/0123456789abcdef/shop/orders/prod";
const LOG_GROUPS: &str = "arn:aws:logs:eu-central-1:111122223333:log-group::log-stream:";

/// What a call needs in IAM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// Of anything, ours or not.
    Read(&'static str, &'static str),
    /// Of something new that carries our tag in the request.
    New(&'static str, &'static str),
    /// Of something that carries our tag.
    Own(&'static str, &'static str),
    /// A managed policy onto a role of ours.
    Attach(&'static str),
    /// A policy of ours onto a role of ours.
    AttachOwn(&'static str),
    /// A role given to a service.
    Pass(&'static str, &'static str),
    /// Of the tags of an API: whether the API is ours is asked of the API itself.
    ApiTags(&'static str),
    /// Of a key, asked for by Step Functions on the operator's behalf.
    ByStates(&'static str),
    /// Of what was left under `deletionPolicy: Retain`.
    Released(&'static str, &'static str),
}
pub use Need::{ApiTags, Attach, AttachOwn, ByStates, New, Own, Pass, Read, Released};

/// Each operation of the SDKs that the code may use, and what IAM asks for it. Sources: AWS's Service Authorization Reference; for API Gateway,
/// whose actions are the HTTP verbs of its REST API, the API Reference; for tags of APIs, iann0036/iam-dataset#39 (tried there on AWS).
pub const OPERATIONS: &[(&str, &[Need])] = &[
    ("get_caller_identity", &[Read("sts:GetCallerIdentity", "*")]),
    // Step Functions
    // With a customer managed key: "Data at rest encryption in Step Functions", required permissions for API callers.
    ("describe_state_machine", &[Read("states:DescribeStateMachine", MACHINE), ByStates("kms:Decrypt")]),
    ("list_executions", &[Read("states:ListExecutions", MACHINE)]),
    (
        "create_state_machine",
        &[
            New("states:CreateStateMachine", MACHINE),
            ByStates("kms:DescribeKey"),
            ByStates("kms:GenerateDataKey"),
            New("states:TagResource", MACHINE),
            Pass(ROLE, "states.amazonaws.com"),
            Pass(OWN_ROLE, "states.amazonaws.com"),
            Pass(ADOPTED_ROLE, "states.amazonaws.com"),
        ],
    ),
    (
        "update_state_machine",
        &[
            Own("states:UpdateStateMachine", MACHINE),
            ByStates("kms:DescribeKey"),
            ByStates("kms:GenerateDataKey"),
            Pass(ROLE, "states.amazonaws.com"),
            Pass(OWN_ROLE, "states.amazonaws.com"),
            Pass(ADOPTED_ROLE, "states.amazonaws.com"),
        ],
    ),
    ("delete_state_machine", &[Own("states:DeleteStateMachine", MACHINE)]),
    // Step Functions and API Gateway name these alike.
    (
        "tag_resource",
        &[
            Own("states:TagResource", MACHINE),
            New("states:TagResource", MACHINE),
            Own("apigateway:PATCH", API),
            Released("apigateway:PATCH", API),
            Released("apigateway:PATCH", PLAN),
            Released("apigateway:PATCH", KEY),
            Released("apigateway:PATCH", DOMAIN),
            ApiTags("apigateway:PUT"),
            Read("apigateway:PUT", STAGE_TAGS),
            Own("apigateway:PATCH", PLAN),
            Read("apigateway:PUT", PLAN_TAGS),
            Own("apigateway:PATCH", KEY),
            Read("apigateway:PUT", KEY_TAGS),
            Own("apigateway:PATCH", DOMAIN),
            Read("apigateway:PUT", DOMAIN_TAGS),
            Own("logs:TagResource", LOG_GROUP),
            New("logs:TagResource", LOG_GROUP),
        ],
    ),
    (
        "untag_resource",
        &[
            Own("states:UntagResource", MACHINE),
            Own("apigateway:PATCH", API),
            ApiTags("apigateway:DELETE"),
            Read("apigateway:DELETE", STAGE_TAGS),
            Own("apigateway:PATCH", PLAN),
            Read("apigateway:DELETE", PLAN_TAGS),
            Own("apigateway:PATCH", KEY),
            Read("apigateway:DELETE", KEY_TAGS),
            Own("apigateway:PATCH", DOMAIN),
            Read("apigateway:DELETE", DOMAIN_TAGS),
            Own("logs:UntagResource", LOG_GROUP),
        ],
    ),
    // CloudWatch Logs
    ("describe_log_groups", &[Read("logs:DescribeLogGroups", LOG_GROUPS)]),
    (
        "list_tags_for_resource",
        &[Read("states:ListTagsForResource", MACHINE), Read("logs:ListTagsForResource", LOG_GROUP)],
    ),
    ("create_log_group", &[New("logs:CreateLogGroup", LOG_GROUP), New("logs:TagResource", LOG_GROUP)]),
    ("put_retention_policy", &[Own("logs:PutRetentionPolicy", LOG_GROUP)]),
    ("delete_retention_policy", &[Own("logs:DeleteRetentionPolicy", LOG_GROUP)]),
    ("delete_log_group", &[Own("logs:DeleteLogGroup", LOG_GROUP)]),
    // IAM
    ("list_roles", &[Read("iam:ListRoles", "*")]),
    ("get_role", &[Read("iam:GetRole", ROLE), Read("iam:GetRole", ADOPTED_ROLE), Read("iam:GetRole", MISSING_ROLE)]),
    ("list_role_policies", &[Read("iam:ListRolePolicies", ROLE), Read("iam:ListRolePolicies", ADOPTED_ROLE)]),
    ("get_role_policy", &[Read("iam:GetRolePolicy", ROLE), Read("iam:GetRolePolicy", ADOPTED_ROLE)]),
    (
        "list_attached_role_policies",
        &[Read("iam:ListAttachedRolePolicies", ROLE), Read("iam:ListAttachedRolePolicies", ADOPTED_ROLE)],
    ),
    ("list_role_tags", &[Read("iam:ListRoleTags", ROLE)]),
    ("get_account_summary", &[Read("iam:GetAccountSummary", "*")]),
    ("create_role", &[New("iam:CreateRole", ROLE), New("iam:TagRole", ROLE)]),
    ("delete_role", &[Own("iam:DeleteRole", ROLE), Own("iam:DeleteRole", ADOPTED_ROLE)]),
    (
        "update_assume_role_policy",
        &[Own("iam:UpdateAssumeRolePolicy", ROLE), Own("iam:UpdateAssumeRolePolicy", ADOPTED_ROLE)],
    ),
    ("put_role_policy", &[Own("iam:PutRolePolicy", ROLE), Own("iam:PutRolePolicy", ADOPTED_ROLE)]),
    ("delete_role_policy", &[Own("iam:DeleteRolePolicy", ROLE), Own("iam:DeleteRolePolicy", ADOPTED_ROLE)]),
    ("attach_role_policy", &[Attach(ROLE), AttachOwn(ROLE), Attach(ADOPTED_ROLE), AttachOwn(ADOPTED_ROLE)]),
    ("list_policies", &[Read("iam:ListPolicies", "*")]),
    ("get_policy", &[Read("iam:GetPolicy", POLICY)]),
    ("list_policy_versions", &[Read("iam:ListPolicyVersions", POLICY)]),
    ("get_policy_version", &[Read("iam:GetPolicyVersion", POLICY)]),
    ("create_policy", &[New("iam:CreatePolicy", POLICY), New("iam:TagPolicy", POLICY)]),
    ("create_policy_version", &[Own("iam:CreatePolicyVersion", POLICY)]),
    ("delete_policy_version", &[Own("iam:DeletePolicyVersion", POLICY)]),
    ("delete_policy", &[Own("iam:DeletePolicy", POLICY)]),
    ("tag_policy", &[Own("iam:TagPolicy", POLICY), New("iam:TagPolicy", POLICY)]),
    ("untag_policy", &[Own("iam:UntagPolicy", POLICY)]),
    ("detach_role_policy", &[Own("iam:DetachRolePolicy", ROLE), Own("iam:DetachRolePolicy", ADOPTED_ROLE)]),
    (
        "tag_role",
        &[
            Own("iam:TagRole", ROLE),
            New("iam:TagRole", ROLE),
            Own("iam:TagRole", ADOPTED_ROLE),
            New("iam:TagRole", ADOPTED_ROLE),
        ],
    ),
    ("untag_role", &[Own("iam:UntagRole", ROLE), Own("iam:UntagRole", ADOPTED_ROLE)]),
    // API Gateway
    ("get_rest_apis", &[Read("apigateway:GET", APIS)]),
    ("get_rest_api", &[Read("apigateway:GET", API)]),
    ("get_resources", &[Read("apigateway:GET", API)]),
    ("get_resource", &[Read("apigateway:GET", API)]),
    ("get_method", &[Read("apigateway:GET", API)]),
    ("get_integration", &[Read("apigateway:GET", API)]),
    ("get_deployments", &[Read("apigateway:GET", API)]),
    ("get_deployment", &[Read("apigateway:GET", API)]),
    ("get_stages", &[Read("apigateway:GET", API)]),
    ("get_stage", &[Read("apigateway:GET", API)]),
    ("get_export", &[Read("apigateway:GET", API)]),
    ("get_tags", &[Read("apigateway:GET", API_TAGS)]),
    (
        "create_rest_api",
        &[
            New("apigateway:POST", APIS),
            ApiTags("apigateway:PUT"),
            // Beside the right to make or change the API itself, which the tag bounds.
            Read("apigateway:UpdateRestApiPolicy", APIS),
        ],
    ),
    ("put_rest_api", &[Own("apigateway:PUT", API)]),
    ("update_rest_api", &[Own("apigateway:PATCH", API), Read("apigateway:UpdateRestApiPolicy", API)]),
    (
        "create_authorizer",
        &[
            Own("apigateway:POST", API),
            Pass(ROLE, "apigateway.amazonaws.com"),
            Pass(OWN_ROLE, "apigateway.amazonaws.com"),
        ],
    ),
    ("get_authorizers", &[Read("apigateway:GET", API)]),
    (
        "update_authorizer",
        &[
            Own("apigateway:PATCH", API),
            Pass(ROLE, "apigateway.amazonaws.com"),
            Pass(OWN_ROLE, "apigateway.amazonaws.com"),
        ],
    ),
    ("delete_authorizer", &[Own("apigateway:DELETE", API)]),
    ("delete_rest_api", &[Own("apigateway:DELETE", API)]),
    ("create_resource", &[Own("apigateway:POST", API)]),
    ("update_resource", &[Own("apigateway:PATCH", API)]),
    ("delete_resource", &[Own("apigateway:DELETE", API)]),
    ("put_method", &[Own("apigateway:PUT", API)]),
    ("update_method", &[Own("apigateway:PATCH", API)]),
    ("delete_method", &[Own("apigateway:DELETE", API)]),
    ("put_method_response", &[Own("apigateway:PUT", API)]),
    ("update_method_response", &[Own("apigateway:PATCH", API)]),
    ("delete_method_response", &[Own("apigateway:DELETE", API)]),
    (
        "put_integration",
        &[
            Own("apigateway:PUT", API),
            Pass(ROLE, "apigateway.amazonaws.com"),
            Pass(OWN_ROLE, "apigateway.amazonaws.com"),
        ],
    ),
    ("update_integration", &[Own("apigateway:PATCH", API), Pass(ROLE, "apigateway.amazonaws.com")]),
    ("delete_integration", &[Own("apigateway:DELETE", API)]),
    ("put_integration_response", &[Own("apigateway:PUT", API)]),
    ("update_integration_response", &[Own("apigateway:PATCH", API)]),
    ("delete_integration_response", &[Own("apigateway:DELETE", API)]),
    ("get_gateway_responses", &[Read("apigateway:GET", API)]),
    ("put_gateway_response", &[Own("apigateway:PUT", API)]),
    ("delete_gateway_response", &[Own("apigateway:DELETE", API)]),
    // By `stepgate invoke`, with the caller's own credentials.
    ("test_invoke_method", &[Own("apigateway:POST", API)]),
    ("create_request_validator", &[Own("apigateway:POST", API)]),
    ("get_request_validators", &[Read("apigateway:GET", API)]),
    ("update_request_validator", &[Own("apigateway:PATCH", API)]),
    ("create_model", &[Own("apigateway:POST", API)]),
    ("get_models", &[Read("apigateway:GET", API)]),
    ("update_model", &[Own("apigateway:PATCH", API)]),
    ("delete_model", &[Own("apigateway:DELETE", API)]),
    ("delete_request_validator", &[Own("apigateway:DELETE", API)]),
    ("create_deployment", &[Own("apigateway:POST", API)]),
    ("update_deployment", &[Own("apigateway:PATCH", API)]),
    ("delete_deployment", &[Own("apigateway:DELETE", API)]),
    ("create_stage", &[Own("apigateway:POST", API), Read("apigateway:PUT", STAGE_TAGS)]),
    ("get_domain_names", &[Read("apigateway:GET", DOMAINS)]),
    ("get_domain_name", &[Read("apigateway:GET", DOMAIN)]),
    (
        "create_domain_name",
        &[
            New("apigateway:POST", DOMAINS),
            Read("apigateway:PUT", DOMAIN_TAGS),
            Read("apigateway:UpdateDomainNamePolicy", DOMAINS),
            // With mutual TLS.
            Read("apigateway:AddCertificateToDomain", DOMAINS),
        ],
    ),
    (
        "update_domain_name",
        &[
            Own("apigateway:PATCH", DOMAIN),
            Read("apigateway:UpdateDomainNamePolicy", DOMAIN),
            Read("apigateway:AddCertificateToDomain", DOMAIN),
            Read("apigateway:RemoveCertificateFromDomain", DOMAIN),
        ],
    ),
    ("delete_domain_name", &[Own("apigateway:DELETE", DOMAIN), Read("apigateway:RemoveCertificateFromDomain", DOMAIN)]),
    ("get_domain_name_access_associations", &[Read("apigateway:GET", ASSOCIATIONS)]),
    (
        "create_domain_name_access_association",
        &[
            New("apigateway:POST", ASSOCIATIONS),
            Read("apigateway:PUT", ASSOCIATION),
            Read("apigateway:PUT", ASSOCIATION_TAGS),
            Own("apigateway:CreateAccessAssociation", DOMAIN),
        ],
    ),
    // Of these IAM knows no tags when they are deleted.
    ("delete_domain_name_access_association", &[Read("apigateway:DELETE", ASSOCIATION)]),
    ("get_base_path_mappings", &[Read("apigateway:GET", MAPPING)]),
    ("create_base_path_mapping", &[Own("apigateway:POST", MAPPING)]),
    ("update_base_path_mapping", &[Own("apigateway:PATCH", MAPPING)]),
    ("delete_base_path_mapping", &[Own("apigateway:DELETE", MAPPING)]),
    ("get_account", &[Read("apigateway:GET", API_ACCOUNT)]),
    ("update_account", &[Read("apigateway:PATCH", API_ACCOUNT), Pass(LOG_ROLE, "apigateway.amazonaws.com")]),
    ("update_stage", &[Own("apigateway:PATCH", API)]),
    ("delete_stage", &[Own("apigateway:DELETE", API)]),
    ("get_usage_plans", &[Read("apigateway:GET", PLANS)]),
    ("get_usage_plan", &[Read("apigateway:GET", PLAN)]),
    ("create_usage_plan", &[New("apigateway:POST", PLANS), Read("apigateway:PUT", PLAN_TAGS)]),
    ("update_usage_plan", &[Own("apigateway:PATCH", PLAN)]),
    ("delete_usage_plan", &[Own("apigateway:DELETE", PLAN)]),
    ("get_usage_plan_keys", &[Read("apigateway:GET", PLAN_KEYS)]),
    ("create_usage_plan_key", &[Own("apigateway:POST", PLAN_KEYS)]),
    ("delete_usage_plan_key", &[Own("apigateway:DELETE", PLAN_KEY)]),
    ("get_api_keys", &[Read("apigateway:GET", KEYS)]),
    ("get_api_key", &[Read("apigateway:GET", KEY)]),
    ("create_api_key", &[New("apigateway:POST", KEYS), Read("apigateway:PUT", KEY_TAGS)]),
    ("update_api_key", &[Own("apigateway:PATCH", KEY)]),
    ("delete_api_key", &[Own("apigateway:DELETE", KEY)]),
];

pub fn needs(operation: &str) -> &'static [Need] {
    let found = OPERATIONS.iter().find(|(name, _)| in_camel_case(name) == operation);
    found
        .unwrap_or_else(|| {
            panic!("`{operation}` is new: add what IAM asks for it to OPERATIONS, and that to docs/aws-policy.json")
        })
        .1
}

/// The keys of conditions, and their values.
pub type Context<'a> = BTreeMap<&'a str, Vec<&'a str>>;

impl Need {
    pub fn action_and_resource(self) -> (&'static str, &'static str) {
        match self {
            Read(action, resource) | New(action, resource) | Own(action, resource) | Released(action, resource) => {
                (action, resource)
            }
            Attach(role) | AttachOwn(role) => ("iam:AttachRolePolicy", role),
            Pass(role, _) => ("iam:PassRole", role),
            ApiTags(action) => (action, API_TAGS),
            ByStates(action) => (action, KMS_KEY),
        }
    }
}

pub fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().expect("a string")).collect(),
        value => vec![value.as_str().expect("a string")],
    }
}

/// IAM's `*`; the policy has no `?`.
pub fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, "")) => text.starts_with(head),
        Some((head, rest)) => text
            .strip_prefix(head)
            .is_some_and(|text| text.char_indices().any(|(at, _)| like(rest, &text[at..])) || like(rest, "")),
    }
}

/// A condition as IAM's reference describes it: a missing key fails the plain operators, and passes negated ones and ForAllValues.
fn holds(operator: &str, expected: &[&str], actual: Option<&Vec<&str>>) -> bool {
    let any = |test: fn(&str, &str) -> bool| {
        actual.is_some_and(|actual| actual.iter().any(|a| expected.iter().any(|e| test(e, a))))
    };
    match operator {
        "StringEquals" => any(|e, a| e == a),
        "StringNotEquals" => !any(|e, a| e == a),
        "StringLike" | "ArnLike" => any(like),
        "ForAllValues:StringLike" => actual.into_iter().flatten().all(|a| expected.iter().any(|e| like(e, a))),
        "Null" => expected == [if actual.is_none() { "true" } else { "false" }],
        _ => panic!("this test does not know the operator {operator}"),
    }
}

pub fn applies(statement: &Value, action: &str, resource: &str, context: &Context<'_>) -> bool {
    list(&statement["Action"]).iter().any(|pattern| like(&pattern.to_lowercase(), &action.to_lowercase()))
        && (resource == "*" || list(&statement["Resource"]).iter().any(|pattern| like(pattern, resource)))
        && statement["Condition"].as_object().into_iter().flatten().all(|(operator, keys)| {
            keys.as_object()
                .expect("a map")
                .iter()
                .all(|(key, expected)| holds(operator, &list(expected), context.get(key.as_str())))
        })
}

/// Each is a managed policy of its own, because one holds no more.
pub const POLICIES: [&str; 4] = [
    "docs/aws-policy.json",
    "docs/aws-policy-domains.json",
    "docs/aws-policy-keys.json",
    "docs/aws-policy-adopted-roles.json",
];

pub fn policy() -> Vec<Value> {
    let statements = |file: &&str| {
        let document: Value = serde_json::from_str(&read(file)).unwrap_or_else(|_| panic!("{file} is not JSON"));
        assert_eq!(document["Version"], json!("2012-10-17"));
        document["Statement"].as_array().expect("a list of statements").clone()
    };
    POLICIES.iter().flat_map(statements).collect()
}

/// The statements that allow it, none if one denies it.
pub fn allowing(policy: &[Value], action: &str, resource: &str, context: &Context<'_>) -> Vec<usize> {
    let those = |effect: &str| -> Vec<usize> {
        (0..policy.len())
            .filter(|&i| policy[i]["Effect"] == effect && applies(&policy[i], action, resource, context))
            .collect()
    };
    if those("Deny").is_empty() { those("Allow") } else { Vec::new() }
}
