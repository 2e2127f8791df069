//! Erlang's port mapper, which RabbitMQ cannot do without.
//!
//! Left alone, RabbitMQ starts one in the background that outlives it. Started by us first, it is one more
//! process that we stop.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::error::StackError;
use crate::process::Signal;
use crate::program::Program;
use crate::{binaries, folder};

#[derive(Debug)]
pub(crate) struct Epmd {
    folder: PathBuf,
    account: Account,
    binary: PathBuf,
    port: u16,
}

impl Epmd {
    pub(crate) fn prepare(folder: PathBuf, account: Account, port: u16) -> Result<Self, StackError> {
        let binary = binaries::epmd()?;
        folder::make_for(&account, &folder)?;
        Ok(Self {
            folder,
            account,
            binary,
            port,
        })
    }
}

impl Program for Epmd {
    fn name(&self) -> &'static str {
        "epmd"
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self) -> Command {
        let mut command = self.account.command(&self.binary);
        command.args(["-address", "127.0.0.1", "-port", &self.port.to_string()]);
        command
    }

    fn stop_signal(&self) -> Signal {
        Signal::Terminate
    }

    fn answers(&self, _pid: u32) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }
}
