//! Glue, DataBrew, SageMaker, MediaConvert and Bedrock.

use super::arguments::Node;
use super::sdk;
use super::task::Task;
use super::text::Text;
use crate::policy::glob;

/// What of an account's own `bedrock:InvokeModel` takes beside foundation models (service authorization reference).
const CALLABLE: [&str; 7] = [
    "application-inference-profile",
    "custom-model-deployment",
    "default-prompt-router",
    "imported-model",
    "inference-profile",
    "prompt-router",
    "provisioned-model",
];

/// Infers; what has no row of its own is looked up as that of the SDK.
pub(super) fn infer(task: &mut Task<'_>, service: &str, action: &str) {
    match (service, action) {
        ("glue", "startJobRun") => {
            let jobs = task.resources("arn:$P:glue:$R:$A:job/${JobName}", "JobName");
            task.allow(["glue:StartJobRun"], jobs.clone());
            if task.is_sync() {
                task.allow(["glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"], jobs);
            }
        }
        ("databrew", "startJobRun") => {
            let jobs = task.resources("arn:$P:databrew:$R:$A:job/${JobName}", "Name");
            task.allow(["databrew:StartJobRun"], jobs.clone());
            if task.is_sync() {
                task.allow(["databrew:ListJobRuns", "databrew:StopJobRun"], jobs);
            }
        }
        ("mediaconvert", "createJob") => task.media_job(),
        ("sagemaker", _) => task.sagemaker(action),
        ("bedrock", "invokeModel") => task.invoke_model("bedrock:InvokeModel"),
        ("bedrock", "createModelCustomizationJob") => task.customize_model(),
        ("bedrock", _) => {
            let service = if action.starts_with("invoke") { "bedrockruntime" } else { "bedrock" };
            sdk::infer(task, service, action);
        }
        _ => sdk::infer(task, service, action),
    }
}

impl Task<'_> {
    /// A transcoding job: its queues, its template, the presets of its outputs.
    pub fn media_job(&mut self) {
        let arguments = self.arguments.clone();
        let mut queues = arguments.through(&["Queue"]);
        if queues.is_empty() {
            // "If you don't specify, the job will go to the default queue" (API reference); or a template names one.
            let templated = self.member("JobTemplate").is_some();
            queues.push(if templated { Text::unknown() } else { Text::literal("Default") });
        }
        queues.extend(arguments.through(&["HopDestinations", "Queue"]));
        let templates = arguments.through(&["JobTemplate"]);
        let presets = arguments.through(&["Settings", "OutputGroups", "Outputs", "Preset"]);
        let mut resources = self.machine.named("arn:$P:mediaconvert:$R:$A:queues/${QueueName}", &queues);
        resources.extend(self.machine.named("arn:$P:mediaconvert:$R:$A:jobTemplates/${JobTemplateName}", &templates));
        resources.extend(self.machine.named("arn:$P:mediaconvert:$R:$A:presets/${PresetName}", &presets));
        self.allow(["mediaconvert:CreateJob"], resources);
        let role = self.member("Role").unwrap_or_else(Node::unknown);
        self.pass_role(Some(&role), &["mediaconvert"]);
        if self.is_sync() {
            let jobs = self.machine.every("arn:$P:mediaconvert:$R:$A:jobs/${JobId}");
            self.allow(["mediaconvert:GetJob", "mediaconvert:CancelJob"], [jobs]);
            self.events("StepFunctionsGetEventsForMediaConvertJobRule");
        }
    }

    fn sagemaker(&mut self, action: &str) {
        let (kind, resource, member, rule) = match action {
            "createTrainingJob" => ("TrainingJob", "training-job", "TrainingJobName", "Training"),
            "createTransformJob" => ("TransformJob", "transform-job", "TransformJobName", "Transform"),
            "createHyperParameterTuningJob" => {
                ("HyperParameterTuningJob", "hyper-parameter-tuning-job", "HyperParameterTuningJobName", "Tuning")
            }
            "createLabelingJob" => ("LabelingJob", "labeling-job", "LabelingJobName", "Labeling"),
            "createProcessingJob" => ("ProcessingJob", "processing-job", "ProcessingJobName", "Processing"),
            _ => return sdk::infer(self, "sagemaker", action),
        };
        let jobs = self.resources(&format!("arn:$P:sagemaker:$R:$A:{resource}/${{Name}}"), member);
        let name = |verb: &str| format!("sagemaker:{verb}{kind}");
        self.allow([&*name("Create")], jobs.clone());
        if kind == "TransformJob" {
            // A transform runs with its model's role.
        } else if self.arguments.is_open() {
            self.pass_unknown_role("passes a role that only an execution knows", &["sagemaker"]);
        } else {
            let roles = [
                self.member("RoleArn"),
                self.arguments.at(&["TrainingJobDefinition", "RoleArn"]).filter(|_| kind == "HyperParameterTuningJob"),
            ];
            for role in roles.into_iter().flatten() {
                self.pass_role(Some(&role), &["sagemaker"]);
            }
        }
        // Step Functions tags the jobs that it follows.
        if self.is_sync() || self.member("Tags").is_some() {
            self.allow(["sagemaker:AddTags"], jobs.clone());
        }
        if self.is_sync() {
            self.allow([&*name("Describe"), &*name("Stop"), "sagemaker:ListTags"], jobs);
            self.events(&format!("StepFunctionsGetEventsForSageMaker{rule}JobsRule"));
        }
    }

    /// A model by id or ARN; with an inference profile, the models that it may choose.
    pub fn invoke_model(&mut self, action: &str) {
        let arguments = self.arguments.clone();
        let models: Vec<String> = self.texts_of(&arguments, "ModelId").iter().flat_map(|id| self.models(id)).collect();
        self.allow([action], models);
        if self.arguments.is_open() {
            return;
        }
        let guardrails =
            [self.member("GuardrailIdentifier"), self.arguments.at(&["GuardrailConfig", "GuardrailIdentifier"])];
        for guardrail in guardrails.into_iter().flatten() {
            let resources = self.machine.member("arn:$P:bedrock:$R:$A:guardrail/${GuardrailId}", Some(&guardrail));
            self.allow(["bedrock:ApplyGuardrail"], resources);
        }
        for (member, s3) in [("Input", "s3:GetObject"), ("Output", "s3:PutObject")] {
            for uri in self.arguments.at(&[member, "S3Uri"]).map(|uri| uri.texts()).unwrap_or_default() {
                let (bucket, key) = super::Machine::s3_uri(&uri).unwrap_or_else(|| ("*".to_owned(), "*".to_owned()));
                let object = self.machine.objects(&bucket, &key);
                self.allow([s3], [object]);
            }
        }
    }

    /// The models that an id or ARN means.
    pub fn models(&self, id: &Text) -> Vec<String> {
        const MODEL: &str = "arn:$P:bedrock:$R::foundation-model/${ModelId}";
        const PROFILE: &str = "arn:$P:bedrock:$R:$A:inference-profile/${ProfileId}";
        let glob = id.glob();
        if glob.starts_with("arn:") {
            let kinds = [MODEL, PROFILE, "arn:$P:bedrock:$R:$A:${Other}"];
            let found = kinds.iter().find_map(|kind| self.machine.whole(kind, id));
            return vec![found.unwrap_or_else(|| self.machine.every(MODEL))];
        }
        // Cross-Region profiles are called `us.anthropic.…`, after the Regions that they choose from.
        let geographies = ["us", "eu", "apac", "us-gov", "global", "jp", "au", "ca", "sa"];
        let fill = |pattern: &str, name: &str| self.machine.fill(pattern, |_| Some(name.to_owned()));
        match glob.split_once('.') {
            Some((geography, model)) if geographies.contains(&geography) => {
                let anywhere = super::Machine { region: "*", ..*self.machine };
                vec![fill(PROFILE, &glob), anywhere.fill(MODEL, |_| Some(model.to_owned()))]
            }
            // Whatever can be called: a profile calls models of other Regions.
            _ if glob == "*" => {
                let anywhere = super::Machine { region: "*", ..*self.machine };
                let own = |kind: &&str| self.machine.every(&format!("arn:$P:bedrock:$R:$A:{kind}/${{Id}}"));
                CALLABLE.iter().map(own).chain([anywhere.every(MODEL)]).collect()
            }
            // A hole in front could be a profile's geography.
            _ if glob.starts_with('*') => vec![fill(MODEL, &glob), fill(PROFILE, &glob)],
            _ => vec![fill(MODEL, &glob)],
        }
    }

    /// The models that an evaluation job compares and judges with; all of their kinds where it names none.
    pub fn evaluated_models(&self) -> Vec<String> {
        let rag = |path: &[&'static str]| [&["InferenceConfig", "RagConfigs", "KnowledgeBaseConfig"], path].concat();
        let paths = [
            vec!["EvaluationConfig", "Automated", "EvaluatorModelConfig", "BedrockEvaluatorModels", "ModelIdentifier"],
            vec!["InferenceConfig", "Models", "BedrockModel", "ModelIdentifier"],
            rag(&["RetrieveAndGenerateConfig", "KnowledgeBaseConfiguration", "ModelArn"]),
            rag(&["RetrieveAndGenerateConfig", "ExternalSourcesConfiguration", "ModelArn"]),
        ];
        let named: Vec<Text> = paths.iter().flat_map(|path| self.arguments.through(path)).collect();
        let named = if named.is_empty() { vec![Text::unknown()] } else { named };
        named.iter().flat_map(|id| self.models(id)).collect()
    }

    fn customize_model(&mut self) {
        let arguments = self.arguments.clone();
        let base = self.texts_of(&arguments, "BaseModelIdentifier");
        let mut resources: Vec<String> = base.iter().flat_map(|id| self.models(id)).collect();
        resources.extend(
            ["custom-model", "model-customization-job"]
                .map(|kind| self.machine.every(&format!("arn:$P:bedrock:$R:$A:{kind}/${{Id}}"))),
        );
        resources.retain(|resource| !glob::has_wildcard(resource.split(':').nth(2).unwrap_or_default()));
        self.allow(["bedrock:CreateModelCustomizationJob"], resources);
        let role = self.member("RoleArn").unwrap_or_else(Node::unknown);
        self.pass_role(Some(&role), &["bedrock"]);
        if self.is_sync() {
            let jobs = self.machine.every("arn:$P:bedrock:$R:$A:model-customization-job/${Id}");
            self.allow(["bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob"], [jobs]);
            self.events("StepFunctionsGetEventsForBedrockModelCustomizationJobRule");
        }
    }
}
