//! Names and owner tags: whose an AWS object is. Names are deterministic and injective (DESIGN §3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Every tag of ours begins with this; user tags can't.
pub const TAG_PREFIX: &str = "stepgate.dev/";
const CLUSTER: &str = "stepgate.dev/cluster";
const CLUSTER_UID: &str = "stepgate.dev/cluster-uid";
const KIND: &str = "stepgate.dev/kind";
const NAMESPACE: &str = "stepgate.dev/namespace";
const NAME: &str = "stepgate.dev/name";
/// What the owner tags become when an object is retained.
pub const RELEASED_FROM: &str = "stepgate.dev/released-from";

/// The tag of what was there before it became ours.
pub const ADOPTED: &str = "stepgate.dev/adopted";

/// Tags of an AWS object.
pub type Tags = BTreeMap<String, String>;

/// The cluster that the operator runs in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cluster {
    /// A name that stays when the cluster is rebuilt; part of role names.
    pub name: String,
    /// UID of the namespace kube-system.
    pub uid: String,
}

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// From its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Of an object that has both.
    pub fn of(object: &impl kube::ResourceExt) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }

    /// What a reference in `namespace` means.
    pub fn resolve(reference: &crate::api::Reference, namespace: &str) -> Self {
        Self::new(reference.namespace.as_deref().unwrap_or(namespace), &reference.name)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The Kubernetes object that an AWS object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The cluster.
    pub cluster: Cluster,
    /// The object's kind.
    pub kind: &'static str,
    /// The object.
    pub key: Key,
    /// UIDs of lost clusters of this name whose objects it takes over (`AWSAccount.spec.takeoverFrom`).
    pub takes_over: Vec<String>,
}

/// What the tags of an AWS object say to an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It is this owner's.
    Ours,
    /// This owner let it go under `deletionPolicy: Retain`, and may take it back.
    Released,
    /// It is of the same object in a lost cluster that this one replaces.
    Inherited,
    /// It is another's; the text says whose, for users.
    Foreign(String),
}

impl Owner {
    /// An object of this cluster, which takes nothing over.
    pub fn new(cluster: Cluster, kind: &'static str, key: Key) -> Self {
        Self { cluster, kind, key, takes_over: Vec::new() }
    }

    /// The same object, in the clusters that are taken over.
    fn predecessors(&self) -> impl Iterator<Item = Self> {
        self.takes_over.iter().map(|uid| {
            let cluster = Cluster { uid: uid.clone(), ..self.cluster.clone() };
            Self::new(cluster, self.kind, self.key.clone())
        })
    }

    /// The tags that say so.
    pub fn tags(&self) -> Tags {
        [
            (CLUSTER, &self.cluster.name),
            (CLUSTER_UID, &self.cluster.uid),
            (NAMESPACE, &self.key.namespace),
            (NAME, &self.key.name),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .chain([(KIND.to_owned(), self.kind.to_owned())])
        .collect()
    }

    /// The value of the released-from tag. A tag holds 256 characters, a namespace 63 and a name 253, so it is hashed.
    pub fn released_tag(&self) -> Tags {
        let Self { cluster, kind, key, .. } = self;
        let identity = [&cluster.name, &cluster.uid, *kind, &key.namespace, &key.name];
        Tags::from([(RELEASED_FROM.to_owned(), hash(&identity, 32))])
    }

    /// Whether the tags are of the same object in another cluster of the same name: one that was rebuilt, or a copy.
    pub fn is_twin(&self, tags: &Tags) -> bool {
        tags.get(CLUSTER_UID).is_some_and(|uid| *uid != self.cluster.uid)
            && self.tags().iter().all(|(key, value)| key == CLUSTER_UID || tags.get(key) == Some(value))
    }

    /// The object of this kind that an AWS object is of, by its tags: in this cluster, or in one that is taken over.
    pub fn named(&self, kind: &'static str, tags: &Tags) -> Option<Key> {
        let key = Key::new(tags.get(NAMESPACE)?, tags.get(NAME)?);
        let owner = Self { kind, key, ..self.clone() };
        matches!(owner.reads(tags), Ownership::Ours | Ownership::Inherited).then_some(owner.key)
    }

    /// Compares with the tags that an AWS object has.
    pub fn reads(&self, tags: &Tags) -> Ownership {
        if self.tags().iter().all(|(key, value)| tags.get(key) == Some(value)) {
            return Ownership::Ours;
        }
        if !tags.contains_key(CLUSTER_UID) && self.released_tag().iter().all(|(k, v)| tags.get(k) == Some(v)) {
            return Ownership::Released;
        }
        match self.predecessors().map(|owner| owner.reads(tags)).find(|read| !matches!(read, Ownership::Foreign(_))) {
            Some(Ownership::Released) => return Ownership::Released,
            Some(_) => return Ownership::Inherited,
            None => {}
        }
        let tag = |key: &str| tags.get(key).map(String::as_str);
        Ownership::Foreign(match (tag(KIND), tag(NAMESPACE), tag(NAME), tag(CLUSTER)) {
            (Some(kind), Some(namespace), Some(name), Some(cluster)) if cluster == self.cluster.name => {
                let theirs = tag(CLUSTER_UID).filter(|uid| *uid != self.cluster.uid);
                let uid = theirs.map(|uid| {
                    format!(
                        " with the UID {uid}; if that is lost and this one replaces it, the platform admin adds the UID to spec.takeoverFrom of the AWSAccount"
                    )
                });
                let uid = uid.unwrap_or_default();
                format!("its owner tags name {kind} {namespace}/{name} of cluster {cluster}{uid}")
            }
            (Some(kind), Some(namespace), Some(name), Some(cluster)) => {
                let own = &self.cluster.name;
                format!(
                    "its owner tags name {kind} {namespace}/{name} of cluster {cluster}, and this one's --cluster-name is {own}"
                )
            }
            _ => "it has no owner tag of stepgate".to_owned(),
        })
    }
}

/// `<namespace>_<name>`, which is injective because neither may hold `_`; past `limit` characters shortened with a hash.
pub fn joined(key: &Key, limit: usize) -> String {
    let whole = format!("{}_{}", key.namespace, key.name);
    if whole.len() <= limit {
        return whole;
    }
    let hash = hash(&[&key.namespace, &key.name], 12);
    format!("{}-{hash}", &whole[..limit - hash.len() - 1])
}

/// The AWS name of a state machine that asks for none: 80 characters at most (AWS.md §1).
pub fn machine_name(key: &Key) -> String {
    joined(key, 80)
}

/// The path of the roles that belong to an object: `ListRoles` finds them by it.
pub fn role_path(owner: &Owner, region: &str) -> String {
    let Owner { cluster, kind, key, .. } = owner;
    format!("/stepgate/{}/", hash(&[&cluster.name, region, kind, &key.namespace, &key.name], 16))
}

/// The path of the policies that stand beside the inline one of an adopted role: another for each role that an object ever adopts.
pub fn adopted_role_path(owner: &Owner, region: &str, arn: &str) -> String {
    let Owner { cluster, kind, key, .. } = owner;
    format!("/stepgate/{}/", hash(&[&cluster.name, region, kind, &key.namespace, &key.name, arn], 16))
}

/// The name of a managed role: 64 characters at most, unique in the account without regard to case, because IAM names
/// are global in the account and ignore it. `of` is whom the role serves.
pub fn role_name(owner: &Owner, region: &str, purpose: &str, of: &Key) -> String {
    let Owner { cluster, kind, key, .. } = owner;
    let hash = hash(&[&cluster.name, region, kind, &key.namespace, &key.name, purpose, &of.namespace, &of.name], 16);
    let whom = format!("{}_{}", of.namespace, of.name);
    let readable: String = format!("stepgate-{purpose}-{}", whom.trim_matches('_'))
        .chars()
        .take(64 - 17)
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' })
        .collect();
    format!("{readable}-{hash}")
}

/// The name of a namespace's invoke role in an API; `number` 1 is the first.
pub fn invoke_role_name(owner: &Owner, region: &str, namespace: &str, number: usize) -> String {
    let purpose = if number == 1 { "invoke".to_owned() } else { format!("invoke-{number}") };
    role_name(owner, region, &purpose, &Key::new(namespace, ""))
}

/// Under which the log groups of an object are: DescribeLogGroups finds them by it.
pub fn log_group_prefix(owner: &Owner) -> String {
    let Owner { cluster, kind, key, .. } = owner;
    format!("/stepgate/{}/", hash(&[&cluster.name, kind, &key.namespace, &key.name], 16))
}

/// The name of the log group of an API's stage: at most 512 letters, digits and `_-/.#` (CloudWatch Logs), which 63 of a
/// namespace, 253 of a name and 128 of a stage leave room for.
pub fn log_group_name(owner: &Owner, stage: &str) -> String {
    format!("{}{}/{}/{stage}", log_group_prefix(owner), owner.key.namespace, owner.key.name)
}

/// The first `digits` hexadecimal digits of the parts' SHA-256; lengths keep the parts apart.
fn hash(parts: &[&str], digits: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut text = hex(&hasher.finalize());
    text.truncate(digits);
    text
}

/// Hash of a value's canonical JSON, for content hashes: 16 hexadecimal digits.
pub fn content_hash(value: &impl Serialize) -> String {
    // A value that cannot be JSON can't reach this: all hashed types are plain data with string keys.
    let bytes = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
    let mut text = hex(&Sha256::digest(&bytes));
    text.truncate(16);
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(namespace: &str, name: &str) -> Owner {
        let cluster = Cluster { name: "prod".into(), uid: "u-1".into() };
        Owner::new(cluster, "StateMachine", Key::new(namespace, name))
    }

    #[test]
    fn tags_say_whose_it_is() {
        let ours = owner("demo", "hello");
        assert_eq!(ours.reads(&ours.tags()), Ownership::Ours);
        assert_eq!(ours.reads(&ours.released_tag()), Ownership::Released);
        assert_eq!(
            ours.reads(&owner("demo", "other").tags()),
            Ownership::Foreign("its owner tags name StateMachine demo/other of cluster prod".into())
        );
        assert_eq!(ours.reads(&Tags::new()), Ownership::Foreign("it has no owner tag of stepgate".into()));
        let mut other_cluster = ours.tags();
        other_cluster.insert(CLUSTER_UID.into(), "u-2".into());
        assert!(matches!(ours.reads(&other_cluster), Ownership::Foreign(_)));
    }

    #[test]
    fn only_a_cluster_that_is_named_is_taken_over_and_only_the_same_object() {
        let lost = owner("demo", "hello");
        let rebuilt = |uids: &[&str]| Owner {
            cluster: Cluster { uid: "u-2".into(), ..lost.cluster.clone() },
            takes_over: uids.iter().map(|uid| (*uid).to_owned()).collect(),
            ..lost.clone()
        };
        assert!(matches!(rebuilt(&["u-0"]).reads(&lost.tags()), Ownership::Foreign(_)));
        assert!(rebuilt(&[]).is_twin(&lost.tags()) && !lost.is_twin(&lost.tags()) && !lost.is_twin(&Tags::new()));
        assert!(!rebuilt(&[]).is_twin(&owner("demo", "other").tags()));
        assert_eq!(rebuilt(&["u-0", "u-1"]).reads(&lost.tags()), Ownership::Inherited);
        assert_eq!(rebuilt(&["u-1"]).reads(&lost.released_tag()), Ownership::Released);
        assert!(matches!(rebuilt(&["u-1"]).reads(&owner("demo", "other").tags()), Ownership::Foreign(_)));
        let renamed = Cluster { name: "other".into(), uid: "u-2".into() };
        assert!(matches!(Owner { cluster: renamed, ..rebuilt(&["u-1"]) }.reads(&lost.tags()), Ownership::Foreign(_)));
    }

    #[test]
    fn tags_name_an_object_of_this_cluster_or_of_one_that_is_taken_over() {
        let api = Owner { kind: "RestAPI", key: Key::new("demo", "api"), ..owner("", "") };
        let (tags, lost) = (owner("team", "m").tags(), Cluster { name: "prod".into(), uid: "u-2".into() });
        assert_eq!(api.named("StateMachine", &tags), Some(Key::new("team", "m")));
        assert_eq!(api.named("RestAPI", &tags), None);
        assert_eq!(api.named("StateMachine", &Tags::new()), None);
        let heir = |takes_over: &[&str]| Owner {
            cluster: lost.clone(),
            takes_over: takes_over.iter().map(|uid| (*uid).to_owned()).collect(),
            ..api.clone()
        };
        assert_eq!(heir(&[]).named("StateMachine", &tags), None);
        assert_eq!(heir(&["u-1"]).named("StateMachine", &tags), Some(Key::new("team", "m")));
    }

    proptest! {
        #[test]
        fn names_are_injective_and_fit(
            a in "[a-z][a-z0-9-]{0,60}", b in "[a-z][a-z0-9-]{0,60}",
            c in "[a-z][a-z0-9-]{0,60}", d in "[a-z][a-z0-9-]{0,60}",
        ) {
            let (one, two) = (Key::new(&a, &b), Key::new(&c, &d));
            prop_assert_eq!(one == two, machine_name(&one) == machine_name(&two));
            prop_assert!(machine_name(&one).len() <= 80);
            let role = |key: &Key| role_name(&owner(&key.namespace, &key.name), "eu-central-1", "exec", key).to_lowercase();
            prop_assert_eq!(one == two, role(&one) == role(&two));
            prop_assert!(role(&one).len() <= 64);
        }
    }
}
