//! A range of blocks as one chain has it.
//!
//! The chain may change between two questions, and a node may be several that do not agree. So what
//! is read counts only if it fits together:
//!
//! ```text
//! behind <-parent- from  ...  number  ...  to      from goes on from the block read before
//!                             hash                 each event's block is the chain's at its height
//!                                          hash    the last block stays while the events are read
//! ```

use dn_core::api::Bytes32;

use super::{Chain, ChainError, Located};

/// What happened in a range.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) events: Vec<Located>,
    /// Hash of the last block.
    pub(crate) last: Bytes32,
}

/// Reads the blocks `from` to `to`, which follow the block with the hash `behind`. `None` if the
/// answers are not of one chain.
pub(crate) async fn read(
    chain: &dyn Chain,
    behind: Option<Bytes32>,
    from: u64,
    to: u64,
) -> Result<Option<Range>, ChainError> {
    let first = chain.block(from).await?;
    if first.is_none_or(|block| behind.is_some_and(|hash| block.parent != hash)) {
        return Ok(None);
    }
    let last = if from == to { first } else { chain.block(to).await? };
    let Some(last) = last else { return Ok(None) };
    let located = chain.events(from, to).await?;
    let mut known = (to, last.hash);
    for event in &located {
        let at = (event.number, event.hash);
        if at != known && chain.block(at.0).await?.map(|b| b.hash) != Some(at.1) {
            return Ok(None);
        }
        known = at;
    }
    let stays = chain.block(to).await? == Some(last);
    Ok(stays.then_some(Range { events: located, last: last.hash }))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Log as Emitted, B256};
    use alloy::providers::mock::Asserter;
    use alloy::rpc::types::{Block, Log};
    use alloy::sol_types::SolEvent as _;
    use dn_sdk::contracts::InferenceRollup::BatchExpired;

    use super::super::Rpc;
    use super::*;

    fn hash(i: u8) -> B256 {
        B256::repeat_byte(i)
    }

    /// A node's answer to a question for a block.
    fn block(own: u8, parent: u8) -> Option<Block> {
        let mut block = Block::<alloy::rpc::types::Transaction>::default();
        block.header.hash = hash(own);
        block.header.inner.parent_hash = hash(parent);
        Some(block)
    }

    fn settled(number: u64, block: u8) -> Log {
        let event = BatchExpired { batchId: 7 };
        let inner = Emitted { address: Address::ZERO, data: event.encode_log_data() };
        Log { inner, block_number: Some(number), block_hash: Some(hash(block)), ..Log::default() }
    }

    /// Reads blocks 5 to 6 behind a block with hash 4.
    async fn read_two(
        before: [Option<Block>; 2],
        logs: Vec<Log>,
        after: Vec<Option<Block>>,
    ) -> Option<Range> {
        let node = Asserter::new();
        before.iter().for_each(|b| node.push_success(b));
        node.push_success(&logs);
        after.iter().for_each(|b| node.push_success(b));
        let behind = Some(Bytes32([4; 32]));
        read(&Rpc::fake(node), behind, 5, 6).await.unwrap()
    }

    #[tokio::test]
    async fn takes_the_events_of_one_chain() {
        let chain = || [block(5, 4), block(6, 5)];
        let logs = vec![settled(5, 5), settled(5, 5), settled(6, 6)];
        let after = vec![block(5, 4), block(6, 5), block(6, 5)];
        let range = read_two(chain(), logs, after).await.unwrap();
        assert_eq!((range.events.len(), range.last), (3, Bytes32([6; 32])));
    }

    #[tokio::test]
    async fn refuses_an_event_of_a_block_that_is_not_the_chains() {
        let logs = vec![settled(5, 7)];
        assert!(read_two([block(5, 4), block(6, 5)], logs, vec![block(5, 4)]).await.is_none());
        let logs = vec![settled(6, 7)];
        assert!(read_two([block(5, 4), block(6, 5)], logs, vec![block(6, 5)]).await.is_none());
        let logs = vec![settled(5, 5)];
        assert!(read_two([block(5, 4), block(6, 5)], logs, vec![None]).await.is_none());
    }

    #[tokio::test]
    async fn refuses_a_range_that_does_not_go_on_from_the_last_one() {
        assert!(read_two([block(5, 3), block(6, 5)], vec![], vec![block(6, 5)]).await.is_none());
        assert!(read_two([None, block(6, 5)], vec![], vec![block(6, 5)]).await.is_none());
    }

    #[tokio::test]
    async fn refuses_a_range_whose_end_changes_meanwhile() {
        assert!(read_two([block(5, 4), block(6, 5)], vec![], vec![block(7, 5)]).await.is_none());
        assert!(read_two([block(5, 4), block(6, 5)], vec![], vec![None]).await.is_none());
    }
}
