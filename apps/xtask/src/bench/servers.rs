//! The servers that are measured, each with something of the product switched off.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::bench::field::{POOL, is_rate, known_keys};
use crate::bench::server::{Server, free_port};
use crate::bench::stage::Stage;
use crate::product::Product;

const READY: &str = "/health/ready";
const FIRST: &str = "/api/v1/leads?status=NEW&limit=1";

/// What of the product is on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// The name of its log.
    pub(crate) name: &'static str,
    pub(crate) gate: bool,
    pub(crate) cache: bool,
    pub(crate) recording: bool,
    pub(crate) rates: Rates,
}

/// How often may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rates {
    /// Nothing is counted.
    Off,
    /// All is counted, and never used up.
    Ample,
    /// A tenant may ask so many times a second.
    OfTenant(f64),
}

impl Parts {
    pub(crate) const NO_GATE: Self = Self {
        name: "no-gate",
        gate: false,
        cache: false,
        recording: true,
        rates: Rates::Ample,
    };
    pub(crate) const GATE: Self = Self {
        name: "gate",
        gate: true,
        ..Self::NO_GATE
    };

    /// As in production, with what is watched and without, and both with the response cache.
    pub(crate) const RECORDING: Self = Self {
        name: "recording",
        ..Self::GATE
    };
    pub(crate) const NOT_RECORDING: Self = Self {
        name: "not-recording",
        recording: false,
        ..Self::GATE
    };
    pub(crate) const RECORDING_CACHED: Self = Self {
        name: "recording-cached",
        cache: true,
        ..Self::RECORDING
    };
    pub(crate) const NOT_RECORDING_CACHED: Self = Self {
        name: "not-recording-cached",
        cache: true,
        ..Self::NOT_RECORDING
    };

    /// The gate, and a limit for each tenant.
    pub(crate) const fn limited(rate: f64) -> Self {
        Self {
            name: "gate-and-rates",
            rates: Rates::OfTenant(rate),
            ..Self::GATE
        }
    }

    /// With the response cache, nothing of the rest, the gate, or gate and rate limits.
    pub(crate) const CACHED: [Self; 3] = [
        Self {
            name: "cached-bare",
            cache: true,
            rates: Rates::Off,
            ..Self::NO_GATE
        },
        Self {
            name: "cached-gate",
            cache: true,
            rates: Rates::Off,
            ..Self::GATE
        },
        Self {
            name: "cached-gate-and-rates",
            cache: true,
            ..Self::GATE
        },
    ];
}

/// How servers are started.
pub(crate) struct Launch<'a> {
    pub(crate) product: &'a Product,
    binary: PathBuf,
    variables: Vec<(String, String)>,
    rates: Vec<String>,
    data_dir: &'a Path,
    folder: &'a Path,
}

impl<'a> Launch<'a> {
    /// As in production, but for the pool, which is that of the other benchmarks, and rates, which are never used up.
    pub(crate) fn new(
        product: &'a Product,
        binary: PathBuf,
        data_dir: &'a Path,
        folder: &'a Path,
        stage: &Stage,
    ) -> Result<Self> {
        let mut variables: Vec<_> = [
            ("FAIRLEAD__PRESET", "highPerformance"),
            ("FAIRLEAD__AUTH__ACCESS_TTL_SECONDS", "3600"),
            ("FAIRLEAD__CACHE__REDIS__URL", stage.redis.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for key in ["MIN", "MAX"] {
            variables.push((format!("FAIRLEAD__DATABASE__POOL__{key}"), POOL.to_string()));
        }
        let known = known_keys(product)?;
        let rates = known
            .into_iter()
            .filter(|(key, _)| is_rate(key))
            .map(|(_, variable)| variable)
            .collect();
        Ok(Self {
            product,
            binary,
            variables,
            rates,
            data_dir,
            folder,
        })
    }

    /// Starts one. Without a token it is only waited for until it is ready.
    pub(crate) fn start(&self, parts: Parts, token: &str) -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .envs(self.product.variables())
            .envs(self.variables.iter().cloned())
            .envs(self.rates.iter().map(|variable| (variable, "1000000000")))
            .env("FAIRLEAD__DATA_DIR", self.data_dir)
            .env("FAIRLEAD__HTTP__PORT", port.to_string())
            .env("FAIRLEAD__ADMISSION__ENABLED", parts.gate.to_string())
            .env("FAIRLEAD__CACHE__RESPONSES__ENABLED", parts.cache.to_string())
            .env("FAIRLEAD__PERFORMANCE__RECORDING", parts.recording.to_string());
        match parts.rates {
            Rates::Ample => {}
            Rates::Off => {
                command.env("FAIRLEAD__RATE_LIMITS__ENABLED", "false");
            }
            Rates::OfTenant(rate) => {
                command
                    .env("FAIRLEAD__RATE_LIMITS__TENANT", format!("{rate:.0}"))
                    .env("FAIRLEAD__RATE_LIMITS__WINDOW_SECONDS", "1");
            }
        }
        let path = if token.is_empty() { READY } else { FIRST };
        Server::start(parts.name, &mut command, port, token, path, self.folder)
    }
}
