//! Placeholders of a template that nobody has filled in: `<TableName>`, `{ACCOUNT-NUMBER}`, `REGION`. No AWS name holds such marks,
//! so what is called so is not known, and nothing is granted on it.

use super::Machine;

/// The first placeholder in a resource, and the pattern of what it can mean; `None` where there is none. What stands for Region and
/// account means the machine's.
pub(super) fn find(resource: &str, machine: &Machine<'_>) -> Option<(String, String)> {
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let &[arn, partition, service, region, account, rest] = &parts[..] else { return None };
    let is_word = |part: &&str| part.contains(|c: char| c.is_ascii_uppercase() || "_<>{}".contains(c));
    let mut found = [region, account].into_iter().find(is_word).map(str::to_owned);
    let own = |part, own| if is_word(&part) { own } else { part };
    let (mut pattern, mut left) = (String::new(), rest);
    while let Some((before, mark, after)) = next(left) {
        found.get_or_insert_with(|| mark.to_owned());
        pattern.push_str(before);
        if !pattern.ends_with('*') {
            pattern.push('*');
        }
        left = after;
    }
    pattern.push_str(left);
    let (region, account) = (own(region, machine.region), own(account, machine.account));
    found.map(|found| (found, [arn, partition, service, region, account, &pattern].join(":")))
}

/// What stands before the next `<Name>` or `{NAME}`, itself, and what is behind.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(start) = text[from..].find(['<', '{']).map(|at| at + from) {
        let (open, inner) = text[start..].split_at(1);
        let is_name = |name: &str| {
            let word = |c: char| c.is_ascii_alphanumeric() || "_- ".contains(c);
            // `{id}` is a path's, and a name in capitals is nobody's.
            let loud = open == "<" || !name.contains(|c: char| c.is_ascii_lowercase());
            // An expression in a key, where none is evaluated.
            if open == "{" && name.starts_with('%') && name.ends_with('%') {
                return true;
            }
            loud && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(word)
        };
        let close = if open == "<" { '>' } else { '}' };
        if let Some(end) = inner.find(close).filter(|end| is_name(&inner[..*end])) {
            let end = start + 1 + end + 1;
            return Some((&text[..start], &text[start..end], &text[end..]));
        }
        from = start + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::policy::infer::tests::HERE;

    #[rstest]
    #[case::name(
        "arn:aws:dynamodb:eu-central-1:111122223333:table/<TableName>",
        "<TableName>",
        "arn:aws:dynamodb:eu-central-1:111122223333:table/*"
    )]
    #[case::account("arn:aws:iam::{ACCOUNT-NUMBER}:role/r", "{ACCOUNT-NUMBER}", "arn:aws:iam::111122223333:role/r")]
    #[case::words(
        "arn:aws:bedrock:REGION::foundation-model/m",
        "REGION",
        "arn:aws:bedrock:eu-central-1::foundation-model/m"
    )]
    #[case::in_a_name("arn:aws:s3:::in-{ACCOUNT}-{REGION}/*", "{ACCOUNT}", "arn:aws:s3:::in-*-*/*")]
    fn placeholders(#[case] resource: &str, #[case] placeholder: &str, #[case] pattern: &str) {
        assert_eq!(find(resource, &HERE), Some((placeholder.to_owned(), pattern.to_owned())));
    }

    #[rstest]
    #[case::plain("arn:aws:s3:::b/k")]
    #[case::any("*")]
    #[case::of_aws("arn:aws:iam::aws:policy/ReadOnlyAccess")]
    #[case::path("arn:aws:s3:::b/{id}/<a/b>")]
    #[case::open("arn:aws:s3:::b/<a")]
    #[case::wildcards("arn:aws:cloudformation:*::type/resource/*")]
    fn names(#[case] resource: &str) {
        assert_eq!(find(resource, &HERE), None);
    }
}
