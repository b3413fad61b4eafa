//! Which web pages' scripts may call.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Cross-origin resource sharing: which web pages' scripts may call, and what they may send and read. Other clients are
/// not concerned: this is the browsers' rule, and no authorization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.origins.size() == 1 || !self.origins.exists(x, x == '*')").message("`*` is every origin: it stands alone in `origins`"),
    validation = Rule::new("!has(self.credentials) || !self.credentials || !self.origins.exists(x, x == '*')").message("with `credentials` browsers take no `*`: name the origins"),
    validation = Rule::new("!has(self.credentials) || !self.credentials || ((!has(self.headers) || !self.headers.exists(x, x == '*')) && (!has(self.exposedHeaders) || !self.exposedHeaders.exists(x, x == '*')))").message("with `credentials` browsers take `*` for a header's name: name the headers")
)]
pub struct Cors {
    /// The pages' origins: `https://app.example.com`, `https://*.example.com` (every subdomain at any depth, not example.com
    /// itself), `http://localhost:3000`; or `*` alone.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^([*]|[a-z][a-z0-9+.-]*://([*][.][a-z0-9-]+([.][a-z0-9-]+)+|[a-z0-9-]+([.][a-z0-9-]+)*)(:[0-9]{1,5})?)$"))"##).message("write an origin as browsers do, such as https://app.example.com or https://*.example.com: scheme, host in lower case and perhaps a port, without `/` at its end"))]
    pub origins: Vec<String>,
    /// Headers that a page may send; absent: Authorization, Content-Type, X-Amz-Date, X-Amz-Security-Token and X-Api-Key. `*`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^([*]|[A-Za-z0-9-]+)$"))"##).message("write names of headers: letters, digits and `-`; or `*`"))]
    pub headers: Option<Vec<String>>,
    /// Headers of answers that a page may read besides those that browsers always show. `*`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^([*]|[A-Za-z0-9-]+)$"))"##).message("write names of headers: letters, digits and `-`; or `*`"))]
    pub exposed_headers: Option<Vec<String>>,
    /// Whether a page may send cookies and read the answer. Never with `*`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// How long a browser may remember the preflight's answer, 0–86,400 s; absent: the browser's own 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub max_age_seconds: Option<i32>,
}
