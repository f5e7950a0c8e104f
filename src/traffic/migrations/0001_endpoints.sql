-- Every plan that an endpoint ever had; the one with the highest epoch holds now.
CREATE TABLE plans (
  endpoint TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  salt TEXT NOT NULL,
  arms TEXT NOT NULL,
  -- The version, when the plan has one arm besides shadows: what a rollback may restore. Else '' and 0.
  only_model TEXT NOT NULL,
  only_version BIGINT NOT NULL,
  since BIGINT NOT NULL,
  why TEXT NOT NULL,
  actor TEXT NOT NULL,
  PRIMARY KEY (endpoint, epoch)
);

CREATE TABLE endpoints (
  name TEXT PRIMARY KEY,
  epoch BIGINT NOT NULL,
  FOREIGN KEY (name, epoch) REFERENCES plans (endpoint, epoch)
);
