//! Whether database and signer answer, as they were found when they were last asked.

use super::page::{Kind, Page};
use crate::health::Standing;

/// `standings`: none of what cannot fail, as keys and metadata in memory.
pub(super) fn write(page: &mut Page, standings: &[Standing]) {
    page.family("bulla_condition", Kind::Gauge, "1 if what this server stands on answers, 0 if not.");
    for standing in standings {
        let holds = u8::from(standing.amiss.is_none());
        page.sample("bulla_condition", &[("condition", standing.condition.as_str())], holds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Condition;

    #[test]
    fn each_condition_is_told_with_whether_it_holds() {
        let mut page = Page::default();
        let standing = |condition, amiss: Option<&str>| Standing { condition, amiss: amiss.map(str::to_owned) };
        write(&mut page, &[standing(Condition::Database, None), standing(Condition::Signer, Some("away"))]);
        let expected = "\
# HELP bulla_condition 1 if what this server stands on answers, 0 if not.
# TYPE bulla_condition gauge
bulla_condition{condition=\"database\"} 1
bulla_condition{condition=\"signer\"} 0
";
        assert_eq!(page.finish(), expected);
    }
}
