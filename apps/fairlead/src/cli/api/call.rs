//! Calls an operation, and shows what is answered as it is: a list, one thing, a file, a stream, or work that goes on.

use std::future::Future;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use bytes::Bytes;
use fairlead_http::{ApiAnswer, ApiError};
use serde_json::{Value, json};
use tokio::signal::ctrl_c;

use super::description::{Access, Description, Operation, Place};
use super::request::{Given, call};
use super::{ApiArgs, show};
use crate::cli::import::detached;
use crate::cli::operations;
use crate::output;
use crate::remote::{self, Form, INTERRUPTED, Remote, UsageError, Watched, left, story, watch};

const JSON: &str = "application/json";

pub(super) async fn run(
    api: &Description,
    operation: &Operation,
    args: &ApiArgs,
    given: Given,
    body: Option<(String, Bytes)>,
) -> anyhow::Result<ExitCode> {
    crate::tls::install_provider();
    if args.all && !has_pages(operation) {
        return Err(UsageError(format!("{} is no list of pages: leave out --all", operation.id)).into());
    }
    let work = async |remote: &mut Remote| {
        let done = answered(api, operation, args, given, body, remote).await;
        match done {
            Err(error) => refused(error, args.json),
            done => done,
        }
    };
    match operation.access {
        Access::Everybody => work(&mut Remote::anonymous(&args.remote)?).await,
        Access::Operator => {
            let mut remote = Remote::operator(&args.remote, args.operator_key_file.as_deref())?;
            work(&mut remote).await
        }
        Access::User if !args.remote.is_user() => Err(UsageError(format!(
            "{} is for users, not for API keys: log in by --email",
            operation.id
        ))
        .into()),
        Access::User | Access::Tenant => Remote::with(&args.remote, work).await,
    }
}

async fn answered(
    api: &Description,
    operation: &Operation,
    args: &ApiArgs,
    given: Given,
    body: Option<(String, Bytes)>,
    remote: &mut Remote,
) -> anyhow::Result<ExitCode> {
    let asked = remote.client().call(call(operation, &given, body));
    let Some(answer) = unless_pressed(asked).await? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let answer = answer?;
    let status = answer.status.to_string();
    let of_status = operation.answers.iter().find(|answer| answer.status == status);
    let schema = of_status.and_then(|answer| answer.schema.as_deref());
    match &*answer.media_type {
        "text/event-stream" => stream(answer, args.json).await,
        "" => {
            if args.json {
                output::print("null")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        JSON => {
            let Some(value) = unless_pressed(read(answer)).await? else {
                return Ok(ExitCode::from(INTERRUPTED));
            };
            let value = value?;
            let is_tenants = matches!(operation.access, Access::Tenant | Access::User);
            if status == "202" && schema == Some("Operation") && is_tenants {
                return follow(remote, value, args).await;
            }
            if args.all {
                let all = all(operation, given, value, api, schema, args.json, remote);
                let Some(all) = unless_pressed(all).await? else {
                    return Ok(ExitCode::from(INTERRUPTED));
                };
                all?;
            } else if args.json {
                output::print_json(&value)?;
            } else {
                output::print(&show::answer(api, schema, &value))?;
                if has_more(&value) {
                    output::progress("There is more: see --all, or --param cursor=<nextCursor>.");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => copy(answer).await,
    }
}

/// What comes of it; `None`: somebody presses Ctrl-C before.
async fn unless_pressed<T>(work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    tokio::select! {
        pressed = ctrl_c() => {
            pressed?;
            Ok(None)
        }
        done = work => Ok(Some(done)),
    }
}

/// Says why it was refused: for programs as the server said it.
fn refused(error: anyhow::Error, as_json: bool) -> anyhow::Result<ExitCode> {
    let Some(ApiError::Refused(problem)) = error.downcast_ref::<ApiError>() else {
        return Err(error);
    };
    if as_json {
        output::print_json(problem)?;
    } else {
        output::progress(&show::refused(problem));
    }
    Ok(ExitCode::FAILURE)
}

async fn read(answer: ApiAnswer) -> anyhow::Result<Value> {
    let bytes = answer.bytes().await?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| ApiError::Foreign(error.to_string()))?)
}

/// What the server goes on with.
async fn follow(remote: &mut Remote, value: Value, args: &ApiArgs) -> anyhow::Result<ExitCode> {
    let begun: remote::Operation =
        serde_json::from_value(value).map_err(|error| ApiError::Foreign(error.to_string()))?;
    if args.detach {
        return detached(&begun, args.json);
    }
    let id = begun.view.id.clone();
    let form = Form::of_json(args.json);
    let Watched::Ended(end) = watch(remote, begun, form).await? else {
        return Ok(left(&id));
    };
    let exit_code = operations::exit_code(&end);
    if !args.json {
        let end = story(remote, *end).await;
        output::print(&operations::for_people(&end))?;
    }
    Ok(exit_code)
}

fn has_pages(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter();
    parameters.any(|parameter| parameter.place == Place::Query && parameter.name == "cursor")
}

fn has_more(page: &Value) -> bool {
    page["hasMore"] == true && page["nextCursor"].is_string()
}

/// A list to its end. For programs each page is written as it comes; a table is as wide as its widest row.
async fn all(
    operation: &Operation,
    mut given: Given,
    first: Value,
    api: &Description,
    schema: Option<&str>,
    as_json: bool,
    remote: &Remote,
) -> anyhow::Result<()> {
    let mut rows: Vec<Value> = Vec::new();
    let mut page = first;
    let mut is_first = true;
    if as_json {
        output::print("{\"items\": [")?;
    }
    loop {
        let items = page["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        if as_json {
            for item in items {
                if !output::print_on(&format!("{}{item}", if is_first { "  " } else { ", " }))? {
                    return Ok(());
                }
                is_first = false;
            }
        } else {
            rows.extend(items);
        }
        if !has_more(&page) {
            break;
        }
        let cursor = page["nextCursor"].as_str().unwrap_or_default().to_owned();
        given.set("cursor", cursor);
        page = read(remote.client().call(call(operation, &given, None)).await?).await?;
    }
    if as_json {
        return output::print("]}");
    }
    output::print(&show::answer(api, schema, &json!({ "items": rows })))
}

/// What comes, for as long as it comes.
async fn stream(answer: ApiAnswer, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut events = answer.events();
    loop {
        let Some(event) = unless_pressed(events.next()).await? else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let Some(event) = event? else {
            return Ok(ExitCode::SUCCESS);
        };
        if event.name.is_empty() && event.data.is_empty() {
            continue;
        }
        let line = if as_json {
            let data = serde_json::from_str(&event.data).unwrap_or(Value::String(event.data));
            json!({ "event": event.name, "data": data }).to_string()
        } else {
            format!("{}  {}", show::clean(&event.name), show::clean(&event.data))
        };
        if !output::print_on(&line)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// A file, as it comes.
async fn copy(mut answer: ApiAnswer) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    loop {
        let Some(chunk) = unless_pressed(answer.chunk()).await? else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        let Some(chunk) = chunk? else {
            out.flush().context("cannot write to standard output")?;
            return Ok(ExitCode::SUCCESS);
        };
        match out.write_all(&chunk) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written.context("cannot write to standard output")?,
        }
    }
}
