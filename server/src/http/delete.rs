//! DELETE of a collection: every file of a repository goes.

use super::error::ApiError;
use super::{Answer, answer};
use crate::app::App;
use crate::auth::{Access, Admin};

pub(super) async fn delete(app: &App, access: Access<Admin>) -> Result<Answer, ApiError> {
    app.rates.count_publish(access.gun())?;
    // a repository that is not there is as gone as one that was
    app.publisher.delete(&access).await?;
    Ok(answer::empty())
}
