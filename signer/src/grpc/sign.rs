//! The service `proto.Signer`.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::keys::{key_id, key_info};
use super::peer;
use super::proto::signer_server::{Signer, SignerServer};
use super::proto::{Algorithm, Signature, SignatureRequest};
use crate::keyring::Keyring;

struct Service(Arc<Keyring>);

pub(super) fn service(keyring: Arc<Keyring>) -> SignerServer<impl Signer> {
    SignerServer::new(Service(keyring))
}

#[tonic::async_trait]
impl Signer for Service {
    async fn sign(&self, request: Request<SignatureRequest>) -> Result<Response<Signature>, Status> {
        let caller = peer::caller(&request)?;
        let SignatureRequest { key_id: id, content } = request.into_inner();
        let signed = self.0.sign(&caller, &key_id(id)?, &content).await?;
        Ok(Response::new(Signature {
            key_info: Some(key_info(&signed.key)),
            algorithm: Some(Algorithm { algorithm: signed.signature.method.name().to_owned() }),
            content: signed.signature.bytes,
        }))
    }
}
