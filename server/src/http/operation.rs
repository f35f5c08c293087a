//! The operations that metrics and log tell apart.

/// What a request asks for. The names are the reference's, but for `GetUpdate` and `ListRepositories`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    UpdateTuf,
    GetRole,
    GetRoleByVersion,
    GetRoleByHash,
    GetUpdate,
    GetKey,
    RotateKey,
    DeleteTuf,
    Changefeed,
    ListRepositories,
}

impl Operation {
    /// Each of them.
    pub(crate) const EVERY: [Self; 10] = [
        Self::UpdateTuf,
        Self::GetRole,
        Self::GetRoleByVersion,
        Self::GetRoleByHash,
        Self::GetUpdate,
        Self::GetKey,
        Self::RotateKey,
        Self::DeleteTuf,
        Self::Changefeed,
        Self::ListRepositories,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UpdateTuf => "UpdateTUF",
            Self::GetRole => "GetRole",
            Self::GetRoleByVersion => "GetRoleByVersion",
            Self::GetRoleByHash => "GetRoleByHash",
            Self::GetUpdate => "GetUpdate",
            Self::GetKey => "GetKey",
            Self::RotateKey => "RotateKey",
            Self::DeleteTuf => "DeleteTUF",
            Self::Changefeed => "Changefeed",
            Self::ListRepositories => "ListRepositories",
        }
    }
}
