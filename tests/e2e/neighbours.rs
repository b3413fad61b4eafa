//! What is in AWS and not ours, one of each kind that the emulator has, as near to ours as it can be.
//! (`tests/torture/neighbours.rs` has log groups and private custom domains too.)

use std::fmt::Debug;

use aws_sdk_apigateway::types::{ApiStage, EndpointConfiguration, EndpointType, IntegrationType};

use crate::cloud::Cloud;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

pub struct Neighbours {
    api: String,
    machine: String,
    role: String,
    policy: String,
    plan: String,
    key: String,
    domain: String,
    certificate: String,
}

impl Neighbours {
    /// Moves them in beside an API `api` and a machine of this namespace; the role under this path.
    pub async fn move_in(aws: &Cloud, namespace: &str, path: &str) -> Self {
        let Cloud { apigateway, sfn, iam } = aws;
        // Names of APIs are not unique: that of ours.
        let api = apigateway.create_rest_api().name(format!("{namespace}_api")).send().await.unwrap().id.unwrap();
        let root = aws.resource(&api, "/").await;
        let put = apigateway.put_method().rest_api_id(&api).resource_id(&root).http_method("GET");
        put.authorization_type("NONE").operation_name(format!("{namespace}_say")).send().await.unwrap();
        let put = apigateway.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
        put.r#type(IntegrationType::Mock).send().await.unwrap();
        apigateway.create_deployment().rest_api_id(&api).stage_name("prod").send().await.unwrap();

        let role = format!("{namespace}-role");
        let create = iam.create_role().role_name(&role).path(path).assume_role_policy_document(TRUST);
        create.send().await.unwrap();
        let put = iam.put_role_policy().role_name(&role).policy_name("stepgate").policy_document(DOCUMENT);
        put.send().await.unwrap();
        let create = iam.create_policy().policy_name(format!("{namespace}-policy")).path(path);
        let policy = create.policy_document(DOCUMENT).send().await.unwrap().policy.unwrap().arn.unwrap();
        iam.attach_role_policy().role_name(&role).policy_arn(&policy).send().await.unwrap();

        let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
        let create = sfn.create_state_machine().name(format!("{namespace}_theirs")).definition(definition);
        let machine = create.role_arn("arn:aws:iam::000000000000:role/x").send().await.unwrap().state_machine_arn;

        let stage = ApiStage::builder().api_id(&api).stage("prod").build();
        let create = apigateway.create_usage_plan().name(format!("{namespace}_plan")).api_stages(stage);
        let plan = create.send().await.unwrap().id.unwrap();
        let create = apigateway.create_api_key().name(format!("{namespace}_plan_key")).enabled(true);
        let key = create.value(format!("{namespace}-somebody-s-own-value")).send().await.unwrap().id.unwrap();
        let attach = apigateway.create_usage_plan_key().usage_plan_id(&plan).key_id(&key).key_type("API_KEY");
        attach.send().await.unwrap();
        let domain = format!("{namespace}.theirs.example.com");
        let regional = EndpointConfiguration::builder().types(EndpointType::Regional).build();
        let create = apigateway.create_domain_name().domain_name(&domain).endpoint_configuration(regional);
        let certificate = "arn:aws:acm:us-east-1:000000000000:certificate/theirs";
        create.regional_certificate_arn(certificate).send().await.unwrap();
        let map = apigateway.create_base_path_mapping().domain_name(&domain).base_path("theirs");
        map.rest_api_id(&api).stage("prod").send().await.unwrap();
        let made = apigateway.generate_client_certificate().description("theirs").send().await.unwrap();
        Self { api, machine, role, policy, plan, key, domain, certificate: made.client_certificate_id.unwrap() }
    }

    /// All that AWS says of them.
    pub async fn look(&self, aws: &Cloud) -> String {
        fn one<T: Debug>(items: Option<Vec<T>>, is: impl Fn(&T) -> bool) -> String {
            format!("{:#?}", items.unwrap_or_default().into_iter().find(is))
        }
        let Cloud { apigateway, sfn, .. } = aws;
        let apis = apigateway.get_rest_apis().limit(500).send().await.unwrap().items;
        let plans = apigateway.get_usage_plans().limit(500).send().await.unwrap().items;
        let keys = apigateway.get_api_keys().limit(500).include_values(true).send().await.unwrap().items;
        let domains = apigateway.get_domain_names().limit(500).send().await.unwrap().items;
        let mappings = apigateway.get_base_path_mappings().domain_name(&self.domain).send().await.unwrap().items;
        let certificates = apigateway.get_client_certificates().limit(500).send().await.unwrap().items;
        let of_plan = apigateway.get_usage_plan_keys().usage_plan_id(&self.plan).send().await.unwrap().items;
        let machine = sfn.describe_state_machine().state_machine_arn(&self.machine).send().await.unwrap();
        let parts = [
            one(apis, |api| api.id.as_ref() == Some(&self.api)),
            format!("{:#?}", aws.rest_api(&self.api).await),
            format!("{:#?}", aws.deployments(&self.api).await),
            format!("{:#?} {:?}", aws.machine(&self.machine).await, (machine.revision_id, machine.creation_date)),
            format!("{:#?}", aws.role(&self.role).await),
            format!("{:#?}", aws.policy(&self.policy).await),
            one(plans, |plan| plan.id.as_ref() == Some(&self.plan)),
            one(keys, |key| key.id.as_ref() == Some(&self.key)),
            one(of_plan, |key| key.id.as_ref() == Some(&self.key)),
            one(domains, |domain| domain.domain_name.as_ref() == Some(&self.domain)),
            one(mappings, |mapping| mapping.rest_api_id.as_ref() == Some(&self.api)),
            one(certificates, |one| one.client_certificate_id.as_ref() == Some(&self.certificate)),
        ];
        assert!(!parts.iter().any(|part| part == "None"), "{parts:#?}");
        parts.join("\n")
    }
}
