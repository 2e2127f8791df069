//! All private services of one owner.

use std::fmt;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::account::Account;
use crate::address::Postgres;
use crate::binaries::PostgresBinaries;
use crate::epmd::Epmd;
use crate::error::StackError;
use crate::instance::Instance;
use crate::lock::Lock;
use crate::password::Password;
use crate::postgres::{self, Plan};
use crate::rabbitmq::{Ports, RabbitMqServer};
use crate::redis::RedisServer;
use crate::root::{Home, Root};
use crate::service::{Endpoint, Service};
use crate::state::State;
use crate::sweep::{self, Watchdog};
use crate::{port, replica};

/// How often a service is started when somebody else takes its port at the wrong moment.
const ATTEMPTS: usize = 3;

#[derive(Clone, Debug)]
pub struct StackOptions {
    pub root: Root,
    pub durability: Durability,
}

/// What a crash may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// All data: nothing waits for the disk. For tests.
    Fast,
    /// Nothing that was committed.
    Safe,
}

/// Private services that live as long as this value, or its process, at most.
///
/// Each is started when first asked for, once, however many threads ask; different ones start side by side.
pub struct Stack {
    folder: PathBuf,
    place: PathBuf,
    account: Account,
    durability: Durability,
    password: Password,
    state: Mutex<State>,
    slots: [Mutex<Slot>; 5],
    /// What cleans up after us and what keeps others out, to be dropped in this order.
    hold: Mutex<Option<(Watchdog, Lock)>>,
}

enum Slot {
    Idle,
    Running(Running),
    Closed,
}

struct Running {
    endpoint: Endpoint,
    /// In the order they were started; the last is the service itself, those before are its companions.
    instances: Vec<Instance>,
}

impl Stack {
    /// Takes hold of the folder, ends what a killed owner left running in it, and starts nothing yet.
    pub fn open(options: StackOptions) -> Result<Self, StackError> {
        let Home {
            folder,
            is_temporary,
            account,
            state,
            lock,
        } = Home::open(options.root)?;
        let place = state.place.clone();
        sweep::sweep(&place)?;
        let watchdog = Watchdog::start(&place, is_temporary.then_some(folder.as_path()), &lock)?;
        Ok(Self {
            folder,
            place,
            account,
            durability: options.durability,
            password: state.password.clone(),
            state: Mutex::new(state),
            slots: [const { Mutex::new(Slot::Idle) }; 5],
            hold: Mutex::new(Some((watchdog, lock))),
        })
    }

    /// Opens a stack and starts its PostgreSQL primary; `progress` is told what takes long.
    pub fn start(options: StackOptions, progress: &dyn Fn(&str)) -> Result<Self, StackError> {
        let stack = Self::open(options)?;
        let is_new = !stack.place.join("postgres/data").exists();
        progress(if is_new {
            "creating a PostgreSQL cluster"
        } else {
            "starting PostgreSQL"
        });
        stack.ensure(Service::Postgres)?;
        Ok(stack)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts `service` unless it runs, and returns where it answers.
    pub fn ensure(&self, service: Service) -> Result<Endpoint, StackError> {
        let mut slot = self.slot(service);
        match &*slot {
            Slot::Running(running) => return Ok(running.endpoint.clone()),
            Slot::Closed => return Err(StackError::Closed),
            Slot::Idle => {}
        }
        let running = self.start_on_free_ports(service)?;
        let endpoint = running.endpoint.clone();
        *slot = Slot::Running(running);
        Ok(endpoint)
    }

    /// Returns the primary, started if need be.
    pub fn postgres(&self) -> Result<Postgres, StackError> {
        self.database(Service::Postgres)
    }

    /// Returns the replica, started if need be.
    pub fn replica(&self) -> Result<Postgres, StackError> {
        self.database(Service::Replica)
    }

    /// Returns the second replica, started if need be.
    pub fn second_replica(&self) -> Result<Postgres, StackError> {
        self.database(Service::SecondReplica)
    }

    /// Freezes a service: connections stay open, and nothing answers until [`Stack::resume`].
    pub fn pause(&self, service: Service) -> Result<(), StackError> {
        self.with_running(service, |instance| instance.pause())
    }

    pub fn resume(&self, service: Service) -> Result<(), StackError> {
        self.with_running(service, |instance| instance.resume())
    }

    /// Ends a service at once, as a crash would. [`Stack::restart`] brings it back.
    pub fn kill(&self, service: Service) -> Result<(), StackError> {
        self.with_running(service, Instance::kill)
    }

    /// Starts a service again, on the same port and data, whether it runs or was killed.
    pub fn restart(&self, service: Service) -> Result<(), StackError> {
        self.with_running(service, Instance::restart)?
    }

    /// Steers a service by its own command, `rabbitmqctl` of RabbitMQ; returns what that printed.
    pub fn control(&self, service: Service, arguments: &[&str]) -> Result<String, StackError> {
        self.with_running(service, |instance| instance.control(arguments))?
    }

    /// Stops all services, removes a temporary folder and lets a persistent one go.
    pub fn stop(&self) {
        thread::scope(|scope| {
            for service in [
                Service::Replica,
                Service::SecondReplica,
                Service::Redis,
                Service::RabbitMq,
            ] {
                scope.spawn(move || self.close(service));
            }
        });
        // Last, so that the replica need not look for it.
        self.close(Service::Postgres);
        // The watchdog ends now, too, and removes a temporary folder.
        drop(self.hold.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn close(&self, service: Service) {
        let slot = std::mem::replace(&mut *self.slot(service), Slot::Closed);
        if let Slot::Running(mut running) = slot {
            // A companion outlives its service.
            while running.instances.pop().is_some() {}
        }
    }

    fn slot(&self, service: Service) -> MutexGuard<'_, Slot> {
        self.slots[service as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn with_running<T>(
        &self,
        service: Service,
        act: impl FnOnce(&mut Instance) -> T,
    ) -> Result<T, StackError> {
        match &mut *self.slot(service) {
            Slot::Running(Running { instances, .. }) => Ok(act(instances
                .last_mut()
                .expect("a running service has an instance"))),
            Slot::Idle => Err(StackError::NotStarted(service)),
            Slot::Closed => Err(StackError::Closed),
        }
    }

    fn database(&self, service: Service) -> Result<Postgres, StackError> {
        let port = self.ensure(service)?.port;
        let psql = self.binaries()?.program("psql");
        Ok(Postgres {
            port,
            password: self.password.clone(),
            psql,
        })
    }

    fn start_on_free_ports(&self, service: Service) -> Result<Running, StackError> {
        for _ in 1..ATTEMPTS {
            let ports = self.ports(service)?;
            match self.launch(service, &ports) {
                Err(StackError::StoppedEarly { .. }) if !ports.iter().all(|&port| port::is_free(port)) => {}
                launched => return launched,
            }
        }
        self.launch(service, &self.ports(service)?)
    }

    fn launch(&self, service: Service, ports: &[u16]) -> Result<Running, StackError> {
        match service {
            Service::Postgres => self.launch_postgres(ports[0]),
            Service::Replica => self.launch_replica(&replica::FIRST, ports[0]),
            Service::SecondReplica => self.launch_replica(&replica::SECOND, ports[0]),
            Service::Redis => self.launch_redis(ports[0]),
            Service::RabbitMq => self.launch_rabbitmq(Ports {
                amqp: ports[0],
                distribution: ports[1],
                epmd: ports[2],
            }),
        }
    }

    fn launch_postgres(&self, port: u16) -> Result<Running, StackError> {
        let (server, address) = postgres::prepare(&self.plan("postgres", port))?;
        let instance = Instance::start(Box::new(server))?;
        postgres::equip(&address)?;
        Ok(Running {
            endpoint: address.endpoint(),
            instances: vec![instance],
        })
    }

    fn launch_replica(&self, names: &replica::Names, port: u16) -> Result<Running, StackError> {
        let primary = self.postgres()?;
        let binaries = self.binaries()?;
        let (server, address) = replica::prepare(names, &self.plan(names.folder, port), &primary, binaries)?;
        let instance = Instance::start(Box::new(server))?;
        replica::await_stream(names, &primary)?;
        Ok(Running {
            endpoint: address.endpoint(),
            instances: vec![instance],
        })
    }

    fn launch_redis(&self, port: u16) -> Result<Running, StackError> {
        let folder = self.place.join("redis");
        let server = RedisServer::prepare(folder, self.account.clone(), port, self.password.clone())?;
        let endpoint = server.endpoint();
        Ok(Running {
            endpoint,
            instances: vec![Instance::start(Box::new(server))?],
        })
    }

    fn launch_rabbitmq(&self, ports: Ports) -> Result<Running, StackError> {
        let account = || self.account.clone();
        let server = RabbitMqServer::prepare(
            self.place.join("rabbitmq"),
            account(),
            ports,
            self.password.clone(),
            self.durability,
        )?;
        let endpoint = server.endpoint();
        let epmd = Instance::start(Box::new(Epmd::prepare(
            self.place.join("epmd"),
            account(),
            ports.epmd,
        )?))?;
        Ok(Running {
            endpoint,
            instances: vec![epmd, Instance::start(Box::new(server))?],
        })
    }

    fn binaries(&self) -> Result<PostgresBinaries, StackError> {
        postgres::binaries_for(&self.place.join("postgres/data"))
    }

    fn plan(&self, name: &str, port: u16) -> Plan<'_> {
        let Self {
            account,
            durability,
            password,
            ..
        } = self;
        Plan {
            folder: self.place.join(name),
            account,
            durability: *durability,
            port,
            password,
        }
    }

    /// Returns the ports of `service`: those it had before, as far as they are free.
    fn ports(&self, service: Service) -> Result<Vec<u16>, StackError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for &name in service.ports() {
            if !state.ports.get(name).is_some_and(|&port| port::is_free(port)) {
                let port = port::free(|port| state.ports.values().any(|&taken| taken == port))?;
                state.ports.insert(name.to_owned(), port);
            }
        }
        state.save(&self.folder)?;
        Ok(service.ports().iter().map(|&name| state.ports[name]).collect())
    }
}

/// Returns the PostgreSQL that another process runs in a persistent stack's folder.
pub fn running_postgres(root: &Path) -> Result<Postgres, StackError> {
    let not_running = || StackError::NotRunning {
        folder: root.to_owned(),
    };
    let State {
        place,
        password,
        ports,
        ..
    } = State::load(root)?.ok_or_else(not_running)?;
    let port = *ports.get(Service::Postgres.ports()[0]).ok_or_else(not_running)?;
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|_| not_running())?;
    let psql = postgres::binaries_for(&place.join("postgres/data"))?.program("psql");
    Ok(Postgres { port, password, psql })
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stack")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
