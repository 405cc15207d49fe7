//! Stakes: how an account becomes a worker, a prover or a validator, and how it leaves.

use alloy::primitives::{Address, U256};
use dn_core::api::ChainView;
use serde::Serialize;

use crate::call::{done, CallError};
use crate::contracts::{DnToken, Epochs, InferenceRollup, Staking, Validators};
use crate::{wire, Account};

/// What a stake is put up for: `IStaking.Role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum StakeRole {
    /// Runs models.
    Worker = 0,
    /// Proves batches.
    Prover = 1,
    /// Checks both.
    Validator = 2,
}

/// What an account has put up for a role, in wei of DN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stake {
    /// Outside, in the account.
    pub wallet: U256,
    /// At work.
    pub bonded: U256,
    /// On its way out, still slashable.
    pub unbonding: U256,
    /// Unix second from which what is on its way out can be withdrawn; 0 when there is nothing.
    pub release_at: u64,
    /// Least stake of a node.
    pub minimum: U256,
    /// Whether the node may work.
    pub is_active: bool,
    /// Whether it has a part in the epochs: a worker's seat, a validator's place. Provers need none.
    pub is_seated: bool,
}

/// An account's stake for one role.
#[derive(Clone, Debug)]
pub struct Stakes<'a> {
    account: &'a Account,
    chain: ChainView,
    role: StakeRole,
}

impl<'a> Stakes<'a> {
    /// The account's part of a rollup.
    #[must_use]
    pub fn new(account: &'a Account, chain: ChainView, role: StakeRole) -> Self {
        Self { account, chain, role }
    }

    /// What the account has put up.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn stake(&self) -> Result<Stake, CallError> {
        let (owner, provider) = (self.account.address(), &self.account.provider);
        let (staking, role) = (self.staking(), self.role as u8);
        let token = DnToken::new(wire::address(self.chain.token), provider);
        let stake = staking.stakeOf(role, owner).call().await?;
        Ok(Stake {
            wallet: token.balanceOf(owner).call().await?,
            bonded: U256::from(stake.bonded),
            unbonding: U256::from(stake.unbonding),
            release_at: stake.releaseAt,
            minimum: staking.minimumStake().call().await?,
            is_active: staking.isActive(role, owner).call().await?,
            is_seated: self.is_seated().await?,
        })
    }

    /// Puts up `amount` more, in wei of DN, and takes the part in the epochs that the role has. Nothing more is put up
    /// for 0, so that a seat that could not be had can be tried again.
    ///
    /// # Errors
    /// When a contract refuses or the chain does not answer.
    pub async fn add(&self, amount: U256) -> Result<(), CallError> {
        let (staking, provider) = (self.staking(), &self.account.provider);
        if !amount.is_zero() {
            let token = DnToken::new(wire::address(self.chain.token), provider);
            done(token.approve(*staking.address(), amount).send().await).await?;
            done(staking.stake(self.role as u8, amount).send().await).await?;
        }
        self.take_seat().await
    }

    /// Takes a seat or place, if the role has one, the account has none yet and its stake suffices.
    ///
    /// # Errors
    /// When a contract refuses or the chain does not answer.
    pub async fn take_seat(&self) -> Result<(), CallError> {
        if self.is_seated().await? {
            return Ok(());
        }
        match self.role {
            StakeRole::Worker => {
                let epochs = self.epochs().await?;
                let next = epochs.seatCount().call().await?;
                done(epochs.seat(self.account.address(), next).send().await).await
            }
            StakeRole::Validator => {
                done(self.validators().await?.register(Address::ZERO).send().await).await
            }
            StakeRole::Prover => Ok(()),
        }
    }

    /// Starts to take `amount` out, in wei of DN. A validator that takes all leaves its place first.
    ///
    /// # Errors
    /// When a contract refuses or the chain does not answer.
    pub async fn unbond(&self, amount: U256) -> Result<(), CallError> {
        let staking = self.staking();
        let bonded = self.stake().await?.bonded;
        if self.role == StakeRole::Validator && amount == bonded && self.is_seated().await? {
            done(self.validators().await?.leave().send().await).await?;
        }
        done(staking.unbond(self.role as u8, amount).send().await).await
    }

    /// Pays out what was taken out, once its time is over.
    ///
    /// # Errors
    /// When the contract refuses or the chain does not answer.
    pub async fn withdraw(&self) -> Result<(), CallError> {
        done(self.staking().withdraw(self.role as u8).send().await).await
    }

    async fn is_seated(&self) -> Result<bool, CallError> {
        let owner = self.account.address();
        match self.role {
            StakeRole::Worker => {
                let epochs = self.epochs().await?;
                let seats: u64 = epochs.seatCount().call().await?.saturating_to();
                for at in 0..seats {
                    if epochs.seats(U256::from(at)).call().await?.worker == owner {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            StakeRole::Validator => Ok(self.validators().await?.isValidator(owner).call().await?),
            StakeRole::Prover => Ok(true),
        }
    }

    fn staking(&self) -> Staking::StakingInstance<&alloy::providers::DynProvider> {
        Staking::new(wire::address(self.chain.staking), &self.account.provider)
    }

    async fn epochs(
        &self,
    ) -> Result<Epochs::EpochsInstance<&alloy::providers::DynProvider>, CallError> {
        let provider = &self.account.provider;
        let rollup = InferenceRollup::new(wire::address(self.chain.rollup), provider);
        Ok(Epochs::new(rollup.epochs().call().await?, provider))
    }

    async fn validators(
        &self,
    ) -> Result<Validators::ValidatorsInstance<&alloy::providers::DynProvider>, CallError> {
        let validators = self.epochs().await?.validators().call().await?;
        Ok(Validators::new(validators, &self.account.provider))
    }
}
