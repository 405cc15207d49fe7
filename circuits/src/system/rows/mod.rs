//! Kinds of rows, one file each: cells with their bounds, marks, filling, constraints, and what the kind does to
//! registers.
//!
//! The tables of the book are written from these files (`tables`); that marks may share a column is proven from
//! them when the crate is built.

pub(crate) mod about;
pub(crate) mod activation;
mod attention;
pub(crate) mod branch;
pub(crate) mod classes;
pub(crate) mod constant;
pub(crate) mod context;
pub(crate) mod embedding;
pub(crate) mod exponential;
pub(crate) mod gap;
pub(crate) mod input;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod maximum;
pub(crate) mod message;
pub(crate) mod pooled;
pub(crate) mod product;
pub(crate) mod query;
pub(crate) mod root;
pub(crate) mod round;
pub(crate) mod round_narrow;
pub(crate) mod score;
mod sharing;
pub(crate) mod small;
pub(crate) mod spill;
pub(crate) mod sum;
pub(crate) mod tables;
pub(crate) mod token;
pub(crate) mod total;
pub(crate) mod tracks;
pub(crate) mod value;
pub(crate) mod window;
pub(crate) mod words;
pub(crate) mod zero;

use super::columns::Acc;
use super::kind::Kind;
use super::row::{total, Row};

use about::About;

impl Kind {
    /// The kind's file.
    pub(crate) const fn about(self) -> &'static About {
        match self {
            Self::Idle => &gap::IDLE,
            Self::Gap => &gap::ABOUT,
            Self::Input => &input::ABOUT,
            Self::Activation => &activation::ABOUT,
            Self::Window => &window::ABOUT,
            Self::Pooled => &pooled::ABOUT,
            Self::Spill => &spill::ABOUT,
            Self::Product => &product::ABOUT,
            Self::Token => &token::ABOUT,
            Self::Embedding => &embedding::ABOUT,
            Self::Sum => &sum::ABOUT,
            Self::Root => &root::ABOUT,
            Self::Query => &query::ABOUT,
            Self::Key => &key::ABOUT,
            Self::Maximum => &maximum::ABOUT,
            Self::Constant => &constant::ABOUT,
            Self::Exponential => &exponential::ABOUT,
            Self::Value => &value::ABOUT,
            Self::Total => &total::ABOUT,
            Self::Context => &context::ABOUT,
            Self::Classes => &classes::ABOUT,
            Self::Score => &score::ABOUT,
            Self::Zero => &zero::ABOUT,
            Self::Message => &message::ABOUT,
            Self::Branch => &branch::ABOUT,
            Self::Round(_) => &round::ABOUT,
        }
    }

    /// Why a cell of the first phase may hold anything that the table allows, if it may.
    #[cfg(test)]
    pub(crate) fn free(self, layout: dn_core::Width, column: usize) -> Option<&'static str> {
        let cell = super::columns::Cell::of(column, layout);
        match self {
            Self::Idle | Self::Gap | Self::Zero => Some("no gate reads it"),
            Self::Input
            | Self::Activation
            | Self::Window
            | Self::Pooled
            | Self::Spill
            | Self::Token
            | Self::Embedding
            | Self::Sum
            | Self::Query
            | Self::Key
            | Self::Maximum
            | Self::Constant
            | Self::Exponential
            | Self::Value
            | Self::Total
            | Self::Context => None,
            Self::Root => root::free(cell, layout),
            Self::Product => product::free(cell),
            Self::Classes => classes::free(cell),
            Self::Score => score::free(cell),
            Self::Message | Self::Branch => message::free(layout, column),
            Self::Round(round) => round::free(round, layout, column),
        }
    }
}

/// What marks of single kinds change of what becomes of a register's value.
#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    total([
        input::turns(r, acc),
        spill::turns(r, acc),
        classes::turns(r, acc),
        message::turns(r, acc),
        branch::turns(r, acc),
        instance::turns(r, acc),
        sum::turns(r, acc),
        root::turns(r, acc),
        words::turns(r, acc),
        attention::turns(r, acc),
    ])
}

/// What single kinds add to a register.
#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    total([
        input::terms(r, acc),
        spill::terms(r, acc),
        product::terms(r, acc),
        classes::terms(r, acc),
        score::terms(r, acc),
        message::terms(r, acc),
        branch::terms(r, acc),
        round::terms(r, acc),
        instance::terms(r, acc),
        sum::terms(r, acc),
        root::terms(r, acc),
        words::terms(r, acc),
        attention::terms(r, acc),
    ])
}
