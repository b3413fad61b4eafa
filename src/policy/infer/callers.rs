//! What services do with the permissions of whoever calls them, beside the action itself: they read and write objects in S3, and
//! ask for credentials of databases. The service authorization reference has these as dependent actions, or nowhere.

use super::Machine;
use super::arguments::Node;
use super::task::Task;
use super::text::Text;

/// Actions that S3 asks for beside the operation's own where the request has a member (each operation's "Permissions" in the API
/// reference).
const OBJECTS: [(&str, &str, &str); 11] = [
    ("PutObject", "Tagging", "s3:PutObjectTagging"),
    ("PutObject", "ACL", "s3:PutObjectAcl"),
    ("CopyObject", "Tagging", "s3:PutObjectTagging"),
    ("CopyObject", "ACL", "s3:PutObjectAcl"),
    ("CreateMultipartUpload", "Tagging", "s3:PutObjectTagging"),
    ("CreateMultipartUpload", "ACL", "s3:PutObjectAcl"),
    ("GetObject", "VersionId", "s3:GetObjectVersion"),
    ("HeadObject", "VersionId", "s3:GetObjectVersion"),
    ("DeleteObject", "VersionId", "s3:DeleteObjectVersion"),
    ("GetObjectTagging", "VersionId", "s3:GetObjectVersionTagging"),
    ("PutObjectTagging", "VersionId", "s3:PutObjectVersionTagging"),
];

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
        ) => {
            task.read_urls(&["TemplateURL"]);
            task.stack(operation);
        }
        ("cloudformation", "DeleteStack" | "ExecuteChangeSet" | "RollbackStack" | "ContinueUpdateRollback") => {
            task.stack(operation);
        }
        ("s3", _) => task.object_extras(operation),
        ("lambda", "CreateFunction" | "UpdateFunctionCode") => task.code(operation),
        ("bedrock", "RetrieveAndGenerate") => task.retrieval(),
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

    /// "If no role is available, CloudFormation uses a temporary session that is generated from your user credentials" (API reference,
    /// RoleARN), which a definition does not say the needs of.
    fn stack(&mut self, operation: &str) {
        let changes = ["CreateStack", "UpdateStack", "DeleteStack", "ExecuteChangeSet", "RollbackStack"];
        let changes = changes.contains(&operation) || operation == "ContinueUpdateRollback";
        if changes && self.given(&["RoleARN"]).is_none() {
            self.unknown(
                "changes a stack, and unless that has a role of its own CloudFormation makes what its template holds with this one"
                    .to_owned(),
                ["*"],
                ["*"],
            );
        }
    }

    /// A function's code in S3, which Lambda reads with its caller's rights (Lambda developer guide, "Deploying Lambda functions as .zip
    /// file archives").
    fn code(&mut self, operation: &str) {
        let holder = if operation == "CreateFunction" { self.given(&["Code"]) } else { Some(self.arguments.clone()) };
        let Some(holder) = holder.filter(|holder| holder.is_open() || holder.member("S3Bucket").is_some()) else {
            return;
        };
        let objects = self.objects(&self.texts_of(&holder, "S3Bucket"), &self.texts_of(&holder, "S3Key"));
        self.allow(["s3:GetObject"], objects.clone());
        if holder.member("S3ObjectVersion").is_some() && !holder.is_open() {
            self.allow(["s3:GetObjectVersion"], objects);
        }
    }

    /// What a member of a request to S3 wants on the object, and on the key that it is to be encrypted with.
    fn object_extras(&mut self, operation: &str) {
        const KEY: &str = "arn:$P:kms:$R:$A:key/${KeyId}";
        let writes = ["PutObject", "CopyObject", "CreateMultipartUpload"].contains(&operation);
        if writes && self.given(&["SSEKMSKeyId"]).is_some() {
            // An alias is no resource of these actions.
            let keys: Vec<Text> = self.texts("SSEKMSKeyId");
            let keys: Vec<Text> =
                keys.into_iter().map(|key| if key.glob().contains("alias/") { Text::unknown() } else { key }).collect();
            let keys = self.machine.named(KEY, &keys);
            self.allow(["kms:GenerateDataKey"], keys.clone());
            if operation == "CreateMultipartUpload" {
                self.allow(["kms:Decrypt"], keys);
            }
        }
        for (_, member, action) in OBJECTS.iter().filter(|(name, ..)| *name == operation) {
            if self.given(&[member]).is_some() {
                let arguments = self.arguments.clone();
                let objects = self.objects(&self.texts_of(&arguments, "Bucket"), &self.texts_of(&arguments, "Key"));
                self.allow([*action], objects);
            }
        }
    }

    /// A knowledge base is read, and a model called, with the caller's rights (Bedrock user guide, "Set up permissions for a user or
    /// role to create and manage knowledge bases").
    fn retrieval(&mut self) {
        const BASE: &str = "arn:$P:bedrock:$R:$A:knowledge-base/${KnowledgeBaseId}";
        let through = |path: &[&str]| self.arguments.through(&[&["RetrieveAndGenerateConfiguration"], path].concat());
        let bases = through(&["KnowledgeBaseConfiguration", "KnowledgeBaseId"]);
        let models = [["KnowledgeBaseConfiguration", "ModelArn"], ["ExternalSourcesConfiguration", "ModelArn"]];
        let models: Vec<Text> = models.iter().flat_map(|path| through(path)).collect();
        let models: Vec<String> = models.iter().flat_map(|model| self.models(model)).collect();
        let bases = self.machine.named(BASE, &bases);
        self.allow(["bedrock:Retrieve"], bases);
        self.allow(["bedrock:InvokeModel"], models);
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
            // It first writes `.write_access_check_file.temp` beside the transcript: many public stacks grant that by name, and AWS's
            // guide does not say it.
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

    /// How the Redshift Data API connects: with credentials that it asks for, or with a secret that its caller must be able to read
    /// (Redshift management guide, "Authorizing access to the Amazon Redshift Data API").
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
