//! Tests that a machine cannot run.

/// Says that a test is left out; with `CI=true` or `BULLA_TEST_ENGINES=required` that is a failure.
#[expect(clippy::disallowed_methods, reason = "whether a test may be left out is no configuration of the program")]
pub(crate) fn left_out(why: &str) {
    let is = |name, wanted| std::env::var(name).is_ok_and(|value| value == wanted);
    assert!(!is("CI", "true") && !is("BULLA_TEST_ENGINES", "required"), "{why}");
    println!("left out: {why}");
}
