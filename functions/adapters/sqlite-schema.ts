/**
 * The tables of the embedded store, in the order a run meets them:
 *
 *     sessions     a conversation with its workspace, and where that workspace stands
 *     idempotency  which run a client's key made, for a day
 *     runs         one row a run: its record, its lease (token, owner, until) and when somebody must look at it
 *     messages     the transcript, appended
 *     marks        where a run stood after each step: what a fork begins from
 *     events       what watchers see, appended, numbered without gaps
 *     inbox        what people sent: appended by them, read by the next step
 *     journal      effects outside: intended, and what became of them
 *     remembered   approvals that hold for all runs of a session or a repo
 *     layers       what each step changed in a workspace; a row of layers is a snapshot
 *     accounts     what runs spend together: what was spent (in nano-dollars), by whose name
 *     reserved     what calls under way may cost at most
 */
/** Raised with every change; `SCHEMA` and `COLUMNS_ADDED` bring any older file up to date: both only add. */
export const SCHEMA_VERSION = 5

/** Columns that tables of an older file lack: table, column, declaration. */
export const COLUMNS_ADDED: [string, string, string][] = [
  ['runs', 'last', "TEXT NOT NULL DEFAULT ''"],
  ['runs', 'claims', 'INTEGER NOT NULL DEFAULT 0'],
  ['runs', 'feedback', 'TEXT'],
  ['runs', 'named_until', 'INTEGER NOT NULL DEFAULT 0'],
  ['inbox', 'id', "TEXT NOT NULL DEFAULT ''"],
]

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS sessions (
  session_id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, session TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS idempotency (
  key TEXT PRIMARY KEY, hash TEXT NOT NULL, run_id TEXT NOT NULL, expires_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS runs (
  run_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, status TEXT NOT NULL, step INTEGER NOT NULL,
  token INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL DEFAULT '', lease_until INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER, awaits TEXT, inbox_seq INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL, run TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS runs_due ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_session ON runs (session_id, status);
CREATE TABLE IF NOT EXISTS messages (
  run_id TEXT NOT NULL, seq INTEGER NOT NULL, message TEXT NOT NULL, UNIQUE (run_id, seq)
) STRICT;
CREATE TABLE IF NOT EXISTS marks (
  run_id TEXT NOT NULL, step INTEGER NOT NULL, mark TEXT NOT NULL, UNIQUE (run_id, step)
) STRICT;
CREATE TABLE IF NOT EXISTS events (
  run_id TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE (run_id, seq)
) STRICT;
CREATE TABLE IF NOT EXISTS inbox (
  run_id TEXT NOT NULL, seq INTEGER NOT NULL, topic TEXT NOT NULL, entry TEXT NOT NULL, UNIQUE (run_id, seq)
) STRICT;
CREATE TABLE IF NOT EXISTS journal (
  run_id TEXT NOT NULL, effect_id TEXT NOT NULL, outcome TEXT, UNIQUE (run_id, effect_id)
) STRICT;
CREATE TABLE IF NOT EXISTS remembered (
  place TEXT NOT NULL, hash TEXT NOT NULL, UNIQUE (place, hash)
) STRICT;
CREATE TABLE IF NOT EXISTS layers (
  workspace_id TEXT NOT NULL, count INTEGER NOT NULL, layer_id TEXT NOT NULL, layer TEXT NOT NULL,
  UNIQUE (workspace_id, count)
) STRICT;
CREATE INDEX IF NOT EXISTS layers_id ON layers (layer_id);
CREATE TABLE IF NOT EXISTS accounts (
  account TEXT PRIMARY KEY, spent INTEGER NOT NULL, touched_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS reserved (
  account TEXT NOT NULL, id TEXT NOT NULL, amount INTEGER NOT NULL, at INTEGER NOT NULL, UNIQUE (account, id)
) STRICT;
`
