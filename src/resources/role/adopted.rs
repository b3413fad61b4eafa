//! Roles that were there before: what others wrote stays, unless the manifest says otherwise, and when such a role is let go, what is ours
//! goes off it and the rest is as it was.
//!
//! Ours are: the owner tags and whatever begins as they do, the inline policy, the statement of the trust policy that has our Sid, the
//! policies under our path, and those managed policies that we attached: each of these is noted in a tag before it is.

use super::{Desired, Observed, POLICY_NAME, Step};
use crate::api::Unmanaged;
use crate::identity::{Owner, TAG_PREFIX, Tags, content_hash};
use crate::policy::statement::Document;
use crate::policy::trust;
use crate::resources::{Adoption, foreign};

/// The beginning of the tags that say which managed policies we attached: a tag has no room for an ARN.
const ATTACHED: &str = "stepgate.dev/attached-";

/// What holds of a role that is adopted.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopted {
    /// Whether it may become ours.
    pub adoption: Adoption,
    /// What becomes of what the role has and no manifest asks for.
    pub unmanaged: Unmanaged,
}

impl Adopted {
    /// Whether that stays.
    pub fn keeps(&self) -> bool {
        self.unmanaged == Unmanaged::Keep
    }
}

/// The tag that says that we attached this policy.
fn note(arn: &str) -> String {
    format!("{ATTACHED}{}", content_hash(&arn))
}

/// What brings the attached managed policies there.
pub(super) fn attachments(desired: &Desired, observed: &Observed, keeps: bool) -> Vec<Step> {
    let name = || desired.name.clone();
    let noted = |arn: &str| observed.tags.contains_key(&note(arn));
    let (wanted, found) = (&desired.managed_policies, &observed.managed_policies);
    let mut steps = Vec::new();
    for arn in wanted.difference(found) {
        if !noted(arn) {
            steps.push(Step::Note { name: name(), tags: Tags::from([(note(arn), "true".to_owned())]) });
        }
        steps.push(Step::Attach { name: name(), arn: arn.clone() });
    }
    for arn in found.difference(wanted).filter(|arn| !keeps || noted(arn)) {
        steps.push(Step::Detach { name: name(), arn: arn.clone() });
    }
    let needed: Vec<String> = wanted.iter().map(|arn| note(arn)).collect();
    let stale = observed.tags.keys().filter(|key| key.starts_with(ATTACHED) && !needed.contains(key));
    let keys: Vec<String> = stale.cloned().collect();
    steps.extend((!keys.is_empty()).then(|| Step::Forget { name: name(), keys }));
    steps
}

/// The attached managed policies that are ours, of a role that keeps those of others.
pub fn attached_by_us(observed: &Observed) -> impl Iterator<Item = &String> {
    observed.managed_policies.iter().filter(|arn| observed.tags.contains_key(&note(arn)))
}

/// How many characters the inline policies of others take, as IAM counts them.
pub fn kept_inline(observed: &Observed) -> usize {
    let others = observed.policies.iter().filter(|(name, _)| *name != POLICY_NAME);
    others.map(|(_, text)| Document::size(text)).sum()
}

/// What takes all that is ours off a role, but for our policies under our path: nothing where it is not there, or another's.
pub fn leave(name: &str, owner: &Owner, observed: Option<&Observed>) -> Vec<Step> {
    let Some(observed) = observed.filter(|observed| !foreign(owner, &observed.tags)) else { return Vec::new() };
    let name = || name.to_owned();
    let mut steps: Vec<Step> =
        attached_by_us(observed).map(|arn| Step::Detach { name: name(), arn: arn.clone() }).collect();
    if observed.policies.contains_key(POLICY_NAME) {
        steps.push(Step::DeletePolicy { name: name(), policy_name: POLICY_NAME.to_owned() });
    }
    steps.extend(trust::without(&observed.trust).map(|trust| Step::SetTrust { name: name(), trust }));
    let remove = observed.tags.keys().filter(|key| key.starts_with(TAG_PREFIX)).cloned().collect();
    steps.push(Step::Release { name: name(), remove, tags: Tags::new() });
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::SystemTime;

    use serde_json::json;

    use super::super::diff;
    use super::*;
    use crate::identity::{ADOPTED, Cluster, Key};
    use crate::policy::statement::Statement;
    use crate::problem::Problem;

    const OURS: &str = "arn:aws:iam::aws:policy/Ours";
    const THEIRS: &str = "arn:aws:iam::aws:policy/Theirs";

    fn desired(unmanaged: Unmanaged) -> Desired {
        let cluster = Cluster { name: "c".into(), uid: "u".into() };
        Desired {
            name: "legacy".into(),
            path: "/team/".into(),
            owner: Owner::new(cluster, "StateMachine", Key::new("demo", "hello")),
            description: String::new(),
            trust: trust::marked(trust::states("aws", "eu-central-1", "111122223333")),
            policy: Document::new([Statement::allow(["sqs:SendMessage"], ["arn:aws:sqs:eu-central-1:111122223333:q"])]),
            share: None,
            managed_policies: BTreeSet::from([OURS.to_owned()]),
            adopted: Some(Adopted { adoption: Adoption::Admitted { missing: None }, unmanaged }),
        }
    }

    fn theirs() -> Observed {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]});
        Observed {
            arn: "arn:aws:iam::111122223333:role/team/legacy".into(),
            created: SystemTime::UNIX_EPOCH,
            tags: Tags::from([("team".into(), "orders".into())]),
            trust: trust.to_string(),
            policies: BTreeMap::from([("by-hand".into(), "{}".into())]),
            managed_policies: BTreeSet::from([THEIRS.to_owned()]),
        }
    }

    /// The role after these steps.
    fn after(mut observed: Observed, steps: &[Step]) -> Observed {
        for step in steps {
            match step.clone() {
                Step::SetTrust { trust, .. } => observed.trust = trust.to_string(),
                Step::PutPolicy { policy_name, policy, .. } => {
                    observed.policies.insert(policy_name, policy.to_string());
                }
                Step::DeletePolicy { policy_name, .. } => drop(observed.policies.remove(&policy_name)),
                Step::Attach { arn, .. } => drop(observed.managed_policies.insert(arn)),
                Step::Detach { arn, .. } => drop(observed.managed_policies.remove(&arn)),
                Step::Note { tags, .. } => observed.tags.extend(tags),
                Step::Forget { keys, .. } => observed.tags.retain(|key, _| !keys.contains(key)),
                Step::Claim { claim, .. } => observed.tags.extend(claim.tags),
                Step::Release { remove, tags, .. } => {
                    observed.tags.retain(|key, _| !remove.contains(key));
                    observed.tags.extend(tags);
                }
                step => panic!("{step}"),
            }
        }
        observed
    }

    fn text(steps: &[Step]) -> String {
        steps.iter().map(|step| format!("{step}\n")).collect::<String>().replace(&note(OURS), "ATTACHED")
    }

    #[test]
    fn what_others_wrote_stays_and_is_as_it_was_when_the_role_is_let_go() {
        let desired = desired(Unmanaged::Keep);
        let steps = diff(&desired, Some(&theirs())).unwrap();
        assert_eq!(
            text(&steps),
            "adopt role legacy\nset the trust policy of role legacy\nwrite the policy of role legacy\nnote ATTACHED on role legacy\nattach arn:aws:iam::aws:policy/Ours to role legacy\n"
        );
        let adopted = after(theirs(), &steps);
        assert_eq!(diff(&desired, Some(&adopted)), Ok(vec![]));
        assert_eq!(adopted.tags[ADOPTED], "true");
        assert!(adopted.trust.contains("lambda") && adopted.trust.contains("states"));
        // What is ours is repaired, what is theirs is theirs to change.
        let mut drifted = adopted.clone();
        drifted.policies.remove("by-hand");
        drifted.managed_policies = BTreeSet::from(["arn:aws:iam::aws:policy/Another".to_owned()]);
        drifted.trust = theirs().trust;
        assert_eq!(
            text(&diff(&desired, Some(&drifted)).unwrap()),
            "set the trust policy of role legacy\nattach arn:aws:iam::aws:policy/Ours to role legacy\n"
        );
        // Taken out of the manifest.
        let without = Desired { managed_policies: BTreeSet::new(), ..desired.clone() };
        assert_eq!(
            text(&diff(&without, Some(&adopted)).unwrap()),
            "detach arn:aws:iam::aws:policy/Ours from role legacy\ntake the note ATTACHED off role legacy\n"
        );
        let steps = leave(&desired.name, &desired.owner, Some(&adopted));
        let left = after(adopted.clone(), &steps);
        assert!(Document::equal(&left.trust, &theirs().trust), "{}", left.trust);
        assert_eq!(Observed { trust: theirs().trust, ..left.clone() }, theirs());
        assert_eq!(leave(&desired.name, &desired.owner, Some(&left)), vec![]);
    }

    #[test]
    fn what_was_attached_already_is_theirs() {
        let desired = desired(Unmanaged::Keep);
        let mut found = theirs();
        found.managed_policies.insert(OURS.to_owned());
        let adopted = after(found.clone(), &diff(&desired, Some(&found)).unwrap());
        let without = Desired { managed_policies: BTreeSet::new(), ..desired };
        assert_eq!(diff(&without, Some(&adopted)), Ok(vec![]));
        assert_eq!(attached_by_us(&adopted).count(), 0);
    }

    #[test]
    fn what_others_wrote_goes_where_that_is_said() {
        let desired = desired(Unmanaged::Remove);
        let steps = diff(&desired, Some(&theirs())).unwrap();
        let adopted = after(theirs(), &steps);
        assert_eq!(adopted.policies.keys().collect::<Vec<_>>(), [POLICY_NAME]);
        assert_eq!(adopted.managed_policies, desired.managed_policies);
        assert!(!adopted.trust.contains("lambda"), "{}", adopted.trust);
        assert_eq!(adopted.tags["team"], "orders");
    }

    #[test]
    fn what_is_another_s_or_not_admitted_is_not_adopted() {
        let mut desired = desired(Unmanaged::Keep);
        let mut found = theirs();
        found.tags = Owner { key: Key::new("demo", "first"), ..desired.owner.clone() }.tags();
        let message = diff(&desired, Some(&found)).unwrap_err().message;
        assert!(message.contains("its owner tags name StateMachine demo/first of cluster c"), "{message}");
        assert_eq!(leave(&desired.name, &desired.owner, Some(&found)), vec![]);
        found.tags = Tags::from([("stepgate.dev/released-from".into(), "0".into())]);
        assert!(diff(&desired, Some(&found)).unwrap_err().message.contains("it has no owner tag of stepgate"));
        let refused = Problem::invalid("no");
        desired.adopted = Some(Adopted { adoption: Adoption::Refused(refused.clone()), unmanaged: Unmanaged::Keep });
        assert_eq!(diff(&desired, Some(&theirs())), Err(refused.clone()));
        assert_eq!(diff(&desired, None), Err(refused));
    }
}
