//! Private services by hand, and for the tests of this crate, which kill their owner.
//!
//! `devstack temporary <service>…` and `devstack <folder> <service>…` run services until standard input ends;
//! `devstack shared <service>…` asks the owner of a test run. Prints one JSON value a line: the folder, unless
//! shared, and then the address of each service.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;

use fairlead_devstack::{Durability, Endpoint, Root, Service, Stack, StackError, StackOptions, control};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let root = arguments
        .next()
        .ok_or("usage: devstack temporary|shared|<folder> <service>…")?;
    let services = arguments.map(|name| serde_json::from_value(name.into()));
    let services = services.collect::<Result<Vec<Service>, _>>()?;

    let options = match root.as_str() {
        "shared" => return print_each(&services, control::need),
        "temporary" => StackOptions {
            root: Root::Temporary,
            durability: Durability::Fast,
        },
        folder => StackOptions {
            root: Root::Persistent(PathBuf::from(folder)),
            durability: Durability::Safe,
        },
    };
    let stack = Stack::open(options)?;
    writeln!(io::stdout(), "{}", serde_json::to_string(stack.folder())?)?;
    print_each(&services, |service| stack.ensure(service))?;

    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn print_each(
    services: &[Service],
    start: impl Fn(Service) -> Result<Endpoint, StackError>,
) -> Result<(), Box<dyn Error>> {
    for &service in services {
        writeln!(io::stdout(), "{}", serde_json::to_string(&start(service)?)?)?;
    }
    Ok(())
}
