//! How long documents are still good, as far as they were looked at.

use tuf_schema::{Role, UtcTime};

use super::label::Label;
use super::page::{Kind, Page};
use crate::expiry::{Expiring, TOLD_BY_NAME};

const DAY: i64 = 24 * 60 * 60;

/// Within how many days it is counted what expires, and how that is written.
const DAYS: [(i64, &str); 4] = [(1, "1"), (7, "7"), (30, "30"), (90, "90")];

const WITHIN: &str = "bulla_expiring_within";
const SECONDS: &str = "bulla_seconds_to_expiry";
const ROUNDS: &str = "bulla_expiry_rounds_total";

/// What is known of expiry when the page is asked for.
pub(crate) struct Expiry {
    pub(crate) now: UtcTime,
    /// What expires first is first.
    pub(crate) expiring: Vec<Expiring>,
    /// How often every repository was looked at.
    pub(crate) rounds: u64,
    /// Whether repositories are named: whoever reads the page learns the names.
    pub(crate) by_name: bool,
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoleKind {
    Root,
    Targets,
    Delegation,
    Snapshot,
    Timestamp,
}

impl Expiry {
    pub(super) fn write(&self, page: &mut Page) {
        page.family(WITHIN, Kind::Gauge, "Documents that expire within so many days, or did.");
        for kind in RoleKind::ALL {
            for (days, text) in DAYS {
                let until = self.now.plus_seconds(days.saturating_mul(DAY));
                let expiring = self.expiring.iter().take_while(|it| it.expires <= until);
                let count = expiring.filter(|it| RoleKind::of(&it.role) == *kind).count();
                page.sample(WITHIN, &[(RoleKind::NAME, kind.as_str()), ("days", text)], count);
            }
        }
        page.family(ROUNDS, Kind::Counter, "How often every repository was looked at for what expires.");
        page.sample(ROUNDS, &[], self.rounds);
        if self.by_name {
            self.write_names(page);
        }
    }

    /// Names are foreign. Their lengths are limited where they are parsed, and here is how many there are.
    fn write_names(&self, page: &mut Page) {
        page.family(SECONDS, Kind::Gauge, "Seconds until a document expires, of those that expire first.");
        for Expiring { gun, role, expires } in self.expiring.iter().take(TOLD_BY_NAME) {
            let seconds = expires.unix_seconds().saturating_sub(self.now.unix_seconds());
            page.sample(SECONDS, &[("gun", gun.as_str()), ("role", role.as_str())], seconds);
        }
    }
}

impl RoleKind {
    fn of(role: &Role) -> Self {
        match role {
            Role::Root => Self::Root,
            Role::Targets => Self::Targets,
            Role::Delegation(_) => Self::Delegation,
            Role::Snapshot => Self::Snapshot,
            Role::Timestamp => Self::Timestamp,
        }
    }
}

impl Label for RoleKind {
    const NAME: &'static str = "role";
    const ALL: &'static [Self] = &[Self::Root, Self::Targets, Self::Delegation, Self::Snapshot, Self::Timestamp];

    fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Delegation => "delegation",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

#[cfg(test)]
mod tests {
    use tuf_schema::Gun;

    use super::*;

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-21T21:05:00Z").unwrap()
    }

    fn expiring(gun: &str, role: &str, seconds: i64) -> Expiring {
        let (gun, role) = (Gun::parse(gun).unwrap(), Role::parse(role).unwrap());
        Expiring { gun, role, expires: now().plus_seconds(seconds) }
    }

    fn written(expiring: Vec<Expiring>, by_name: bool) -> String {
        let mut page = Page::default();
        Expiry { now: now(), expiring, rounds: 3, by_name }.write(&mut page);
        page.finish()
    }

    #[test]
    fn what_expires_is_counted_by_role_and_days_and_told_by_name() {
        let page = written(
            vec![
                expiring("a", "root", -60),
                expiring("a", "targets/releases", 7 * DAY),
                expiring("b", "targets", 7 * DAY + 1),
                expiring("b", "root", 400 * DAY),
            ],
            true,
        );
        let expected = "\
# HELP bulla_expiring_within Documents that expire within so many days, or did.
# TYPE bulla_expiring_within gauge
bulla_expiring_within{role=\"root\",days=\"1\"} 1
bulla_expiring_within{role=\"root\",days=\"7\"} 1
bulla_expiring_within{role=\"root\",days=\"30\"} 1
bulla_expiring_within{role=\"root\",days=\"90\"} 1
bulla_expiring_within{role=\"targets\",days=\"1\"} 0
bulla_expiring_within{role=\"targets\",days=\"7\"} 0
bulla_expiring_within{role=\"targets\",days=\"30\"} 1
bulla_expiring_within{role=\"targets\",days=\"90\"} 1
bulla_expiring_within{role=\"delegation\",days=\"1\"} 0
bulla_expiring_within{role=\"delegation\",days=\"7\"} 1
bulla_expiring_within{role=\"delegation\",days=\"30\"} 1
bulla_expiring_within{role=\"delegation\",days=\"90\"} 1
bulla_expiring_within{role=\"snapshot\",days=\"1\"} 0
bulla_expiring_within{role=\"snapshot\",days=\"7\"} 0
bulla_expiring_within{role=\"snapshot\",days=\"30\"} 0
bulla_expiring_within{role=\"snapshot\",days=\"90\"} 0
bulla_expiring_within{role=\"timestamp\",days=\"1\"} 0
bulla_expiring_within{role=\"timestamp\",days=\"7\"} 0
bulla_expiring_within{role=\"timestamp\",days=\"30\"} 0
bulla_expiring_within{role=\"timestamp\",days=\"90\"} 0
# HELP bulla_expiry_rounds_total How often every repository was looked at for what expires.
# TYPE bulla_expiry_rounds_total counter
bulla_expiry_rounds_total 3
# HELP bulla_seconds_to_expiry Seconds until a document expires, of those that expire first.
# TYPE bulla_seconds_to_expiry gauge
bulla_seconds_to_expiry{gun=\"a\",role=\"root\"} -60
bulla_seconds_to_expiry{gun=\"a\",role=\"targets/releases\"} 604800
bulla_seconds_to_expiry{gun=\"b\",role=\"targets\"} 604801
bulla_seconds_to_expiry{gun=\"b\",role=\"root\"} 34560000
";
        assert_eq!(page, expected);
    }

    #[test]
    fn a_hundred_documents_are_told_by_name_and_not_one_more() {
        for (documents, told) in [(99, 99), (100, 100), (101, 100)] {
            let expiring = (0..documents).map(|number| expiring(&format!("g{number}"), "root", number)).collect();
            let page = written(expiring, true);
            let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("bulla_seconds_to_expiry{")).collect();
            assert_eq!(lines.len(), told);
            assert!(lines.iter().all(|line| !line.contains("g100")), "the last is left out: {lines:?}");
            assert!(page.contains(&format!("bulla_expiring_within{{role=\"root\",days=\"1\"}} {documents}\n")));
        }
    }

    #[test]
    fn no_name_is_told_where_names_are_left_out() {
        let page = written(vec![expiring("secret/project", "root", 60)], false);
        assert!(page.contains("bulla_expiring_within{role=\"root\",days=\"1\"} 1\n"));
        assert!(!page.contains("secret") && !page.contains("bulla_seconds_to_expiry"), "{page}");
    }

    #[test]
    fn a_name_does_not_end_its_label() {
        let page = written(vec![expiring("a\",role=\"x\"} 1\\", "root", 60)], true);
        assert!(
            page.ends_with("\nbulla_seconds_to_expiry{gun=\"a\\\",role=\\\"x\\\"} 1\\\\\",role=\"root\"} 60\n"),
            "{page}"
        );
    }
}
