//! Every table on one page, and how an older file becomes a current one.
//!
//! Times are nanoseconds since 1970. Ids are the text they are everywhere, so that the file can be read with any SQLite
//! shell; brands, lanes, conversations and envelopes also have a small number by which tables refer to them.

use crate::error::OpenError;
use rusqlite::Connection;

/// The newest schema this build reads and the one it writes.
pub(crate) const VERSION: i64 = 2;

/// `MIGRATIONS[n]` turns schema `n` into `n + 1`, in one transaction.
const MIGRATIONS: [&str; 2] = [V1, V2];

const V1: &str = "
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE brands(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE lanes(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE conversations(
  pos INTEGER PRIMARY KEY, brand INTEGER NOT NULL, id TEXT NOT NULL, reference TEXT NOT NULL, inbox TEXT NOT NULL,
  sequence INTEGER NOT NULL, status INTEGER NOT NULL, reopen_until INTEGER, external_id TEXT, return_path TEXT,
  queue TEXT, topic BLOB, last_contact_at INTEGER NOT NULL, merged_into TEXT) STRICT;
CREATE UNIQUE INDEX conversations_by_id ON conversations(id);
CREATE UNIQUE INDEX conversations_by_reference ON conversations(reference, brand);
CREATE TABLE participants(
  conv INTEGER NOT NULL, kind INTEGER NOT NULL, handle TEXT NOT NULL, assurance INTEGER NOT NULL,
  PRIMARY KEY(conv, kind, handle)) STRICT, WITHOUT ROWID;
CREATE TABLE keys(
  key BLOB NOT NULL, brand INTEGER NOT NULL, conv INTEGER NOT NULL, PRIMARY KEY(key, brand)) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_conv ON keys(conv);

-- An envelope's row is also its dedupe entry (known = 1) and its source entry. Its id is a hash of the dedupe key.
-- Purging the conversation takes conv and record away, purging the dedupe entry takes known and source; what has
-- neither goes.
CREATE TABLE envelopes(
  pos INTEGER PRIMARY KEY, brand INTEGER NOT NULL, id TEXT NOT NULL, source BLOB, known INTEGER NOT NULL, conv INTEGER,
  conversation TEXT NOT NULL, reference TEXT NOT NULL, sequence INTEGER NOT NULL, founded INTEGER NOT NULL,
  suggested_parent TEXT, follows TEXT, reopens INTEGER NOT NULL, flags INTEGER NOT NULL, matched TEXT,
  accepted_at INTEGER NOT NULL, decision TEXT, record BLOB) STRICT;
CREATE UNIQUE INDEX envelopes_by_id ON envelopes(id);
CREATE INDEX envelopes_by_source ON envelopes(source, brand) WHERE source IS NOT NULL;
CREATE INDEX envelopes_by_conv ON envelopes(conv, sequence) WHERE conv IS NOT NULL;
CREATE INDEX envelopes_by_age ON envelopes(accepted_at) WHERE known = 1;
CREATE TABLE traces(
  key BLOB NOT NULL, brand INTEGER NOT NULL, envelope INTEGER NOT NULL,
  PRIMARY KEY(key, brand, envelope)) STRICT, WITHOUT ROWID;
CREATE INDEX traces_by_envelope ON traces(envelope);

CREATE TABLE recorded(
  event TEXT NOT NULL, brand INTEGER NOT NULL, conv INTEGER NOT NULL,
  PRIMARY KEY(event, brand)) STRICT, WITHOUT ROWID;
CREATE INDEX recorded_by_conv ON recorded(conv);
CREATE TABLE outbound(
  pos INTEGER PRIMARY KEY, brand INTEGER NOT NULL, id TEXT NOT NULL, conversation TEXT NOT NULL,
  version INTEGER NOT NULL, record TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX outbound_by_id ON outbound(id, brand);
CREATE INDEX outbound_by_conversation ON outbound(conversation);
CREATE TABLE journal(
  pos INTEGER PRIMARY KEY, brand INTEGER NOT NULL, subject TEXT NOT NULL, at INTEGER NOT NULL, step TEXT NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX journal_lines ON journal(subject, brand, step, text);
CREATE TABLE guards(
  key BLOB NOT NULL, brand INTEGER NOT NULL, content BLOB NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY(key, brand)) STRICT, WITHOUT ROWID;

-- blocked = 0 marks the head of its (conversation, lane, brand), and whatever has no conversation. ready is due, or the
-- end of the lease on it.
CREATE TABLE work(
  pos INTEGER PRIMARY KEY, brand INTEGER NOT NULL, lane INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
  conversation TEXT, subject TEXT NOT NULL, sequence INTEGER, payload TEXT NOT NULL, due INTEGER NOT NULL,
  ready INTEGER NOT NULL, enqueued_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  claims INTEGER NOT NULL DEFAULT 0, marked INTEGER NOT NULL DEFAULT 0, blocked INTEGER NOT NULL, token TEXT,
  error TEXT) STRICT;
CREATE UNIQUE INDEX work_by_id ON work(id, brand);
CREATE INDEX work_ready ON work(lane, brand, ready) WHERE blocked = 0;
CREATE INDEX work_by_conversation ON work(conversation, lane, brand) WHERE conversation IS NOT NULL;
CREATE TABLE dead_letters(
  pos INTEGER PRIMARY KEY, brand INTEGER NOT NULL, lane TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
  conversation TEXT, subject TEXT NOT NULL, sequence INTEGER, payload TEXT NOT NULL, due INTEGER NOT NULL,
  attempts INTEGER NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX dead_letters_by_id ON dead_letters(id, brand);
CREATE INDEX dead_letters_by_conversation ON dead_letters(conversation) WHERE conversation IS NOT NULL;

-- AUTOINCREMENT: a cursor must never see a number a second time, not even after everything was purged.
CREATE TABLE feed(
  pos INTEGER PRIMARY KEY AUTOINCREMENT, brand INTEGER NOT NULL, event TEXT NOT NULL, conversation TEXT,
  body BLOB NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX feed_by_event ON feed(event, brand);

CREATE TABLE inbox_state(
  brand TEXT NOT NULL, inbox TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL,
  UNIQUE(brand, inbox, key)) STRICT;
CREATE TABLE leases(
  name TEXT PRIMARY KEY, holder TEXT NOT NULL, fence INTEGER NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE budgets(
  key BLOB NOT NULL, brand TEXT NOT NULL, taken INTEGER NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY(key, brand)) STRICT, WITHOUT ROWID;
";

const V2: &str = "
-- Times of the last entry or note; the number of entries is the last one's place.
CREATE TABLE timelines(
  pos INTEGER PRIMARY KEY, brand INTEGER NOT NULL, id BLOB NOT NULL, entries INTEGER NOT NULL DEFAULT 0,
  last_at INTEGER NOT NULL, note_version INTEGER NOT NULL DEFAULT 0, note BLOB) STRICT;
CREATE UNIQUE INDEX timelines_by_id ON timelines(id, brand);
CREATE INDEX timelines_by_age ON timelines(last_at);
-- AUTOINCREMENT: whoever follows the changes must never see a number a second time.
CREATE TABLE timeline_entries(
  pos INTEGER PRIMARY KEY AUTOINCREMENT, timeline INTEGER NOT NULL, sequence INTEGER NOT NULL, id BLOB NOT NULL,
  at INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX timeline_entries_in_order ON timeline_entries(timeline, sequence);
CREATE UNIQUE INDEX timeline_entries_by_id ON timeline_entries(id, timeline);
";

/// Refuses a newer file before anything is touched.
pub(crate) fn refuse_newer(connection: &Connection) -> Result<i64, OpenError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION { Err(OpenError::Newer { found, known: VERSION }) } else { Ok(found) }
}

/// Brings the file to [`VERSION`]; `store` is the id that a new file gets.
pub(crate) fn migrate(connection: &Connection, store: &str) -> Result<(), OpenError> {
    if refuse_newer(connection)? == VERSION {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let outcome = migrate_within(connection, store);
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    connection.execute_batch(end)?;
    outcome
}

fn migrate_within(connection: &Connection, store: &str) -> Result<(), OpenError> {
    // Read again: another process may have migrated while this one waited for the lock.
    let found = refuse_newer(connection)?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        connection.execute_batch(migration)?;
    }
    let insert = "INSERT INTO meta(name, value) VALUES ('store', ?1) ON CONFLICT DO NOTHING";
    connection.execute(insert, [store])?;
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(())
}
