CREATE TABLE rollouts (
  id TEXT PRIMARY KEY,
  endpoint TEXT NOT NULL,
  state TEXT NOT NULL,
  data TEXT NOT NULL
);
CREATE INDEX rollouts_endpoint ON rollouts (endpoint, id);

-- At most one rollout of an endpoint is running or paused.
CREATE UNIQUE INDEX rollouts_active ON rollouts (endpoint) WHERE state = 'running' OR state = 'paused';

-- What the judge has seen: counts by step, metric, arm and bucket.
CREATE TABLE rollout_evidence (
  rollout TEXT PRIMARY KEY,
  saved BIGINT NOT NULL,
  data TEXT NOT NULL,
  FOREIGN KEY (rollout) REFERENCES rollouts (id)
);
