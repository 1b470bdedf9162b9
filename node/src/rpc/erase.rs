//! What is to be erased, and the receipt, in messages and back.

use flowlore_archive::archive::{Erasure, Receipt};
use flowlore_common::time::Micros;
use flowlore_proto::v1::erase_flows_request::Whose;
use flowlore_proto::v1::{EraseFlowsRequest, EraseFlowsResponse};
use tonic::Status;

use crate::archive::Erased;

/// As it is asked.
pub(super) fn request(erasure: &Erasure) -> EraseFlowsRequest {
    let whose = match erasure {
        Erasure::Address(address) => Whose::Address(address.to_string()),
        Erasure::HostName(name) => Whose::HostName(name.clone()),
        Erasure::User(name) => Whose::User(name.clone()),
        Erasure::Before(time) => Whose::BeforeUs(time.0),
    };
    EraseFlowsRequest { whose: Some(whose) }
}

/// As it was asked.
pub(super) fn asked(request: EraseFlowsRequest) -> Result<Erasure, Status> {
    let invalid =
        || Status::invalid_argument("whose: name a machine, an address, a user or a time");
    let named = |name: String| if name.is_empty() { Err(invalid()) } else { Ok(name) };
    Ok(match request.whose.ok_or_else(invalid)? {
        Whose::Address(text) => Erasure::Address(text.parse().map_err(|_| invalid())?),
        Whose::HostName(name) => Erasure::HostName(named(name)?),
        Whose::User(name) => Erasure::User(named(name)?),
        Whose::BeforeUs(us) => Erasure::Before(Micros(us)),
    })
}

pub(super) fn response(
    Erased { receipt, days_removed, datagram_files_removed }: Erased,
) -> EraseFlowsResponse {
    let Receipt { files_searched, files_rewritten, files_removed, flows_erased, flows_kept } =
        receipt;
    EraseFlowsResponse {
        files_searched,
        files_rewritten,
        files_removed,
        flows_erased,
        flows_kept,
        days_removed,
        datagram_files_removed,
    }
}

pub(super) fn erased(response: EraseFlowsResponse) -> Erased {
    let EraseFlowsResponse {
        files_searched,
        files_rewritten,
        files_removed,
        flows_erased,
        flows_kept,
        days_removed,
        datagram_files_removed,
    } = response;
    let receipt =
        Receipt { files_searched, files_rewritten, files_removed, flows_erased, flows_kept };
    Erased { receipt, days_removed, datagram_files_removed }
}
