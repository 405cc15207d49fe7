//! The tools.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dn_core::api::{Bytes32, ChainView, ModelView, TaskView};
use dn_import::arg_max;
use dn_sdk::deposit::{format_dn, Deposits, Wei};
use dn_sdk::{Account, Client, User};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ServerCapabilities, ServerConfig};
use rmcp::{tool, tool_handler, tool_router, ErrorData, ServerHandler};
use serde_json::{json, Value};

use super::arguments::{GetProof, Infer, Quote, Verify};
use super::budget::Budget;
use super::judge::{judge, Claimed};
use crate::app::App;
use crate::catalog::Catalog;
use crate::inference::{infer, Answer, Terms};
use crate::refusal::Refusal;
use crate::tasks::own_task;
use crate::tensors;

/// Longest wait for a proof.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Most answers that a session remembers.
const MAX_REMEMBERED: usize = 10_000;

const INSTRUCTIONS: &str = "Inference with proofs. list_models tells what there is, quote what it costs, infer answers at \
once and pays from escrow. Each answer is a task: within a minute or so its batch is proven on a chain. verify waits for \
that and checks the proof here. balance tells what is left.";

/// The tools of one payer.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    catalog: Arc<Catalog>,
    chain: ChainView,
    user: User,
    terms: Terms,
    /// Reads the chain; `None` where the gateway was told none.
    account: Option<Account>,
    /// What the session may spend, where it is less than the escrow.
    budget: Option<Arc<Budget>>,
    asked: Arc<Mutex<HashMap<Bytes32, Claimed>>>,
}

type Outcome = Result<CallToolResult, ErrorData>;

/// What the agent is told.
fn outcome(done: Result<Value, Refusal>) -> Outcome {
    Ok(match done {
        Ok(value) => CallToolResult::structured(value),
        Err(refusal) => CallToolResult::structured_error(refusal.told()),
    })
}

impl Tools {
    /// For an API key of a gateway.
    pub(super) fn of_key(app: &App, user: User) -> Result<Self, Refusal> {
        let facts = app.facts();
        let account = facts.rpc_url.as_ref().map(|url| {
            let connected = Account::connect(user.signer().clone(), url);
            connected.ok_or_else(|| Refusal::Internal(anyhow::anyhow!("{url} is not a URL")))
        });
        Ok(Self {
            catalog: app.catalog().clone(),
            chain: facts.chain,
            user,
            terms: facts.terms,
            account: account.transpose()?,
            budget: None,
            asked: Arc::default(),
        })
    }

    /// For a session over stdio.
    pub(super) fn of_session(
        client: &Client,
        chain: ChainView,
        (user, account): (User, Account),
        terms: Terms,
        budget_wei: u128,
    ) -> Self {
        let catalog = Arc::new(Catalog::new(client.clone()));
        let (account, budget) = (Some(account), Some(Arc::new(Budget::new(budget_wei))));
        Self { catalog, chain, user, terms, account, budget, asked: Arc::default() }
    }

    fn account(&self) -> Result<&Account, Refusal> {
        self.account.as_ref().ok_or(Refusal::NoChain)
    }

    fn budget_dn(&self) -> Option<String> {
        self.budget.as_ref().map(|budget| format_dn(Wei::from(budget.left())))
    }

    async fn list(&self) -> Result<Value, Refusal> {
        let models = self.catalog.list().await?;
        Ok(json!({ "models": models.iter().map(described).collect::<Vec<_>>() }))
    }

    async fn price(&self, quote: &Quote) -> Result<Value, Refusal> {
        let model = self.catalog.view(&quote.model, None).await?;
        let total = total(&model, quote.rows as usize);
        let mut told = json!({
            "model": model.name,
            "rows": quote.rows,
            "price_dn": format_dn(Wei::from(model.price.0)),
            "total_dn": format_dn(Wei::from(total)),
            "session_budget_dn": self.budget_dn(),
        });
        if let Some(account) = &self.account {
            let holdings = Deposits::new(account, self.chain).holdings().await;
            let spendable = holdings.map_err(|e| Refusal::Internal(e.into()))?.spendable;
            told["escrow_spendable_dn"] = format_dn(spendable).into();
        }
        Ok(told)
    }

    async fn ask(&self, asked: Infer) -> Result<Value, Refusal> {
        let model = self.catalog.model(&asked.model, None).await?;
        let narrow = |row: Vec<f64>| row.into_iter().map(|x| x as f32).collect();
        let rows = asked.inputs.into_iter().map(narrow).collect();
        let rows = tensors::vectors(&model.package, rows)?;
        let price = total(&model.view, rows.len());
        if let Some(budget) = &self.budget {
            budget.take(price).map_err(|left| Refusal::Budget {
                needed: format_dn(Wei::from(price)),
                left: format_dn(Wei::from(left)),
            })?;
        }
        let answers = infer(&self.user, &model, &rows, self.terms).await;
        if let (Err(refusal), Some(budget)) = (&answers, &self.budget) {
            let ordered = total(&model.view, refusal.tasks().len());
            budget.give_back(price.saturating_sub(ordered));
        }
        let answers = answers?;
        self.remember(&answers);
        let told = |answer: &Answer| {
            let values = model.package.values(&answer.codes);
            let class = (model.view.classes > 1).then(|| arg_max(&values.concat()));
            json!({
                "task_id": answer.task.task_id,
                "values": values,
                "class": class,
                "codes": answer.codes,
                "salt": answer.salt,
                "receipt": answer.task.receipt,
            })
        };
        Ok(json!({
            "model": model.view.name,
            "answers": answers.iter().map(told).collect::<Vec<_>>(),
            "cost_dn": format_dn(Wei::from(price)),
            "session_budget_dn": self.budget_dn(),
            "proof": "not yet: call verify or get_proof with a task_id",
        }))
    }

    fn remember(&self, answers: &[Answer]) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if self.budget.is_none() || asked.len() + answers.len() > MAX_REMEMBERED {
            return;
        }
        for Answer { task, salt, codes } in answers {
            asked.insert(task.task_id, Claimed { codes: codes.clone(), salt: *salt });
        }
    }

    fn remembered(&self, id: Bytes32) -> Option<Claimed> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    async fn ended(&self, id: &str, wait_s: u64) -> Result<TaskView, Refusal> {
        own_task(&self.user, id, Duration::from_secs(wait_s).min(MAX_WAIT)).await
    }

    async fn proof(&self, asked: GetProof) -> Result<Value, Refusal> {
        let task = self.ended(&asked.task_id, asked.wait_s).await?;
        Ok(json!({
            "task_id": task.task_id,
            "state": task.state,
            "reason": task.reason,
            "is_proven": task.proven_output_hash.is_some(),
            "proven_output_hash": task.proven_output_hash,
            "batch_id": task.batch_id,
            "proof_transaction": task.tx_hash,
            "rollup": self.chain.rollup,
            "chain_id": self.chain.chain_id,
            "proof_path_at_the_sequencer": task.batch_id.map(|id| format!("/v1/batches/{id}/proof")),
        }))
    }

    async fn check(&self, asked: Verify) -> Result<Value, Refusal> {
        let account = self.account()?;
        let task = self.ended(&asked.task_id, asked.wait_s).await?;
        let remembered = self.remembered(task.task_id);
        let claimed = match (asked.codes, asked.salt) {
            (Some(codes), Some(salt)) => {
                let salt = salt.parse();
                let salt =
                    salt.map_err(|_| Refusal::Malformed("the salt is no 32 bytes".into()))?;
                Some(Claimed { codes, salt })
            }
            (None, None) => remembered,
            _ => return Err(Refusal::Malformed("give codes and salt, or none of them".into())),
        };
        judge(account, &self.user, &self.chain, &task, claimed.as_ref()).await
    }

    async fn holdings(&self) -> Result<Value, Refusal> {
        let holdings = Deposits::new(self.account()?, self.chain).holdings().await;
        let holdings = holdings.map_err(|e| Refusal::Internal(e.into()))?;
        Ok(json!({
            "account": self.user.address(),
            "escrow_dn": format_dn(holdings.balance),
            "escrow_spendable_dn": format_dn(holdings.spendable),
            "session_budget_dn": self.budget_dn(),
        }))
    }
}

/// Fee of so many rows, in wei of DN.
fn total(model: &ModelView, rows: usize) -> u128 {
    model.price.0.saturating_mul(rows as u128)
}

fn described(model: &ModelView) -> Value {
    json!({
        "name": model.name,
        "service": model.service,
        "model_id": model.model_id,
        "numbers_in": model.input_len,
        "numbers_out": model.output_len,
        "classes": model.classes,
        "price_dn": format_dn(Wei::from(model.price.0)),
    })
}

#[tool_router]
impl Tools {
    /// Lists the models: what each takes, gives and costs.
    #[tool]
    async fn list_models(&self) -> Outcome {
        outcome(self.list().await)
    }

    /// Tells what inference costs, in DN, before it is ordered. Spends nothing.
    #[tool]
    async fn quote(&self, Parameters(asked): Parameters<Quote>) -> Outcome {
        outcome(self.price(&asked).await)
    }

    /// Has a model answer rows of numbers, and pays for each row. The answers come at once, the proof later.
    #[tool]
    async fn infer(&self, Parameters(asked): Parameters<Infer>) -> Outcome {
        outcome(self.ask(asked).await)
    }

    /// Tells where a task's proof is, after waiting for it.
    #[tool]
    async fn get_proof(&self, Parameters(asked): Parameters<GetProof>) -> Outcome {
        outcome(self.proof(asked).await)
    }

    /// Verifies a task's proof on this machine: the statement and the key against the chain, the proof itself, and that
    /// the answer is the proven one.
    #[tool]
    async fn verify(&self, Parameters(asked): Parameters<Verify>) -> Outcome {
        outcome(self.check(asked).await)
    }

    /// Tells what the account has in escrow and what the session may still spend.
    #[tool]
    async fn balance(&self) -> Outcome {
        outcome(self.holdings().await)
    }
}

#[tool_handler(router = Self::tool_router())]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions(INSTRUCTIONS)
    }
}
