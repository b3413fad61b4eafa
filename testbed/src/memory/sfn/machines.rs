//! State machines themselves.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Context;
use super::super::iam::Iam;
use super::super::logs::{self, Groups};
use super::super::wire::Refusal;
use super::{
    Form, Input, Machine, Machines, Tracing, add_tags, bad, constraint, definition, listed, machine_arn, required,
};

/// Not allowed in names (AWS.md §1).
const FORBIDDEN: &str = "?*<>{}[]\"#%\\^|~`$&,;:/";

fn name(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(constraint(text, "name", "have length greater than or equal to 1"));
    }
    if text.chars().count() > 80 {
        return Err(constraint(text, "name", "have length less than or equal to 80"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || FORBIDDEN.contains(c)) {
        return Err(bad("InvalidName", format!("Invalid Name: '{text}'")));
    }
    Ok(())
}

/// Logging, tracing and encryption, with the values that AWS shows for what was not said (rec; AWS.md §2).
fn logging(value: Option<Value>) -> Result<Value, Refusal> {
    let mut logging = json!({"level": "OFF", "includeExecutionData": false});
    for (key, given) in value.as_ref().and_then(Value::as_object).into_iter().flatten() {
        match key.as_str() {
            "level" | "includeExecutionData" => logging[key] = given.clone(),
            "destinations" => logging[key] = given.clone(),
            other => return Err(Refusal::unknown(format!("loggingConfiguration.{other}"))),
        }
    }
    // rec: also for no destination at all; an empty list is shown as it came.
    let destinations = logging["destinations"].as_array().map_or(0, Vec::len);
    if destinations > 1 || (destinations == 0 && logging["level"] != "OFF") {
        return Err(bad(
            "InvalidLoggingConfiguration",
            "Invalid Logging Configuration: Must specify exactly one Log Destination.",
        ));
    }
    Ok(logging)
}

fn tracing(value: Option<&Tracing>) -> Value {
    json!({"enabled": value.is_some_and(|tracing| tracing.enabled)})
}

/// model: the members; doc of InvalidEncryptionConfiguration: what makes them invalid. A key of another Region is none that AWS
/// finds (doc, DescribeKey in the guide on encryption). doc, the same guide: 300 is the default.
fn encryption(value: Option<Value>, region: &str) -> Result<Value, Refusal> {
    let Some(mut value) = value else { return Ok(json!({"type": "AWS_OWNED_KEY"})) };
    let known = ["type", "kmsKeyId", "kmsDataKeyReusePeriodSeconds"];
    if let Some(key) = value.as_object().and_then(|members| members.keys().find(|key| !known.contains(&key.as_str()))) {
        return Err(Refusal::unknown(format!("encryptionConfiguration.{key}")));
    }
    let invalid =
        |why: &str| Err(bad("InvalidEncryptionConfiguration", format!("Invalid Encryption Configuration: {why}")));
    match value["type"].as_str().unwrap_or_default() {
        "AWS_OWNED_KEY" if value.as_object().is_some_and(|members| members.len() > 1) => {
            return invalid("kmsKeyId and kmsDataKeyReusePeriodSeconds are for CUSTOMER_MANAGED_KMS_KEY only");
        }
        "AWS_OWNED_KEY" => {}
        "CUSTOMER_MANAGED_KMS_KEY" => {
            let Some(key) = value["kmsKeyId"].as_str() else { return invalid("kmsKeyId is missing") };
            if key.starts_with("arn:") && !key.contains(&format!(":kms:{region}:")) {
                return invalid("the key does not exist in this Region");
            }
            match value["kmsDataKeyReusePeriodSeconds"].as_i64() {
                None => value["kmsDataKeyReusePeriodSeconds"] = json!(300),
                Some(60..=900) => {}
                Some(_) => return invalid("kmsDataKeyReusePeriodSeconds must be between 60 and 900"),
            }
        }
        other => {
            let set = "satisfy enum value set: [AWS_OWNED_KEY, CUSTOMER_MANAGED_KMS_KEY]";
            return Err(constraint(other, "encryptionConfiguration.type", set));
        }
    }
    Ok(value)
}

/// Whether Step Functions can use the role (AWS.md §2: also for a role that does not exist).
fn check_role(context: &Context<'_>, iam: &Iam, arn: &str, form: &Form) -> Result<(), Refusal> {
    let parts: Vec<&str> = form.role.splitn(6, ':').collect();
    if !matches!(parts[..], ["arn", _, "iam", "", _, resource] if resource.starts_with("role/")) {
        return Err(bad("InvalidArn", format!("Invalid Role Arn: '{}'", form.role)));
    }
    let denied = |message: String| Err(bad("AccessDeniedException", message));
    let role = iam.by_arn(context.partition(), context.account, &form.role);
    let role = role.filter(|role| {
        role.settled(context.now, context.settings) && role.trusts_states(context.region, context.account, arn)
    });
    let Some(role) = role else {
        return denied(
            "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role."
                .to_owned(),
        );
    };
    if form.logging["level"] != "OFF" && !role.may(iam, "logs:CreateLogDelivery", "*") {
        return denied("The state machine IAM Role is not authorized to access the Log Destination".to_owned());
    }
    if let Some(rule) = definition::managed_rule(&form.definition)
        && !role.may(
            iam,
            "events:PutRule",
            &format!("arn:{}:events:{}:{}:rule/{rule}", context.partition(), context.region, context.account),
        )
    {
        return denied(format!("'{}' is not authorized to create managed-rule.", form.role));
    }
    Ok(())
}

/// rec
fn check_log(context: &Context<'_>, groups: &Groups, form: &Form) -> Result<(), Refusal> {
    let group = form.logging["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"].as_str();
    match group.is_none_or(|arn| logs::exists(context, groups, arn)) {
        true => Ok(()),
        false => Err(bad("InvalidLoggingConfiguration", "Invalid Logging Configuration: Log Destination not found.")),
    }
}

fn deleting(arn: &str) -> Refusal {
    bad("StateMachineDeleting", format!("State Machine Deleting: '{arn}'"))
}

fn no_machine(arn: &str) -> Refusal {
    bad("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
}

pub(super) fn create(
    context: &mut Context<'_>,
    around: (&Iam, &Groups),
    machines: &mut Machines,
    input: Input,
) -> Result<Value, Refusal> {
    let machine_name = required(input.name.as_ref(), "name")?;
    name(machine_name)?;
    let text = required(input.definition.as_ref(), "definition")?;
    let role = required(input.role_arn.as_ref(), "roleArn")?;
    let kind = input.r#type.as_deref().unwrap_or("STANDARD");
    if !["STANDARD", "EXPRESS"].contains(&kind) {
        return Err(constraint(kind, "type", "satisfy enum value set: [STANDARD, EXPRESS]"));
    }
    let Context { account, region, .. } = context;
    let arn = format!("arn:{}:states:{region}:{account}:stateMachine:{machine_name}", super::super::partition(region));
    let form = Form {
        definition: text.to_owned(),
        role: role.to_owned(),
        logging: logging(input.logging_configuration)?,
        tracing: tracing(input.tracing_configuration.as_ref()),
        encryption: encryption(input.encryption_configuration, region)?,
    };
    definition::check(text, kind)?;
    let tags = add_tags(&BTreeMap::new(), input.tags.as_deref().unwrap_or_default(), &arn)?;
    check_role(context, around.0, &arn, &form)?;
    check_log(context, around.1, &form)?;
    let created = |at: std::time::Duration| json!({"stateMachineArn": arn, "creationDate": at.as_secs_f64()});
    if let Some(found) = machines.get(&arn) {
        if found.gone.is_some() {
            return Err(deleting(&arn));
        }
        // Idempotent, but for role and tags, which are ignored (AWS.md §2); the definition is compared as text (rec).
        let same = Form { role: found.form.role.clone(), ..form } == found.form && found.kind == kind;
        return match same {
            true => Ok(created(found.created)),
            false => Err(bad("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'"))),
        };
    }
    let machine = Machine {
        name: machine_name.to_owned(),
        kind: kind.to_owned(),
        created: context.now,
        form,
        revision: None,
        tags,
        stale: None,
        gone: None,
        running: BTreeMap::new(),
    };
    machines.insert(arn.clone(), machine);
    Ok(created(context.now))
}

pub(super) fn found<'a>(machines: &'a mut Machines, input: &Input) -> Result<(String, &'a mut Machine), Refusal> {
    let arn = machine_arn(required(input.state_machine_arn.as_ref(), "stateMachineArn")?)?;
    machines.get_mut(arn).map(|machine| (arn.to_owned(), machine)).ok_or_else(|| no_machine(arn))
}

pub(super) fn describe(context: &Context<'_>, machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let (arn, machine) = found(machines, input)?;
    let (form, revision) = match &machine.stale {
        Some((until, form, revision)) if context.now < *until => (form, revision),
        _ => (&machine.form, &machine.revision),
    };
    let mut answer = json!({
        "stateMachineArn": arn,
        "name": machine.name,
        "status": if machine.gone.is_some() { "DELETING" } else { "ACTIVE" },
        "definition": form.definition,
        "roleArn": form.role,
        "type": machine.kind,
        "creationDate": machine.created.as_secs_f64(),
        "loggingConfiguration": form.logging,
        "tracingConfiguration": form.tracing,
        "encryptionConfiguration": form.encryption,
    });
    if let Some(revision) = revision {
        answer["revisionId"] = json!(revision);
    }
    Ok(answer)
}

/// Behaves like a patch: what is not said stays (AWS.md §2).
pub(super) fn update(
    context: &mut Context<'_>,
    around: (&Iam, &Groups),
    machines: &mut Machines,
    input: Input,
) -> Result<Value, Refusal> {
    let (arn, machine) = found(machines, &input)?;
    if machine.gone.is_some() {
        return Err(deleting(&arn));
    }
    let Input {
        definition: text,
        role_arn,
        logging_configuration,
        tracing_configuration,
        encryption_configuration,
        ..
    } = input;
    if text.is_none()
        && role_arn.is_none()
        && logging_configuration.is_none()
        && tracing_configuration.is_none()
        && encryption_configuration.is_none()
    {
        // rec
        return Err(bad(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    let mut form = machine.form.clone();
    if let Some(text) = text {
        definition::check(&text, &machine.kind)?;
        form.definition = text;
    }
    form.role = role_arn.unwrap_or(form.role);
    if logging_configuration.is_some() {
        form.logging = logging(logging_configuration)?;
    }
    if tracing_configuration.is_some() {
        form.tracing = tracing(tracing_configuration.as_ref());
    }
    if encryption_configuration.is_some() {
        form.encryption = encryption(encryption_configuration, context.region)?;
    }
    check_role(context, around.0, &arn, &form)?;
    check_log(context, around.1, &form)?;
    // rec: the same again keeps its revision.
    if form != machine.form || machine.revision.is_none() {
        let before = std::mem::replace(&mut machine.form, form);
        let revision = machine.revision.replace(context.uuid());
        let until = context.now + context.settings.machine_staleness;
        machine.stale = (until > context.now).then_some((until, before, revision));
    }
    Ok(json!({"updateDate": context.now.as_secs_f64(), "revisionId": machine.revision}))
}

/// rec: a machine that is not there is no error.
pub(super) fn delete(context: &Context<'_>, machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let arn = machine_arn(required(input.state_machine_arn.as_ref(), "stateMachineArn")?)?;
    if context.settings.machine_deletion.is_zero() {
        machines.remove(arn);
    } else if let Some(machine) = machines.get_mut(arn) {
        machine.gone.get_or_insert(context.now + context.settings.machine_deletion);
    }
    Ok(json!({}))
}

/// rec: by name.
pub(super) fn list(machines: &Machines, input: &Input) -> Result<Value, Refusal> {
    let items = machines.iter().map(|(arn, machine)| {
        let shown = json!({
            "stateMachineArn": arn, "name": machine.name, "type": machine.kind, "creationDate": machine.created.as_secs_f64(),
        });
        (arn.clone(), shown)
    });
    listed(input, "stateMachines", items.collect(), 1024)
}
