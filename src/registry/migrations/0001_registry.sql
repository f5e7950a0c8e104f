CREATE TABLE registry_models (
  name TEXT PRIMARY KEY,
  description TEXT NOT NULL,
  next_number BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  deleted BIGINT NOT NULL
);
CREATE TABLE registry_model_tags (
  model TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
);
CREATE TABLE registry_versions (
  model TEXT NOT NULL,
  number BIGINT NOT NULL,
  stage TEXT NOT NULL,
  status TEXT NOT NULL,
  status_message TEXT NOT NULL,
  source TEXT NOT NULL,
  copy_plan TEXT NOT NULL,
  run_id TEXT NOT NULL,
  model_id TEXT NOT NULL,
  run_link TEXT NOT NULL,
  description TEXT NOT NULL,
  author TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  manifest TEXT NOT NULL,
  metadata TEXT NOT NULL,
  metadata_frozen BIGINT NOT NULL,
  PRIMARY KEY (model, number)
);
CREATE UNIQUE INDEX registry_one_production ON registry_versions (model) WHERE stage = 'Production';
CREATE INDEX registry_versions_by_run ON registry_versions (run_id);
CREATE INDEX registry_versions_by_logged_model ON registry_versions (model_id);
CREATE TABLE registry_version_tags (
  model TEXT NOT NULL,
  number BIGINT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, number, key)
);
CREATE TABLE registry_aliases (
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  number BIGINT NOT NULL,
  PRIMARY KEY (model, alias)
);
CREATE TABLE registry_verdicts (
  model TEXT NOT NULL,
  number BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  time BIGINT NOT NULL,
  stage TEXT NOT NULL,
  gate TEXT NOT NULL,
  outcome TEXT NOT NULL,
  summary TEXT NOT NULL,
  evidence TEXT NOT NULL,
  took BIGINT NOT NULL,
  PRIMARY KEY (model, number, sequence)
);
CREATE TABLE registry_unwanted_folders (
  folder TEXT PRIMARY KEY
);
