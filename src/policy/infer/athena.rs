//! Athena: the query, where its result goes, and the catalogue that it reads (AWS.md §5).

use super::map::prefixes;
use super::sdk;
use super::task::Task;
use super::text::Text;
use super::{Machine, arguments::Node};
use crate::asl::StateRef;

const WORKGROUP: &str = "arn:$P:athena:$R:$A:workgroup/${WorkGroupName}";
const CATALOG: &str = "arn:$P:athena:$R:$A:datacatalog/${DataCatalogName}";

/// What reads the Glue catalogue.
const READ: [&str; 7] = [
    "glue:BatchGetPartition",
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:GetTable",
    "glue:GetTables",
];
/// What a query that is not surely a SELECT can do to it.
const WRITE: [&str; 12] = [
    "glue:BatchCreatePartition",
    "glue:BatchDeletePartition",
    "glue:BatchDeleteTable",
    "glue:CreateDatabase",
    "glue:CreatePartition",
    "glue:CreateTable",
    "glue:DeleteDatabase",
    "glue:DeletePartition",
    "glue:DeleteTable",
    "glue:UpdateDatabase",
    "glue:UpdatePartition",
    "glue:UpdateTable",
];

/// What writes a result: on its bucket.
const BUCKET: [&str; 3] = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"];
/// And on its objects.
const OBJECTS: [&str; 4] = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];

/// Infers; what has no row of its own is looked up as that of the SDK.
pub(super) fn infer<'a>(task: &mut Task<'a>, action: &str, states: &[StateRef<'a>]) {
    match action {
        "startQueryExecution" => start(task),
        "stopQueryExecution" | "getQueryExecution" => {
            let name =
                if action.starts_with("stop") { "athena:StopQueryExecution" } else { "athena:GetQueryExecution" };
            task.allow([name], [task.machine.every(WORKGROUP)]);
        }
        "getQueryResults" => {
            task.allow(["athena:GetQueryResults"], [task.machine.every(WORKGROUP)]);
            results(task, states);
        }
        _ => sdk::infer(task, "athena", action),
    }
}

fn start(task: &mut Task<'_>) {
    let absent = |texts: Vec<Text>, default: &str| if texts.is_empty() { vec![Text::literal(default)] } else { texts };
    // A call that names none uses the workgroup `primary` and the catalogue `AwsDataCatalog` (Athena API reference).
    let workgroups = task.machine.named(WORKGROUP, &absent(task.texts("WorkGroup"), "primary"));
    let context =
        |name: &str| task.arguments.at(&["QueryExecutionContext", name]).map(|node| node.texts()).unwrap_or_default();
    let catalogs = task.machine.named(CATALOG, &absent(context("Catalog"), "AwsDataCatalog"));
    let databases = context("Database");
    let resources: Vec<String> = workgroups.into_iter().chain(catalogs.clone()).collect();
    task.allow(["athena:StartQueryExecution"], resources.clone());
    if task.is_sync() {
        task.allow(["athena:StopQueryExecution", "athena:GetQueryExecution"], resources);
        task.allow(["athena:GetDataCatalog"], catalogs);
    }
    let databases = if databases.is_empty() { vec![Text::unknown()] } else { databases };
    // Athena reads the database `default` whichever a query names (user guide, "Configure AWS Glue access to your catalog and database
    // per AWS Region").
    let default = task.machine.every("arn:$P:glue:$R:$A:database/default");
    task.allow(["glue:GetDatabase", "glue:GetDatabases"], [default]);
    let mut tables = vec![task.machine.every("arn:$P:glue:$R:$A:catalog")];
    for database in &databases {
        let name = Some(database.glob());
        tables.push(task.machine.fill("arn:$P:glue:$R:$A:database/${D}", |_| name.clone()));
        tables.push(task.machine.fill("arn:$P:glue:$R:$A:table/${D}/*", |_| name.clone()));
    }
    task.allow(READ, tables.clone());
    if !only_reads(&task.texts("QueryString")) {
        task.allow(WRITE, tables);
    }
    task.allow(["lakeformation:GetDataAccess"], ["*".to_owned()]);
    let output = task.arguments.at(&["ResultConfiguration", "OutputLocation"]);
    match located(output.as_ref()) {
        Some(places) => write_results(task, &places),
        None => task.unknown(
            format!("writes a query's result {}", place(output.is_some())),
            BUCKET.into_iter().chain(OBJECTS),
            ["arn:$P:s3:::${BucketName}", "arn:$P:s3:::${BucketName}/*"],
        ),
    }
    task.unknown(
        "runs a query over data in S3, and only the catalogue knows where".to_owned(),
        ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
        ["arn:$P:s3:::${BucketName}", "arn:$P:s3:::${BucketName}/*"],
    );
}

/// Whether every query surely only reads.
fn only_reads(queries: &[Text]) -> bool {
    let reads = |query: &Text| {
        let glob = query.glob();
        let first = glob.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        ["SELECT", "WITH", "SHOW", "DESCRIBE"].contains(&&*first)
    };
    !queries.is_empty() && queries.iter().all(reads)
}

/// Where a result is that no literal says.
fn place(given: bool) -> &'static str {
    if given { "to a place that only an execution knows" } else { "where its workgroup says" }
}

/// Buckets and prefixes, where all are known.
fn located(output: Option<&Node<'_>>) -> Option<Vec<(Text, Text)>> {
    let texts = output.map(Node::texts).filter(|texts| !texts.is_empty())?;
    let place = |text: &Text| {
        let (bucket, prefix) = Machine::s3_uri(text)?;
        (!bucket.starts_with('*')).then(|| (Text::literal(&bucket), Text::literal(&prefix)))
    };
    texts.iter().map(place).collect()
}

fn write_results(task: &mut Task<'_>, places: &[(Text, Text)]) {
    for (bucket, prefix) in places {
        let bucket_arn = task.machine.bucket(&bucket.glob());
        task.allow(BUCKET, [bucket_arn]);
        let objects = task.objects(std::slice::from_ref(bucket), &prefixes(vec![prefix.clone()]));
        task.allow(OBJECTS, objects);
    }
}

/// GetQueryResults reads from where the machine's own queries wrote.
fn results<'a>(task: &mut Task<'a>, states: &[StateRef<'a>]) {
    let is_query = |state: &&StateRef<'_>| {
        let resource = state.field("Resource").and_then(|value| value.as_str()).unwrap_or_default();
        resource.contains(":athena:startQueryExecution")
    };
    let mut found = false;
    for state in states.iter().filter(is_query) {
        let output = Node::of(state.value, task.scope).at(&["ResultConfiguration", "OutputLocation"]);
        let Some(places) = located(output.as_ref()) else { continue };
        for (bucket, prefix) in places {
            found = true;
            let bucket_arn = task.machine.bucket(&bucket.glob());
            task.allow(["s3:GetBucketLocation"], [bucket_arn]);
            let objects = task.objects(&[bucket], &prefixes(vec![prefix]));
            task.allow(["s3:GetObject"], objects);
        }
    }
    if !found {
        task.unknown(
            "reads a query's result from where its workgroup says".to_owned(),
            ["s3:GetBucketLocation", "s3:GetObject"],
            ["arn:$P:s3:::${BucketName}", "arn:$P:s3:::${BucketName}/*"],
        );
    }
}
