-- A run keeps the spec that it was started with: a changed setting does not change a run.
CREATE TABLE pipeline_runs (
  id TEXT PRIMARY KEY,
  pipeline TEXT NOT NULL,
  state TEXT NOT NULL,
  spec TEXT NOT NULL,
  caused_by TEXT NOT NULL,
  parameters TEXT NOT NULL,
  actor TEXT NOT NULL,
  message TEXT NOT NULL,
  created BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  started BIGINT,
  ended BIGINT
);
CREATE INDEX pipeline_runs_pipeline ON pipeline_runs (pipeline, id);

-- At most one run of a pipeline waits or runs.
CREATE UNIQUE INDEX pipeline_runs_active ON pipeline_runs (pipeline) WHERE state = 'queued' OR state = 'running';

CREATE TABLE pipeline_steps (
  run TEXT NOT NULL,
  step TEXT NOT NULL,
  position BIGINT NOT NULL,
  state TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  losses BIGINT NOT NULL,
  started BIGINT,
  ended BIGINT,
  exit_status BIGINT,
  pid BIGINT,
  cached BIGINT NOT NULL,
  message TEXT NOT NULL,
  outputs TEXT NOT NULL,
  PRIMARY KEY (run, step),
  FOREIGN KEY (run) REFERENCES pipeline_runs (id)
);

-- What a step left, by all that it depends on.
CREATE TABLE pipeline_cache (
  key TEXT PRIMARY KEY,
  run TEXT NOT NULL,
  step TEXT NOT NULL,
  outputs TEXT NOT NULL,
  files TEXT NOT NULL,
  created BIGINT NOT NULL
);

-- Up to when a schedule has fired.
CREATE TABLE pipeline_schedules (
  pipeline TEXT NOT NULL,
  schedule TEXT NOT NULL,
  fired BIGINT NOT NULL,
  PRIMARY KEY (pipeline, schedule)
);
