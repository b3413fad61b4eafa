//! A distributed Map: child executions of the machine itself, an ItemReader, a ResultWriter (AWS.md §5).

use serde_json::Value;

use super::arguments::Node;
use super::task::{Task, condition};
use super::text::Text;

/// Infers a Map state; one that is not distributed needs nothing of its own.
pub(super) fn infer<'a>(task: &mut Task<'a>) {
    let config = task.state.field("ItemProcessor").and_then(|processor| processor.get("ProcessorConfig"));
    if config.and_then(|config| config.get("Mode")).and_then(Value::as_str) != Some("DISTRIBUTED") {
        return;
    }
    let machine = task.machine;
    let executions = machine.fill("arn:$P:states:$R:$A:execution:${Name}:*", |_| Some(machine.name.to_owned()));
    let label =
        task.state.field("Label").and_then(Value::as_str).map_or("*".to_owned(), |label| Text::template(label).glob());
    let runs =
        machine.fill(&format!("arn:$P:states:$R:$A:execution:{}/${{Label}}:*", machine.name), |_| Some(label.clone()));
    task.plumbing(["states:StartExecution"], [machine.arn()]);
    task.plumbing(["states:DescribeExecution", "states:StopExecution"], [executions]);
    task.plumbing(["states:RedriveExecution"], [runs]);
    if let Some(reader) = task.state.field("ItemReader") {
        read(task, reader);
    }
    if let Some(writer) = task.state.field("ResultWriter")
        && writer.get("Resource").is_some()
    {
        write(task, writer);
    }
}

fn read<'a>(task: &mut Task<'a>, reader: &'a Value) {
    let arguments = Node::of(reader, task.scope);
    let resource = reader.get("Resource").and_then(Value::as_str).unwrap_or_default();
    let config = |name: &str| reader.pointer(&format!("/ReaderConfig/{name}")).and_then(Value::as_str);
    let buckets = task.texts_of(&arguments, "Bucket");
    if resource.ends_with("s3:listObjectsV2") {
        task.list_bucket(&arguments);
        if config("Transformation") == Some("LOAD_AND_FLATTEN") {
            let objects = task.objects(&buckets, &prefixes(task.texts_of(&arguments, "Prefix")));
            task.allow(["s3:GetObject"], objects);
        }
        return;
    }
    // A manifest names further objects, in its own bucket.
    let keys = match config("InputType") {
        Some("MANIFEST") => vec![Text::unknown()],
        _ => task.texts_of(&arguments, "Key"),
    };
    let objects = task.objects(&buckets, &keys);
    task.allow(["s3:GetObject"], objects);
    let version = arguments.member("VersionId").filter(|_| !arguments.is_open());
    if version.is_some_and(|version| !version.texts().is_empty()) {
        let objects = task.objects(&buckets, &keys);
        task.allow(["s3:GetObjectVersion"], objects);
    }
}

fn write<'a>(task: &mut Task<'a>, writer: &'a Value) {
    let arguments = Node::of(writer, task.scope);
    let buckets = task.texts_of(&arguments, "Bucket");
    let keys = prefixes(task.texts_of(&arguments, "Prefix"));
    let objects = task.objects(&buckets, &keys);
    let actions = ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"];
    task.allow(actions, objects);
}

/// Whatever begins with a prefix.
pub(super) fn prefixes(texts: Vec<Text>) -> Vec<Text> {
    let open = |mut text: Text| {
        text.push(&Text::unknown());
        text
    };
    if texts.is_empty() { vec![Text::unknown()] } else { texts.into_iter().map(open).collect() }
}

impl<'a> Task<'a> {
    /// The texts of a member; something unknown where it is left out.
    pub fn texts_of(&self, node: &Node<'a>, name: &str) -> Vec<Text> {
        let texts = node.member(name).map(|member| member.texts()).unwrap_or_default();
        if texts.is_empty() { vec![Text::unknown()] } else { texts }
    }

    /// Objects of these keys in these buckets.
    pub fn objects(&self, buckets: &[Text], keys: &[Text]) -> Vec<String> {
        let pairs = buckets.iter().flat_map(|bucket| keys.iter().map(move |key| (bucket, key)));
        pairs.map(|(bucket, key)| self.machine.objects(&bucket.glob(), &key.glob())).collect()
    }

    /// `s3:ListBucket`, of a literal prefix only where there is one.
    pub fn list_bucket(&mut self, arguments: &Node<'a>) {
        let buckets: Vec<String> =
            self.texts_of(arguments, "Bucket").iter().map(|bucket| self.machine.bucket(&bucket.glob())).collect();
        let prefixes = if arguments.is_open() { None } else { arguments.member("Prefix").map(|prefix| prefix.texts()) };
        match prefixes {
            Some(prefixes) if !prefixes.is_empty() && !prefixes.iter().any(Text::is_unknown) => {
                let values = prefixes.iter().map(Text::glob).collect();
                self.allow_if(["s3:ListBucket"], buckets, &condition("StringLike", "s3:prefix", values));
            }
            _ => self.allow(["s3:ListBucket"], buckets),
        }
    }
}
