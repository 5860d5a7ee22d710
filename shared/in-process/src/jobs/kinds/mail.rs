//! How a mail leaves the house: over a mail server, or into a file, where a developer can read it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};

use crate::{StartError, jobs::JobArgs};

/// How long the mail server may take for each answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The port of mail relays.
const PORT: u16 = 25;

/// Sends mails.
pub(crate) struct Mailer {
    from: Mailbox,
    /// Address of the site, without a slash at its end.
    pub(crate) site: String,
    by: By,
}

enum By {
    Server(AsyncSmtpTransport<Tokio1Executor>),
    Files(PathBuf),
}

/// A mail to be.
pub(crate) struct Mail {
    /// Names the mail, in files and for those who receive it: the same when it is sent again.
    pub(crate) name: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// What became of a mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It was accepted.
    Accepted,
    /// It never will be: there is something wrong with it, or with its recipient.
    Refused(String),
    /// Certainly not accepted, but it may be later.
    NotNow(String),
    /// The answer was lost. It may be on its way.
    Unknown(String),
}

impl Mailer {
    pub(crate) fn new(args: &JobArgs, data_dir: &Path) -> Result<Self, StartError> {
        let from = args.mail_from.parse();
        let from = from.map_err(|error| StartError::job_setting("--mail-from", error))?;
        let by = match args.smtp_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => By::Server(server(url)?),
            None => By::Files(data_dir.join("mail")),
        };
        let site = args.site_url.trim_end_matches('/').to_owned();
        Ok(Self { from, site, by })
    }

    pub(crate) async fn send(&self, mail: &Mail) -> Sent {
        let message = match self.message(mail) {
            Ok(message) => message,
            Err(reason) => return Sent::Refused(reason),
        };
        match &self.by {
            By::Server(server) => over(server, message).await,
            By::Files(folder) => {
                let (folder, name) = (folder.clone(), format!("{}.eml", mail.name));
                let content = message.formatted();
                let written = tokio::task::spawn_blocking(move || keep(&folder, &name, &content));
                match written.await {
                    Ok(Ok(())) => Sent::Accepted,
                    Ok(Err(error)) => Sent::NotNow(error.to_string()),
                    Err(error) => Sent::Unknown(error.to_string()),
                }
            }
        }
    }

    fn message(&self, mail: &Mail) -> Result<Message, String> {
        let to: Mailbox = mail.to.parse().map_err(|error| format!("the address: {error}"))?;
        Message::builder()
            .message_id(Some(format!("<{}@conduit>", mail.name)))
            .from(self.from.clone())
            .to(to)
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| error.to_string())
    }
}

fn server(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, StartError> {
    let wrong =
        || StartError::job_setting("--smtp-url", "has to be smtp://HOST or smtp://HOST:PORT");
    let place = url.strip_prefix("smtp://").ok_or_else(wrong)?.trim_end_matches('/');
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
        None => (place, PORT),
    };
    if host.is_empty() || host.contains(['/', '@']) {
        return Err(wrong());
    }
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host);
    Ok(builder.port(port).timeout(Some(PATIENCE)).build())
}

async fn over(server: &AsyncSmtpTransport<Tokio1Executor>, message: Message) -> Sent {
    // Whoever can't be reached has accepted nothing. Once the mail is under way, that is open.
    match server.test_connection().await {
        Ok(true) => {}
        Ok(false) => return Sent::NotNow("the mail server does not answer".into()),
        Err(error) => return Sent::NotNow(error.to_string()),
    }
    match server.send(message).await {
        Ok(_accepted) => Sent::Accepted,
        Err(error) if error.is_permanent() => Sent::Refused(error.to_string()),
        Err(error) if error.is_transient() => Sent::NotNow(error.to_string()),
        Err(error) => Sent::Unknown(error.to_string()),
    }
}

/// Whole or not at all: the file gets its name when it is complete.
fn keep(folder: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!("{name}.part"));
    fs::write(&unfinished, content)?;
    fs::rename(unfinished, folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_mail_server_is_named_at_the_start() {
        for url in ["mail.example.com", "smtp://", "smtp://h:port", "smtp://me:pw@h", "smtps://h"] {
            let error = server(url).unwrap_err().to_string();
            assert!(error.starts_with("--smtp-url: ") && !error.contains("pw"), "{error}");
        }
        let args = JobArgs { mail_from: "nobody".into(), ..JobArgs::default() };
        let error = Mailer::new(&args, Path::new(".")).map(drop).unwrap_err().to_string();
        assert!(error.starts_with("--mail-from: "), "{error}");
    }
}
