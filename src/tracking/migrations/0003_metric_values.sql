-- Runs in the order of a metric are read from here, without looking at those that come later.
CREATE INDEX tracking_latest_metrics_by_value ON tracking_latest_metrics (key, is_nan, value, run_id);
