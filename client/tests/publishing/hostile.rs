//! A server that means harm, and holds the snapshot and timestamp keys.

use bulla::remote::Part;
use bulla::trust::UpdateError;
use tuf_schema::Role;
use tuf_schema::model::Snapshot;
use tuf_schema::testing::signed;
use tuf_schema::verify::chain::ChainError;

use crate::world::{Person, Server, cached};

#[tokio::test]
async fn a_size_beyond_all_measure_is_not_asked_for() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
    let mut snapshot: Snapshot = server.current("snapshot");
    snapshot.version = snapshot.version.next().unwrap();
    snapshot.meta.get_mut(&Role::Targets).unwrap().length = 1 << 50;
    let parts = [Part { role: Role::Snapshot, bytes: signed(&snapshot, &[&server.snapshot]).to_vec() }];
    server.store(&mut server.state.lock().unwrap(), &parts);
    let before = cached(&reader);
    // The server in memory refuses to be asked for more than a document may have.
    let error = reader.read(&server).await.unwrap_err();
    assert!(matches!(error, UpdateError::Chain(ChainError::Stale(_))), "{error}");
    assert_eq!(cached(&reader), before);
}
