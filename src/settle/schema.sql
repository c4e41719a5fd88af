-- The ledger, step by step: each brings the file from the version before to
-- its own.  A new file walks through all of them.  A step that was in a
-- release is never changed; a change is a new step.

-- version 1
-- A row for each exchange.  Numbers stand before texts: they are what is read
-- most.  NULL: not known, or there was none.
CREATE TABLE requests (
  ended_us INTEGER PRIMARY KEY, -- microseconds since 1970; of two that ended
                                -- at the same time one has the next free one
  duration_us INTEGER NOT NULL,
  first_token_us INTEGER,       -- from the beginning on
  status INTEGER NOT NULL,      -- of HTTP
  tries INTEGER NOT NULL,
  is_stream INTEGER NOT NULL,
  is_asked INTEGER NOT NULL,    -- 0: only the way was asked for, or it was
                                -- refused at the door
  wants_local INTEGER NOT NULL, -- the policy wanted it local
  was_held INTEGER NOT NULL,    -- it waited for a backend to become ready
  prompt_tokens_estimated INTEGER NOT NULL,
  input_tokens INTEGER,         -- all of the prompt, cached parts included
  cache_read_tokens INTEGER,    -- of these
  cache_write_tokens INTEGER,   -- of these, five minutes and one hour
  cache_write_1h_tokens INTEGER,
  output_tokens INTEGER,        -- reasoning included
  reasoning_tokens INTEGER,
  cost INTEGER,                 -- nano-dollars; NULL: unpriced
  is_hourly INTEGER NOT NULL,   -- cost is a share of a server's hour
  cloud_cost INTEGER,           -- nano-dollars, had the cloud answered
  tier TEXT NOT NULL,           -- local, cloud, none
  outcome TEXT NOT NULL,        -- ok, client_error, error, cancelled
  format TEXT NOT NULL,
  operation TEXT NOT NULL,
  model TEXT,                   -- as asked for
  backend TEXT,
  served_model TEXT,
  reason TEXT,
  rule TEXT,
  fallback TEXT,                -- why the backend before did not answer
  error TEXT,
  finish TEXT,
  key TEXT,                     -- its name
  request_id TEXT NOT NULL,
  trace_id TEXT NOT NULL
);

-- version 2
-- How long the servers of local backends were up, minute by minute.
CREATE TABLE gpu_minutes (
  minute INTEGER NOT NULL,      -- of the Unix time
  backend TEXT NOT NULL,
  up_us INTEGER NOT NULL,       -- of all its servers together
  hour_price INTEGER,           -- micro-dollars for each; NULL: not known
  PRIMARY KEY (minute, backend)
) WITHOUT ROWID;
-- For people.
CREATE VIEW requests_usd AS
  SELECT strftime('%Y-%m-%d %H:%M:%S', ended_us / 1000000, 'unixepoch')
           AS ended,
         cost / 1e9 AS cost_usd, cloud_cost / 1e9 AS cloud_cost_usd,
         cost IS NULL AS is_unpriced, *
  FROM requests;
