/** The first migration: the archive of runs. SQLite reads the same text; JSON is text there. */
export const RUNS = `
-- stint_sessions     one row a session that has an archived run: its workspace, where that stands, when its last run ended
-- stint_runs         one row a run that has ended: its record as it was, and beside it what people ask and count by,
--                    usage and cost among it; a run whose row is missing here is not archived, whatever else is there
-- stint_messages     the transcript
-- stint_tool_calls   what each tool call of the transcript came to, to be counted
-- stint_usage        answers, tokens and dollars of a run by model, to be counted
-- stint_events       what watchers saw
-- stint_marks        where a run stood after each step: what a fork begins from
-- stint_layers       what each step changed in a workspace; a row of layers is a snapshot
-- stint_feedback     what a person thought of a run; the last word counts
-- stint_removed      hashes of sessions that were removed, for a while: whoever is still archiving one of them stops here
--
-- Transcripts are json and not jsonb: a tool's output may hold \\u0000, and the order of keys is part of a prompt.
CREATE TABLE IF NOT EXISTS stint_sessions (
  session_id text PRIMARY KEY, workspace_id text NOT NULL, repo text, created_at bigint NOT NULL,
  updated_at bigint NOT NULL, last_at bigint NOT NULL, session json NOT NULL
);
CREATE INDEX IF NOT EXISTS stint_sessions_last ON stint_sessions (last_at);
CREATE TABLE IF NOT EXISTS stint_runs (
  run_id text PRIMARY KEY, session_id text NOT NULL, workspace_id text NOT NULL, kind text NOT NULL,
  status text NOT NULL, stop_reason text, model text NOT NULL, repo text, created_at bigint NOT NULL,
  ended_at bigint NOT NULL, worked_ms double precision NOT NULL, turns integer NOT NULL, input_tokens bigint NOT NULL,
  cached_tokens bigint NOT NULL, output_tokens bigint NOT NULL, cost_usd double precision NOT NULL, run json NOT NULL
);
CREATE INDEX IF NOT EXISTS stint_runs_session ON stint_runs (session_id, run_id);
CREATE INDEX IF NOT EXISTS stint_runs_status ON stint_runs (status, run_id);
CREATE INDEX IF NOT EXISTS stint_runs_ended ON stint_runs (ended_at);
CREATE TABLE IF NOT EXISTS stint_messages (
  run_id text NOT NULL, seq integer NOT NULL, session_id text NOT NULL, message json NOT NULL, PRIMARY KEY (run_id, seq)
);
CREATE INDEX IF NOT EXISTS stint_messages_session ON stint_messages (session_id);
CREATE TABLE IF NOT EXISTS stint_tool_calls (
  run_id text NOT NULL, seq integer NOT NULL, session_id text NOT NULL, call_id text NOT NULL, tool text NOT NULL,
  ok boolean NOT NULL, code text, risk text NOT NULL, duration_ms double precision NOT NULL, PRIMARY KEY (run_id, seq)
);
CREATE INDEX IF NOT EXISTS stint_tool_calls_session ON stint_tool_calls (session_id);
CREATE TABLE IF NOT EXISTS stint_usage (
  run_id text NOT NULL, model text NOT NULL, session_id text NOT NULL, answers integer NOT NULL,
  input_tokens bigint NOT NULL, cached_tokens bigint NOT NULL, output_tokens bigint NOT NULL,
  cost_usd double precision NOT NULL, PRIMARY KEY (run_id, model)
);
CREATE INDEX IF NOT EXISTS stint_usage_session ON stint_usage (session_id);
CREATE TABLE IF NOT EXISTS stint_events (
  run_id text NOT NULL, seq integer NOT NULL, session_id text NOT NULL, event json NOT NULL, PRIMARY KEY (run_id, seq)
);
CREATE INDEX IF NOT EXISTS stint_events_session ON stint_events (session_id);
CREATE TABLE IF NOT EXISTS stint_marks (
  run_id text NOT NULL, step integer NOT NULL, session_id text NOT NULL, mark json NOT NULL, PRIMARY KEY (run_id, step)
);
CREATE INDEX IF NOT EXISTS stint_marks_session ON stint_marks (session_id);
CREATE TABLE IF NOT EXISTS stint_layers (
  workspace_id text NOT NULL, count integer NOT NULL, session_id text NOT NULL, layer_id text NOT NULL,
  layer json NOT NULL, PRIMARY KEY (workspace_id, count)
);
CREATE INDEX IF NOT EXISTS stint_layers_session ON stint_layers (session_id);
CREATE INDEX IF NOT EXISTS stint_layers_id ON stint_layers (layer_id);
CREATE TABLE IF NOT EXISTS stint_feedback (
  run_id text PRIMARY KEY, session_id text NOT NULL, score integer NOT NULL, at bigint NOT NULL, feedback json NOT NULL
);
CREATE INDEX IF NOT EXISTS stint_feedback_session ON stint_feedback (session_id);
CREATE TABLE IF NOT EXISTS stint_removed (id text PRIMARY KEY, at bigint NOT NULL);
`
