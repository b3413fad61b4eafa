//! STS. Sources: its reference, and IAM's user guide ("Switching to an IAM role").

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_iam::error::ProvideErrorMetadata;
use serde_json::json;

use super::cloud::{Case, Cloud, Kind, case};

pub const CASES: &[Case] = &[
    case!(the_caller_is_of_the_account),
    case!(who_is_trusted_assumes_the_role),
    case!(who_is_not_trusted_does_not_assume_the_role, "anybody may"),
];

async fn the_caller_is_of_the_account(cloud: Cloud) -> Result<()> {
    let caller = cloud.sts.get_caller_identity().send().await?;
    ensure!(caller.account() == Some(&cloud.account), "{caller:?}");
    ensure!(caller.arn().is_some_and(|arn| arn.contains(&format!("::{}:", cloud.account))), "{caller:?}");
    Ok(())
}

async fn who_is_trusted_assumes_the_role(cloud: Cloud) -> Result<()> {
    let name = cloud.name("role");
    cloud.made_role(&name);
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", cloud.account)}}]});
    let create = cloud.iam.create_role().role_name(&name).assume_role_policy_document(trust.to_string());
    let arn = create.send().await?.role.context("no role")?.arn;
    // A fresh role takes its time on AWS.
    let mut patience = if cloud.kind == Kind::Aws { 24 } else { 0 };
    let assumed = loop {
        let answer = cloud.sts.assume_role().role_arn(&arn).role_session_name("conformance").send().await;
        match answer {
            Err(error) if error.code() == Some("AccessDenied") && patience > 0 => {
                patience -= 1;
                cloud.pause(Duration::from_secs(5)).await;
            }
            answer => break answer?,
        }
    };
    let credentials = assumed.credentials().context("no credentials")?;
    ensure!(!credentials.access_key_id().is_empty() && !credentials.session_token().is_empty(), "{credentials:?}");
    let user = assumed.assumed_role_user().context("no user")?;
    ensure!(user.arn().ends_with(&format!(":assumed-role/{name}/conformance")), "{user:?}");
    Ok(())
}

async fn who_is_not_trusted_does_not_assume_the_role(cloud: Cloud) -> Result<()> {
    let (_, arn) = cloud.role("lambda.amazonaws.com").await?;
    let answer = cloud.sts.assume_role().role_arn(&arn).role_session_name("conformance").send().await;
    cloud.refused(answer, "AccessDenied", &format!("is not authorized to perform: sts:AssumeRole on resource: {arn}"))
}
