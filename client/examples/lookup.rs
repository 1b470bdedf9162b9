//! Asks a node about one destination: `cargo run --example lookup -- NODE_FOLDER evil.example:443`.

use std::error::Error;
use std::sync::Arc;

use flowlore_client::access::{Access, Given};
use flowlore_client::api::Client;
use flowlore_common::env::SystemClock;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(destination)) = (arguments.next(), arguments.next()) else {
        return Err("usage: lookup NODE_FOLDER DESTINATION".into());
    };
    let given = Given { dir: Some(folder.into()), ..Given::default() };
    let access = Access::find(&given, |name| std::env::var(name).ok())?;
    let client = Client::connect(access, Arc::new(SystemClock)).await?;
    for answer in client.lookup(&[destination]).await? {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    }
    Ok(())
}
