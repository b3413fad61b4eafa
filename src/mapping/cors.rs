//! Cross-origin resource sharing: the headers of preflights, answers and errors.
//!
//! One origin, or `*`, is a fixed header. Of several, the caller's own is echoed, and only when it is one of them: by the
//! response template's `$context.responseOverride.header.…`, as a fixed header can't be chosen.

use std::collections::{BTreeMap, BTreeSet};

use super::escape::{self, Vtl, join};
use super::source::set_value_from_header;

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const ALLOW_METHODS: &str = "Access-Control-Allow-Methods";
const ALLOW_HEADERS: &str = "Access-Control-Allow-Headers";
const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";
const MAX_AGE: &str = "Access-Control-Max-Age";

/// What ANY stands for.
const EVERY_METHOD: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];

/// Which pages may call, and what they may send and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Origins, some with a wildcard for subdomains; or `*` alone.
    pub origins: BTreeSet<String>,
    /// Headers that may be sent.
    pub headers: BTreeSet<String>,
    /// Headers of answers that may be read.
    pub exposed_headers: BTreeSet<String>,
    /// Whether cookies may be sent.
    pub credentials: bool,
    /// In seconds.
    pub max_age: Option<i32>,
}

/// Headers by name; values are plain text.
pub type Headers = BTreeMap<&'static str, String>;

/// What a preflight answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// Fixed headers.
    pub headers: Headers,
    /// The response template, where something is to be chosen; it prints nothing.
    pub template: Option<String>,
    /// The headers that the template may set.
    pub chosen: BTreeSet<&'static str>,
}

impl Cors {
    /// The origin of every answer; `None` where it depends on who asks.
    fn fixed_origin(&self) -> Option<&str> {
        let mut origins = self.origins.iter();
        match (origins.next(), origins.next()) {
            (Some(one), None) if one == "*" || !one.contains('*') => Some(one),
            _ => None,
        }
    }

    /// The fixed headers of an answer.
    pub fn headers_of_answers(&self) -> Headers {
        let mut headers = self.headers_of_any();
        match self.fixed_origin() {
            Some(origin) => headers.insert(ALLOW_ORIGIN, origin.to_owned()),
            // What is cached for one origin is not for another.
            None => headers.insert("Vary", "Origin".to_owned()),
        };
        headers
    }

    /// What a response template begins with, so that the answer names the caller's origin if it is one of ours; nothing
    /// where a fixed header says it. It prints nothing.
    pub fn template_of_answers(&self) -> Option<String> {
        let echo = || join([set_origin(), self.when_origin(override_header(ALLOW_ORIGIN, "$origin".into()))]);
        self.fixed_origin().is_none().then(|| echo().into_template())
    }

    /// Whether a page of this origin may call.
    pub fn admits(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| match known.split_once('*') {
            None => known == origin,
            Some(("", "")) => true,
            Some((before, after)) => {
                let subdomains = origin.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                subdomains.is_some_and(|all| all.split('.').all(is_label))
            }
        })
    }

    /// The headers of errors that API Gateway answers itself. They are fixed or echo any origin: there is no template that
    /// could compare. So several origins are `*` where no credentials are at stake, and else the first one without a
    /// wildcard; where there is none, there are no headers, and pages of no origin can read these errors.
    pub fn headers_of_errors(&self) -> Headers {
        let first = || self.origins.iter().map(String::as_str).find(|origin| !origin.contains('*'));
        let origin = match self.fixed_origin() {
            Some(origin) => Some(origin),
            None if self.credentials => first(),
            None => Some("*"),
        };
        let Some(origin) = origin else { return Headers::new() };
        let mut headers = self.headers_of_any();
        headers.insert(ALLOW_ORIGIN, origin.to_owned());
        headers
    }

    fn headers_of_any(&self) -> Headers {
        let mut headers = Headers::new();
        if self.credentials {
            headers.insert(ALLOW_CREDENTIALS, "true".to_owned());
        }
        if !self.exposed_headers.is_empty() {
            headers.insert(EXPOSE_HEADERS, list(&self.exposed_headers));
        }
        headers
    }

    fn headers_of_preflight(&self, methods: &BTreeSet<&str>) -> Headers {
        let mut allowed: BTreeSet<&str> = methods.clone();
        if allowed.remove("ANY") {
            allowed.extend(EVERY_METHOD);
        }
        allowed.insert("OPTIONS");
        let mut headers = Headers::from([
            (ALLOW_METHODS, allowed.into_iter().collect::<Vec<_>>().join(",")),
            (ALLOW_HEADERS, list(&self.headers)),
        ]);
        if self.credentials {
            headers.insert(ALLOW_CREDENTIALS, "true".to_owned());
        }
        if let Some(seconds) = self.max_age {
            headers.insert(MAX_AGE, seconds.to_string());
        }
        headers
    }

    /// `then`, where `$origin` is one of the origins.
    fn when_origin(&self, then: Vtl) -> Vtl {
        let conditions = self.origins.iter().map(|origin| match origin.contains('*') {
            true => join(["$origin.matches(".into(), escape::origin_pattern(origin), ")".into()]),
            false => join(["$origin == ".into(), escape::name(origin)]),
        });
        join(["#if(".into(), any_of(conditions), ")".into(), then, "#end".into()])
    }
}

/// As the pattern that templates match origins with.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The preflight of a path: its methods, each with its own rules, or without any.
///
/// Where all have the same, it is one answer; else the method that the browser asks for chooses, so that no method is
/// opened by its neighbour's rules. `None` where no method has any.
pub fn preflight<'a>(methods: impl IntoIterator<Item = (&'a str, Option<&'a Cors>)>) -> Option<Preflight> {
    let methods: Vec<(&str, Option<&Cors>)> = methods.into_iter().collect();
    let mut groups: Vec<(&Cors, BTreeSet<&str>)> = Vec::new();
    for (method, cors) in &methods {
        let Some(cors) = cors else { continue };
        match groups.iter_mut().find(|(of_group, _)| of_group == cors) {
            Some((_, of_group)) => drop(of_group.insert(method)),
            None => groups.push((cors, BTreeSet::from([*method]))),
        }
    }
    let whole = methods.iter().all(|(_, cors)| cors.is_some());
    match groups.as_slice() {
        [] => None,
        [(cors, of_group)] if whole => {
            let mut headers = cors.headers_of_preflight(of_group);
            match cors.fixed_origin() {
                Some(origin) => headers.insert(ALLOW_ORIGIN, origin.to_owned()),
                None => headers.insert("Vary", "Origin".to_owned()),
            };
            let template = cors.template_of_answers();
            let chosen = template.iter().map(|_| ALLOW_ORIGIN).collect();
            Some(Preflight { headers, template, chosen })
        }
        groups => {
            let others: Vec<&str> =
                methods.iter().map(|(method, _)| *method).filter(|method| *method != "ANY").collect();
            let branches = groups.iter().enumerate().map(|(index, (cors, of_group))| {
                join([
                    if index == 0 { "#if(" } else { "#elseif(" }.into(),
                    any_of(of_group.iter().map(|method| asks_for(method, &others))),
                    ")".into(),
                    of_group_when_asked(cors, of_group),
                ])
            });
            let template = join([
                set_value_from_header("Access-Control-Request-Method"),
                "#set($asked = $value)".into(),
                set_origin(),
                branches.collect(),
                "#end".into(),
            ]);
            let vary = "Origin, Access-Control-Request-Method".to_owned();
            Some(Preflight {
                headers: Headers::from([("Vary", vary)]),
                template: Some(template.into_template()),
                chosen: [ALLOW_ORIGIN, ALLOW_METHODS, ALLOW_HEADERS, ALLOW_CREDENTIALS, MAX_AGE].into(),
            })
        }
    }
}

fn of_group_when_asked(cors: &Cors, methods: &BTreeSet<&str>) -> Vtl {
    let fixed = cors.headers_of_preflight(methods);
    let fixed = fixed.iter().map(|(name, value)| override_header(name, escape::name(value)));
    let origin = match cors.fixed_origin() {
        Some("*") => escape::name("*"),
        _ => "$origin".into(),
    };
    let all: Vtl = [override_header(ALLOW_ORIGIN, origin)].into_iter().chain(fixed).collect();
    match cors.fixed_origin() {
        Some("*") => all,
        _ => cors.when_origin(all),
    }
}

/// Whether the browser asks for this method; for ANY: for none of the path's others.
fn asks_for(method: &str, others: &[&str]) -> Vtl {
    match (method, others) {
        ("ANY", []) => "true".into(),
        ("ANY", others) => {
            let not = others.iter().enumerate().map(|(index, other)| {
                join([if index == 0 { "" } else { " && " }.into(), "$asked != ".into(), escape::name(other)])
            });
            join(["(".into(), not.collect(), ")".into()])
        }
        (method, _) => join(["$asked == ".into(), escape::name(method)]),
    }
}

fn any_of(conditions: impl Iterator<Item = Vtl>) -> Vtl {
    conditions.enumerate().map(|(index, one)| join([if index == 0 { "" } else { " || " }.into(), one])).collect()
}

fn set_origin() -> Vtl {
    join([set_value_from_header("Origin"), "#set($origin = $value)".into()])
}

fn override_header(name: &'static str, value: Vtl) -> Vtl {
    join(["#set($context.responseOverride.header.".into(), name.into(), " = ".into(), value, ")".into()])
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().cloned().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        Cors {
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            headers: BTreeSet::from(["Content-Type".to_owned()]),
            exposed_headers: BTreeSet::new(),
            credentials,
            max_age: None,
        }
    }

    #[test]
    fn errors_never_name_an_origin_that_was_not_asked_for() {
        let origin =
            |origins: &[&str], credentials| cors(origins, credentials).headers_of_errors().remove(ALLOW_ORIGIN);
        assert_eq!(origin(&["*"], false).as_deref(), Some("*"));
        assert_eq!(origin(&["https://a.example"], true).as_deref(), Some("https://a.example"));
        assert_eq!(origin(&["https://a.example", "https://b.example"], false).as_deref(), Some("*"));
        assert_eq!(origin(&["https://*.example.com", "https://b.example"], true).as_deref(), Some("https://b.example"));
        assert_eq!(cors(&["https://*.example.com"], true).headers_of_errors(), Headers::new());
    }

    #[test]
    fn one_origin_needs_no_template() {
        let one = cors(&["https://a.example"], false);
        let made = preflight([("GET", Some(&one)), ("POST", Some(&one))]).unwrap();
        assert_eq!(made.template, None);
        assert_eq!(made.headers[ALLOW_METHODS], "GET,OPTIONS,POST");
        assert_eq!(made.headers[ALLOW_ORIGIN], "https://a.example");
        assert_eq!(preflight([("GET", None)]), None);
        let any = preflight([("ANY", Some(&one))]).unwrap();
        assert_eq!(any.headers[ALLOW_METHODS], "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT");
    }
}
