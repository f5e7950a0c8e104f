-- What the sequential detectors have announced, each stream at most once a window.
CREATE TABLE drift_detections (
  endpoint TEXT NOT NULL,
  version BIGINT NOT NULL,
  stream TEXT NOT NULL,
  window_start BIGINT NOT NULL,
  detected BIGINT NOT NULL,
  what TEXT NOT NULL,
  PRIMARY KEY (endpoint, version, stream, window_start)
);
