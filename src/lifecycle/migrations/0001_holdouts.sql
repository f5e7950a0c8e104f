CREATE TABLE lifecycle_holdouts (
  name TEXT NOT NULL,
  version BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  format TEXT NOT NULL,
  label TEXT NOT NULL,
  segments TEXT NOT NULL,
  size_rows BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL,
  author TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (name, version)
);
