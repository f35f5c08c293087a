//! The service `proto.Signer`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use tuf_schema::Gun;

use super::keys::{key_id, key_info};
use super::proto::signer_server::{Signer, SignerServer};
use super::proto::{Algorithm, Signature, SignatureRequest};
use super::status::RequestError;
use super::{peer, status};
use crate::keyring::Keyring;

/// The longest question: a snapshot of a server that took over one of 4 MiB, twice over.
const LONGEST_QUESTION_BYTES: usize = 8 << 20;

/// Names the repository that is signed for, as UTF-8. Our server sends it, the reference's does not.
const GUN_METADATA: &str = "bulla-gun-bin";

struct Service(Arc<Keyring>);

pub(super) fn service(keyring: Arc<Keyring>) -> SignerServer<impl Signer> {
    SignerServer::new(Service(keyring)).max_decoding_message_size(LONGEST_QUESTION_BYTES)
}

#[tonic::async_trait]
impl Signer for Service {
    async fn sign(&self, request: Request<SignatureRequest>) -> Result<Response<Signature>, Status> {
        let caller = peer::caller(&request).map_err(|refusal| status::not_allowed(&self.0, &refusal))?;
        let malformed = |error| status::malformed(&self.0, &caller, &error);
        let gun = named_gun(&request).map_err(malformed)?;
        let SignatureRequest { key_id: id, content } = request.into_inner();
        let signed = self.0.sign(&caller, &key_id(id).map_err(malformed)?, gun, content).await?;
        Ok(Response::new(Signature {
            key_info: Some(key_info(&signed.key)),
            algorithm: Some(Algorithm { algorithm: signed.signature.method.name().to_owned() }),
            content: signed.signature.bytes,
        }))
    }
}

/// The repository that the caller names, if it names one.
fn named_gun(request: &Request<SignatureRequest>) -> Result<Option<Gun>, RequestError> {
    let Some(value) = request.metadata().get_bin(GUN_METADATA) else { return Ok(None) };
    let bytes = value.to_bytes().map_err(|_| RequestError::UnreadableGun)?;
    let name = std::str::from_utf8(&bytes).map_err(|_| RequestError::UnreadableGun)?;
    Ok(Some(Gun::parse(name)?))
}
