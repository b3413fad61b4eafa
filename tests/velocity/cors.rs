//! Origins are echoed only when they are one of ours, by the real engine.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use stepgate::mapping::{Cors, preflight};

use crate::harness::{Call, evaluate, hostile_cases, needs_velocity, velocity};

const ORIGIN: &str = "Access-Control-Allow-Origin";
const ORIGINS: [&str; 3] = ["https://app.example.com", "https://*.shop.example.com", "http://localhost:3000"];

fn cors(origins: &[&str]) -> Cors {
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
    Cors {
        origins: set(origins),
        headers: set(&["Content-Type", "X-A"]),
        exposed_headers: set(&["X-Id"]),
        credentials: true,
        max_age: Some(600),
    }
}

/// The headers that a template sets for a call with this origin; it prints nothing.
fn headers(template: &str, origin: &str, asks_for: &str) -> BTreeMap<String, String> {
    let call = Call::body("{}").header("origin", origin).header("Access-Control-Request-Method", asks_for);
    let answer = evaluate(template, &call).unwrap();
    assert_eq!(answer.output, "");
    answer.headers
}

fn good() -> [&'static str; 5] {
    [
        "https://app.example.com",
        "http://localhost:3000",
        "https://a.shop.example.com",
        "https://a.b.shop.example.com",
        "https://xn--a-1.shop.example.com",
    ]
}

fn bad() -> Vec<String> {
    let close = [
        "null",
        "https://shop.example.com",
        "https://.shop.example.com",
        "https://evilshop.example.com",
        "https://a.shop.example.com.evil.com",
        "https://a.shop.example.com:443",
        "https://a.shop.example.com\n",
        "https://evil.com/https://a.shop.example.com",
        "https://evil.com#.shop.example.com",
        "https://a.shopXexample.com",
        "http://a.shop.example.com",
        "HTTPS://APP.EXAMPLE.COM",
        "https://app.example.com/",
        "https://app.example.com https://evil.com",
        "https://app.example.community",
        "https://*.shop.example.com",
        "*",
    ];
    close.iter().map(|text| (*text).to_owned()).chain(hostile_cases()).collect()
}

#[test]
fn an_answer_names_its_callers_origin_only_if_it_is_one_of_ours() {
    needs_velocity!();
    let template = cors(&ORIGINS).template_of_answers().unwrap();
    for origin in good() {
        assert_eq!(headers(&template, origin, "GET"), BTreeMap::from([(ORIGIN.to_owned(), origin.to_owned())]));
    }
    for origin in bad() {
        assert_eq!(headers(&template, &origin, "GET"), BTreeMap::new(), "{origin:?}");
    }
    let nobody = evaluate(&template, &Call::body("{}")).unwrap();
    assert_eq!((nobody.output.as_str(), nobody.headers), ("", BTreeMap::new()));
}

#[test]
fn what_follows_the_template_of_answers_is_as_it_was() {
    needs_velocity!();
    let template = cors(&ORIGINS).template_of_answers().unwrap();
    for rest in ["{\"a\": 1}", "$input.body", "#set($x = 1)\n{$x}", "(text)", "[1]", ".x", "\n{}"] {
        let call = Call::body("{\"b\": 2}").header("Origin", "https://app.example.com");
        let answer = evaluate(&format!("{template}{rest}"), &call).unwrap();
        // `#end` takes a line break after it along, which means nothing before JSON.
        assert_eq!(answer.output, evaluate(rest, &call).unwrap().output.trim_start(), "{rest}");
        assert_eq!(answer.headers[ORIGIN], "https://app.example.com");
    }
}

#[test]
fn one_preflight_chooses_by_the_method_that_is_asked_for() {
    needs_velocity!();
    let (named, everyone) = (cors(&ORIGINS), Cors { credentials: false, max_age: None, ..cors(&["*"]) });
    let one = cors(&["https://only.example"]);
    let made = preflight([("GET", Some(&everyone)), ("POST", Some(&named)), ("DELETE", None), ("ANY", Some(&one))]);
    let template = made.unwrap().template.unwrap();
    let text = |headers: &BTreeMap<String, String>, name: &str| headers.get(name).cloned().unwrap_or_default();

    let public = headers(&template, "https://evil.com", "GET");
    assert_eq!(text(&public, ORIGIN), "*");
    assert_eq!(text(&public, "Access-Control-Allow-Methods"), "GET,OPTIONS");
    assert_eq!(text(&public, "Access-Control-Allow-Credentials"), "");

    let post = headers(&template, "https://a.shop.example.com", "POST");
    assert_eq!(text(&post, ORIGIN), "https://a.shop.example.com");
    assert_eq!(text(&post, "Access-Control-Allow-Credentials"), "true");
    assert_eq!(text(&post, "Access-Control-Allow-Headers"), "Content-Type,X-A");
    assert_eq!(text(&post, "Access-Control-Max-Age"), "600");
    for origin in bad() {
        assert_eq!(headers(&template, &origin, "POST"), BTreeMap::new(), "{origin:?}");
    }

    // No rules of its own: closed, whatever its neighbours' are.
    assert_eq!(headers(&template, "https://app.example.com", "DELETE"), BTreeMap::new());
    // The others are ANY's.
    assert_eq!(text(&headers(&template, "https://only.example", "PUT"), ORIGIN), "https://only.example");
    assert_eq!(headers(&template, "https://app.example.com", "PUT"), BTreeMap::new());
    for asked in hostile_cases() {
        let set = headers(&template, "https://app.example.com", &asked);
        assert_eq!(set, BTreeMap::new(), "{asked:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_other_origin_is_ever_echoed(text in "(https?://)?[a-z.*-]{0,12}(shop\\.example\\.com|app\\.example\\.com|.{0,8})[:./0-9a-z]{0,6}") {
        if velocity().is_some() {
            let template = cors(&ORIGINS).template_of_answers().unwrap();
            let set = headers(&template, &text, "GET");
            let sub = text.strip_prefix("https://").and_then(|host| host.strip_suffix(".shop.example.com"));
            let label = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            let ours = ORIGINS.contains(&text.as_str()) && !text.contains('*') || sub.is_some_and(|sub| sub.split('.').all(label));
            prop_assert_eq!(set.get(ORIGIN), ours.then_some(&text));
        }
    }
}
