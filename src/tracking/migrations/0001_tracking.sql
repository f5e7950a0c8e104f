CREATE TABLE tracking_experiments (
  id BIGINT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  deleted BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL
);
INSERT INTO tracking_experiments (id, name, deleted, created_ms, updated_ms) VALUES (0, 'Default', 0, 0, 0);
CREATE TABLE tracking_experiment_tags (
  experiment_id BIGINT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (experiment_id, key)
);
CREATE TABLE tracking_runs (
  run_id TEXT PRIMARY KEY,
  experiment_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  start_ms BIGINT NOT NULL,
  end_ms BIGINT,
  deleted BIGINT NOT NULL,
  author TEXT NOT NULL
);
CREATE INDEX tracking_runs_by_experiment ON tracking_runs (experiment_id, start_ms);
CREATE TABLE tracking_metrics (
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  timestamp_ms BIGINT NOT NULL,
  step BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  is_nan BIGINT NOT NULL,
  PRIMARY KEY (run_id, key, timestamp_ms, step, value, is_nan)
);
CREATE TABLE tracking_latest_metrics (
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  timestamp_ms BIGINT NOT NULL,
  step BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  is_nan BIGINT NOT NULL,
  PRIMARY KEY (run_id, key)
);
CREATE TABLE tracking_logged_model_metrics (
  model_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  timestamp_ms BIGINT NOT NULL,
  step BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  is_nan BIGINT NOT NULL,
  dataset_name TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  PRIMARY KEY (model_id, run_id, key, timestamp_ms, step, value, is_nan, dataset_digest)
);
CREATE TABLE tracking_params (
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
);
CREATE TABLE tracking_tags (
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
);
CREATE TABLE tracking_datasets (
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source TEXT NOT NULL,
  schema_text TEXT NOT NULL,
  profile TEXT NOT NULL,
  tags TEXT NOT NULL,
  PRIMARY KEY (run_id, name, digest)
);
CREATE TABLE tracking_run_models (
  run_id TEXT NOT NULL,
  direction TEXT NOT NULL,
  model_id TEXT NOT NULL,
  step BIGINT NOT NULL,
  PRIMARY KEY (run_id, direction, model_id, step)
);
CREATE TABLE tracking_logged_models (
  model_id TEXT PRIMARY KEY,
  experiment_id BIGINT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  status_message TEXT NOT NULL,
  type TEXT NOT NULL,
  run_id TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  deleted BIGINT NOT NULL
);
CREATE INDEX tracking_logged_models_by_experiment ON tracking_logged_models (experiment_id, created_ms);
CREATE TABLE tracking_logged_model_params (
  model_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model_id, key)
);
CREATE TABLE tracking_logged_model_tags (
  model_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model_id, key)
);
