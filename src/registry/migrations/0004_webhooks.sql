CREATE TABLE registry_webhooks (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  events TEXT NOT NULL,
  description TEXT NOT NULL,
  secret TEXT NOT NULL,
  active BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  since BIGINT NOT NULL
);
CREATE TABLE registry_webhook_outbox (
  webhook TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  model TEXT NOT NULL,
  body TEXT NOT NULL,
  delivery TEXT NOT NULL,
  created BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  next_attempt BIGINT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (webhook, sequence)
);
