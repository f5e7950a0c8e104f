-- What an episode carries beside its numbers. told: its messages have been queued (a silenced one's are not).
-- state: pending, firing, resolved. pending_since: its first breach. breaches: closed windows in a row, while pending.
ALTER TABLE alerts ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE alerts ADD COLUMN runbook TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN told BIGINT NOT NULL DEFAULT 1;
ALTER TABLE alerts ADD COLUMN pending_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN breaches BIGINT NOT NULL DEFAULT 1;
ALTER TABLE alerts ADD COLUMN acknowledged BIGINT;
ALTER TABLE alerts ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN acknowledged_why TEXT NOT NULL DEFAULT '';
CREATE INDEX alerts_by_state ON alerts (state);

-- Alerts that match are not told of until `ends`. matcher: JSON, label -> pattern.
CREATE TABLE silences (
  id TEXT PRIMARY KEY,
  matcher TEXT NOT NULL,
  starts BIGINT NOT NULL,
  ends BIGINT NOT NULL,
  who TEXT NOT NULL,
  why TEXT NOT NULL
);
CREATE INDEX silences_by_end ON silences (ends);

-- Every rules file that was in force, as text.
CREATE TABLE alert_rules (
  version BIGINT PRIMARY KEY,
  body TEXT NOT NULL,
  source TEXT NOT NULL,
  who TEXT NOT NULL,
  why TEXT NOT NULL,
  created BIGINT NOT NULL
);
