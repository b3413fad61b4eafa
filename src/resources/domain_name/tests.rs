use super::*;
use crate::identity::{Cluster, Key, RELEASED_FROM};

fn settings() -> Settings {
    Settings {
        endpoint: "REGIONAL".into(),
        certificate_arn: "arn:aws:acm:eu-central-1:111122223333:certificate/a".into(),
        security_policy: "TLS_1_2".into(),
        endpoint_access_mode: None,
        mutual_tls: None,
        ownership_verification_certificate_arn: None,
        ip_address_type: "ipv4".into(),
        policy: None,
    }
}

fn desired(settings: Settings) -> Desired {
    let cluster = Cluster { name: "c".into(), uid: "u".into() };
    let owner = Owner::new(cluster, "APIDomain", Key::new("demo", "api"));
    let tags = Tags::from([("team".into(), "a".into())]);
    Desired { name: "api.example.com".into(), settings, tags, owner }
}

fn as_desired(desired: &Desired) -> Observed {
    Observed {
        id: None,
        arn: None,
        settings: desired.settings.clone(),
        tags: desired.all_tags(),
        target: None,
        zone: None,
        status: "AVAILABLE".into(),
        status_message: None,
    }
}

fn texts(steps: &[Step]) -> Vec<String> {
    let text = |patch: &Patch| format!("{:?} {} {}", patch.op, patch.path, patch.value.clone().unwrap_or_default());
    let of = |step: &Step| match step {
        Step::Update { patches, .. } => patches.iter().map(text).collect(),
        other => vec![other.to_string()],
    };
    steps.iter().flat_map(of).collect()
}

fn full() -> Settings {
    Settings {
        certificate_arn: "arn:aws:acm:eu-central-1:111122223333:certificate/b".into(),
        security_policy: "SecurityPolicy_TLS13_1_3_2025_09".into(),
        endpoint_access_mode: Some("STRICT".into()),
        mutual_tls: Some(MutualTls { truststore_uri: "s3://b/k".into(), truststore_version: Some("1".into()) }),
        ownership_verification_certificate_arn: Some("arn:aws:acm:eu-central-1:111122223333:certificate/v".into()),
        ip_address_type: "dualstack".into(),
        ..settings()
    }
}

#[test]
fn each_setting_is_patched_on_its_own() {
    let wanted = desired(full());
    assert_eq!(diff(&wanted, Some(&as_desired(&wanted))), Ok(vec![]));
    let plain = Observed { settings: settings(), ..as_desired(&wanted) };
    assert_eq!(
        texts(&diff(&wanted, Some(&plain)).unwrap()),
        [
            "Replace /regionalCertificateArn arn:aws:acm:eu-central-1:111122223333:certificate/b",
            "Replace /securityPolicy SecurityPolicy_TLS13_1_3_2025_09",
            "Replace /endpointAccessMode STRICT",
            "Replace /mutualTlsAuthentication/truststoreUri s3://b/k",
            "Replace /mutualTlsAuthentication/truststoreVersion 1",
            "Replace /ownershipVerificationCertificateArn arn:aws:acm:eu-central-1:111122223333:certificate/v",
            "Replace /endpointConfiguration/ipAddressType dualstack",
        ]
    );
}

#[test]
fn without_their_fields_they_go_back_to_aws_s_defaults() {
    let wanted = desired(settings());
    let found = Observed { settings: full(), ..as_desired(&wanted) };
    assert_eq!(
        texts(&diff(&wanted, Some(&found)).unwrap()),
        [
            "Replace /regionalCertificateArn arn:aws:acm:eu-central-1:111122223333:certificate/a",
            "Replace /securityPolicy TLS_1_2",
            "Replace /mutualTlsAuthentication/truststoreUri ",
            "Remove /ownershipVerificationCertificateArn ",
            "Replace /endpointConfiguration/ipAddressType ipv4",
        ]
    );
}

#[test]
fn edge_and_private_have_their_certificate_elsewhere_and_no_type_is_changed() {
    let edge = |arn: &str| Settings { endpoint: "EDGE".into(), certificate_arn: arn.into(), ..settings() };
    let wanted = desired(edge("b"));
    let found = Observed { settings: edge("a"), ..as_desired(&wanted) };
    assert_eq!(texts(&diff(&wanted, Some(&found)).unwrap()), ["Replace /certificateArn b"]);
    let regional = as_desired(&desired(settings()));
    assert_eq!(
        diff(&wanted, Some(&regional)).unwrap_err().message,
        "spec.endpointType: domain name api.example.com is REGIONAL in AWS; its endpoint type is not changed, because its DNS target would change at once: delete it, or ask for REGIONAL"
    );
}

#[test]
fn tags_are_kept_and_another_s_domain_is_left_alone() {
    let wanted = desired(settings());
    let create = diff(&wanted, None).unwrap();
    assert!(matches!(&create[..], [Step::Create { tags, .. }] if *tags == wanted.all_tags()), "{create:?}");
    let mut drifted = as_desired(&wanted);
    drifted.tags.insert("team".into(), "b".into());
    drifted.tags.insert("aws:x".into(), "y".into());
    drifted.tags.insert("more".into(), "z".into());
    let tag = Step::Tag {
        name: "api.example.com".into(),
        set: Tags::from([("team".into(), "a".into())]),
        remove: vec!["more".into()],
    };
    assert_eq!(diff(&wanted, Some(&drifted)), Ok(vec![tag]));
    let foreign = Observed { tags: Tags::new(), ..as_desired(&wanted) };
    assert_eq!(
        diff(&wanted, Some(&foreign)).unwrap_err().message,
        "domain name `api.example.com` exists in AWS and is not ours: it has no owner tag of stepgate. stepgate leaves it alone; delete or rename it, or give this object another name"
    );
    assert_eq!(removal("api.example.com", &wanted.owner, Some(&foreign)), None);
    assert_eq!(release("api.example.com", &wanted.owner, Some(&foreign)), None);
    let mut tags = wanted.owner.released_tag();
    tags.extend(wanted.tags.clone());
    let released = Observed { tags, ..as_desired(&wanted) };
    let claim = Claim { tags: wanted.owner.tags(), remove: vec![RELEASED_FROM.into()] };
    assert_eq!(diff(&wanted, Some(&released)), Ok(vec![Step::Claim { name: "api.example.com".into(), claim }]));
    assert_eq!(release("api.example.com", &wanted.owner, Some(&released)), None, "it is let go already");
}
