CREATE TABLE lifecycle_orphans (
  folder TEXT PRIMARY KEY,
  since BIGINT NOT NULL
);
