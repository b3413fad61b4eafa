//! Domain name access associations: each lets a VPC endpoint call a private custom domain name.
//!
//! | property | create | update | read-back (GetDomainNameAccessAssociations) |
//! |---|---|---|---|
//! | VPC endpoint | CreateDomainNameAccessAssociation `accessAssociationSource` | never: another association | `accessAssociationSource` |
//! | owner tags | `tags` | TagResource, where they are a lost cluster's | `tags` |
//!
//! AWS knows one for a domain name and an endpoint. Others may make some of their own, because a domain name can be shared: what does not
//! carry the owner's tags is left alone, and does for an endpoint that is asked for.

pub mod remote;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::identity::{Owner, Ownership, Tags};

/// An association as AWS has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its ARN.
    pub arn: String,
    /// Its tags.
    pub tags: Tags,
}

/// The associations of a domain name by VPC endpoint.
pub type Associations = BTreeMap<String, Observed>;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create {
        domain: String,
        endpoint: String,
        tags: Tags,
    },
    /// It was a lost cluster's.
    TakeOver {
        domain: String,
        endpoint: String,
        arn: String,
        tags: Tags,
    },
    Delete {
        domain: String,
        endpoint: String,
        arn: String,
    },
}

impl Step {
    /// The domain name.
    pub fn domain(&self) -> &str {
        match self {
            Self::Create { domain, .. } | Self::TakeOver { domain, .. } | Self::Delete { domain, .. } => domain,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { domain, endpoint, .. } => write!(f, "let VPC endpoint {endpoint} call {domain}"),
            Self::TakeOver { domain, endpoint, .. } => {
                write!(f, "update the tags of the access association of VPC endpoint {endpoint} with {domain}")
            }
            Self::Delete { domain, endpoint, .. } => write!(f, "no longer let VPC endpoint {endpoint} call {domain}"),
        }
    }
}

/// What makes the observed associations the desired ones.
pub fn diff(owner: &Owner, domain: &str, desired: &BTreeSet<String>, observed: &Associations) -> Vec<Step> {
    let create =
        |endpoint: &String| Step::Create { domain: domain.to_owned(), endpoint: endpoint.clone(), tags: owner.tags() };
    let delete = |(endpoint, found): (&String, &Observed)| Step::Delete {
        domain: domain.to_owned(),
        endpoint: endpoint.clone(),
        arn: found.arn.clone(),
    };
    let missing = desired.iter().filter(|endpoint| !observed.contains_key(*endpoint)).map(create);
    let unwanted = observed.iter().filter(|(endpoint, found)| !desired.contains(*endpoint) && is_ours(owner, found));
    let inherited = observed
        .iter()
        .filter(|(endpoint, found)| desired.contains(*endpoint) && owner.reads(&found.tags) == Ownership::Inherited);
    let take_over = |(endpoint, found): (&String, &Observed)| Step::TakeOver {
        domain: domain.to_owned(),
        endpoint: endpoint.clone(),
        arn: found.arn.clone(),
        tags: owner.tags(),
    };
    missing.chain(inherited.map(take_over)).chain(unwanted.map(delete)).collect()
}

/// The VPC endpoints that others let call the domain name.
pub fn foreign<'a>(owner: &'a Owner, observed: &'a Associations) -> impl Iterator<Item = &'a String> {
    observed.iter().filter(|(_, found)| !is_ours(owner, found)).map(|(endpoint, _)| endpoint)
}

fn is_ours(owner: &Owner, found: &Observed) -> bool {
    matches!(owner.reads(&found.tags), Ownership::Ours | Ownership::Inherited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Cluster, Key};

    #[test]
    fn what_a_lost_cluster_made_is_taken_over() {
        let of = |uid: &str| {
            let cluster = Cluster { name: "c".into(), uid: uid.into() };
            Owner::new(cluster, "APIDomain", Key::new("demo", "site"))
        };
        let owner = Owner { takes_over: vec!["lost".into()], ..of("u") };
        let found = Observed { arn: "arn:vpce-1".into(), tags: of("lost").tags() };
        let (desired, observed) = (BTreeSet::from(["vpce-1".to_owned()]), [("vpce-1".to_owned(), found)].into());
        let steps = diff(&owner, "d", &desired, &observed);
        assert!(
            matches!(&steps[..], [Step::TakeOver { arn, tags, .. }] if arn == "arn:vpce-1" && *tags == owner.tags())
        );
        assert!(diff(&of("u"), "d", &desired, &observed).is_empty(), "without a word it is another's");
    }

    #[test]
    fn each_is_made_or_removed_and_others_stay() {
        let cluster = Cluster { name: "c".into(), uid: "u".into() };
        let owner = Owner::new(cluster, "APIDomain", Key::new("demo", "site"));
        let one = |endpoint: &str, tags: Tags| (endpoint.to_owned(), Observed { arn: format!("arn:{endpoint}"), tags });
        let observed =
            Associations::from([one("vpce-1", owner.tags()), one("vpce-2", owner.tags()), one("vpce-9", Tags::new())]);
        let desired = BTreeSet::from(["vpce-1".to_owned(), "vpce-3".to_owned(), "vpce-9".to_owned()]);
        let steps = diff(&owner, "api.example.com", &desired, &observed);
        let texts: Vec<_> = steps.iter().map(ToString::to_string).collect();
        let expected =
            ["let VPC endpoint vpce-3 call api.example.com", "no longer let VPC endpoint vpce-2 call api.example.com"];
        assert_eq!(texts, expected);
        assert!(matches!(&steps[0], Step::Create { tags, .. } if *tags == owner.tags()));
        assert!(matches!(&steps[1], Step::Delete { arn, .. } if arn == "arn:vpce-2"));
        assert_eq!(foreign(&owner, &observed).collect::<Vec<_>>(), ["vpce-9"]);
        assert_eq!(diff(&owner, "d", &BTreeSet::new(), &observed).len(), 2, "another's is not removed");
    }
}
