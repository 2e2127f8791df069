//! Redis.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::Account;
use crate::error::StackError;
use crate::password::Password;
use crate::process::Signal;
use crate::program::Program;
use crate::service::Endpoint;
use crate::{binaries, folder};

#[derive(Debug)]
pub(crate) struct RedisServer {
    folder: PathBuf,
    account: Account,
    binary: PathBuf,
    port: u16,
    password: Password,
}

impl RedisServer {
    pub(crate) fn prepare(
        folder: PathBuf,
        account: Account,
        port: u16,
        password: Password,
    ) -> Result<Self, StackError> {
        let binary = binaries::redis_server()?;
        folder::make_for(&account, &folder)?;
        // A cache: nothing of it is worth a disk write. Relative paths are relative to the folder it runs in.
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nrequirepass {}\ndaemonize no\ndir .\nsave \"\"\nappendonly no\n",
            password.reveal()
        );
        folder::write_for(&account, &folder.join("redis.conf"), &settings)?;
        Ok(Self {
            folder,
            account,
            binary,
            port,
            password,
        })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            port: self.port,
            url: format!("redis://:{}@127.0.0.1:{}", self.password.reveal(), self.port),
        }
    }

    fn ping(&self) -> io::Result<bool> {
        const ANSWER: &[u8] = b"+OK\r\n+PONG\r\n";
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(format!("AUTH {}\r\nPING\r\n", self.password.reveal()).as_bytes())?;
        let mut answer = [0; ANSWER.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer == ANSWER)
    }
}

impl Program for RedisServer {
    fn name(&self) -> &'static str {
        "Redis"
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self) -> Command {
        let mut command = self.account.command(&self.binary);
        command.arg("./redis.conf");
        command
    }

    fn stop_signal(&self) -> Signal {
        Signal::Terminate
    }

    fn answers(&self, _pid: u32) -> bool {
        self.ping().unwrap_or(false)
    }
}
