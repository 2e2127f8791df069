//! Makes the template that every test's database is a copy of. `cargo xtask test` runs it once, before the tests.

use anyhow::Result;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    support::database::prepare_template().await
}
