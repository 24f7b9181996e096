//! A mail inbox as a door: its settings check themselves, try their connections, and build reader and replier.

mod build;
mod check;
mod probe;

use crate::config::EmailSettings;
use async_trait::async_trait;
use lodge_channel::{BuildError, Context, Door, Importer, Parts, Probe, Problem, SecretSource};
use lodge_domain::{BrandName, Channel, ChannelAddress};
use std::sync::Arc;

#[async_trait]
impl Door for EmailSettings {
    fn address(&self) -> ChannelAddress {
        ChannelAddress { channel: Channel::Email, provider: self.provider.as_str().to_owned() }
    }

    fn brand(&self) -> Option<&BrandName> {
        self.brand.as_ref()
    }

    fn addresses(&self) -> Vec<String> {
        let from = self.mailbox().map(|mailbox| mailbox.email.to_string());
        from.into_iter().chain(self.aliases.iter().map(|alias| alias.trim().to_owned())).collect()
    }

    fn check(&self, secrets: &dyn SecretSource) -> Vec<Problem> {
        check::all(self, secrets)
    }

    async fn probe(&self, context: &Context) -> Vec<Probe> {
        probe::all(self, context).await
    }

    fn build(&self, context: Context) -> Result<Parts, BuildError> {
        build::parts(self, context)
    }

    fn importer(&self, context: Context) -> Result<Option<Arc<dyn Importer>>, BuildError> {
        Ok(Some(build::reader(self, &context)?))
    }
}
