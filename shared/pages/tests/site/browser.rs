//! As much of a browser as the tests need: it sends requests and finds elements.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header, request::Builder},
};
use conduit::Conduit;
use http_body_util::BodyExt;
use pages::Settings;
use scraper::{ElementRef, Html, Selector};
use tower::ServiceExt;

pub(crate) const HOST: &str = "conduit.example";

pub(crate) struct Browser {
    site: Router,
    cookie: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    html: Html,
}

impl Browser {
    pub(crate) fn on<C: Conduit>(port: &C) -> Self {
        Self::with(port, Settings::default())
    }

    pub(crate) fn with<C: Conduit>(port: &C, settings: Settings) -> Self {
        Self { site: pages::router(port.clone(), settings), cookie: None }
    }

    /// The same browser, with a session.
    pub(crate) fn signed_in(self, token: &str) -> Self {
        Self { cookie: Some(format!("theme=x; conduit_session={token}; other=y")), ..self }
    }

    /// The same browser, with another cookie instead.
    pub(crate) fn with_cookie(self, cookie: &str) -> Self {
        Self { cookie: Some(cookie.to_owned()), ..self }
    }

    pub(crate) async fn get(&self, address: &str) -> Answer {
        self.send(Request::get(address), "").await
    }

    /// Sends a form as a page of the site itself would.
    pub(crate) async fn post(&self, address: &str, form: &str) -> Answer {
        let request = Request::post(address).header(header::ORIGIN, format!("https://{HOST}"));
        self.send(request, form).await
    }

    /// Sends a request with a form in it, if that is not empty.
    pub(crate) async fn send(&self, request: Builder, form: &str) -> Answer {
        let urlencoded = "application/x-www-form-urlencoded";
        let request = match form {
            "" => request,
            _ => request.header(header::CONTENT_TYPE, urlencoded),
        };
        self.raw(request, form).await
    }

    /// Sends a request as it is, but for the host, the number, and the cookies.
    pub(crate) async fn raw(&self, mut request: Builder, form: &str) -> Answer {
        request = request.header(header::HOST, HOST).header("x-request-id", "request-1");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Body::from(form.to_owned())).expect("a request");
        let response = self.site.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        let html = Html::parse_document(&body);
        Answer { status: parts.status, headers: parts.headers, body, html }
    }
}

impl Answer {
    pub(crate) fn all(&self, selector: &str) -> Vec<ElementRef<'_>> {
        self.html.select(&Selector::parse(selector).expect("a selector")).collect()
    }

    pub(crate) fn count(&self, selector: &str) -> usize {
        self.all(selector).len()
    }

    /// The only such element.
    #[track_caller]
    pub(crate) fn one(&self, selector: &str) -> ElementRef<'_> {
        let all = self.all(selector);
        assert_eq!(all.len(), 1, "{selector} in {}", self.body);
        all[0]
    }

    /// The text of the only such element, as it stands there.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        self.one(selector).text().collect()
    }

    /// The texts of all such elements, trimmed.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let text = |e: ElementRef<'_>| e.text().collect::<String>().trim().to_owned();
        self.all(selector).into_iter().map(text).collect()
    }

    /// An attribute of the only such element.
    #[track_caller]
    pub(crate) fn attr(&self, selector: &str, name: &str) -> &str {
        self.one(selector).value().attr(name).unwrap_or_else(|| panic!("{selector} has no {name}"))
    }

    /// How many elements that match contain the text, as Playwright's `:has-text` counts: in any
    /// case, anywhere inside.
    pub(crate) fn with_text(&self, selector: &str, text: &str) -> usize {
        let text = text.to_lowercase();
        self.texts(selector).iter().filter(|t| t.to_lowercase().contains(&text)).count()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name}"));
        value.to_str().expect("text")
    }

    /// The cookie that was set, if one was.
    pub(crate) fn cookie(&self) -> Option<&str> {
        assert!(self.headers.get_all(header::SET_COOKIE).iter().count() <= 1);
        self.headers.get(header::SET_COOKIE)?.to_str().ok()
    }
}
