//! Whose request it is.

use axum::http::header::AUTHORIZATION;
use axum::http::HeaderMap;
use dn_sdk::User;

use crate::app::App;
use crate::refusal::Refusal;

/// Who pays for a request: the account of the key in `Authorization: Bearer KEY`.
pub(crate) fn payer(headers: &HeaderMap, app: &App) -> Result<User, Refusal> {
    let header = headers.get(AUTHORIZATION).ok_or(Refusal::NoKey)?;
    let bearer = header.to_str().ok().and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    app.user_of(bearer.ok_or(Refusal::NoKey)?).ok_or(Refusal::UnknownKey)
}
