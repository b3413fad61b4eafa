//! The AWS in memory on a port of 127.0.0.1, so that a real process can run against it.

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use tokio::net::TcpListener;

use super::InProcess;

/// Serves until the listener fails. Requests find their account and Region by their signature's scope, which is not
/// checked.
///
/// # Errors
/// When the listener fails.
pub async fn serve(aws: InProcess, listener: TcpListener) -> Result<()> {
    let router = Router::new().fallback(answer).with_state(aws);
    Ok(axum::serve(listener, router).await?)
}

async fn answer(State(aws): State<InProcess>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap_or_default();
    let request = Request::from_parts(parts, body.to_vec());
    match aws.answer(&request).await {
        Some(Ok(response)) => response.map(Body::from),
        // No answer at all can't be given over HTTP; the nearest is none that an SDK takes for AWS's.
        Some(Err(_)) => status(StatusCode::BAD_GATEWAY),
        None => status(StatusCode::GATEWAY_TIMEOUT),
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
