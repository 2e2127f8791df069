//! WebSockets as a handbook shows them: actix-web with actix-ws, a task for each connection, and one channel from which
//! all of them are told what is posted.
//!
//! It knows no tenants, cursors or filters, keeps nothing, and forgets who is too slow. `PORT` is its only setting.

use std::env;
use std::net::Ipv4Addr;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, get, post, rt, web};
use actix_ws::Message;
use anyhow::Context as _;
use tokio::sync::broadcast::{self, Sender};

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let port: u16 = env::var("PORT").context("PORT is not set")?.parse()?;
    let messages = web::Data::new(broadcast::channel::<String>(256).0);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(messages.clone())
            .service(health)
            .service(tell)
            .service(socket)
    });
    Ok(server.bind((Ipv4Addr::LOCALHOST, port))?.run().await?)
}

#[get("/health/ready")]
async fn health() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[post("/api/v1/leads")]
async fn tell(message: String, messages: web::Data<Sender<String>>) -> HttpResponse {
    // Nobody may follow.
    let _ = messages.send(message);
    HttpResponse::Created().finish()
}

#[get("/api/v1/ws")]
async fn socket(
    request: HttpRequest,
    body: web::Payload,
    messages: web::Data<Sender<String>>,
) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut incoming) = actix_ws::handle(&request, body)?;
    let mut messages = messages.subscribe();
    rt::spawn(async move {
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) => {
                        if session.text(message).await.is_err() {
                            return;
                        }
                    }
                    Err(_) => return,
                },
                said = incoming.recv() => match said {
                    Some(Ok(Message::Text(_))) => {
                        if session.text(r#"{"type":"subscribed"}"#).await.is_err() {
                            return;
                        }
                    }
                    Some(Ok(Message::Ping(payload))) => {
                        if session.pong(&payload).await.is_err() {
                            return;
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
            }
        }
    });
    Ok(response)
}
