//! Decisions, numbered, as they were taken: what was asked, what was decided, what follows. Nothing here is code.

macro_rules! decisions {
    ($($name:ident = $file:literal;)*) => {
        $(#[doc = include_str!(concat!("docs/adr/", $file, ".md"))] pub mod $name {})*
    };
}

decisions! {
    adr_0001 = "0001-three-durable-rooms";
    adr_0002 = "0002-opaque-thread-keys";
    adr_0003 = "0003-one-address";
    adr_0004 = "0004-sqlite-as-default-store";
    adr_0005 = "0005-standard-webhooks-both-ways";
    adr_0006 = "0006-order-in-a-conversation";
    adr_0007 = "0007-derived-ids";
    adr_0008 = "0008-participants-in-accept";
    adr_0009 = "0009-names";
    adr_0010 = "0010-feed-and-outbound-in-the-store";
    adr_0011 = "0011-effects";
    adr_0012 = "0012-fail-points";
    adr_0013 = "0013-bursts";
    adr_0014 = "0014-allocator";
}
