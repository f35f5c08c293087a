//! An attacker with the server's database in hand: one byte of a stored document is changed.

use anyhow::{Context, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

/// In the newest stored `role`, changes one character of the first hash; says what was there and what is there now.
///
/// The change is its own inverse, so a second call puts the old byte back.
pub(crate) async fn flip_byte(database: &str, role: &str) -> anyhow::Result<String> {
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(false);
    let mut connection: SqliteConnection = options.connect().await.context("the database does not open")?;
    let newest = "SELECT gun, version, data FROM tuf_files WHERE role = $1 ORDER BY version DESC LIMIT 1";
    let row = sqlx::query(newest).bind(role).fetch_one(&mut connection).await?;
    let (gun, version): (String, i64) = (row.try_get("gun")?, row.try_get("version")?);
    let mut data: Vec<u8> = row.try_get("data")?;

    let (at, was, is) = flip(&mut data).context("there is no hash in the document")?;
    let update = "UPDATE tuf_files SET data = $1 WHERE gun = $2 AND role = $3 AND version = $4";
    let done = sqlx::query(update).bind(data).bind(&gun).bind(role).bind(version).execute(&mut connection).await?;
    ensure!(done.rows_affected() == 1, "{} rows changed", done.rows_affected());
    connection.close().await?;
    Ok(format!("{role} {version} of {gun}: byte {at} was {was:?} and is {is:?}"))
}

/// The first character of the first sha256 whose lowest bit can change without leaving the alphabet.
fn flip(data: &mut [u8]) -> Option<(usize, char, char)> {
    const MEMBER: &[u8] = b"\"sha256\":\"";
    let start = data.windows(MEMBER.len()).position(|window| window == MEMBER)? + MEMBER.len();
    let hash = data.get_mut(start..)?.iter_mut().enumerate();
    let (at, byte) = hash
        .take_while(|(_, byte)| **byte != b'"')
        .find(|(_, byte)| byte.is_ascii_alphanumeric() && (**byte ^ 1).is_ascii_alphanumeric())?;
    let was = *byte;
    *byte ^= 1;
    Some((start + at, char::from(was), char::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flipping_twice_puts_the_old_byte_back() {
        let document = br#"{"hashes":{"sha256":"+Az9/w=="}}"#.to_vec();
        let mut data = document.clone();
        assert_eq!(flip(&mut data), Some((24, '9', '8')));
        assert_ne!(data, document);
        assert_eq!(flip(&mut data), Some((24, '8', '9')));
        assert_eq!(data, document);
    }
}
