//! Evaluations for other members.

use std::sync::{Arc, PoisonError};

use flowlore_common::env::SystemRng;
use flowlore_proto::v1;
use flowlore_proto::v1::evaluator_service_server::EvaluatorService;
use tonic::{Request, Response, Status};

use super::{exhausted, internal};
use crate::evaluator::{NotEvaluated, Situation};
use crate::node::Node;
use crate::rpc::federation::member;

/// Serves `EvaluatorService` on the peers' port.
#[derive(Debug)]
pub struct EvaluatorHandler(pub Arc<Node>);

#[tonic::async_trait]
impl EvaluatorService for EvaluatorHandler {
    async fn evaluate(
        &self,
        request: Request<v1::EvaluateRequest>,
    ) -> Result<Response<v1::EvaluateResponse>, Status> {
        let caller = member(&self.0, &request)?;
        let node = self.0.clone();
        let evaluated = tokio::task::spawn_blocking(move || {
            let roster = node.store.roster();
            let share = node.share.lock().unwrap_or_else(PoisonError::into_inner);
            let situation = Situation {
                roster: &roster,
                caller,
                share: share.as_ref(),
                signing: &node.keys.signing,
                now_s: node.clock.now().seconds(),
            };
            let mut evaluator = node.evaluator.lock().unwrap_or_else(PoisonError::into_inner);
            evaluator.evaluate(&request.into_inner().signed, &situation, &mut SystemRng)
        });
        match evaluated.await.map_err(internal)? {
            Ok(signed) => Ok(Response::new(v1::EvaluateResponse { signed: signed.into() })),
            Err(error) => Err(status(error)),
        }
    }
}

fn status(error: NotEvaluated) -> Status {
    let message = error.to_string();
    match error {
        NotEvaluated::Malformed | NotEvaluated::Element => Status::invalid_argument(message),
        NotEvaluated::Signer => Status::permission_denied(message),
        NotEvaluated::Scope | NotEvaluated::NoShare | NotEvaluated::Day => {
            Status::failed_precondition(message)
        }
        NotEvaluated::Storage => Status::unavailable(message),
        NotEvaluated::Quota { retry_after_s } => exhausted(message, retry_after_s),
    }
}
