//! Tags of the user's own.

use std::collections::BTreeMap;

use crate::identity::TAG_PREFIX;
use crate::problem::Problem;

/// AWS takes 128 characters in a key, 256 in a value, and keeps `aws:` for itself. `field` has the `tags`.
///
/// # Errors
/// What AWS would refuse, and keys that are the operator's.
pub(super) fn check(field: &str, tags: &BTreeMap<String, String>) -> Result<(), Problem> {
    let fits = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    for (key, value) in tags {
        let lower = key.to_lowercase();
        if lower.starts_with("aws:") || lower.starts_with(TAG_PREFIX) {
            return Err(Problem::invalid(format!(
                "{field}.tags: keys that begin with `aws:` or `{TAG_PREFIX}` are not yours to set; choose another than `{key}`"
            )));
        }
        if key.is_empty() || key.chars().count() > 128 || !key.chars().chain(value.chars()).all(fits) {
            return Err(Problem::invalid(format!(
                "{field}.tags: AWS takes up to 128 letters, digits, spaces and `_.:/=+-@` in a tag's key, and up to 256 in its value; mend `{key}`"
            )));
        }
    }
    Ok(())
}
