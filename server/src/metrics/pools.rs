//! The database's connections, as they are when the page is asked for.

use bulla_database::{PoolUse, Purpose};

use super::page::{Kind, Page};

const IN_USE: &str = "bulla_database_connections_in_use";
const AT_MOST: &str = "bulla_database_connections_at_most";

/// `pools`: none where metadata is in memory.
pub(super) fn write(page: &mut Page, pools: &[PoolUse]) {
    page.family(IN_USE, Kind::Gauge, "Connections to the database that are lent now, or being made.");
    for pool in pools {
        page.sample(IN_USE, &[("pool", name(pool.purpose))], pool.in_use);
    }
    page.family(AT_MOST, Kind::Gauge, "Connections to the database that this process may have.");
    for pool in pools {
        page.sample(AT_MOST, &[("pool", name(pool.purpose))], pool.at_most);
    }
}

fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Reads => "reads",
        Purpose::Writes => "writes",
        Purpose::Both => "both",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pool_is_told_with_what_it_may_have() {
        let mut page = Page::default();
        let pools = [
            PoolUse { purpose: Purpose::Reads, in_use: 3, at_most: 16 },
            PoolUse { purpose: Purpose::Writes, in_use: 0, at_most: 1 },
        ];
        write(&mut page, &pools);
        let expected = "\
# HELP bulla_database_connections_in_use Connections to the database that are lent now, or being made.
# TYPE bulla_database_connections_in_use gauge
bulla_database_connections_in_use{pool=\"reads\"} 3
bulla_database_connections_in_use{pool=\"writes\"} 0
# HELP bulla_database_connections_at_most Connections to the database that this process may have.
# TYPE bulla_database_connections_at_most gauge
bulla_database_connections_at_most{pool=\"reads\"} 16
bulla_database_connections_at_most{pool=\"writes\"} 1
";
        assert_eq!(page.finish(), expected);
    }
}
