//! The door of a chat inbox: checks its settings and builds what they describe.

use crate::bot::Bot;
use crate::config::ChatSettings;
use crate::desk::Desk;
use crate::follow::follow;
use crate::handover::watch;
use crate::identity::IdentityKeys;
use crate::replier::ChatReplier;
use crate::routes::routes;
use crate::{clean, origins};
use async_trait::async_trait;
use lodge_channel::{BuildError, Context, Door, Health, Importer, Parts, Probe, Problem, SecretSource, Task};
use lodge_domain::{BrandName, Channel, ChannelAddress, InboxName};
use secrecy::ExposeSecret as _;
use std::path::Path;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

#[async_trait]
impl Door for ChatSettings {
    fn address(&self) -> ChannelAddress {
        ChannelAddress { channel: Channel::Chat, provider: "chat".to_owned() }
    }

    fn brand(&self) -> Option<&BrandName> {
        self.brand.as_ref()
    }

    fn addresses(&self) -> Vec<String> {
        Vec::new()
    }

    fn check(&self, secrets: &dyn SecretSource) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.origins.is_empty() {
            let remedy = "name the websites the widget stands on, such as `https://www.acme.example`";
            problems.push(Problem::new("origins", "no website may open this chat", remedy));
        }
        for origin in self.origins.iter().filter(|origin| origins::normal(origin).is_none()) {
            let reason = format!("`{}` is no website", clean::line(origin));
            let remedy = "write scheme, host and port alone, such as `https://www.acme.example`";
            problems.push(Problem::new("origins", reason, remedy));
        }
        for (_, secret) in self.identity_secret.iter().flat_map(|all| &all.0) {
            match secrets.read(secret) {
                Ok(value) if value.expose_secret().len() < 16 => {
                    let reason = "an identity secret has fewer than 16 bytes";
                    problems.push(Problem::new("identity_secret", reason, "take 32 random bytes, in base64"));
                }
                Ok(_) => {}
                Err(error) => {
                    let remedy = "set the variable or correct the path, for the user Lodge runs as";
                    problems.push(Problem::new("identity_secret", error.to_string(), remedy));
                }
            }
        }
        if self.text == 0 || self.text > 32_000 {
            let remedy = "take 1 to 32,000 characters; a frame has 64 KiB";
            problems.push(Problem::new("text", "a message cannot have that many characters", remedy));
        }
        if self.continue_after < 10 {
            let remedy = "take at least 10 seconds, or nobody has a chance to read";
            problems.push(Problem::new("continue_after", "answers would go out at once", remedy));
        }
        problems
    }

    fn check_files(&self, folder: &Path) -> Vec<Problem> {
        Bot::load(self, folder).err().unwrap_or_default()
    }

    fn hours(&self) -> Option<(&'static str, &str)> {
        self.hours.as_deref().map(|name| ("hours", name))
    }

    fn continues_by(&self) -> Option<(&'static str, &InboxName)> {
        self.continue_by.as_ref().map(|name| ("continue_by", name))
    }

    async fn probe(&self, _: &Context) -> Vec<Probe> {
        Vec::new()
    }

    fn build(&self, context: Context) -> Result<Parts, BuildError> {
        let broken = |error: lodge_channel::SecretError| BuildError {
            inbox: context.inbox.name.clone(),
            problem: Problem::new(
                "identity_secret",
                error.to_string(),
                "set the variable or correct the path",
            ),
        };
        let read = |(id, secret): &(String, lodge_channel::Secret)| {
            let value = context.secrets.read(secret).map_err(broken)?;
            Ok((id.clone(), value.expose_secret().as_bytes().to_vec()))
        };
        let secrets = self.identity_secret.iter().flat_map(|all| &all.0).map(read);
        let identities = IdentityKeys::new(secrets.collect::<Result<_, BuildError>>()?);
        let health =
            Health::new(context.inbox.name.clone(), self.address(), "sessions", Arc::clone(&context.clock));
        let shutdown = context.shutdown.clone();
        let folder = context.folder.clone();
        let bot = Bot::load(self, &folder).map_err(|problems| BuildError {
            inbox: context.inbox.name.clone(),
            problem: problems
                .into_iter()
                .next()
                .unwrap_or_else(|| Problem::new("guide", "the guide cannot be used", "run `lodge check`")),
        })?;
        let desk = Desk::new(self, identities, bot, context);
        let sockets = TaskTracker::new();
        let (followed, reports) = (Arc::clone(&desk), Arc::clone(&health));
        let following = Task::new(format!("chat {}: news", desk.inbox.name), move || {
            follow(Arc::clone(&followed), Arc::clone(&reports))
        });
        let open = sockets.clone();
        let goodbyes = Task::new(format!("chat {}: goodbyes", desk.inbox.name), move || {
            let (shutdown, open) = (shutdown.clone(), open.clone());
            async move {
                shutdown.cancelled().await;
                open.close();
                open.wait().await;
                Ok(())
            }
        });
        let mut tasks = vec![following, goodbyes];
        if desk.bot.is_some() {
            let watched = Arc::clone(&desk);
            tasks.push(Task::new(format!("chat {}: guide", desk.inbox.name), move || {
                watch(Arc::clone(&watched))
            }));
        }
        Ok(Parts {
            tasks,
            routes: Some(routes(&desk, sockets)),
            replier: Some(Arc::new(ChatReplier(desk))),
            health: vec![health],
        })
    }

    fn importer(&self, _: Context) -> Result<Option<Arc<dyn Importer>>, BuildError> {
        Ok(None)
    }
}
