//! Which IAM actions, on which resources, an operation of an AWS SDK needs: `src/policy/data/`, decoded at its first use.

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

/// Made by `src/policy/data/generate.py`, which says what stands in it.
static COMPRESSED: &[u8] = include_bytes!("../data/actions.txt.z");

/// The decoded table and an index into it.
pub(super) struct Catalog {
    prefixes: Vec<Prefix>,
    services: HashMap<&'static str, Service>,
}

#[derive(Default)]
struct Prefix {
    name: &'static str,
    types: Vec<ResourceType>,
    actions: HashMap<&'static str, &'static str>,
}

struct Service {
    prefix: usize,
    /// By lower-case name: the field as written.
    operations: HashMap<String, &'static str>,
}

/// A kind of resource.
#[derive(Debug)]
pub(super) struct ResourceType {
    /// Its name, lower case.
    pub name: &'static str,
    /// Its ARNs, with `$P`, `$R`, `$A` and `${Variable}`.
    pub arns: Vec<&'static str>,
    /// Which members of a request hold a variable; `Arn` is the whole.
    pub members: Vec<(&'static str, Vec<&'static str>)>,
}

/// An action that an operation needs.
pub(super) struct Action {
    /// `prefix:Name`.
    pub name: String,
    /// Its resource types and whether each is required.
    pub types: Vec<(&'static ResourceType, bool)>,
    /// The one resource, where the table says it: a pattern as in [`ResourceType::arns`], or `CopySource`.
    pub resource: Option<&'static str>,
    /// Whether it may pass a role.
    pub passes_role: bool,
    /// `prefix:Name` of what it needs beside it where the request has tags.
    pub tags: Option<String>,
}

/// An operation of a service.
pub(super) struct Operation {
    /// Its name as the SDK writes it.
    pub name: &'static str,
    /// The IAM prefix of its service.
    pub prefix: &'static str,
    /// What it needs.
    pub actions: Vec<Action>,
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let mut text = String::new();
    // The bytes are part of the program, and a test reads them: what can't be read here is an empty table.
    if flate2::read::ZlibDecoder::new(COMPRESSED).read_to_string(&mut text).is_err() {
        text.clear();
    }
    Catalog::read(Box::leak(text.into_boxed_str()))
});

impl Catalog {
    /// The table.
    pub fn get() -> &'static Catalog {
        &CATALOG
    }

    fn read(text: &'static str) -> Self {
        let mut catalog = Catalog { prefixes: Vec::new(), services: HashMap::new() };
        for line in text.lines() {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (name, fields) = rest.split_once(' ').unwrap_or((rest, ""));
            let index = catalog.prefixes.len();
            match (kind, catalog.prefixes.last_mut()) {
                ("P", _) => catalog.prefixes.push(Prefix { name, ..Prefix::default() }),
                ("T", Some(prefix)) => {
                    let mut fields = fields.split(' ');
                    let arns = fields.next().unwrap_or_default().split(',').collect();
                    let members = fields.filter_map(|field| field.split_once('='));
                    let members = members.map(|(variable, names)| (variable, names.split(',').collect())).collect();
                    prefix.types.push(ResourceType { name, arns, members });
                }
                ("A", Some(prefix)) => {
                    prefix.actions.insert(name, fields);
                }
                ("S", Some(_)) => {
                    let operation =
                        |field: &'static str| (field.split('=').next().unwrap_or_default().to_ascii_lowercase(), field);
                    let operations = fields.split(' ').map(operation).collect();
                    catalog.services.insert(name, Service { prefix: index - 1, operations });
                }
                _ => {}
            }
        }
        catalog
    }

    /// The IAM prefix of an SDK's service, as Step Functions names it.
    pub fn prefix(&self, service: &str) -> Option<&'static str> {
        let service = self.services.get(service.to_ascii_lowercase().as_str())?;
        Some(self.prefixes[service.prefix].name)
    }

    /// An operation of `aws-sdk:service:operation`, without regard to case.
    pub fn operation(&'static self, service: &str, operation: &str) -> Option<Operation> {
        let service = self.services.get(service.to_ascii_lowercase().as_str())?;
        let field: &'static str = service.operations.get(&operation.to_ascii_lowercase())?;
        let prefix = &self.prefixes[service.prefix];
        let (name, actions) = field.split_once('=').unwrap_or((field, field));
        let actions = actions.split('+').map(|text| Self::action(prefix, text)).collect();
        Some(Operation { name, prefix: prefix.name, actions })
    }

    fn action(prefix: &'static Prefix, text: &'static str) -> Action {
        let (name, resource) = match text.split_once('@') {
            Some((name, resource)) => (name, Some(resource)),
            None => (text, None),
        };
        let mut action = Action {
            name: format!("{}:{name}", prefix.name),
            types: Vec::new(),
            resource,
            passes_role: false,
            tags: None,
        };
        for field in prefix.actions.get(name).copied().unwrap_or_default().split(' ') {
            let (number, required) = match field.strip_suffix('*') {
                Some(number) => (number, true),
                None => (field, false),
            };
            match number.parse::<usize>().ok().and_then(|number| prefix.types.get(number)) {
                Some(found) => action.types.push((found, required)),
                None if field.starts_with('#') => action.tags = Some(format!("{}:{}", prefix.name, &field[1..])),
                None => action.passes_role |= field == "!",
            }
        }
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(service: &str, operation: &str) -> Vec<(String, Vec<&'static str>)> {
        let operation = Catalog::get().operation(service, operation).unwrap();
        let of = |action: Action| (action.name, action.types.iter().map(|(t, _)| t.name).collect());
        operation.actions.into_iter().map(of).collect()
    }

    #[test]
    fn operations_whose_action_has_another_name() {
        for (service, operation, actions) in [
            ("s3", "headObject", "s3:GetObject"),
            ("s3", "listObjectsV2", "s3:ListBucket"),
            ("s3", "putBucketEncryption", "s3:PutEncryptionConfiguration"),
            ("lambda", "invoke", "lambda:InvokeFunction"),
            ("sqs", "sendMessageBatch", "sqs:SendMessage"),
            ("sns", "publishBatch", "sns:Publish"),
            ("dynamodb", "transactGetItems", "dynamodb:GetItem"),
            ("bedrockruntime", "converse", "bedrock:InvokeModel"),
            ("apigateway", "getRestApi", "apigateway:GET"),
            ("sfn", "startExecution", "states:StartExecution"),
            ("cloudwatchlogs", "putLogEvents", "logs:PutLogEvents"),
            ("eventbridge", "putEvents", "events:PutEvents"),
            ("efs", "createFileSystem", "elasticfilesystem:CreateFileSystem"),
            ("sesv2", "sendEmail", "ses:SendEmail"),
            ("emr", "runJobFlow", "elasticmapreduce:RunJobFlow"),
            ("rds", "describeDBInstances", "rds:DescribeDBInstances"),
            ("keyspaces", "deleteTable", "cassandra:Drop"),
            ("config", "listAggregateDiscoveredResources", "config:ListAggregateDiscoveredResources"),
            ("databasemigration", "startReplicationTask", "dms:StartReplicationTask"),
            // Ended in 2025, and definitions still name it.
            ("lookoutvision", "describeModel", "lookoutvision:DescribeModel"),
        ] {
            let found: Vec<_> = needs(service, operation).into_iter().map(|(action, _)| action).collect();
            assert_eq!(found, [actions], "{service}:{operation}");
        }
    }

    #[test]
    fn every_line_can_be_read() {
        let catalog = Catalog::get();
        let operations: usize = catalog.services.values().map(|service| service.operations.len()).sum();
        assert!(catalog.services.len() > 400 && operations > 18_000, "{} {operations}", catalog.services.len());
        let (mut with_types, mut actions) = (0, 0);
        for (name, service) in &catalog.services {
            for operation in service.operations.keys() {
                let found = catalog.operation(name, operation).unwrap();
                assert!(!found.actions.is_empty(), "{name}:{operation}");
                for action in found.actions {
                    let own =
                        catalog.prefixes.iter().find(|p| action.name.starts_with(&format!("{}:", p.name))).unwrap();
                    let name = action.name.split_once(':').unwrap().1;
                    assert!(
                        action.resource.is_some() || own.actions.contains_key(name),
                        "{} is no action",
                        action.name
                    );
                    actions += 1;
                    with_types += usize::from(!action.types.is_empty() || action.resource.is_some());
                    for arn in action.types.iter().flat_map(|(t, _)| &t.arns).chain(&action.resource) {
                        assert!(arn.starts_with("arn:$P:") || *arn == "CopySource" || arn.starts_with("arn:"), "{arn}");
                    }
                }
            }
        }
        assert!(with_types * 2 > actions, "{with_types} of {actions}");
    }
}
