//! What invoke roles need of the keys of encrypted state machines.
//!
//! It follows from the machines as they are, whichever revision a stage serves: AWS decrypts with the key that the machine has. While a
//! machine changes its key, its callers' roles hold both.

use std::collections::BTreeMap;

use super::{Api, Observed};
use crate::identity::content_hash;
use crate::resources::deployment::RoleNeeds;
use crate::validate::encryption::of_uses;

impl Api<'_> {
    /// The same needs with the keys of the machines that are used.
    pub(super) fn with_keys(
        &self,
        mut needs: BTreeMap<String, RoleNeeds>,
        observed: &Observed,
    ) -> BTreeMap<String, RoleNeeds> {
        for (name, needs) in &mut needs {
            let found = observed.roles.get(name).and_then(Option::as_ref);
            let had = found.map(|found| RoleNeeds::read(found).keys).unwrap_or_default();
            needs.keys.extend(of_uses(&needs.uses, &self.valid.keys, &had));
        }
        needs
    }

    /// The hash of what is wanted, with what becomes of keys: a machine that has another one is no drift of this API.
    pub(super) fn hash_with_keys(&self, hash: String) -> String {
        if self.valid.keys.is_empty() {
            return hash;
        }
        let keys: Vec<_> = self.valid.keys.iter().collect();
        content_hash(&(hash, keys))
    }
}
