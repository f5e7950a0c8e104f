CREATE TABLE registry_damage (
  model TEXT NOT NULL,
  number BIGINT NOT NULL,
  path TEXT NOT NULL,
  difference TEXT NOT NULL,
  found BIGINT NOT NULL,
  PRIMARY KEY (model, number, path)
);
