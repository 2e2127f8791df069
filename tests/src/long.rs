/// How often a fault or soak test does its work: `short` times, or twenty times that in the long form, which
/// `cargo xtask test --long` asks for.
#[expect(clippy::disallowed_methods, reason = "how the run's owner tells the tests")]
pub fn repetitions(short: usize) -> usize {
    if std::env::var_os("FAIRLEAD_TEST_LONG").is_some() {
        short * 20
    } else {
        short
    }
}
