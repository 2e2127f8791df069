//! RabbitMQ.

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
use crate::stack::Durability;
use crate::{binaries, folder};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) amqp: u16,
    pub(crate) distribution: u16,
    pub(crate) epmd: u16,
}

#[derive(Debug)]
pub(crate) struct RabbitMqServer {
    folder: PathBuf,
    account: Account,
    script: PathBuf,
    ports: Ports,
    password: Password,
    durability: Durability,
}

impl RabbitMqServer {
    pub(crate) fn prepare(
        folder: PathBuf,
        account: Account,
        ports: Ports,
        password: Password,
        durability: Durability,
    ) -> Result<Self, StackError> {
        let script = binaries::rabbitmq_server()?;
        for path in ["", "home", "mnesia", "log"].map(|name| folder.join(name)) {
            folder::make_for(&account, &path)?;
        }
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             default_user = fairlead\n\
             default_pass = {}\n\
             log.console = true\n\
             log.console.level = warning\n\
             vm_memory_high_watermark.absolute = 512MB\n\
             disk_free_limit.absolute = 50MB\n",
            ports.amqp,
            password.reveal()
        );
        folder::write_for(&account, &folder.join("rabbitmq.conf"), &settings)?;
        folder::write_for(&account, &folder.join("enabled_plugins"), "[].\n")?;
        Ok(Self {
            folder,
            account,
            script,
            ports,
            password,
            durability,
        })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let (port, password) = (self.ports.amqp, self.password.reveal());
        Endpoint {
            port,
            url: format!("amqp://fairlead:{password}@127.0.0.1:{port}/%2f"),
        }
    }

    /// One of its scripts, in its surroundings.
    fn script(&self, script: &Path) -> Command {
        let mut command = self.account.command(script);
        command
            // The node's name names its data, so it stays when the ports change. The private epmd keeps it apart.
            .env("RABBITMQ_NODENAME", "fairlead@localhost")
            .env("HOME", self.folder.join("home"))
            .env("RABBITMQ_MNESIA_BASE", self.folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.folder.join("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", self.folder.join("rabbitmq.conf"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                self.folder.join("enabled_plugins"),
            )
            .env("RABBITMQ_PID_FILE", self.folder.join("pid"))
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command
    }

    /// Offers AMQP 0-9-1 (§4.2.2): a broker that takes it answers with a method frame, whose type is 1.
    fn greet(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.amqp))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut frame_type = [0];
        stream.read_exact(&mut frame_type)?;
        Ok(frame_type == [1])
    }
}

impl Program for RabbitMqServer {
    fn name(&self) -> &'static str {
        "RabbitMQ"
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self) -> Command {
        let mut command = self.script(&self.script);
        // Makes the script become the broker instead of waiting for it.
        command.env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }

    fn control(&self) -> Option<Command> {
        Some(self.script(&self.script.with_file_name("rabbitmqctl")))
    }

    fn stop_signal(&self) -> Signal {
        match self.durability {
            // An orderly stop takes a second, and nobody reads these queues again.
            Durability::Fast => Signal::Kill,
            Durability::Safe => Signal::Terminate,
        }
    }

    fn answers(&self, _pid: u32) -> bool {
        self.greet().unwrap_or(false)
    }
}
