//! What is given to who asks: one bounded page a wish.

use flowlore_common::ids::Token;
use flowlore_common::limits::BLOCK_ITEMS_MAX;

use super::Effect;
use super::message::Message;
use super::{Broken, Outcome, PeerId, Step};
use crate::ledger::Want;
use crate::limits::{SYNC_PAGE_BYTES_MAX, SYNC_WANTS_MAX};
use crate::store::StoreError;

impl Step<'_> {
    pub(super) fn send(&mut self, id: PeerId, message: Message) {
        self.effects.push(Effect::Send(id, message));
    }

    pub(super) fn serve_roster(&mut self, id: PeerId, from: u32) -> Outcome {
        let page = self
            .ledger
            .documents_from(from, SYNC_PAGE_BYTES_MAX)
            .map_err(|error| storage(&error))?;
        self.send(id, Message::Roster(page));
        Ok(())
    }

    /// One page: the first ranges, as far as it goes. The receiver asks again for the rest.
    pub(super) fn serve_blocks(&mut self, id: PeerId, wants: &[Want]) -> Outcome {
        if wants.len() > SYNC_WANTS_MAX {
            return Err(Broken::Unasked("wishes"));
        }
        let mut page: Vec<Vec<u8>> = Vec::new();
        let mut left = SYNC_PAGE_BYTES_MAX;
        for want in wants {
            let blocks = self.ledger.blocks_after(*want, left).map_err(|error| storage(&error))?;
            let bytes: usize = blocks.iter().map(Vec::len).sum();
            if bytes > left && !page.is_empty() {
                break;
            }
            left = left.saturating_sub(bytes);
            page.extend(blocks);
            if left == 0 {
                break;
            }
        }
        self.send(id, Message::Blocks(page));
        Ok(())
    }

    pub(super) fn serve_records(&mut self, id: PeerId, tokens: &[Token]) -> Outcome {
        if tokens.len() > BLOCK_ITEMS_MAX {
            return Err(Broken::Unasked("wishes"));
        }
        let mut records = Vec::with_capacity(tokens.len());
        for token in tokens {
            records.extend(self.ledger.record(token).map_err(|error| storage(&error))?);
        }
        self.send(id, Message::Records(records));
        Ok(())
    }
}

fn storage(error: &StoreError) -> Broken {
    Broken::Storage(error.to_string())
}
