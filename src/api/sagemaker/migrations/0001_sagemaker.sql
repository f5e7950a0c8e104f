CREATE TABLE sagemaker_documents (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  number BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, name, number)
);
