//! The chart without a cluster: its CRDs are the code's, its values, schema and README agree, and what helm renders from
//! it is what it should be. Helm is the testbed's, which is built the first time.
//!
//! `UPDATE_CRDS=1 cargo test --test chart` writes `crds/` and the chart's CRDs anew, `UPDATE_CHART=1` the README's table of values.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::ResourceExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart() -> PathBuf {
    root().join("charts/stepgate")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn stepgate(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stepgate")).args(args).output().unwrap();
    assert!(output.status.success(), "stepgate {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn asked_to(update: &str) -> bool {
    std::env::var_os(update).is_some_and(|value| value == "1")
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

// --- CRDs ---

/// A CRD as a template of the chart: not installed or not kept where the values say so.
fn crd_template(name: &str, yaml: &str) -> String {
    let metadata = format!("metadata:\n  name: {name}\n");
    let yaml = yaml.trim_start_matches("---\n").replace("{{", r#"{{ "{{" }}"#);
    assert_eq!(yaml.matches(&metadata).count(), 1, "{name}: the metadata of the CRD is not as this test knows it");
    let yaml =
        yaml.replace(&metadata, &format!("{metadata}  {{{{- include \"stepgate.crdMetadata\" . | nindent 2 }}}}\n"));
    format!(
        "{{{{- if .Values.crds.install }}}}\n# Written by `UPDATE_CRDS=1 cargo test --test chart`.\n{yaml}{{{{- end }}}}\n"
    )
}

/// Holds a directory to one file for each kind; writes it anew where that is asked for.
fn holds_the_crds(dir: &Path, expected: impl Fn(&str, &str) -> String) {
    let mut files = BTreeSet::new();
    for crd in stepgate::api::crds() {
        let name = crd.name_any();
        let yaml = stepgate(&["crds", &name]);
        // `kubectl apply` keeps the object in an annotation of at most 262,144 bytes.
        assert!(yaml.len() < 262_144, "{name} is too large for `kubectl apply`");
        let file = format!("stepgate.dev_{}.yaml", crd.spec.names.plural);
        let (path, expected) = (dir.join(&file), expected(&name, &yaml));
        if asked_to("UPDATE_CRDS") {
            fs::write(&path, &expected).unwrap();
        }
        assert!(
            read(&path) == expected,
            "{} differs from the code: run `UPDATE_CRDS=1 cargo test --test chart`",
            path.display()
        );
        files.insert(file);
    }
    assert_eq!(names(dir), files, "{} has files of no kind", dir.display());
}

#[test]
fn crds_are_those_of_the_code() {
    holds_the_crds(&root().join("crds"), |_, yaml| yaml.to_owned());
}

#[test]
fn crds_of_the_chart_are_those_of_the_code() {
    holds_the_crds(&chart().join("templates/crds"), crd_template);
}

#[test]
fn templates_in_a_crd_are_masked() {
    let yaml = "---\nkind: X\nmetadata:\n  name: a.b\nspec: \"{{ .Values.x }}\"\n";
    assert!(crd_template("a.b", yaml).contains(r#"spec: "{{ "{{" }} .Values.x }}""#));
}

// --- Values ---

/// Every value with its description (the `# --` above it), in the order of the file.
fn described_values() -> Vec<(String, String)> {
    let (mut rows, mut path, mut description) = (Vec::new(), Vec::<(usize, String)>::new(), None);
    for line in read(&chart().join("values.yaml")).lines() {
        let indent = line.len() - line.trim_start().len();
        if let Some(text) = line.trim().strip_prefix("# -- ") {
            description = Some(text.to_owned());
        } else if let Some((key, _)) = line.trim().split_once(':') {
            path.retain(|(outer, _)| *outer < indent);
            path.push((indent, key.to_owned()));
            if let Some(text) = description.take() {
                rows.push((path.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>().join("."), text));
            }
        }
    }
    rows
}

fn values() -> Value {
    serde_saphyr::from_str(&read(&chart().join("values.yaml"))).unwrap()
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, key| &value[key])
}

#[test]
fn readme_lists_every_value() {
    let described = described_values();
    let values = values();
    let mut undescribed = Vec::new();
    leaves(&values, "", &mut |path| {
        if !described.iter().any(|(key, _)| path == key || path.starts_with(&format!("{key}."))) {
            undescribed.push(path.to_owned());
        }
    });
    assert!(undescribed.is_empty(), "values.yaml describes (`# --`) nothing for {undescribed:?}");

    let mut table = String::from("| value | default | |\n|---|---|---|\n");
    for (key, text) in &described {
        writeln!(table, "| `{key}` | `{}` | {text} |", at(&values, key)).unwrap();
    }
    let path = chart().join("README.md");
    let readme = read(&path);
    let marker = readme
        .find("<!-- values:")
        .and_then(|at| Some(at + readme[at..].find('\n')? + 1))
        .expect("the README has lost its marker");
    let expected = format!("{}{table}", &readme[..marker]);
    if asked_to("UPDATE_CHART") {
        fs::write(&path, &expected).unwrap();
    }
    assert!(
        read(&path) == expected,
        "{} differs from values.yaml: run `UPDATE_CHART=1 cargo test --test chart`",
        path.display()
    );
}

/// Calls `visit` with the path of each value that is no non-empty map.
fn leaves(value: &Value, path: &str, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, visit);
            }
        }
        _ => visit(path),
    }
}

#[test]
fn schema_knows_every_value_and_no_other() {
    fn same(path: &str, schema: &Value, values: &Value) {
        let Some(properties) = schema["properties"].as_object() else { return };
        assert_eq!(schema["additionalProperties"], json!(false), "{path}: the schema must refuse unknown values");
        let values = values.as_object().unwrap_or_else(|| panic!("{path} is no map in values.yaml"));
        for key in values.keys() {
            assert!(properties.contains_key(key), "{path}.{key} is not in values.schema.json");
        }
        for (key, schema) in properties {
            // Helm adds `global`; resource claims are too rare for a default.
            if key == "global" || format!("{path}.{key}") == ".resources.claims" {
                continue;
            }
            let value = values.get(key).unwrap_or_else(|| panic!("{path}.{key} is not in values.yaml"));
            same(&format!("{path}.{key}"), schema, value);
        }
    }
    let schema: Value = serde_json::from_str(&read(&chart().join("values.schema.json"))).unwrap();
    same("", &schema, &values());
}

// --- What it says ---

#[test]
fn the_account_of_the_notes_is_one() {
    let notes = read(&chart().join("templates/NOTES.txt"));
    let yaml = notes
        .split("<<'YAML'\n")
        .nth(1)
        .and_then(|rest| rest.split("\nYAML\n").next())
        .expect("no manifest in NOTES.txt");
    let given: Value = serde_saphyr::from_str(yaml).unwrap();
    typed::<stepgate::api::AWSAccount>(&given);
}

#[test]
fn the_operator_knows_every_flag_of_the_deployment() {
    let help = stepgate(&["run", "--help"]);
    let deployment = read(&chart().join("templates/deployment.yaml"));
    let flags: Vec<&str> = deployment
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- --")?.split_once('='))
        .map(|(flag, _)| flag)
        .collect();
    assert!(flags.len() > 4, "{flags:?}");
    for flag in flags {
        assert!(
            help.contains(&format!("--{flag} ")),
            "`stepgate run` has no --{flag}, which the chart's Deployment gives it"
        );
    }
}

#[test]
fn one_version() {
    let chart: Value = serde_saphyr::from_str(&read(&chart().join("Chart.yaml"))).unwrap();
    assert_eq!(chart["appVersion"], json!(env!("CARGO_PKG_VERSION")), "Chart.yaml and Cargo.toml differ");
}

// --- What helm makes of it ---

struct Helm(PathBuf);

impl Helm {
    /// The testbed's, which is built where it is not there yet: without it nothing here would be shown.
    fn find() -> Helm {
        static FOUND: OnceLock<PathBuf> = OnceLock::new();
        let find = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(stepgate_testbed::helm()).unwrap_or_else(|error| panic!("{error:#}"))
        };
        Helm(FOUND.get_or_init(find).clone())
    }

    fn run(&self, args: &[&str]) -> Output {
        let home = std::env::temp_dir().join("stepgate-chart-test");
        Command::new(&self.0)
            .args(args)
            .current_dir(chart())
            .env("HELM_CACHE_HOME", &home)
            .env("HELM_CONFIG_HOME", &home)
            .env("HELM_DATA_HOME", &home)
            .output()
            .unwrap()
    }

    fn try_template(&self, set: &[&str]) -> Result<Vec<Value>, String> {
        let mut args = vec!["template", "stepgate", ".", "--namespace", "stepgate-system"];
        for value in set {
            // JSON, because `--set` splits at commas.
            args.extend(["--set-json", value]);
        }
        let output = self.run(&args);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let rendered = String::from_utf8(output.stdout).unwrap();
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&rendered).unwrap_or_else(|error| panic!("{error}\n{rendered}"));
        Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
    }

    fn template(&self, set: &[&str]) -> Vec<Value> {
        self.try_template(set).unwrap_or_else(|error| panic!("helm template with {set:?}: {error}"))
    }
}

/// Every value away from its default.
const EVERYTHING: &[&str] = &[
    r#"clusterName="prod-eu""#,
    "replicaCount=2",
    r#"image={"repository":"registry.example/stepgate","digest":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","pullPolicy":"Always"}"#,
    r#"imagePullSecrets=[{"name":"pull"}]"#,
    r#"operator={"resyncPeriod":"1h30m","propagationWait":"500ms","logLevel":"info,stepgate=debug"}"#,
    r#"extraArgs=["--extra=1"]"#,
    r#"extraEnv=[{"name":"AWS_REGION","value":"eu-central-1"}]"#,
    r#"extraVolumes=[{"name":"ca","configMap":{"name":"ca"}}]"#,
    r#"extraVolumeMounts=[{"name":"ca","mountPath":"/ca"}]"#,
    r#"crds={"keep":false}"#,
    r#"serviceAccount={"annotations":{"eks.amazonaws.com/role-arn":"arn:aws:iam::111122223333:role/eks-stepgate"}}"#,
    r#"commonLabels={"team":"platform"}"#,
    r#"podAnnotations={"a":"b"}"#,
    r#"podLabels={"c":"d"}"#,
    r#"priorityClassName="system-cluster-critical""#,
    r#"nodeSelector={"kubernetes.io/arch":"arm64"}"#,
    r#"tolerations=[{"operator":"Exists"}]"#,
    r#"affinity={"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"x","operator":"Exists"}]}]}}}"#,
    r#"topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule"},{"maxSkew":1,"topologyKey":"host","whenUnsatisfiable":"ScheduleAnyway","labelSelector":{"matchLabels":{"c":"d"}}}]"#,
    r#"podDisruptionBudget={"enabled":true,"maxUnavailable":"50%"}"#,
    r#"metrics={"service":{"port":9090,"annotations":{"a":"b"}},"serviceMonitor":{"enabled":true,"labels":{"release":"prometheus"}}}"#,
    r#"networkPolicy={"enabled":true,"metricsFrom":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}],"extraEgress":[{"to":[{"ipBlock":{"cidr":"10.0.0.1/32"}}]}]}"#,
];

fn one<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found: Vec<&Value> = documents.iter().filter(|d| d["kind"] == kind && d["metadata"]["name"] == name).collect();
    assert_eq!(found.len(), 1, "{kind} {name} is rendered {} times", found.len());
    found[0]
}

/// Reads the document as its type, and fails on every field that the type does not know.
fn typed<T: DeserializeOwned + Serialize>(document: &Value) -> T {
    fn lost(path: &str, given: &Value, kept: &Value) {
        match (given, kept) {
            (Value::Object(given), Value::Object(kept)) => {
                for (key, value) in given {
                    let kept = kept.get(key).unwrap_or_else(|| panic!("{path}.{key} is no field of its type"));
                    lost(&format!("{path}.{key}"), value, kept);
                }
            }
            (Value::Array(given), Value::Array(kept)) => {
                given.iter().zip(kept).for_each(|(given, kept)| lost(path, given, kept))
            }
            _ => {}
        }
    }
    let name = format!("{} {}", document["kind"], document["metadata"]["name"]);
    let object: T = serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    lost(&name, document, &serde_json::to_value(&object).unwrap());
    object
}

#[test]
fn what_it_renders_is_well_formed() {
    let helm = Helm::find();
    let lint = helm.run(&["lint", ".", "--strict"]);
    assert!(
        lint.status.success(),
        "{}{}",
        String::from_utf8_lossy(&lint.stdout),
        String::from_utf8_lossy(&lint.stderr)
    );
    for set in [&[][..], EVERYTHING] {
        let documents = helm.template(set);
        let mut seen = BTreeSet::new();
        for document in &documents {
            let kind = document["kind"].as_str().unwrap();
            match kind {
                "CustomResourceDefinition" | "ServiceMonitor" => {}
                "ClusterRole" => drop(typed::<ClusterRole>(document)),
                "ClusterRoleBinding" => drop(typed::<ClusterRoleBinding>(document)),
                "Deployment" => drop(typed::<Deployment>(document)),
                "NetworkPolicy" => drop(typed::<NetworkPolicy>(document)),
                "PodDisruptionBudget" => drop(typed::<PodDisruptionBudget>(document)),
                "Role" => drop(typed::<Role>(document)),
                "RoleBinding" => drop(typed::<RoleBinding>(document)),
                "Service" => drop(typed::<Service>(document)),
                "ServiceAccount" => drop(typed::<ServiceAccount>(document)),
                "ValidatingAdmissionPolicy" => drop(typed::<ValidatingAdmissionPolicy>(document)),
                "ValidatingAdmissionPolicyBinding" => drop(typed::<ValidatingAdmissionPolicyBinding>(document)),
                _ => panic!("the chart renders a {kind}, which this test does not know"),
            }
            let metadata = &document["metadata"];
            let is_cluster_scoped =
                kind.starts_with("Cluster") || kind.starts_with("Validating") || kind.starts_with("Custom");
            let namespace = if is_cluster_scoped { Value::Null } else { json!("stepgate-system") };
            assert_eq!(metadata["namespace"], namespace, "{kind} {}", metadata["name"]);
            assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "stepgate", "{kind} {}", metadata["name"]);
            assert!(
                seen.insert((kind, metadata["name"].as_str().unwrap())),
                "{kind} {} is rendered twice",
                metadata["name"]
            );
        }
        let deployment: Deployment = typed(one(&documents, "Deployment", "stepgate"));
        let spec = deployment.spec;
        let labels = spec.template.metadata.unwrap().labels.unwrap();
        let selectors = documents
            .iter()
            .filter_map(|document| match document["kind"].as_str()? {
                "Deployment" => Some(&document["spec"]["selector"]["matchLabels"]),
                "Service" => Some(&document["spec"]["selector"]),
                "PodDisruptionBudget" => Some(&document["spec"]["selector"]["matchLabels"]),
                "NetworkPolicy" => Some(&document["spec"]["podSelector"]["matchLabels"]),
                _ => None,
            })
            .chain(
                one(&documents, "Deployment", "stepgate")["spec"]["template"]["spec"]["topologySpreadConstraints"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|c| &c["labelSelector"]["matchLabels"]),
            );
        for selector in selectors {
            let selector: BTreeMap<String, String> = serde_json::from_value(selector.clone()).unwrap();
            assert!(
                !selector.is_empty() && selector.iter().all(|(k, v)| labels.get(k) == Some(v)),
                "{selector:?} does not select {labels:?}"
            );
        }
    }
}

#[test]
fn crds_follow_their_values() {
    let helm = Helm::find();
    let crds = |set: &[&str]| -> BTreeMap<String, Value> {
        helm.template(set)
            .into_iter()
            .filter(|document| document["kind"] == "CustomResourceDefinition")
            .map(|document| (document["metadata"]["name"].as_str().unwrap().to_owned(), document))
            .collect()
    };
    let rendered = crds(&[]);
    assert_eq!(rendered.len(), stepgate::api::crds().len());
    for (name, mut crd) in rendered {
        assert_eq!(crd["metadata"]["annotations"], json!({"helm.sh/resource-policy": "keep"}), "{name}");
        crd["metadata"] = json!({"name": name});
        let code: Value = serde_saphyr::from_str(&stepgate(&["crds", &name])).unwrap();
        assert!(crd == code, "{name}: what helm renders is not what `stepgate crds` prints");
    }
    assert!(crds(&[r#"crds={"keep":false}"#]).values().all(|crd| crd["metadata"].get("annotations").is_none()));
    assert!(crds(&[r#"crds={"install":false}"#]).is_empty());
}

/// `group/resource[name,…]: verb,…` for each rule.
fn rules(role: &Value) -> BTreeSet<String> {
    let list = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
    let mut lines = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in list(&rule["apiGroups"]) {
            for resource in list(&rule["resources"]) {
                let names = if rule["resourceNames"].is_null() {
                    String::new()
                } else {
                    format!("[{}]", list(&rule["resourceNames"]).join(","))
                };
                lines.insert(format!("{group}/{resource}{names}: {}", list(&rule["verbs"]).join(",")));
            }
        }
    }
    lines
}

/// Held as a list: whoever widens it says so here.
#[test]
fn the_operator_may_do_just_this() {
    let helm = Helm::find();
    let documents = helm.template(&[]);
    let crds = "[awsaccounts.stepgate.dev,statemachines.stepgate.dev,restapis.stepgate.dev,apiroutes.stepgate.dev,usageplans.stepgate.dev,apidomains.stepgate.dev]";
    assert_eq!(
        rules(one(&documents, "ClusterRole", "stepgate")),
        [
            "/configmaps: create,patch".to_owned(),
            "/configmaps: get,list,watch".to_owned(),
            "/namespaces: get,list,watch".to_owned(),
            "/secrets: get,list,watch,create,patch".to_owned(),
            format!("apiextensions.k8s.io/customresourcedefinitions{crds}: get"),
            "apps/controllerrevisions: get,list,watch,create,delete".to_owned(),
            "events.k8s.io/events: create,patch".to_owned(),
            "stepgate.dev/apidomains/status: patch".to_owned(),
            "stepgate.dev/apidomains: list,watch,patch".to_owned(),
            "stepgate.dev/apiroutes/status: patch".to_owned(),
            "stepgate.dev/apiroutes: list,watch,patch".to_owned(),
            "stepgate.dev/apiroutes: get".to_owned(),
            "stepgate.dev/awsaccounts/status: patch".to_owned(),
            "stepgate.dev/awsaccounts: list,watch,patch".to_owned(),
            "stepgate.dev/restapis/status: patch".to_owned(),
            "stepgate.dev/restapis: list,watch,patch".to_owned(),
            "stepgate.dev/restapis: get".to_owned(),
            "stepgate.dev/usageplans: get".to_owned(),
            "stepgate.dev/statemachines: get".to_owned(),
            "stepgate.dev/apidomains: get".to_owned(),
            "stepgate.dev/statemachines/status: patch".to_owned(),
            "stepgate.dev/statemachines: list,watch,patch".to_owned(),
            "stepgate.dev/usageplans/status: patch".to_owned(),
            "stepgate.dev/usageplans: list,watch,patch".to_owned(),
        ]
        .into()
    );
    assert_eq!(
        rules(one(&documents, "Role", "stepgate")),
        ["coordination.k8s.io/leases: create".to_owned(), "coordination.k8s.io/leases[stepgate]: get,patch".to_owned()]
            .into()
    );
    for kind in ["ClusterRoleBinding", "RoleBinding"] {
        let binding = one(&documents, kind, "stepgate");
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "stepgate", "namespace": "stepgate-system"}]),
            "{kind}"
        );
        assert_eq!(binding["roleRef"]["name"], "stepgate", "{kind}");
    }
    let crds: BTreeSet<String> = stepgate::api::crds().iter().map(ResourceExt::name_any).collect();
    let named: Vec<String> = serde_json::from_value(
        one(&documents, "ClusterRole", "stepgate")["rules"]
            .as_array()
            .unwrap()
            .iter()
            .find(|rule| rule["apiGroups"][0] == "apiextensions.k8s.io")
            .unwrap()["resourceNames"]
            .clone(),
    )
    .unwrap();
    assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), crds);
}

/// What each right is for: a place in the code.
const USES: &[(&str, &[&str], &str, &str)] = &[
    ("/configmaps", &["get"], "src/resolve.rs", "let api: Api<ConfigMap>"),
    ("/configmaps", &["create"], "src/controller/outputs.rs", "api.create(&PostParams::default(), &empty)"),
    ("/configmaps", &["patch"], "src/controller/outputs.rs", "Patch::Apply(&wanted)"),
    ("/configmaps", &["list", "watch"], "src/controller/run.rs", "writers.config_maps, &stores"),
    ("/namespaces", &["get"], "src/runtime/mod.rs", "let namespaces: Api<Namespace>"),
    ("/namespaces", &["list", "watch"], "src/controller/run.rs", "writers.namespaces, &stores"),
    (
        "apiextensions.k8s.io/customresourcedefinitions",
        &["get"],
        "src/controller/steps.rs",
        "Api<CustomResourceDefinition>",
    ),
    ("apps/controllerrevisions", &["get"], "src/records.rs", ".api.get_opt("),
    ("apps/controllerrevisions", &["list", "watch"], "src/controller/run.rs", "writers.revisions, &stores"),
    ("apps/controllerrevisions", &["create"], "src/records.rs", ".api.create("),
    ("apps/controllerrevisions", &["delete"], "src/records.rs", ".api.delete("),
    ("events.k8s.io/events", &["create", "patch"], "src/controller/publish.rs", "recorder.publish("),
    ("stepgate.dev/apidomains", &["get"], "src/controller/api_domain.rs", "life.overtaken("),
    ("stepgate.dev/statemachines", &["get"], "src/controller/state_machine.rs", "life.overtaken("),
    ("stepgate.dev/apidomains", &["list", "watch"], "src/controller/run.rs", "writers.domains, &stores"),
    ("stepgate.dev/apidomains", &["patch"], "src/controller/api_domain.rs", "life.phase("),
    ("stepgate.dev/apidomains/status", &["patch"], "src/controller/api_domain.rs", "life.finish("),
    ("stepgate.dev/apiroutes", &["get"], "src/resolve.rs", "ApiResource::erase::<APIRoute>"),
    ("stepgate.dev/apiroutes", &["list", "watch"], "src/controller/run.rs", "writers.routes, &stores"),
    ("stepgate.dev/apiroutes", &["patch"], "src/controller/api_route.rs", "finalizer::add("),
    ("stepgate.dev/apiroutes/status", &["patch"], "src/controller/api_route.rs", "publish::write("),
    ("stepgate.dev/awsaccounts", &["list", "watch"], "src/controller/run.rs", "writers.accounts, &stores"),
    ("stepgate.dev/awsaccounts", &["patch"], "src/controller/aws_account.rs", "finalizer::add("),
    ("stepgate.dev/awsaccounts/status", &["patch"], "src/controller/aws_account.rs", "publish::write("),
    ("stepgate.dev/restapis", &["get"], "src/controller/creation.rs", ".get_metadata("),
    ("stepgate.dev/usageplans", &["get"], "src/controller/creation.rs", ".get_metadata("),
    ("stepgate.dev/restapis", &["list", "watch"], "src/controller/run.rs", "writers.apis, &stores"),
    ("stepgate.dev/restapis", &["patch"], "src/controller/rest_api.rs", "life.phase("),
    ("stepgate.dev/restapis/status", &["patch"], "src/controller/rest_api.rs", "life.finish("),
    ("stepgate.dev/statemachines", &["list", "watch"], "src/controller/run.rs", "writers.machines, &stores"),
    ("stepgate.dev/statemachines", &["patch"], "src/controller/state_machine.rs", "life.phase("),
    ("stepgate.dev/statemachines/status", &["patch"], "src/controller/state_machine.rs", "life.finish("),
    ("stepgate.dev/usageplans", &["list", "watch"], "src/controller/run.rs", "writers.plans, &stores"),
    ("stepgate.dev/usageplans", &["patch"], "src/controller/usage_plan.rs", "life.phase("),
    ("stepgate.dev/usageplans/status", &["patch"], "src/controller/usage_plan.rs", "life.finish("),
    ("/secrets", &["get"], "src/resolve.rs", "let api: Api<Secret>"),
    ("/secrets", &["list", "watch"], "src/controller/run.rs", "writers.secrets, &stores"),
    ("/secrets", &["create"], "src/controller/generated.rs", "api.create(&PostParams::default(), &empty)"),
    ("/secrets", &["patch"], "src/controller/generated.rs", "Patch::Merge(&wanted)"),
    // kube-lease-manager reads, makes and patches it.
    ("coordination.k8s.io/leases", &["create"], "src/runtime/leader.rs", "LeaseManagerBuilder"),
    ("coordination.k8s.io/leases", &["get", "patch"], "src/runtime/leader.rs", "LeaseManagerBuilder"),
];

/// The list above is the least: each right has a use, and each use is there.
#[test]
fn every_right_is_used() {
    let helm = Helm::find();
    let documents = helm.template(&[]);
    let list = |verbs: &str| verbs.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut given = BTreeSet::new();
    for kind in ["ClusterRole", "Role"] {
        for rule in rules(one(&documents, kind, "stepgate")) {
            let (resource, verbs) = rule.split_once(": ").unwrap();
            let resource = resource.split('[').next().unwrap();
            given.extend(list(verbs).into_iter().map(|verb| format!("{verb} {resource}")));
        }
    }
    let mut used = BTreeSet::new();
    for (resource, verbs, file, call) in USES {
        let source = read(&root().join(file));
        assert!(source.contains(call), "{file} has no `{call}`: is {resource} still needed?");
        used.extend(verbs.iter().map(|verb| format!("{verb} {resource}")));
    }
    assert_eq!(given, used, "what the chart gives, and what is used");
}

#[test]
fn teams_reach_no_account() {
    let helm = Helm::find();
    let documents = helm.template(&[]);
    for role in documents.iter().filter(|document| document["kind"] == "ClusterRole") {
        let labels = &role["metadata"]["labels"];
        let is_for_teams =
            ["view", "edit"].iter().any(|to| labels[format!("rbac.authorization.k8s.io/aggregate-to-{to}")] == "true");
        if is_for_teams {
            assert!(
                !rules(role).iter().any(|rule| rule.contains("awsaccounts") || rule.contains("/status")),
                "{}",
                role["metadata"]["name"]
            );
        }
    }
    let none = helm.template(&[r#"rbac={"aggregate":false}"#]);
    assert_eq!(none.iter().filter(|document| document["kind"] == "ClusterRole").count(), 1);
}

/// The Pod Security Standard `restricted`, and a read-only root.
#[test]
fn the_pod_is_restricted() {
    let helm = Helm::find();
    let documents = helm.template(&[]);
    let pod = &one(&documents, "Deployment", "stepgate")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["serviceAccountName"], "stepgate");
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(container["image"], format!("ghcr.io/stepgate/stepgate:{}", env!("CARGO_PKG_VERSION")));
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "metrics"}));
    }
}

#[test]
fn values_reach_their_place() {
    let helm = Helm::find();
    let documents = helm.template(EVERYTHING);
    let deployment = one(&documents, "Deployment", "stepgate");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(
        container["args"],
        json!([
            "run",
            "--cluster-name=prod-eu",
            "--resync-period=1h30m",
            "--propagation-wait=500ms",
            "--metrics-address=0.0.0.0:8080",
            "--leader-election=true",
            "--lease-namespace=stepgate-system",
            "--extra=1"
        ])
    );
    assert_eq!(
        container["image"],
        "registry.example/stepgate@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    );
    assert_eq!(
        container["env"],
        json!([
            {"name": "RUST_LOG", "value": "info,stepgate=debug"},
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "AWS_REGION", "value": "eu-central-1"},
        ])
    );
    assert_eq!(
        pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["app.kubernetes.io/name"],
        "stepgate"
    );
    assert_eq!(pod["topologySpreadConstraints"][1]["labelSelector"], json!({"matchLabels": {"c": "d"}}));
    assert_eq!(
        one(&documents, "ServiceAccount", "stepgate")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        "arn:aws:iam::111122223333:role/eks-stepgate"
    );
    assert_eq!(one(&documents, "ServiceMonitor", "stepgate")["metadata"]["labels"]["release"], "prometheus");
    assert_eq!(one(&documents, "NetworkPolicy", "stepgate")["spec"]["egress"].as_array().unwrap().len(), 4);
    one(&documents, "PodDisruptionBudget", "stepgate");

    let off = helm.template(&[
        r#"deletionProtection={"enabled":false}"#,
        r#"configMapProtection={"enabled":false}"#,
        r#"secrets={"enabled":false}"#,
        r#"statusProtection={"enabled":false}"#,
        r#"serviceAccount={"create":false,"name":"mine"}"#,
        r#"metrics={"service":{"enabled":false}}"#,
    ]);
    assert!(!off.iter().any(|document| {
        ["ServiceAccount", "Service", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
            .contains(&document["kind"].as_str().unwrap())
    }));
    assert!(rules(one(&off, "ClusterRole", "stepgate")).iter().all(|rule| !rule.starts_with("/secrets")));
    assert_eq!(one(&off, "ClusterRoleBinding", "stepgate")["subjects"][0]["name"], "mine");
}

/// Keys to be merged into Argo CD's own ConfigMap, so without labels and namespace of ours; no part of an install.
#[test]
fn argo_cd_gets_the_scripts_of_every_kind() {
    let helm = Helm::find();
    assert!(helm.template(&[]).iter().all(|document| document["kind"] != "ConfigMap"));
    let documents = helm.template(&[r#"argocd={"enabled":true}"#]);
    let config_map = one(&documents, "ConfigMap", "argocd-cm");
    assert_eq!(config_map["metadata"], json!({"name": "argocd-cm"}));

    let dir = chart().join("files/argocd/stepgate.dev/_");
    let script = |path: &str| read(&dir.join(path));
    let mut actions = names(&dir.join("actions"));
    actions.retain(|name| dir.join("actions").join(name).join("action.lua").exists());
    let mut data = config_map["data"].as_object().unwrap().clone();
    for crd in stepgate::api::crds() {
        let kind = crd.spec.names.kind;
        let mut customization = |of: &str| {
            let key = format!("resource.customizations.{of}.stepgate.dev_{kind}");
            data.remove(&key).unwrap_or_else(|| panic!("there is no {key}"))
        };
        assert_eq!(customization("health"), script("health.lua"), "{kind}");
        let offered: Value = serde_saphyr::from_str(customization("actions").as_str().unwrap()).unwrap();
        assert_eq!(offered["discovery.lua"], script("actions/discovery.lua"), "{kind}");
        let definitions = offered["definitions"].as_array().unwrap();
        let defined = definitions.iter().map(|definition| definition["name"].as_str().unwrap().to_owned());
        assert_eq!(defined.collect::<BTreeSet<_>>(), actions, "{kind}");
        for definition in definitions {
            let name = definition["name"].as_str().unwrap();
            assert_eq!(definition["action.lua"], script(&format!("actions/{name}/action.lua")), "{kind}");
        }
    }
    assert!(data.is_empty(), "of no kind: {:?}", data.keys());
}

#[test]
fn wrong_values_are_refused() {
    let helm = Helm::find();
    for (set, word) in [
        (r#"clustername="x""#, "clustername"),
        (r#"clusterName="""#, "clusterName"),
        (r#"operator={"resyncPeriod":"often"}"#, "resyncPeriod"),
        (r#"image={"digest":"latest"}"#, "digest"),
        (r#"metrics={"service":{"enabled":false},"serviceMonitor":{"enabled":true}}"#, "serviceMonitor"),
    ] {
        let error = helm.try_template(&[set]).expect_err(set);
        assert!(error.contains(word), "{set}: {error}");
    }
}
