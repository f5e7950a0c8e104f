CREATE TABLE registry_policies (
  version BIGINT PRIMARY KEY,
  time BIGINT NOT NULL,
  body TEXT NOT NULL
);
CREATE TABLE registry_gate_runs (
  id BIGINT PRIMARY KEY,
  model TEXT NOT NULL,
  number BIGINT NOT NULL,
  stage TEXT NOT NULL,
  state TEXT NOT NULL,
  policy BIGINT NOT NULL,
  actor TEXT NOT NULL,
  started BIGINT NOT NULL,
  ended BIGINT NOT NULL,
  done BIGINT NOT NULL,
  total BIGINT NOT NULL,
  current_gate TEXT NOT NULL,
  verdicts TEXT NOT NULL
);
CREATE INDEX registry_gate_runs_by_version ON registry_gate_runs (model, number);
CREATE TABLE registry_approvals (
  id BIGINT PRIMARY KEY,
  model TEXT NOT NULL,
  number BIGINT NOT NULL,
  stage TEXT NOT NULL,
  kind TEXT NOT NULL,
  gate TEXT NOT NULL,
  actor TEXT NOT NULL,
  comment TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  revoked BIGINT NOT NULL
);
CREATE INDEX registry_approvals_by_version ON registry_approvals (model, number, stage);
