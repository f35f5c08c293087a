//! One thing broken in each: the exact refusal, nothing stored, and the next good publish works.

use serde_json::Value;
use tuf_schema::testing::{signed_value, to_value};

use super::*;

mod roots;
mod server_roles;
mod shapes;
mod signatures;
mod snapshots;
mod targets;

/// A first upload with something broken in it, refused; then the sound one, accepted.
async fn refused_first(name: &str, message: &str, break_it: impl Fn(&mut Author) -> Vec<UploadPart>) {
    let stack = Stack::new();
    let mut broken = stack.author().await;
    let parts = break_it(&mut broken);
    assert_told(&stack.refusal(parts).await, name, message);
    stack.published().await;
}

/// Likewise for an update of a repository that is there.
async fn refused_update(name: &str, message: &str, break_it: impl Fn(&mut Author) -> Vec<UploadPart>) {
    let stack = Stack::new();
    let mut author = stack.published().await;
    let sound = { (author.targets.clone(), author.root.clone()) };
    let parts = break_it(&mut author);
    assert_told(&stack.refusal(parts).await, name, message);
    (author.targets, author.root) = sound;
    author.next_targets();
    stack.publish(vec![targets(&author)]).await.unwrap();
}

/// A first upload whose targets are this JSON, well signed.
fn with_targets(author: &Author, edit: impl Fn(&mut Value)) -> Vec<UploadPart> {
    let mut value = to_value(&author.targets);
    edit(&mut value);
    vec![root(author), part(Role::Targets, signed_value(&value, &[&author.targets_key]))]
}

fn with_root(author: &Author, edit: impl Fn(&mut Value)) -> Vec<UploadPart> {
    let mut value = to_value(&author.root);
    edit(&mut value);
    vec![part(Role::Root, signed_value(&value, &[&author.root_key])), targets(author)]
}
