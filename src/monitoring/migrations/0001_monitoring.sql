-- One row an episode of a rule on an endpoint's version.
CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  version BIGINT NOT NULL,
  severity TEXT NOT NULL,
  state TEXT NOT NULL,
  since BIGINT NOT NULL,
  resolved BIGINT,
  value DOUBLE PRECISION NOT NULL,
  threshold DOUBLE PRECISION NOT NULL,
  summary TEXT NOT NULL,
  episode_key TEXT NOT NULL,
  window_start BIGINT NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX alerts_by_episode ON alerts (episode_key, state);
CREATE INDEX alerts_by_endpoint ON alerts (endpoint, state);

-- Which part ("drift", "quality", "presence") of which window has been judged: each is judged once.
CREATE TABLE judged_windows (
  endpoint TEXT NOT NULL,
  version BIGINT NOT NULL,
  window_start BIGINT NOT NULL,
  part TEXT NOT NULL,
  judged BIGINT NOT NULL,
  PRIMARY KEY (endpoint, version, window_start, part)
);

-- What a version achieved at its gate.
CREATE TABLE quality_references (
  endpoint TEXT NOT NULL,
  version BIGINT NOT NULL,
  metric TEXT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (endpoint, version, metric)
);

-- Messages to sinks, written with the change that they tell of. state: waiting, delivered, rejected.
CREATE TABLE alert_outbox (
  sequence BIGINT PRIMARY KEY,
  id TEXT NOT NULL,
  sink TEXT NOT NULL,
  type TEXT NOT NULL,
  incident TEXT NOT NULL,
  body TEXT NOT NULL,
  created BIGINT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_attempt BIGINT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX alert_outbox_by_state ON alert_outbox (state, sequence);
