//! The operations that `aws-sdk:` integrations name: `src/asl/data/`, decoded at its first use.

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

/// Made by `src/asl/data/generate.py`, which says what stands in it.
static COMPRESSED: &[u8] = include_bytes!("../data/sdk_operations.txt.z");

/// By service: its operations as its model writes them, with a blank between any two.
static SERVICES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let mut text = String::new();
    // The bytes are part of the program, and a test reads them: what can't be read here is an empty table.
    if flate2::read::ZlibDecoder::new(COMPRESSED).read_to_string(&mut text).is_err() {
        text.clear();
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    text.lines().filter_map(|line| line.split_once(' ')).collect()
});

/// The operations of a service, as `ListBuckets`; `None` where nothing is known of it.
pub(super) fn operations(service: &str) -> Option<impl Iterator<Item = &'static str> + Clone> {
    SERVICES.get(service).map(|operations| operations.split(' ').filter(|name| !name.starts_with('!')))
}

/// Whether Step Functions can't call an operation that the service has (developer guide, "Supported AWS SDK service integrations").
pub(super) fn is_unsupported(service: &str, operation: &str) -> bool {
    let marked = |name: &str| name.strip_prefix('!') == Some(operation);
    SERVICES.get(service).is_some_and(|operations| operations.split(' ').any(marked))
}

#[cfg(test)]
mod tests {
    use super::{SERVICES, is_unsupported, operations};
    use crate::asl::check::sdk_services::{OTHERWISE_CALLED, SDK_SERVICES};

    #[test]
    fn nearly_every_service_has_its_operations() {
        let without: Vec<&str> = SDK_SERVICES.into_iter().filter(|service| operations(service).is_none()).collect();
        assert_eq!(without, ["elasticinference", "honeycode", "privatenetworks"]);
        for (name, service) in OTHERWISE_CALLED {
            assert!(SDK_SERVICES.contains(&service) && !SDK_SERVICES.contains(&name), "{name}: {service}");
        }
        let every: Vec<&str> = SERVICES.keys().filter_map(|service| operations(service)).flatten().collect();
        assert_eq!(every.len(), 18_764);
        assert!(every.iter().all(|name| name.starts_with(|c: char| c.is_ascii_uppercase())));
        assert!(is_unsupported("sts", "AssumeRole") && !is_unsupported("sts", "GetCallerIdentity"));
    }
}
