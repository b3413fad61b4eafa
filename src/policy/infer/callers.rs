//! What services do with the permissions of whoever calls them, beside the action itself: they read and write objects in S3, and
//! ask for credentials of databases. The service authorization reference has these as dependent actions, or nowhere.

use super::Machine;
use super::arguments::Node;
use super::task::Task;
use super::text::Text;

/// Infers what an operation needs so.
pub(super) fn infer(task: &mut Task<'_>, prefix: &str, operation: &str) {
    match (prefix, operation) {
        ("rekognition" | "textract", _) => task.pictures(operation),
        ("polly", "StartSpeechSynthesisTask") => task.output("OutputS3BucketName", "OutputS3KeyPrefix"),
        ("transcribe", "StartTranscriptionJob" | "StartMedicalTranscriptionJob" | "StartCallAnalyticsJob") => {
            task.transcription();
        }
        (
            "cloudformation",
            "CreateStack"
            | "UpdateStack"
            | "CreateChangeSet"
            | "CreateStackSet"
            | "UpdateStackSet"
            | "ValidateTemplate"
            | "EstimateTemplateCost",
        ) => task.read_urls(&["TemplateURL"]),
        ("redshift-data", "ExecuteStatement" | "BatchExecuteStatement") => task.database_credentials(),
        _ => {}
    }
}

impl<'a> Task<'a> {
    /// A member at a path, where the definition says whether it is there.
    fn given(&self, path: &[&str]) -> Option<Node<'a>> {
        self.arguments.at(path).filter(|_| !self.arguments.is_open())
    }

    /// Images, videos and documents in S3 ("the user must have permission to access the S3 object", Rekognition's API reference,
    /// S3Object; Textract's reads are dependent actions of the service authorization reference).
    fn pictures(&mut self, operation: &str) {
        const READ: [&str; 7] =
            ["Image", "SourceImage", "TargetImage", "Video", "Document", "DocumentLocation", "DocumentPages"];
        let looks = ["Start", "Detect", "Analyze", "Recognize", "Compare", "Index", "Search"];
        if self.arguments.is_open() {
            if looks.iter().any(|verb| operation.starts_with(verb)) {
                self.read_objects(&Node::unknown());
            }
            return;
        }
        let arguments = self.arguments.clone();
        for holder in READ.iter().filter_map(|name| arguments.member(name)) {
            for object in holder.elements().iter().filter_map(|one| one.member("S3Object")) {
                self.read_objects(&object);
            }
        }
        if let Some(output) = self.member("OutputConfig").filter(|_| operation.starts_with("Start")) {
            self.write_below(&self.texts_of(&output, "S3Bucket"), Vec::new());
        }
    }

    fn read_objects(&mut self, object: &Node<'a>) {
        let objects = self.objects(&self.texts_of(object, "Bucket"), &self.texts_of(object, "Name"));
        self.allow(["s3:GetObject"], objects);
    }

    /// A bucket, and what the keys of the objects in it begin with.
    fn output(&mut self, bucket: &str, key_prefix: &str) {
        let prefixes = self.given(&[key_prefix]).map(|prefix| prefix.texts()).unwrap_or_default();
        let arguments = self.arguments.clone();
        self.write_below(&self.texts_of(&arguments, bucket), prefixes.iter().map(Text::glob).collect());
    }

    fn write_below(&mut self, buckets: &[Text], mut prefixes: Vec<String>) {
        if prefixes.is_empty() {
            prefixes.push(String::new());
        }
        let pairs = buckets.iter().flat_map(|bucket| prefixes.iter().map(move |prefix| (bucket, prefix)));
        let below = |prefix: &str| format!("{}*", prefix.trim_end_matches('*'));
        let objects: Vec<String> =
            pairs.map(|(bucket, prefix)| self.machine.objects(&bucket.glob(), &below(prefix))).collect();
        self.allow(["s3:PutObject"], objects);
    }

    /// With a role of its own for the data, a job needs nothing of its caller's.
    fn transcription(&mut self) {
        if self.given(&["JobExecutionSettings", "DataAccessRoleArn"]).is_some()
            || self.given(&["DataAccessRoleArn"]).is_some()
        {
            return;
        }
        match self.given(&["Media"]) {
            None => self.read_objects(&Node::unknown()),
            Some(media) => {
                for uri in ["MediaFileUri", "RedactedMediaFileUri"].iter().filter_map(|name| media.member(name)) {
                    self.read_at(&uri.texts());
                }
            }
        }
        if self.given(&["OutputBucketName"]).is_some() {
            // It writes a file beside the transcript first, to see that it may (from memory).
            let folder =
                |key: &Text| key.glob().rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
            let keys = self.given(&["OutputKey"]).map(|key| key.texts()).unwrap_or_default();
            let arguments = self.arguments.clone();
            self.write_below(&self.texts_of(&arguments, "OutputBucketName"), keys.iter().map(folder).collect());
        }
    }

    fn read_urls(&mut self, members: &[&str]) {
        for urls in members.iter().filter_map(|member| self.given(&[member])).map(|url| url.texts()).collect::<Vec<_>>()
        {
            self.read_at(&urls);
        }
    }

    fn read_at(&mut self, urls: &[Text]) {
        let objects: Vec<String> = urls
            .iter()
            .map(|url| {
                let (bucket, key) = located(url).unwrap_or_else(|| ("*".to_owned(), "*".to_owned()));
                self.machine.objects(&bucket, &key)
            })
            .collect();
        self.allow(["s3:GetObject"], objects);
    }

    /// How the Redshift Data API connects: with credentials that it asks for (its API reference), or with a secret (that its caller
    /// must be able to read it is from memory).
    fn database_credentials(&mut self) {
        const SECRET: &str = "arn:$P:secretsmanager:$R:$A:secret:${SecretId}";
        if self.arguments.is_open() {
            return self.unknown(
                "connects to a database in a way that only an execution knows".to_owned(),
                [
                    "redshift:GetClusterCredentials",
                    "redshift-serverless:GetCredentials",
                    "secretsmanager:GetSecretValue",
                ],
                ["*"],
            );
        }
        if self.member("SecretArn").is_some() {
            let secrets = self.resources(SECRET, "SecretArn");
            return self.allow(["secretsmanager:GetSecretValue"], secrets);
        }
        if self.member("WorkgroupName").is_some() {
            // Its ARN holds an id, and not the name.
            let workgroups = self.machine.every("arn:$P:redshift-serverless:$R:$A:workgroup/${WorkgroupId}");
            return self.allow(["redshift-serverless:GetCredentials"], [workgroups]);
        }
        let one = |name: &str| match self.texts(name).as_slice() {
            [text] => text.glob(),
            _ => "*".to_owned(),
        };
        let (cluster, database, user) = (one("ClusterIdentifier"), one("Database"), one("DbUser"));
        let fill = |pattern: &str, of: &str| self.machine.fill(pattern, |_| Some(format!("{cluster}/{of}")));
        let name = fill("arn:$P:redshift:$R:$A:dbname:${Name}", &database);
        if self.member("DbUser").is_some() {
            let user = fill("arn:$P:redshift:$R:$A:dbuser:${Name}", &user);
            self.allow(["redshift:GetClusterCredentials"], [user, name]);
        } else {
            self.allow(["redshift:GetClusterCredentialsWithIAM"], [name]);
        }
    }
}

/// Bucket and key of an object's URL: `s3://BUCKET/KEY`, `https://s3.REGION.amazonaws.com/BUCKET/KEY` or
/// `https://BUCKET.s3.REGION.amazonaws.com/KEY`.
fn located(url: &Text) -> Option<(String, String)> {
    if let Some(found) = Machine::s3_uri(url) {
        return Some(found);
    }
    let glob = url.glob();
    let (host, path) = glob.strip_prefix("https://")?.split_once('/')?;
    let (bucket, key) = match host.split_once(".s3") {
        Some((bucket, _)) => (bucket, path),
        None if host.starts_with("s3") => path.split_once('/')?,
        None => return None,
    };
    (!bucket.is_empty()).then(|| (bucket.to_owned(), key.to_owned()))
}
