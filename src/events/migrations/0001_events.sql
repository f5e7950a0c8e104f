-- The audit log: one row a fact, sequence without gaps, hash over the former hash and this row.
CREATE TABLE events (
  sequence BIGINT PRIMARY KEY,
  time BIGINT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL,
  data TEXT NOT NULL,
  hash TEXT NOT NULL
);

-- How far each durable reader has come.
CREATE TABLE event_positions (
  name TEXT PRIMARY KEY,
  sequence BIGINT NOT NULL
);
