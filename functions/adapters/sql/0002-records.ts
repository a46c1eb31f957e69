/** The second migration: small records that people and the agent make, change and remove. */
const TABLES = ['facts', 'preferences', 'schedules', 'api_keys', 'audit', 'custom_tools']

export const RECORDS = `
-- stint_facts          what was learnt in runs; key: the fingerprint of a dead end
-- stint_preferences    what people and repos want; key: the name
-- stint_schedules      jobs that come again; due_at: when next
-- stint_api_keys       keys of the API, hashed; key: the hash
-- stint_audit          who did what to what
-- stint_custom_tools   tools that people added; key: the name
--
-- All have the same columns. Their shapes vary, so the record itself is jsonb; what is looked up has a column beside it.
-- scope: whose it is. session_id: the session it comes from, and goes with. expires_at: not there from then on.
${TABLES.map(
  (name) => `CREATE TABLE IF NOT EXISTS stint_${name} (
  id text PRIMARY KEY, scope text NOT NULL, key text, due_at bigint, session_id text, created_at bigint NOT NULL,
  updated_at bigint NOT NULL, expires_at bigint, record jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS stint_${name}_scope ON stint_${name} (scope, id);
CREATE INDEX IF NOT EXISTS stint_${name}_key ON stint_${name} (key);
CREATE INDEX IF NOT EXISTS stint_${name}_due ON stint_${name} (due_at);
CREATE INDEX IF NOT EXISTS stint_${name}_session ON stint_${name} (session_id);
CREATE INDEX IF NOT EXISTS stint_${name}_expires ON stint_${name} (expires_at);`,
).join('\n')}
`
