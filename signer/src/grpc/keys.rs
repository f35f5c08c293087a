//! The service `proto.KeyManagement`.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use tuf_schema::key::PublicKey;
use tuf_schema::{Gun, Role};

use super::proto::key_management_server::{KeyManagement, KeyManagementServer};
use super::proto::{self, CreateKeyRequest, GetKeyInfoResponse, KeyId, KeyInfo, Void};
use super::status::RequestError;
use super::{peer, status};
use crate::excerpt::Excerpt;
use crate::keyring::Keyring;
use crate::store::{Algorithm, Purpose};

struct Service(Arc<Keyring>);

pub(super) fn service(keyring: Arc<Keyring>) -> KeyManagementServer<impl KeyManagement> {
    KeyManagementServer::new(Service(keyring))
}

#[tonic::async_trait]
impl KeyManagement for Service {
    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Result<Response<proto::PublicKey>, Status> {
        let caller = peer::caller(&request).map_err(|refusal| status::not_allowed(&self.0, &refusal))?;
        let (algorithm, purpose) =
            parse(&request.into_inner()).map_err(|error| status::malformed(&self.0, &caller, &error))?;
        let key = self.0.create(&caller, algorithm, &purpose).await?;
        Ok(Response::new(proto::PublicKey { key_info: Some(key_info(&key)), public_key: key.public_bytes().to_vec() }))
    }

    async fn delete_key(&self, request: Request<KeyId>) -> Result<Response<Void>, Status> {
        let caller = peer::caller(&request).map_err(|refusal| status::not_allowed(&self.0, &refusal))?;
        let id = key_id(Some(request.into_inner())).map_err(|error| status::malformed(&self.0, &caller, &error))?;
        self.0.delete(&caller, &id).await?;
        Ok(Response::new(Void {}))
    }

    async fn get_key_info(&self, request: Request<KeyId>) -> Result<Response<GetKeyInfoResponse>, Status> {
        let caller = peer::caller(&request).map_err(|refusal| status::not_allowed(&self.0, &refusal))?;
        let id = key_id(Some(request.into_inner())).map_err(|error| status::malformed(&self.0, &caller, &error))?;
        let described = self.0.describe(&caller, &id).await?;
        Ok(Response::new(GetKeyInfoResponse {
            key_info: Some(key_info(&described.key)),
            public_key: described.key.public_bytes().to_vec(),
            role: described.purpose.role_text().to_owned(),
        }))
    }
}

/// The key id of a request. An absent or empty one names no key: in the reference it means every key, or any.
pub(crate) fn key_id(message: Option<KeyId>) -> Result<tuf_schema::key::KeyId, RequestError> {
    let text = message.map(|message| message.id).filter(|id| !id.is_empty()).ok_or(RequestError::NoKeyId)?;
    if text.len() > MAX_KEY_ID_BYTES {
        return Err(RequestError::LongKeyId { bytes: text.len() });
    }
    Ok(tuf_schema::key::KeyId::from_wire(&text))
}

/// The width of the reference's column.
const MAX_KEY_ID_BYTES: usize = 255;

pub(super) fn key_info(key: &PublicKey) -> KeyInfo {
    KeyInfo {
        key_id: Some(KeyId { id: key.id().as_str().to_owned() }),
        algorithm: Some(proto::Algorithm { algorithm: key.key_type().name().to_owned() }),
    }
}

pub(crate) fn parse(request: &CreateKeyRequest) -> Result<(Algorithm, Purpose), RequestError> {
    let gun = match request.gun.as_str() {
        "" => None,
        text => Some(Gun::parse(text)?),
    };
    let role = match request.role.as_str() {
        "" => None,
        text => Some(Role::parse(text).map_err(|_| RequestError::NotARole(Excerpt::of(text)))?),
    };
    let unsupported = || RequestError::UnsupportedAlgorithm(Excerpt::of(&request.algorithm));
    Ok((Algorithm::parse(&request.algorithm).ok_or_else(unsupported)?, Purpose { gun, role }))
}
