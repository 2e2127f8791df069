//! Consuming a shard: in order, a few at a time, each acknowledged when it is done.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use fairlead_domain::events::{Delivered, EventHandler, Verdict};
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer, Error};

use crate::link::{LinkFault, Shared};
use crate::message;
use crate::publish::settle;

/// Deliveries that are handled together at the most.
const PREFETCH: u16 = 100;

/// Consumes one shard until the link breaks, or the queue is gone.
pub(crate) async fn consume(
    shared: &Shared,
    connection: &Connection,
    handler: &dyn EventHandler,
    number: u32,
) -> Result<Infallible, LinkFault> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let queue = shared.names.shard(number);
    let mut deliveries = channel
        .basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    loop {
        let run = next(&mut deliveries).await?;
        settle_run(shared, &channel, handler, run).await?;
    }
}

/// Waits for a delivery, and takes those that are here already.
async fn next(deliveries: &mut Consumer) -> Result<Vec<Delivery>, LinkFault> {
    let gone = || LinkFault::QueueGone;
    let mut run = vec![deliveries.next().await.ok_or_else(gone)??];
    while run.len() < usize::from(PREFETCH) {
        match deliveries.next().now_or_never() {
            Some(delivery) => run.push(delivery.ok_or_else(gone)??),
            None => break,
        }
    }
    Ok(run)
}

async fn settle_run(
    shared: &Shared,
    channel: &Channel,
    handler: &dyn EventHandler,
    run: Vec<Delivery>,
) -> Result<(), LinkFault> {
    let retries = shared.settings.delays().count();
    let mut known: Vec<(Delivery, Delivered)> = Vec::with_capacity(run.len());
    for delivery in run {
        match message::read(&delivery, retries) {
            Ok(delivered) => known.push((delivery, delivered)),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a message in a queue of events is none of ours"
                );
                reject(shared, &delivery).await?;
            }
        }
    }
    let delivered: Vec<Delivered> = known.iter().map(|(_, delivered)| delivered.clone()).collect();
    let verdicts = handler.handle(&delivered).await;
    for ((delivery, delivered), verdict) in known.iter().zip(verdicts) {
        match verdict {
            Verdict::Done => acknowledge(delivery).await?,
            Verdict::Retry => {
                send_back(shared, channel, delivery, delivered.failures).await?;
                acknowledge(delivery).await?;
            }
            Verdict::Reject => reject(shared, delivery).await?,
        }
    }
    Ok(())
}

async fn acknowledge(delivery: &Delivery) -> Result<(), Error> {
    delivery.ack(BasicAckOptions::default()).await.map(drop)
}

/// To the dead letters.
async fn reject(shared: &Shared, delivery: &Delivery) -> Result<(), Error> {
    shared.counts.dead.fetch_add(1, Ordering::Relaxed);
    delivery.reject(BasicRejectOptions { requeue: false }).await?;
    shared.buried.notify_one();
    Ok(())
}

/// Puts a copy where it waits, which is there before the delivery is acknowledged.
async fn send_back(
    shared: &Shared,
    channel: &Channel,
    delivery: &Delivery,
    failures: u32,
) -> Result<(), LinkFault> {
    let delay = shared
        .settings
        .delays()
        .nth(failures as usize)
        .ok_or(LinkFault::QueueGone)?;
    let confirm = channel
        .basic_publish(
            "".into(),
            shared.names.retry(delay).as_str().into(),
            BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            },
            &delivery.data,
            message::failed(delivery, failures + 1),
        )
        .await?;
    settle(confirm).await?;
    shared.counts.retried.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
