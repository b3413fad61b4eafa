//! What work costs in calls: those that the operator really makes, to which `tests/torture/coverage.rs` holds them. A first look finds what
//! there is to do, others after it see that it is done.

use super::Family;

pub type Call = (Family, &'static str);

/// What a new state machine with a role of its own costs.
pub fn new_machine() -> Vec<Call> {
    let role = ["GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies"];
    let iam = ["GetRole", "GetAccountSummary", "CreateRole", "PutRolePolicy"].into_iter().chain(role).chain(role);
    let sfn = ["DescribeStateMachine", "CreateStateMachine", "DescribeStateMachine", "ListTagsForResource"];
    let sfn = sfn.into_iter().chain(["DescribeStateMachine"]);
    let iam = iam.map(|operation| (Family::Iam, operation));
    iam.chain(sfn.map(|operation| (Family::StepFunctions, operation))).collect()
}

/// What a new API with so many routes costs.
pub fn new_api(routes: usize) -> Vec<Call> {
    let begin = ["GetRestApis", "CreateRestApi", "GetResources"];
    let route = ["CreateResource", "PutMethod", "PutIntegration"];
    let answers = ["PutMethodResponse", "PutIntegrationResponse"];
    let route = route.into_iter().chain(answers).chain(answers).chain(answers);
    let look = ["GetRestApi", "GetResources", "GetStages"];
    let end = ["GetDeployments", "CreateDeployment", "CreateStage", "GetGatewayResponses", "GetRequestValidators"];
    let routes = (0..routes).flat_map(|_| route.clone());
    let all = begin.into_iter().chain(routes).chain(end).chain(look).chain(look);
    all.map(|operation| (Family::ApiGateway, operation)).collect()
}

/// What a changed integration of one route costs.
pub fn one_line() -> Vec<Call> {
    let look = ["GetRestApi", "GetResources", "GetStages"];
    let more = ["GetRequestValidators", "GetGatewayResponses", "GetDeployments"];
    let change = ["GetRestApis", "UpdateIntegration", "CreateDeployment", "UpdateStage"];
    let all = look.into_iter().chain(more).chain(change).chain(look).chain(more).chain(look);
    all.map(|operation| (Family::ApiGateway, operation)).collect()
}
