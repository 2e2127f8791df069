//! Addresses and credentials of a development run, for people and scripts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fairlead_devstack::write_private;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http;
use crate::product::Product;

/// The content of `dev.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DevFile {
    pub(crate) url: String,
    pub(crate) docs_url: String,
    /// The superuser's.
    pub(crate) database: String,
    #[serde(flatten)]
    pub(crate) access: Access,
    #[serde(flatten)]
    pub(crate) extras: Option<Extras>,
}

/// How to get in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Access {
    pub(crate) owner: Owner,
    pub(crate) api_key: String,
    pub(crate) operator_key: String,
}

/// Who owns the demo tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// The services that `--full` adds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Extras {
    pub(crate) replica: String,
    pub(crate) redis: String,
    pub(crate) rabbitmq: String,
}

impl Access {
    /// Returns the credentials of an earlier run if they still open the door, else makes new ones.
    pub(crate) fn get(product: &Product, data_dir: &Path, port: u16) -> Result<Self> {
        let known = DevFile::load(data_dir)?.map(|file| file.access);
        match known.filter(|access| access.owner.can_log_in(port)) {
            Some(access) => Ok(access),
            None => Self::make(product),
        }
    }

    fn make(product: &Product) -> Result<Self> {
        let demo = product.ask(&["demo", "--tenant", "acme", "--leads", "2000", "--json"])?;
        let operator = product.ask(&["operator", "create", "--name", "dev", "--json"])?;
        let text = |value: &Value, pointer: &str| {
            let found = value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| format!("the product's answer has no {pointer}"))
        };
        Ok(Self {
            owner: Owner {
                email: text(&demo, "/owner/email")?,
                password: text(&demo, "/owner/password")?,
            },
            api_key: text(&demo, "/apiKey")?,
            operator_key: text(&operator, "/operatorKey")?,
        })
    }
}

impl Owner {
    fn can_log_in(&self, port: u16) -> bool {
        let body = json!({ "email": self.email, "password": self.password });
        http::post(port, "/api/v1/auth/login", &body).is_ok_and(|status| status == 200)
    }
}

impl DevFile {
    pub(crate) fn load(data_dir: &Path) -> Result<Option<Self>> {
        let path = path(data_dir);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("cannot understand {}", path.display()))
    }

    pub(crate) fn save(&self, data_dir: &Path) -> Result<()> {
        let path = path(data_dir);
        Ok(write_private(
            &path,
            &(serde_json::to_string_pretty(self)? + "\n"),
        )?)
    }

    pub(crate) fn forget(data_dir: &Path) -> Result<()> {
        match fs::remove_file(path(data_dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context("cannot remove dev.json")
            }
            _ => Ok(()),
        }
    }

    /// Prints everything a newcomer needs for the first calls.
    pub(crate) fn print(&self, data_dir: &Path) {
        let Self {
            url,
            docs_url,
            database,
            access,
            extras,
        } = self;
        let Access {
            owner: Owner { email, password },
            api_key,
            operator_key,
        } = access;
        println!(
            "\nFairlead is ready.\n\n\
             API          {url}/api/v1\n\
             Docs         {docs_url}\n\
             Owner        {email}  {password}\n\
             API key      {api_key}\n\
             Operator key {operator_key}\n\
             Database     {database}"
        );
        if let Some(Extras {
            replica,
            redis,
            rabbitmq,
        }) = extras
        {
            println!("Replica      {replica}\nRedis        {redis}\nRabbitMQ     {rabbitmq}");
        }
        println!("All of this is in {}", path(data_dir).display());
        println!(
            "\nFirst calls:\n\
             curl -s {url}/api/v1/auth/login -H 'content-type: application/json' \\\n  \
               -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}'\n\
             curl -s '{url}/api/v1/leads?status=NEW&limit=3' -H 'x-tenant-key: {api_key}'\n\
             curl -s {url}/api/v1/leads -H 'x-tenant-key: {api_key}' -H 'content-type: application/json' \\\n  \
               -d '{{\"name\":\"Ada Lovelace\",\"email\":\"ada@example.com\",\"source\":\"REFERRAL\"}}'"
        );
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("dev.json")
}
