//! ECS, Batch, CodeBuild, EKS and EMR.

use super::arguments::Node;
use super::sdk;
use super::task::{Task, condition};
use super::text::Text;

/// Infers; what has no row of its own is looked up as that of the SDK.
pub(super) fn infer(task: &mut Task<'_>, service: &str, action: &str) {
    match (service, action) {
        ("ecs", "runTask") => task.run_task(),
        ("batch", "submitJob") => task.submit_job(),
        ("codebuild", "startBuild") => task.build("StartBuild", "StopBuild", "BatchGetBuilds"),
        ("codebuild", "startBuildBatch") => task.build("StartBuildBatch", "StopBuildBatch", "BatchGetBuildBatches"),
        ("eks", _) => task.cluster(action),
        ("elasticmapreduce", _) => task.emr(action),
        ("emr-containers", _) => task.emr_on_eks(action),
        ("emr-serverless", _) => task.emr_serverless(action),
        _ => sdk::infer(task, &service.replace('-', ""), action),
    }
}

impl Task<'_> {
    /// A resource and its revisions: `NAME:REVISION` is one, `NAME` is every one.
    fn revisions(&self, pattern: &str, name: &str, unversioned: bool) -> Vec<String> {
        let texts = self.member(name).map(|member| member.texts()).unwrap_or_default();
        let texts = if texts.is_empty() { vec![Text::unknown()] } else { texts };
        let one = |text: &Text| {
            let glob = text.glob();
            let name = if glob.starts_with("arn:") {
                let Some(arn) = self.machine.whole(pattern, text) else { return vec![self.machine.every(pattern)] };
                arn
            } else {
                self.machine.fill(pattern, |_| Some(glob.clone()))
            };
            let resource = name.splitn(6, ':').nth(5).unwrap_or_default();
            match (resource.contains(':') || resource.ends_with('*'), unversioned) {
                (true, _) => vec![name],
                (false, true) => vec![name.clone(), format!("{name}:*")],
                (false, false) => vec![format!("{name}:*")],
            }
        };
        texts.iter().flat_map(one).collect()
    }

    /// `ecs:RunTask`. The roles stand in the task definition, unless the call overrides them.
    pub fn run_task(&mut self) {
        let definitions = self.revisions("arn:$P:ecs:$R:$A:task-definition/${Family}", "TaskDefinition", false);
        self.allow(["ecs:RunTask"], definitions);
        for (role, what) in [("TaskRoleArn", "task role"), ("ExecutionRoleArn", "execution role")] {
            match self.arguments.at(&["Overrides", role]).filter(|_| !self.arguments.is_open()) {
                Some(role) => self.pass_role(Some(&role), &["ecs-tasks"]),
                None => self.pass_unknown_role(
                    &format!("runs an ECS task, and its {what} stands in the task definition"),
                    &["ecs-tasks"],
                ),
            }
        }
        if self.is_sync() || self.tags().is_some() {
            let clusters = self.texts("Cluster");
            let of = |text: &Text| {
                let glob = text.glob();
                let name = glob.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("*").to_owned();
                self.machine.fill("arn:$P:ecs:$R:$A:task/${Cluster}", |_| {
                    Some(if name == "*" { name.clone() } else { format!("{name}/*") })
                })
            };
            let tasks = match clusters.is_empty() {
                true => vec![self.machine.every("arn:$P:ecs:$R:$A:task/${Task}")],
                false => clusters.iter().map(of).collect(),
            };
            if self.tags().is_some() {
                // ECS developer guide, "Grant permission to tag resources on creation".
                let made = condition("StringEquals", "ecs:CreateAction", vec!["RunTask".to_owned()]);
                self.allow_if(["ecs:TagResource"], tasks.clone(), &made);
            }
            if self.is_sync() {
                self.allow(["ecs:StopTask", "ecs:DescribeTasks"], tasks);
                self.events("StepFunctionsGetEventsForECSTaskRule");
            }
        }
    }

    fn submit_job(&mut self) {
        let mut resources = self.revisions("arn:$P:batch:$R:$A:job-definition/${Name}", "JobDefinition", true);
        resources.extend(self.resources("arn:$P:batch:$R:$A:job-queue/${JobQueueName}", "JobQueue"));
        self.allow(["batch:SubmitJob"], resources);
        if self.is_sync() {
            let jobs = self.machine.every("arn:$P:batch:$R:$A:job/${JobId}");
            self.allow(["batch:TerminateJob"], [jobs]);
            // IAM knows no resource for it.
            self.allow(["batch:DescribeJobs"], ["*".to_owned()]);
            self.events("StepFunctionsGetEventsForBatchJobsRule");
        }
    }

    fn build(&mut self, start: &str, stop: &str, get: &str) {
        let projects = self.resources("arn:$P:codebuild:$R:$A:project/${ProjectName}", "ProjectName");
        let name = |action: &str| format!("codebuild:{action}");
        self.allow([&*name(start)], projects.clone());
        if self.is_sync() {
            self.allow([&*name(stop), &*name(get)], projects);
            self.events(&format!("StepFunctionsGetEventForCodeBuild{start}Rule"));
        }
    }

    fn cluster(&mut self, action: &str) {
        const CLUSTER: &str = "arn:$P:eks:$R:$A:cluster/${ClusterName}";
        const NODEGROUP: &str = "arn:$P:eks:$R:$A:nodegroup/${ClusterName}/*/*";
        const PROFILE: &str = "arn:$P:eks:$R:$A:fargateprofile/${ClusterName}/*/*";
        let member = if action.ends_with("Cluster") { "Name" } else { "ClusterName" };
        let clusters = self.resources(CLUSTER, member);
        let below = |pattern: &str| self.resources(pattern, "ClusterName");
        let (created, rest): (&[&str], (&str, Vec<String>)) = match action {
            "createCluster" => (&["eks:CreateCluster"], ("Cluster", clusters.clone())),
            "deleteCluster" => (&["eks:DeleteCluster"], ("Cluster", clusters.clone())),
            "createNodegroup" => (&["eks:CreateNodegroup"], ("Nodegroup", below(NODEGROUP))),
            "deleteNodegroup" => (&["eks:DeleteNodegroup"], ("Nodegroup", below(NODEGROUP))),
            "createFargateProfile" => (&["eks:CreateFargateProfile"], ("FargateProfile", below(PROFILE))),
            "deleteFargateProfile" => (&["eks:DeleteFargateProfile"], ("FargateProfile", below(PROFILE))),
            // The cluster's own RBAC decides what these may do; IAM has no action for them.
            "call" | "runJob" => return,
            _ => return sdk::infer(self, "eks", action),
        };
        let (kind, resources) = rest;
        // To create is an action on the cluster; what is created is another resource.
        let on = if action.starts_with("create") { clusters } else { resources.clone() };
        self.allow(created.iter().copied(), on);
        if self.is_sync() {
            let (describe, delete) = (format!("eks:Describe{kind}"), format!("eks:Delete{kind}"));
            self.allow([&*describe, &*delete], resources);
        }
        for (role, services) in [
            ("RoleArn", &["eks"][..]),
            ("NodeRole", &["eks", "ec2"]),
            ("PodExecutionRoleArn", &["eks-fargate-pods", "eks"]),
        ] {
            let role = self.member(role).filter(|_| !self.arguments.is_open());
            self.pass_role(role.as_ref(), services);
        }
        if action.starts_with("create") && self.arguments.is_open() {
            self.pass_unknown_role("passes a role that only an execution knows", &["eks"]);
        }
    }

    fn emr(&mut self, action: &str) {
        const CLUSTER: &str = "arn:$P:elasticmapreduce:$R:$A:cluster/${ClusterId}";
        let clusters = self.resources(CLUSTER, "ClusterId");
        let (actions, follows, rule): (&[&str], &[&str], &str) = match action {
            "createCluster" => {
                // IAM knows no resource for a cluster that is not there yet.
                self.allow(["elasticmapreduce:RunJobFlow"], ["*".to_owned()]);
                self.emr_roles();
                let follows: &[&str] = &["elasticmapreduce:DescribeCluster", "elasticmapreduce:TerminateJobFlows"];
                (&[], follows, "RunJobFlow")
            }
            "addStep" => (
                &["elasticmapreduce:AddJobFlowSteps"],
                &["elasticmapreduce:DescribeStep", "elasticmapreduce:CancelSteps"],
                "AddJobFlowSteps",
            ),
            "terminateCluster" => {
                (&["elasticmapreduce:TerminateJobFlows"], &["elasticmapreduce:DescribeCluster"], "TerminateJobFlows")
            }
            "cancelStep" => (&["elasticmapreduce:CancelSteps"], &[], ""),
            "setClusterTerminationProtection" => (&["elasticmapreduce:SetTerminationProtection"], &[], ""),
            "modifyInstanceFleetByName" => {
                (&["elasticmapreduce:ModifyInstanceFleet", "elasticmapreduce:ListInstanceFleets"], &[], "")
            }
            "modifyInstanceGroupByName" => {
                (&["elasticmapreduce:ModifyInstanceGroups", "elasticmapreduce:ListInstanceGroups"], &[], "")
            }
            _ => return sdk::infer(self, "emr", action),
        };
        self.allow(actions.iter().copied(), clusters.clone());
        if let Some(role) = self.member("ExecutionRoleArn").filter(|_| action == "addStep" && !self.arguments.is_open())
        {
            self.pass_role(Some(&role), &["elasticmapreduce"]);
        }
        if self.is_sync() && !follows.is_empty() {
            self.allow(follows.iter().copied(), clusters);
            self.events(&format!("StepFunctionsGetEventsForEMR{rule}Rule"));
        }
    }

    fn emr_roles(&mut self) {
        if self.arguments.is_open() {
            return self.pass_unknown_role("passes roles that only an execution knows", &["elasticmapreduce", "ec2"]);
        }
        for (role, service) in [
            ("ServiceRole", "elasticmapreduce"),
            ("JobFlowRole", "ec2"),
            ("AutoScalingRole", "application-autoscaling"),
        ] {
            let member = self.member(role);
            self.pass_role(member.as_ref(), &[service]);
        }
    }

    fn emr_on_eks(&mut self, action: &str) {
        const CLUSTER: &str = "arn:$P:emr-containers:$R:$A:/virtualclusters/${VirtualClusterId}";
        let named = |task: &Self, member: &str| task.resources(CLUSTER, member);
        match action {
            "startJobRun" => {
                let clusters = named(self, "VirtualClusterId");
                self.allow(["emr-containers:StartJobRun"], clusters.clone());
                if self.is_sync() {
                    let runs = clusters.into_iter().map(|cluster| format!("{cluster}/jobruns/*"));
                    self.allow(["emr-containers:DescribeJobRun", "emr-containers:CancelJobRun"], runs);
                }
            }
            "createVirtualCluster" => {
                // IAM knows no resource for a virtual cluster that is not there yet.
                self.allow(["emr-containers:CreateVirtualCluster"], ["*".to_owned()]);
            }
            "deleteVirtualCluster" => {
                let clusters = named(self, "Id");
                self.allow(["emr-containers:DeleteVirtualCluster"], clusters.clone());
                if self.is_sync() {
                    self.allow(["emr-containers:DescribeVirtualCluster"], clusters);
                }
            }
            _ => sdk::infer(self, "emrcontainers", action),
        }
    }

    fn emr_serverless(&mut self, action: &str) {
        const APPLICATION: &str = "arn:$P:emr-serverless:$R:$A:/applications/${ApplicationId}";
        let applications = self.resources(APPLICATION, "ApplicationId");
        let runs: Vec<String> = applications.iter().map(|application| format!("{application}/jobruns/*")).collect();
        match action {
            "startJobRun" => {
                self.allow(["emr-serverless:StartJobRun"], applications);
                let role = self.member("ExecutionRoleArn").unwrap_or_else(Node::unknown);
                self.pass_role(Some(&role), &["emr-serverless"]);
                if self.is_sync() {
                    self.allow(["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"], runs);
                    self.events("StepFunctionsGetEventsForEMRServerlessJobRule");
                }
            }
            "createApplication" | "startApplication" | "stopApplication" | "deleteApplication" => {
                sdk::infer(self, "emrserverless", action);
                if self.is_sync() {
                    self.allow(["emr-serverless:GetApplication"], applications);
                    self.events("StepFunctionsGetEventsForEMRServerlessApplicationRule");
                }
            }
            "cancelJobRun" => {
                sdk::infer(self, "emrserverless", action);
                if self.is_sync() {
                    self.allow(["emr-serverless:GetJobRun"], runs);
                    self.events("StepFunctionsGetEventsForEMRServerlessJobRule");
                }
            }
            _ => sdk::infer(self, "emrserverless", action),
        }
    }
}
