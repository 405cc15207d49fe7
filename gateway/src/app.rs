//! What requests share.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use dn_core::api::ChainView;
use dn_sdk::{Client, KeyMaker, User};

use crate::catalog::Catalog;
use crate::inference::Terms;
use crate::request::Room;

/// What a gateway is told at its start.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) client: Client,
    pub(crate) chain: ChainView,
    pub(crate) keys: KeyMaker,
    /// Names of keys that are no longer taken.
    pub(crate) revoked: HashSet<String>,
    /// Without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) terms: Terms,
    /// HTTP endpoint of the chain, for balances and for checks of proofs.
    pub(crate) rpc_url: Option<String>,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    facts: Facts,
    catalog: Arc<Catalog>,
    room: Room,
    /// By the name of the budget.
    users: Mutex<HashMap<String, User>>,
}

impl App {
    pub(crate) fn new(facts: Facts) -> Self {
        let catalog = Arc::new(Catalog::new(facts.client.clone()));
        Self(Arc::new(Shared { facts, catalog, room: Room::new(), users: Mutex::default() }))
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0.facts
    }

    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.0.catalog
    }

    /// For the bodies of requests.
    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    /// Who spends the budget of a key, by the key. `None` when it is no key, or one that is revoked.
    pub(crate) fn user_of(&self, key: &str) -> Option<User> {
        let Facts { client, chain, keys, revoked, .. } = &self.0.facts;
        let name = keys.name_of(key).filter(|name| !revoked.contains(*name))?;
        let budget = name.split('.').next().unwrap_or(name);
        // Those of one budget share a user, and so its nonces.
        let mut users = self.0.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = users.get(budget) {
            return Some(user.clone());
        }
        let user = User::new(client, *chain, keys.account(name).ok()?);
        users.insert(budget.to_owned(), user.clone());
        Some(user)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dn_core::api::Address;

    use super::*;

    fn app(revoked: &[&str]) -> (App, KeyMaker) {
        let file = std::env::temp_dir().join(format!("dn-gateway-{}.secret", std::process::id()));
        let keys = KeyMaker::read_or_create(&file).expect("a secret");
        std::fs::remove_file(&file).expect("removed");
        let nobody = Address([0; 20]);
        let chain = ChainView {
            chain_id: 1,
            rollup: nobody,
            token: nobody,
            staking: nobody,
            registry: nobody,
            sequencer: nobody,
        };
        let terms =
            Terms { order_life: Duration::from_secs(1), answer_limit: Duration::from_secs(1) };
        let app = App::new(Facts {
            client: Client::new("http://127.0.0.1:1").expect("a client"),
            chain,
            keys: keys.clone(),
            revoked: revoked.iter().map(|name| (*name).to_owned()).collect(),
            public_url: String::new(),
            terms,
            rpc_url: None,
        });
        (app, keys)
    }

    #[test]
    fn keys_of_one_budget_share_a_user_and_revoked_ones_have_none() {
        let (app, keys) = app(&["acme"]);
        let user = |name: &str| app.user_of(&keys.key(name).expect("a key"));
        assert!(user("acme").is_none());
        let (first, second) = (user("acme.2").expect("a user"), user("acme.3").expect("a user"));
        assert_eq!(first.address(), second.address());
        assert_ne!(first.address(), user("other").expect("a user").address());
        assert!(app.user_of("dn-acme.2-00").is_none());
    }
}
