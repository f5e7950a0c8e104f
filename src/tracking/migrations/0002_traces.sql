CREATE TABLE tracking_traces (
  trace_id TEXT PRIMARY KEY,
  experiment_id BIGINT NOT NULL,
  client_request_id TEXT NOT NULL,
  request_preview TEXT NOT NULL,
  response_preview TEXT NOT NULL,
  request_ms BIGINT NOT NULL,
  duration_ms BIGINT,
  state TEXT NOT NULL,
  reported BIGINT NOT NULL
);
CREATE INDEX tracking_traces_by_experiment ON tracking_traces (experiment_id, request_ms);
CREATE TABLE tracking_trace_tags (
  trace_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace_id, key)
);
CREATE TABLE tracking_trace_metadata (
  trace_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trace_id, key)
);
CREATE TABLE tracking_spans (
  trace_id TEXT NOT NULL,
  span_id TEXT NOT NULL,
  start_ns BIGINT NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (trace_id, span_id)
);
