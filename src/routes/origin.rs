//! The address under which a provider called us: what it signed.

use actix_web::HttpRequest;

use super::Context;

/// Scheme, host, path and query as the provider knows them: the configured public address; else
/// what a trusted proxy forwards; else what the request itself says. Headers of unknown peers are
/// never believed.
pub fn public_url(request: &HttpRequest, context: &Context) -> String {
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    if let Some(base) = &context.config.public_url {
        return format!("{}{path}", base.as_str().trim_end_matches('/'));
    }
    let header = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok());
    let is_proxy =
        request.peer_addr().is_some_and(|it| context.config.trusted_proxies.contains(&it.ip()));
    // A chain of proxies appends: the first entry is what the client used.
    let forwarded = |name| {
        let value = header(name).filter(|_| is_proxy)?;
        value.split(',').next().map(str::trim).filter(|it| !it.is_empty())
    };
    let scheme = forwarded("x-forwarded-proto").unwrap_or("http");
    let host = forwarded("x-forwarded-host").or_else(|| header("host")).unwrap_or("localhost");
    format!("{scheme}://{host}{path}")
}
