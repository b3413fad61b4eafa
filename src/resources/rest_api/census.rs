//! Whose APIs an account and Region has. One list, which all RestAPIs share, shows a second API of one owner at a call or two
//! in ten minutes, however many APIs there are: a check of one whose id is known would never see it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_apigateway::Client;
use tokio::time::Instant;

use super::Observed;
use crate::aws::AwsError;
use crate::identity::{Owner, Ownership, Tags};

/// How old a list may be.
const AGE: Duration = Duration::from_mins(10);

/// The ids and tags of all APIs, as they were a while ago.
#[derive(Debug, Default)]
pub struct Census {
    last: Mutex<Option<List>>,
    /// Held by who asks AWS, so that not everybody does.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct List {
    made: Instant,
    /// Ids and tags.
    apis: Vec<(String, Tags)>,
}

impl Census {
    /// Takes over a list that was made for another reason.
    pub fn note(&self, all: &[Observed]) {
        let apis = all.iter().map(|api| (api.id.clone(), api.tags.clone())).collect();
        *self.last() = Some(List { made: Instant::now(), apis });
    }

    /// Whether there was, up to ten minutes ago, another API of this owner. It is to be looked for then.
    ///
    /// # Errors
    /// What AWS answers.
    pub async fn has_another(&self, apigateway: &Client, owner: &Owner, id: &str) -> Result<bool, AwsError> {
        let _asking = self.asking.lock().await;
        if self.last().as_ref().is_none_or(|list| list.made.elapsed() >= AGE) {
            self.note(&super::remote::list(apigateway).await?);
        }
        let last = self.last();
        let mut all = last.iter().flat_map(|list| &list.apis);
        Ok(all.any(|(other, tags)| other != id && owner.reads(tags) == Ownership::Ours))
    }

    fn last(&self) -> MutexGuard<'_, Option<List>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
