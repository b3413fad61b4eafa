//! etcd, kube-apiserver and kube-controller-manager: their flags, their files, and when they are ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::assets::Assets;
use crate::curl::Request;
use crate::ports::Ports;
use crate::processes::{Processes, Program};

pub(crate) const ETCD: &str = "etcd";
pub(crate) const API_SERVER: &str = "kube-apiserver";
pub(crate) const CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// Where the parts of one control plane are; the admin has a token of the group `system:masters`.
pub(crate) struct ControlPlane {
    etcd: Program,
    api_server: Program,
    controller_manager: Program,
    etcd_url: String,
    api_url: String,
    certificate: PathBuf,
    token: String,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    /// Writes keys, tokens and kubeconfig; starts nothing.
    pub(crate) fn new(assets: &Assets, ports: &Ports, dir: &Path) -> Result<Self> {
        let file = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc", "10.0.0.1"];
        let server = rcgen::generate_simple_self_signed(names.map(String::from)).context("can't make a certificate")?;
        let account_key = rcgen::KeyPair::generate().context("can't make a key")?;
        let token = random();
        let (etcd_port, peer_port, api_port) = (ports.take()?, ports.take()?, ports.take()?);
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let api_url = format!("https://127.0.0.1:{api_port}");
        fs::write(file("server.crt"), server.cert.pem())?;
        fs::write(file("server.key"), server.signing_key.serialize_pem())?;
        fs::write(file("accounts.key"), account_key.serialize_pem())?;
        fs::write(file("accounts.pub"), account_key.public_key_pem())?;
        fs::write(file("tokens.csv"), format!("{token},admin,admin,system:masters\n"))?;
        fs::write(file("kubeconfig"), kubeconfig(&api_url, &file("server.crt"), &token))?;

        let program = |name: &str, path: &Path, args: Vec<String>| Program {
            name: name.to_owned(),
            path: path.to_owned(),
            args,
            ..Program::default()
        };
        let etcd = program(
            ETCD,
            &assets.etcd,
            vec![
                format!("--data-dir={}", file("etcd")),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster=default={peer_url}"),
                "--unsafe-no-fsync".into(),
                "--log-level=warn".into(),
            ],
        );
        let api_server = program(
            API_SERVER,
            &assets.kube_apiserver,
            vec![
                format!("--etcd-servers={etcd_url}"),
                format!("--secure-port={api_port}"),
                "--bind-address=127.0.0.1".into(),
                "--advertise-address=127.0.0.1".into(),
                "--endpoint-reconciler-type=none".into(),
                "--service-cluster-ip-range=10.0.0.0/24".into(),
                "--authorization-mode=RBAC".into(),
                format!("--token-auth-file={}", file("tokens.csv")),
                format!("--tls-cert-file={}", file("server.crt")),
                format!("--tls-private-key-file={}", file("server.key")),
                "--service-account-issuer=https://localhost".into(),
                format!("--service-account-key-file={}", file("accounts.pub")),
                format!("--service-account-signing-key-file={}", file("accounts.key")),
                "--disable-admission-plugins=ServiceAccount".into(),
            ],
        );
        let controllers = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
                           serviceaccount-token-controller,clusterrole-aggregation-controller";
        let controller_manager = program(
            CONTROLLER_MANAGER,
            &assets.kube_controller_manager,
            vec![
                format!("--kubeconfig={}", file("kubeconfig")),
                format!("--controllers={controllers}"),
                format!("--service-account-private-key-file={}", file("accounts.key")),
                format!("--root-ca-file={}", file("server.crt")),
                "--use-service-account-credentials".into(),
                "--leader-elect=false".into(),
                "--secure-port=0".into(),
            ],
        );
        Ok(ControlPlane {
            etcd,
            api_server,
            controller_manager,
            etcd_url,
            api_url,
            certificate: dir.join("server.crt"),
            token,
            kubeconfig: dir.join("kubeconfig"),
        })
    }

    /// Starts all three; returns when the API server and the namespace controller do their work.
    pub(crate) async fn start(&self, processes: &Processes) -> Result<()> {
        processes.start(&self.etcd)?;
        let health = format!("{}/health", self.etcd_url);
        processes.wait_ready(ETCD, Duration::from_secs(60), async || answers(&Request::get(&health)).await).await?;
        self.start_api_server(processes).await?;
        processes.start(&self.controller_manager)?;
        let account = format!("{}/api/v1/namespaces/default/serviceaccounts/default", self.api_url);
        let account = self.authorized(account);
        processes.wait_ready(CONTROLLER_MANAGER, Duration::from_secs(60), async || answers(&account).await).await
    }

    /// Starts the API server on its own port; returns when it is ready.
    pub(crate) async fn start_api_server(&self, processes: &Processes) -> Result<()> {
        processes.start(&self.api_server)?;
        let ready = self.authorized(format!("{}/readyz", self.api_url));
        processes.wait_ready(API_SERVER, Duration::from_secs(120), async || answers(&ready).await).await
    }

    pub(crate) fn api_url(&self) -> &str {
        &self.api_url
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The text of a kubeconfig with another token.
    pub(crate) fn kubeconfig_for(&self, token: &str) -> String {
        kubeconfig(&self.api_url, &self.certificate.to_string_lossy(), token)
    }

    fn authorized(&self, url: String) -> Request {
        Request {
            headers: vec![("Authorization".into(), format!("Bearer {}", self.token))],
            cacert: Some(self.certificate.to_string_lossy().into_owned()),
            ..Request::get(url)
        }
    }
}

/// Whether it is answered with 200.
pub(crate) async fn answers(request: &Request) -> bool {
    request.send().await.is_ok_and(|response| response.status == 200)
}

/// 128 bits that nobody guesses, from the seeds of the standard library's hash maps.
pub(crate) fn random() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    (0..2).map(|_| format!("{:016x}", RandomState::new().build_hasher().finish())).collect()
}

fn kubeconfig(server: &str, certificate: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: testbed\n\
         clusters:\n- name: testbed\n  cluster: {{server: \"{server}\", certificate-authority: \"{certificate}\"}}\n\
         users:\n- name: testbed\n  user: {{token: \"{token}\"}}\n\
         contexts:\n- name: testbed\n  context: {{cluster: testbed, user: testbed}}\n"
    )
}
