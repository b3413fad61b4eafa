//! Systems Manager: documents that AWS owns, and commands to whatever instances a tag says.

use super::task::Task;

/// A document's ARN as IAM is asked for it: those of AWS, which begin with its name, have no account ("arn:aws:ssm:us-east-1::document/
/// AWS-…", Systems Manager user guide). Both where the name is not known.
pub(super) fn documents(arn: String) -> Vec<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &[_, partition, service, region, _, resource] = &parts[..] else { return vec![arn] };
    let name = resource.split_once('/').map_or(resource, |(_, name)| name);
    let public = format!("arn:{partition}:{service}:{region}::{resource}");
    match name {
        name if name.starts_with("AWS") || name.starts_with("Amazon") => vec![public],
        name if name.starts_with('*') => vec![arn, public],
        _ => vec![arn],
    }
}

/// Infers what a command needs that names no instance: whichever have the tags of its Targets.
pub(super) fn infer(task: &mut Task<'_>, operation: &str) {
    if operation != "SendCommand" || (!task.arguments.is_open() && task.member("InstanceIds").is_some()) {
        return;
    }
    let instances = ["arn:$P:ec2:$R:$A:instance/${Id}", "arn:$P:ssm:$R:$A:managed-instance/${Id}"];
    let instances = instances.map(|pattern| task.machine.every(pattern));
    task.allow(["ssm:SendCommand"], instances);
}
