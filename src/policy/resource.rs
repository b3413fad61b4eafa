//! Resources of statements: ARN globs, and when one contains another.
//!
//! IAM documents that `*` and `?` stand for characters within one of the ARN's segments, and that a `*` at the end of
//! a segment "can expand to match beyond the colon boundaries" (IAM User Guide, "Resource" element). In the last segment
//! both match `/` and `:` too. How far a wildcard really reaches is thus open, so [`Resource::contains`] says yes
//! only where containment holds however far it reaches:
//!
//! 1. segment by segment, wildcards staying inside their segment;
//! 2. as documented, a `*` at a segment's end reaching further: where an inner segment ends with `*`, the outer one must too;
//! 3. over the text as a whole, which follows from 1, since segment-wise containment does not depend on the alphabet.

use super::glob;

/// Why a text is no resource of a statement. Displayed, it is the rest of a sentence that begins with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// A policy variable such as `${aws:PrincipalTag/team}`, or an escape such as `${*}`.
    #[error("holds a policy variable `${{…}}`, which can't be proven to stay within a ceiling; write its value out")]
    Variable,
    /// Neither `*` nor six segments beginning with `arn`.
    #[error("is neither an ARN, `arn:partition:service:region:account:resource`, nor `*`; write it as one of them")]
    NotAnArn,
    /// IAM takes no wildcard in the segment that names the service (IAM User Guide, "Resource" element).
    #[error("has a wildcard in the segment that names the service, which IAM does not take; name the service")]
    ServiceWildcard,
    /// IAM takes U+0020 to U+00FF in policies (AWS.md §1).
    #[error("holds a character that IAM does not take in policies; use `*` or `?` in its place")]
    Character,
}

/// A resource of a statement, or of a grant after `${namespace}` was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// `*`.
    Any,
    /// The six segments of an ARN glob: `arn`, partition, service, Region, account and the resource part.
    Arn([&'a str; 6]),
}

impl<'a> Resource<'a> {
    /// Reads a resource.
    ///
    /// # Errors
    /// A policy variable, a text that is not an ARN, and what IAM would refuse.
    pub fn parse(text: &'a str) -> Result<Self, ResourceError> {
        if text.contains("${") {
            return Err(ResourceError::Variable);
        }
        if text.chars().any(|c| !matches!(c, ' '..='\u{ff}') || c.is_control()) {
            return Err(ResourceError::Character);
        }
        if text == "*" {
            return Ok(Resource::Any);
        }
        let segments: Vec<&str> = text.splitn(6, ':').collect();
        let segments: [&str; 6] = segments.try_into().map_err(|_| ResourceError::NotAnArn)?;
        let [arn, partition, service, _, _, rest] = segments;
        if arn != "arn" || partition.is_empty() || service.is_empty() || rest.is_empty() {
            return Err(ResourceError::NotAnArn);
        }
        if glob::has_wildcard(service) {
            return Err(ResourceError::ServiceWildcard);
        }
        Ok(Resource::Arn(segments))
    }

    /// Whether every resource that `inner` matches is matched by this one, however IAM reads the wildcards.
    pub fn contains(&self, inner: &Resource) -> bool {
        match (self, inner) {
            (Resource::Any, _) => true,
            (Resource::Arn(_), Resource::Any) => false,
            (Resource::Arn(outer), Resource::Arn(inner)) => {
                outer.iter().zip(inner).all(|(o, i)| glob::contains(o, i))
                    && outer[..5].iter().zip(&inner[..5]).all(|(o, i)| !i.ends_with('*') || o.ends_with('*'))
            }
        }
    }

    /// Whether it stands for more than one resource.
    pub fn has_wildcard(&self) -> bool {
        match self {
            Resource::Any => true,
            Resource::Arn(segments) => segments.iter().any(|s| glob::has_wildcard(s)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::any("*", Ok(Resource::Any))]
    #[case::empty_segments("arn:aws:s3:::b/*", Ok(Resource::Arn(["arn", "aws", "s3", "", "", "b/*"])))]
    #[case::colons_in_the_last("arn:aws:lambda:r:a:function:f:1", Ok(Resource::Arn(["arn", "aws", "lambda", "r", "a", "function:f:1"])))]
    #[case::variable("arn:aws:s3:::b/${aws:username}/*", Err(ResourceError::Variable))]
    #[case::escape("arn:aws:s3:::b/${*}", Err(ResourceError::Variable))]
    #[case::too_short("arn:aws:s3:*", Err(ResourceError::NotAnArn))]
    #[case::wildcard_before_the_arn("*:aws:s3:::b", Err(ResourceError::NotAnArn))]
    #[case::name("my-table", Err(ResourceError::NotAnArn))]
    #[case::empty("", Err(ResourceError::NotAnArn))]
    #[case::url("https://sqs.eu-central-1.amazonaws.com/1/q", Err(ResourceError::NotAnArn))]
    #[case::service("arn:aws:s*:::b", Err(ResourceError::ServiceWildcard))]
    #[case::emoji("arn:aws:s3:::b/😀", Err(ResourceError::Character))]
    #[case::newline("arn:aws:s3:::b/\n", Err(ResourceError::Character))]
    fn is_read(#[case] text: &str, #[case] expected: Result<Resource, ResourceError>) {
        assert_eq!(Resource::parse(text), expected);
    }

    #[rstest]
    #[case::prefix("arn:aws:dynamodb:*:*:table/a-*", "arn:aws:dynamodb:eu-central-1:1:table/a-x", true)]
    #[case::same_wildcards("arn:aws:dynamodb:*:*:table/a-*", "arn:aws:dynamodb:*:*:table/a-x*", true)]
    #[case::other_prefix("arn:aws:dynamodb:*:*:table/a-*", "arn:aws:dynamodb:*:*:table/*", false)]
    #[case::an_index_of_the_table("arn:aws:dynamodb:*:*:table/a-*", "arn:aws:dynamodb:*:1:table/a-x/index/y", true)]
    #[case::any_holds_all("*", "arn:aws:s3:::b", true)]
    #[case::only_any_holds_any("arn:*:s3:*:*:*", "*", false)]
    #[case::account_not_crossed_into("arn:aws:sqs:*:1:q", "arn:aws:sqs:*:*:q", false)]
    #[case::region_star_does_not_hold_account_and_name("arn:aws:sqs:*:q", "arn:aws:sqs:r:1:q", false)]
    #[case::case_counts("arn:aws:sqs:r:1:q", "arn:aws:sqs:r:1:Q", false)]
    #[case::empty_region_under_star("arn:aws:s3:*:*:b/*", "arn:aws:s3:::b/k", true)]
    #[case::inner_star_reaches_further_than_outer("arn:aws:sqs:*?:1:q", "arn:aws:sqs:r*:1:q", false)]
    #[case::both_end_with_a_star("arn:aws:sqs:?*:1:q", "arn:aws:sqs:r*:1:q", true)]
    #[case::whole_text_would_hold_but_segments_do_not("arn:aws:sqs:*:1:x", "arn:aws:sqs:r:2:y:1:x", false)]
    #[case::partition("arn:aws:s3:::b", "arn:aws-cn:s3:::b", false)]
    fn is_contained(#[case] outer: &str, #[case] inner: &str, #[case] expected: bool) {
        let contained = match (Resource::parse(outer), Resource::parse(inner)) {
            (Ok(outer), Ok(inner)) => outer.contains(&inner),
            _ => false,
        };
        assert_eq!(contained, expected);
    }

    /// Matching where a `*` at the end of a segment reaches over colons and every other wildcard stays inside.
    fn matches_as_documented(segments: &[&str], text: &str) -> bool {
        let Some((first, rest)) = segments.split_first() else {
            return false;
        };
        if rest.is_empty() {
            return glob::matches(first, text);
        }
        text.match_indices(':').any(|(i, _)| {
            let own = &text[..i];
            let held = match first.strip_suffix('*') {
                Some(stem) => {
                    let bound = own.find(':').unwrap_or(own.len());
                    (0..=bound).any(|j| own.is_char_boundary(j) && glob::matches(stem, &own[..j]))
                }
                None => !own.contains(':') && glob::matches(first, own),
            };
            held && matches_as_documented(rest, &text[i + 1..])
        })
    }

    /// `glob` with each wildcard made something of the given kinds.
    fn filled(glob: &str, many: &'static str, one: &'static str) -> impl Strategy<Value = String> + use<> {
        let tokens: Vec<BoxedStrategy<String>> = glob
            .chars()
            .map(|t| match t {
                '*' => many.boxed(),
                '?' => one.boxed(),
                c => Just(c.to_string()).boxed(),
            })
            .collect();
        tokens.prop_map(|t| t.concat())
    }

    /// An ARN glob, one that was made from it by narrowing its wildcards, and a text made from that by filling what is left, also
    /// across segments.
    fn narrowing() -> impl Strategy<Value = (String, String, String)> {
        "arn:aws:s3:[a?*]{0,3}:[a?*]{0,3}:[a?*]{1,3}"
            .prop_flat_map(|outer| (filled(&outer, "[a?*]{0,2}", "[a?*]"), Just(outer)))
            .prop_flat_map(|(inner, outer)| (filled(&inner, "[a:]{0,3}", "a"), Just(inner), Just(outer)))
            .prop_map(|(text, inner, outer)| (outer, inner, text))
    }

    proptest! {
        #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn containment_holds_under_every_reading((outer, inner, text) in narrowing()) {
            let read = |text| Resource::parse(text).ok().and_then(|r| match r {
                Resource::Arn(segments) => Some(segments),
                Resource::Any => None,
            });
            prop_assume!(read(&inner).is_some());
            let (o, i) = (read(&outer).unwrap(), read(&inner).unwrap());
            prop_assume!(Resource::Arn(o).contains(&Resource::Arn(i)));
            prop_assume!(matches_as_documented(&i, &text) || glob::matches(&inner, &text));
            prop_assert!(glob::contains(&outer, &inner));
            prop_assert!(!matches_as_documented(&i, &text) || matches_as_documented(&o, &text));
        }
    }
}
