//! ARNs of what a state names, as narrow as its texts allow.

use super::Machine;
use super::arguments::Node;
use super::text::Text;
use crate::policy::glob;

/// Whether a text has all parts of an ARN.
pub(super) fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.splitn(6, ':').nth(5).is_some_and(|resource| !resource.is_empty())
}

impl Machine<'_> {
    /// A pattern, in which `$P`, `$R`, `$A` stand for partition, Region and account, with its variables filled in; `*` where
    /// there is no value.
    pub(super) fn fill(&self, pattern: &str, value: impl Fn(&str) -> Option<String>) -> String {
        let mut filled = String::with_capacity(pattern.len() + 24);
        let mut rest = pattern;
        while let Some(at) = rest.find('$') {
            filled.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (text, left) = match (after.chars().next(), after.find('}')) {
                (Some('P'), _) => (self.partition.to_owned(), &after[1..]),
                (Some('R'), _) => (self.region.to_owned(), &after[1..]),
                (Some('A'), _) => (self.account.to_owned(), &after[1..]),
                (Some('{'), Some(end)) => (value(&after[1..end]).unwrap_or_else(|| "*".to_owned()), &after[end + 1..]),
                _ => ("*".to_owned(), ""),
            };
            filled.push_str(&text);
            rest = left;
        }
        filled.push_str(rest);
        filled
    }

    /// Every resource of the pattern's type in this account and Region.
    pub(super) fn every(&self, pattern: &str) -> String {
        self.fill(pattern, |_| None)
    }

    /// The resource of the pattern's type whose ARN is this text; `None` where the text is no such ARN. What of Region and
    /// account is not known is this machine's; parts that are missing are all of their kind.
    pub(super) fn whole(&self, pattern: &str, text: &Text) -> Option<String> {
        let glob = text.glob();
        if !glob.starts_with("arn:") {
            return None;
        }
        let every = self.every(pattern);
        let kinds: Vec<&str> = every.splitn(6, ':').collect();
        let given: Vec<&str> = glob.splitn(6, ':').collect();
        let part = |index: usize| given.get(index).copied().filter(|part| !part.is_empty() || kinds[index].is_empty());
        let own = |index: usize| part(index).filter(|part| !glob::has_wildcard(part)).unwrap_or(kinds[index]);
        let service = given.get(2).copied().unwrap_or(kinds[2]);
        if kinds.len() < 6 || (service != kinds[2] && !(given.len() == 3 && glob::has_wildcard(service))) {
            return None;
        }
        if let [init @ .., last] = given.as_slice()
            && given.len() < 6
            && (!last.ends_with('*') || init.iter().any(|part| glob::has_wildcard(part)))
        {
            // A hole stands for several parts, and which is not sure.
            return Some(every);
        }
        let resource = part(5).unwrap_or(kinds[5]);
        if !glob::intersects(resource, kinds[5]) {
            return None;
        }
        Some(format!("arn:{}:{}:{}:{}:{resource}", own(1), kinds[2], own(3), own(4)))
    }

    /// The resources of the pattern's type that texts name or are the ARN of: a name takes the place of the pattern's last
    /// variable. All of them for a text that is neither.
    pub(super) fn named(&self, pattern: &str, texts: &[Text]) -> Vec<String> {
        let last = pattern.rfind("${").map_or("", |at| pattern[at + 2..].split('}').next().unwrap_or_default());
        let one = |text: &Text| {
            let glob = text.glob();
            if glob.starts_with("arn:") {
                return self.whole(pattern, text).unwrap_or_else(|| self.every(pattern));
            }
            let plain = !glob.is_empty() && !glob.contains(':');
            self.fill(pattern, |name| (plain && name == last).then(|| glob.clone()))
        };
        texts.iter().map(one).collect()
    }

    /// [`Machine::named`] for a member; all of the type where it is not given.
    pub(super) fn member(&self, pattern: &str, member: Option<&Node<'_>>) -> Vec<String> {
        let texts = member.map(Node::texts).unwrap_or_default();
        if texts.is_empty() { vec![self.every(pattern)] } else { self.named(pattern, &texts) }
    }

    /// The queue of a URL `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`.
    pub(super) fn queue(&self, url: &Text) -> String {
        const PATTERN: &str = "arn:$P:sqs:$R:$A:${QueueName}";
        let glob = url.glob();
        if glob.starts_with("arn:") {
            return self.whole(PATTERN, url).unwrap_or_else(|| self.every(PATTERN));
        }
        let Some((host, path)) = glob.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
            // `$base & '/orders'` still says the name.
            let name = glob.rsplit_once('/').map(|(_, name)| name.to_owned()).filter(|name| !name.is_empty());
            return self.fill(PATTERN, |_| name.clone());
        };
        let known = |text: &str| (!text.is_empty() && !glob::has_wildcard(text)).then(|| text.to_owned());
        let host: Vec<&str> = host.split('.').collect();
        let region = match host.as_slice() {
            ["sqs", region, ..] | [region, "queue", ..] => known(region),
            _ => None,
        };
        let (account, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let account = if is_account { account } else { self.account };
        let region = region.as_deref().unwrap_or(self.region);
        Machine { account, region, ..*self }.fill(PATTERN, |_| (!name.is_empty()).then(|| name.to_owned()))
    }

    /// What `s3://BUCKET/KEY` means, or `None`: the bucket and the key's glob.
    pub(super) fn s3_uri(text: &Text) -> Option<(String, String)> {
        let glob = text.glob();
        let (bucket, key) = glob.strip_prefix("s3://")?.split_once('/').unwrap_or((&glob[5..], ""));
        (!bucket.is_empty()).then(|| (bucket.to_owned(), key.to_owned()))
    }

    /// The ARN of a bucket, given by name or ARN.
    pub(super) fn bucket(&self, bucket: &str) -> String {
        match bucket {
            arn if is_arn(arn) => arn.to_owned(),
            // AWS refuses the call, and an ARN without its last part is none.
            arn if arn.is_empty() || arn.starts_with("arn:") => format!("arn:{}:s3:::*", self.partition),
            name => format!("arn:{}:s3:::{name}", self.partition),
        }
    }

    /// The ARN of objects in a bucket, given by name or ARN; those of an access point are below `/object`.
    pub(super) fn objects(&self, bucket: &str, key: &str) -> String {
        let arn = self.bucket(bucket);
        if arn.contains(":accesspoint/") { format!("{arn}/object/{key}") } else { format!("{arn}/{key}") }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HERE: Machine = Machine { name: "m", account: "111122223333", region: "eu-central-1", partition: "aws" };

    #[rstest]
    #[case::url("https://sqs.us-east-1.amazonaws.com/444455556666/orders", "arn:aws:sqs:us-east-1:444455556666:orders")]
    #[case::china(
        "https://sqs.cn-north-1.amazonaws.com.cn/444455556666/orders",
        "arn:aws:sqs:cn-north-1:444455556666:orders"
    )]
    #[case::old_url(
        "https://eu-west-1.queue.amazonaws.com/444455556666/orders",
        "arn:aws:sqs:eu-west-1:444455556666:orders"
    )]
    #[case::holes("https://sqs.${R}.amazonaws.com/${A}/orders-${X}", "arn:aws:sqs:eu-central-1:111122223333:orders-*")]
    #[case::base("${Base}/orders", "arn:aws:sqs:eu-central-1:111122223333:orders")]
    #[case::unknown("${Url}", "arn:aws:sqs:eu-central-1:111122223333:*")]
    #[case::arn("arn:aws:sqs:us-east-1:444455556666:orders", "arn:aws:sqs:us-east-1:444455556666:orders")]
    fn queues(#[case] url: &str, #[case] arn: &str) {
        assert_eq!(HERE.queue(&Text::template(url)), arn);
    }

    #[rstest]
    #[case::name("orders", "arn:aws:dynamodb:eu-central-1:111122223333:table/orders")]
    #[case::prefix("orders-${Stage}", "arn:aws:dynamodb:eu-central-1:111122223333:table/orders-*")]
    #[case::arn("arn:aws:dynamodb:us-east-1:444455556666:table/t", "arn:aws:dynamodb:us-east-1:444455556666:table/t")]
    #[case::arn_with_holes(
        "arn:${P}:dynamodb:${R}:${A}:table/t-${S}",
        "arn:aws:dynamodb:eu-central-1:111122223333:table/t-*"
    )]
    #[case::cut_off("arn:aws:dynamodb:${Rest}", "arn:aws:dynamodb:eu-central-1:111122223333:table/*")]
    #[case::one_hole_for_several_parts(
        "arn:aws:dynamodb:${Here}:table/t",
        "arn:aws:dynamodb:eu-central-1:111122223333:table/*"
    )]
    #[case::another_service(
        "arn:aws:sqs:us-east-1:444455556666:q",
        "arn:aws:dynamodb:eu-central-1:111122223333:table/*"
    )]
    #[case::another_type(
        "arn:aws:dynamodb:us-east-1:444455556666:stream/t",
        "arn:aws:dynamodb:eu-central-1:111122223333:table/*"
    )]
    #[case::unknown("${T}", "arn:aws:dynamodb:eu-central-1:111122223333:table/*")]
    fn names_and_arns(#[case] text: &str, #[case] arn: &str) {
        assert_eq!(HERE.named("arn:$P:dynamodb:$R:$A:table/${TableName}", &[Text::template(text)]), [arn]);
    }
}
