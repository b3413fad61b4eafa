//! The documents are held to the code: their links, and the operator's AWS policy to the calls that it makes.
#![allow(clippy::unwrap_used)]

#[path = "calls/mod.rs"]
mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use calls::{calls_aws, operations_in, operations_of_the_code, read, root, rust_files};
use regex::Regex;
use serde_json::{Value, json};
use stepgate::identity::{self, Cluster, Key, Owner};
use stepgate_testbed::memory::{Memory, Service};

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").unwrap();
    let mut files: Vec<PathBuf> = ["README.md", "SECURITY.md", "CHANGELOG.md", "charts/stepgate/README.md"]
        .map(|file| root().join(file))
        .into_iter()
        .filter(|file| file.exists())
        .collect();
    files.extend(
        fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    for file in files {
        for found in link.captures_iter(&read(&file)) {
            assert!(file.parent().unwrap().join(&found[1]).exists(), "{} links to {}", file.display(), &found[1]);
        }
    }
}

// --- SECURITY.md ---

/// Whoever renames or drops a test that is named as a proof says so there.
#[test]
fn every_proof_of_security_is_a_test() {
    let named = Regex::new(r"`((?:src|tests)/[a-z0-9_/]+\.rs)::([a-z0-9_]+)`").unwrap();
    let text = read("SECURITY.md");
    let proofs: Vec<_> = named.captures_iter(&text).collect();
    assert!(proofs.len() > 20, "only {} tests are named", proofs.len());
    for proof in proofs {
        let (file, test) = (&proof[1], &proof[2]);
        let source = read(file);
        let (before, _) = source.split_once(&format!("fn {test}(")).unwrap_or_else(|| panic!("{file} has no {test}"));
        let attributes = before.rsplit("\n\n").next().unwrap_or_default();
        assert!(attributes.contains("test]") || attributes.contains("test("), "{file}: {test} is no test");
    }
    // Each row of what an attacker may try names what stops it and what proves it.
    let (_, attacks) = text.split_once("\n## What each may try").unwrap();
    for row in attacks.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| proven by |")) {
        let proof = row.split('|').nth(3).unwrap();
        assert!(named.is_match(proof) || proof.contains("not proven"), "no proof: {row}");
    }
}

// --- docs/aws-policy.json ---

const CLUSTER: &str = "aws:ResourceTag/stepgate.dev/cluster";
const RELEASED: &str = "aws:ResourceTag/stepgate.dev/released-from";
const REQUESTED_CLUSTER: &str = "aws:RequestTag/stepgate.dev/cluster";
const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:shop_orders";
const KMS_KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const VIA_SERVICE: &str = "kms:ViaService";
const ROLE: &str =
    "arn:aws:iam::111122223333:role/stepgate/0123456789abcdef/stepgate-exec-shop_orders-0123456789abcdef";
/// AWS does not know the path of a role that does not exist.
const MISSING_ROLE: &str = "arn:aws:iam::111122223333:role/stepgate-exec-shop_orders-0123456789abcdef";
const OWN_ROLE: &str = "arn:aws:iam::111122223333:role/service-role/StepFunctions-MyStepFunctionRole";
const ADOPTED_ROLE: &str = "arn:aws:iam::111122223333:role/orders-legacy";
const POLICY: &str =
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
enum Need {
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
use Need::{ApiTags, Attach, AttachOwn, ByStates, New, Own, Pass, Read, Released};

/// Each operation of the SDKs that the code may use, and what IAM asks for it. Sources: AWS's Service Authorization Reference; for API Gateway,
/// whose actions are the HTTP verbs of its REST API, the API Reference; for tags of APIs, iann0036/iam-dataset#39 (tried there on AWS).
const OPERATIONS: &[(&str, &[Need])] = &[
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
            Read("apigateway:DELETE", PLAN_TAGS),
            Read("apigateway:DELETE", KEY_TAGS),
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

/// The operations that the operator's policy is about, as AWS names them. The roles that an AWSAccount's credentials name are the account's own
/// affair: docs/aws-permissions.md has the statement for them.
fn operations_of_the_policy() -> BTreeSet<String> {
    assert!(read("docs/aws-permissions.md").contains(r#""Action": "sts:AssumeRole""#));
    let operations = operations_of_the_code().into_iter().map(|(_, operation)| operation);
    operations.filter(|operation| operation != "AssumeRole").collect()
}

fn needs(operation: &str) -> &'static [Need] {
    let found = OPERATIONS.iter().find(|(name, _)| calls::in_camel_case(name) == operation);
    found
        .unwrap_or_else(|| {
            panic!("`{operation}` is new: add what IAM asks for it to OPERATIONS, and that to docs/aws-policy.json")
        })
        .1
}

type Context = BTreeMap<&'static str, Vec<&'static str>>;

impl Need {
    fn action_and_resource(self) -> (&'static str, &'static str) {
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

    /// What the operator's own calls carry.
    fn context(self) -> Context {
        match self {
            Read(..) => Context::new(),
            New(..) => Context::from([
                (REQUESTED_CLUSTER, vec!["default"]),
                ("aws:TagKeys", vec!["stepgate.dev/cluster", "stepgate.dev/name"]),
            ]),
            Own(..) => Context::from([(CLUSTER, vec!["default"])]),
            Attach(_) => Context::from([
                (CLUSTER, vec!["default"]),
                ("iam:PolicyARN", vec!["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"]),
            ]),
            AttachOwn(_) => Context::from([(CLUSTER, vec!["default"]), ("iam:PolicyARN", vec![POLICY])]),
            Pass(_, service) => Context::from([("iam:PassedToService", vec![service])]),
            ApiTags(_) => Context::from([("aws:TagKeys", vec!["stepgate.dev/cluster", "stepgate.dev/name"])]),
            ByStates(_) => Context::from([(VIA_SERVICE, vec!["states.eu-central-1.amazonaws.com"])]),
            Released(..) => Context::from([(RELEASED, vec!["0123"])]),
        }
    }

    /// What must be refused.
    fn wrong_contexts(self) -> Vec<Context> {
        match self {
            Read(..) | Released(..) => Vec::new(),
            New(..) => vec![Context::new(), Context::from([(REQUESTED_CLUSTER, vec!["other"])])],
            Own(..) => vec![
                Context::new(),
                Context::from([(CLUSTER, vec!["other"])]),
                Context::from([(CLUSTER, vec!["other"]), (REQUESTED_CLUSTER, vec!["default"])]),
            ],
            Attach(_) => vec![
                Context::from([
                    (CLUSTER, vec!["default"]),
                    ("iam:PolicyARN", vec!["arn:aws:iam::aws:policy/AdministratorAccess"]),
                ]),
                Context::from([
                    (CLUSTER, vec!["other"]),
                    ("iam:PolicyARN", vec!["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"]),
                ]),
            ],
            AttachOwn(_) => vec![Context::from([(CLUSTER, vec!["other"]), ("iam:PolicyARN", vec![POLICY])])],
            Pass(..) => vec![Context::from([("iam:PassedToService", vec!["lambda.amazonaws.com"])]), Context::new()],
            ApiTags(_) => vec![Context::from([("aws:TagKeys", vec!["stepgate.dev/cluster", "owner"])])],
            ByStates(_) => vec![Context::new(), Context::from([(VIA_SERVICE, vec!["s3.eu-central-1.amazonaws.com"])])],
        }
    }
}

fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().expect("a string")).collect(),
        value => vec![value.as_str().expect("a string")],
    }
}

/// IAM's `*`; the policy has no `?`.
fn like(pattern: &str, text: &str) -> bool {
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

fn applies(statement: &Value, action: &str, resource: &str, context: &Context) -> bool {
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
const POLICIES: [&str; 4] = [
    "docs/aws-policy.json",
    "docs/aws-policy-domains.json",
    "docs/aws-policy-keys.json",
    "docs/aws-policy-adopted-roles.json",
];

fn policy() -> Vec<Value> {
    let statements = |file: &&str| {
        let document: Value = serde_json::from_str(&read(file)).unwrap_or_else(|_| panic!("{file} is not JSON"));
        assert_eq!(document["Version"], json!("2012-10-17"));
        document["Statement"].as_array().expect("a list of statements").clone()
    };
    POLICIES.iter().flat_map(statements).collect()
}

/// The statements that allow it, none if one denies it.
fn allowed_by(policy: &[Value], need: Need, context: &Context) -> Vec<usize> {
    let (action, resource) = need.action_and_resource();
    let those = |effect: &str| -> Vec<usize> {
        (0..policy.len())
            .filter(|&i| policy[i]["Effect"] == effect && applies(&policy[i], action, resource, context))
            .collect()
    };
    if those("Deny").is_empty() { those("Allow") } else { Vec::new() }
}

#[test]
fn the_policy_fits_and_says_why() {
    for file in POLICIES {
        let document: Value = serde_json::from_str(&read(file)).unwrap();
        // AWS.md §1: a managed policy holds 6,144 characters, white space not counted.
        let size = document.to_string().chars().filter(|c| !c.is_whitespace()).count();
        assert!(size <= 6_144, "{file} has {size} characters");
    }
    let explanation = read("docs/aws-permissions.md");
    let sids: BTreeSet<String> =
        policy().iter().map(|statement| statement["Sid"].as_str().expect("a Sid").to_owned()).collect();
    let explained: BTreeSet<String> = Regex::new(r"(?m)^\| `([A-Za-z]+)` \|")
        .unwrap()
        .captures_iter(&explanation)
        .map(|found| found[1].to_owned())
        .collect();
    assert_eq!(sids, explained, "docs/aws-permissions.md explains each statement");
    for statement in policy() {
        for action in list(&statement["Action"]) {
            assert!(!action.contains('*'), "{action}");
        }
    }
}

#[test]
fn the_policy_refuses_what_is_not_ours() {
    let policy = policy();
    for need in OPERATIONS.iter().flat_map(|(_, needs)| *needs) {
        for context in need.wrong_contexts() {
            assert!(allowed_by(&policy, *need, &context).is_empty(), "{need:?} is allowed with {context:?}");
        }
    }
    for (action, resource) in [
        ("iam:PutRolePolicy", "arn:aws:iam::111122223333:role/admin"),
        ("iam:GetRole", "arn:aws:iam::111122223333:role/admin"),
        ("states:UpdateStateMachine", "arn:aws:states:eu-central-1:444455556666:stateMachine:a"),
        ("states:StartExecution", MACHINE),
        ("apigateway:PATCH", "arn:aws:apigateway:eu-central-1::/vpclinks/a1b2c3"),
        ("logs:DeleteLogGroup", "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/f"),
    ] {
        assert!(
            allowed_by(&policy, Own(action, resource), &Own(action, resource).context()).is_empty(),
            "{action} on {resource}"
        );
    }
    let other_role = Pass("arn:aws:iam::111122223333:role/admin", "states.amazonaws.com");
    assert!(allowed_by(&policy, other_role, &other_role.context()).is_empty());
}

#[test]
fn the_policy_knows_our_names_and_tags() {
    let cluster = Cluster { name: "default".into(), uid: "u".into() };
    let owner = Owner::new(cluster, "StateMachine", Key::new("shop", "orders"));
    let path = identity::role_path(&owner, "eu-central-1");
    let name = identity::role_name(&owner, "eu-central-1", "exec", &owner.key);
    let role = policy().into_iter().find(|statement| statement["Sid"] == "ReadRoles").unwrap();
    for arn in [format!("arn:aws:iam::111122223333:role{path}{name}"), format!("arn:aws:iam::111122223333:role/{name}")]
    {
        assert!(applies(&role, "iam:GetRole", &arn, &Context::new()), "{arn}");
    }
    assert_eq!(owner.tags()["stepgate.dev/cluster"], "default");
    for key in owner.tags().keys().chain(owner.released_tag().keys()) {
        assert!(like("stepgate.dev/*", key), "{key}");
    }
    assert!(RELEASED.ends_with(identity::RELEASED_FROM));
}

#[test]
fn the_policy_allows_every_call_of_the_code() {
    let policy = policy();
    for operation in operations_of_the_policy() {
        for need in needs(&operation) {
            assert!(
                !allowed_by(&policy, *need, &need.context()).is_empty(),
                "`{operation}` needs {need:?}, which docs/aws-policy.json does not allow"
            );
        }
    }
}

#[test]
fn the_policy_allows_nothing_else() {
    let policy = policy();
    let mut used = BTreeSet::new();
    for operation in operations_of_the_policy() {
        for need in needs(&operation) {
            for statement in allowed_by(&policy, *need, &need.context()) {
                used.insert((statement, need.action_and_resource().0));
            }
        }
    }
    for (index, statement) in policy.iter().enumerate().filter(|(_, statement)| statement["Effect"] == "Allow") {
        for action in list(&statement["Action"]) {
            assert!(used.contains(&(index, action)), "{}: no call of the code needs {action}", statement["Sid"]);
        }
    }
}

/// The files whose calls are made with the credentials of whoever runs the command line.
fn calls_aws_for_users(path: &Path) -> bool {
    path.starts_with(root().join("src/cli")) && path.file_name().is_some_and(|name| name == "remote.rs")
}

/// They are no business of the operator's policy; users are told what their own must allow.
#[test]
fn what_users_call_themselves_is_told_to_them() {
    let documents = read("docs/graph.md");
    let mut seen = 0;
    for path in rust_files(&root().join("src/cli")).iter().filter(|path| calls_aws_for_users(path)) {
        for operation in operations_in(&read(path)) {
            let action = format!("`states:{operation}`");
            assert!(documents.contains(&action), "docs/graph.md does not say that {action} is needed");
            seen += 1;
        }
    }
    assert!(seen > 0, "no call was found: has the code moved?");
}

#[test]
fn only_the_rooms_call_aws() {
    for path in rust_files(&root().join("src")) {
        let source = read(&path);
        assert!(
            calls_aws(&path)
                || calls_aws_for_users(&path)
                || !(source.contains("aws_sdk_") && source.contains(".send()")),
            "{} calls AWS, where this test does not look",
            path.display()
        );
    }
}

#[test]
fn calls_are_found() {
    let source = "let x = client\n    .create_state_machine()\n    .name(n)\n    // .delete_role()\n    .send()\n    .await?;\nlet y = apis.get_resources().into_paginator(); z.get_ref(); out.role_arn(); out.get_name(1);";
    assert_eq!(operations_in(source), BTreeSet::from(["CreateStateMachine".to_owned(), "GetResources".to_owned()]));
    let found = operations_of_the_code();
    for call in [(Service::Sts, "AssumeRole"), (Service::States, "TagResource"), (Service::Logs, "TagResource")] {
        assert!(found.contains(&(call.0, call.1.to_owned())), "{call:?}");
    }
}

/// Of what the AWS in memory does not know nothing is shown by the tests on it: no crash, no drift, no escalation.
#[test]
fn the_aws_in_memory_knows_every_call_of_the_code() {
    // Asked by `stepgate invoke` alone, with its user's credentials: tests/e2e/invoke.rs has it on the emulator.
    let elsewhere = [(Service::ApiGateway, "TestInvokeMethod")];
    for (service, operation) in operations_of_the_code() {
        let known = Memory::knows(service, &operation);
        let is_elsewhere = elsewhere.contains(&(service, operation.as_str()));
        assert!(known != is_elsewhere, "{service:?} {operation}: known to testbed/src/memory is {known}");
    }
    for service in [Service::Iam, Service::Sts, Service::States, Service::Logs, Service::ApiGateway] {
        assert!(!Memory::knows(service, "CreateNothing"), "{service:?}");
    }
}
