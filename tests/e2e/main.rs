//! One test program for all scenarios, so that the rig is linked once. A scenario is a file named after its behaviour.

/// Runs each scenario on both stores: `embedded::NAME` and `redis::NAME`.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> anyhow::Result<()> {
                super::$name(lodge_e2e::Store::Embedded).await
            })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> anyhow::Result<()> {
                super::$name(lodge_e2e::Store::Redis).await
            })+
        }
    };
}

mod bad_configuration;
mod chat;
mod chat_access;
mod chat_guide;
mod chat_hours;
mod commands;
mod core_outage;
mod crash_points;
mod crash_random;
mod documents;
mod events_feed;
mod full_disk;
mod graceful_stop;
mod mail_becomes_ticket;
mod mailbox;
mod messenger_becomes_ticket;
mod postfix_loop;
mod redis_restart;
mod replies;
mod rig_stands;
mod sandbox;
mod security_contacts;
mod security_operations;
mod smtp_refusals;
mod social_conversations;
mod social_crashes;
mod social_rows;
mod social_stage;
mod support;
mod threading;
mod voice_audio;
mod voice_calls;
mod voice_commands;
mod voice_every_provider;
/// The signatures of telephony providers, which the channel's own tests make, too.
#[cfg(test)]
#[path = "../../crates/lodge-channel-voice/src/tests/sign.rs"]
mod voice_signing;
mod voice_support;
mod widget;
mod widget_keyboard;
mod widget_looks;
mod widget_page;
