//! Jobs: enqueued and finished in the transactions of those who do something (`unit_of_work`), claimed in turns
//! (`claim`), kept moving (`store`), heard of from other processes (`hearing`), enqueued again and again (`schedules`),
//! and steered by operators (`operations`, `pauses`, `dead`).

mod claim;
mod dead;
mod hearing;
mod operations;
mod pauses;
mod schedules;
mod store;
mod unit_of_work;

pub(crate) use unit_of_work::{Enqueuing, enqueue, enqueue_all, finish, hasten, hold, postpone, set_aside};
