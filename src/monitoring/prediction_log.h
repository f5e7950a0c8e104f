// SPDX-License-Identifier: Apache-2.0
// PredictionLog: every prediction, written to an append-only log before its answer leaves (survives
// kill -9), found again by id, by time and by endpoint. The bytes of a record are described in
// docs/formats/predictions.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "inference/tensor.h"
#include "storage/blobs.h"
#include "storage/segments.h"

namespace slipway::monitoring {

class PredictionIndex;
class RecordStore;
struct PredictionView;

// A feature view that filled in what the caller left out, as it was then.
struct FeatureViewVersion {
  std::string name;
  int64_t version = 0;
  friend bool operator==(const FeatureViewVersion&, const FeatureViewVersion&) = default;
};

// One answered request of `rows` predictions. Row i has the prediction id `id` when rows == 1, else
// `id` + "." + i.
struct PredictionRecord {
  std::string id;  // ULID
  base::Micros time = 0;
  std::string endpoint;
  std::string model;
  int64_t version = 0;
  std::string arm;
  int64_t plan_epoch = 0;
  std::string key;         // what the arm was chosen by
  std::string request_id;  // the caller's own
  std::string protocol;    // label given by the adapter
  int64_t rows = 0;
  int64_t queue_ns = 0;
  int64_t run_ns = 0;
  int64_t total_ns = 0;
  int status_code = 0;                         // base::Code as int; 0 ok
  std::string error;                           // reason: message
  std::vector<inference::NamedTensor> inputs;  // by signature name
  std::vector<inference::NamedTensor> outputs;
  bool cached = false;  // the answer came from the response cache; nothing ran
  std::vector<FeatureViewVersion> feature_views = {};
};

// One row of a record: inputs and outputs are cut to that row where their first dimension is the
// rows.
struct LoggedPrediction {
  std::string id;  // with ".row" when the request had several
  int64_t row = 0;
  PredictionRecord record;  // record.id is the request's; record.rows all its rows
};

// "01J...": row 0; "01J....7": row 7. kInvalidArgument (field "prediction_id") when it is neither.
struct PredictionId {
  std::string record_id;
  int64_t row = 0;
};
base::Result<PredictionId> ParsePredictionId(std::string_view text);
std::string FormatPredictionId(const std::string& record_id, int64_t row, int64_t rows);

enum class StatusFilter { kAll, kOk, kFailed };

inline constexpr int64_t kMaxPredictionsInPage = 1000;

struct PredictionFilter {
  std::string endpoint = {};  // empty: any
  std::optional<int64_t> version = {};
  std::string arm = {};                    // empty: any
  std::optional<base::Micros> since = {};  // record time >= since
  std::optional<base::Micros> until = {};  // record time < until
  StatusFilter status = StatusFilter::kAll;
  std::function<bool(const LoggedPrediction&)> accepts = {};  // of a row; empty: all
  int64_t limit = 100;                                        // rows, at most kMaxPredictionsInPage
  std::string page_token = {};  // of the page before; empty: the newest
};
struct PredictionPage {
  // Newest first. A page that would read too much of the log to be filled ends early, even empty,
  // with a token to go on.
  std::vector<LoggedPrediction> predictions;
  std::string next_page_token;  // empty: no more
};

// `requests` and `rows` count everything that was logged, the failed ones included.
struct PredictionCount {
  int64_t requests = 0;
  int64_t rows = 0;
  int64_t failed_requests = 0;
  int64_t failed_rows = 0;
};

// Thread-safe.
class PredictionLog {
 public:
  // `recent_requests`: how many requests are found by request id, and by id without reading a
  // block. What was there before can be found after LoadIndex. `archive`: where closed segments go
  // as tables; it must outlive the log.
  static base::Result<std::unique_ptr<PredictionLog>> Open(const std::string& folder,
                                                           const storage::SegmentSettings& settings,
                                                           int64_t recent_requests,
                                                           base::Metrics& metrics,
                                                           storage::Blobs* archive = nullptr);
  ~PredictionLog();

  // Encodes and writes; returns when the record is as durable as the setting says.
  // kInvalidArgument: the id is not a ULID; kResourceExhausted: disk full or record too big,
  // nothing was written. About a microsecond; called on I/O threads. The record can be found once
  // it is indexed: by the follower, or at once when nobody follows.
  base::Status Append(const PredictionRecord& record);
  // Takes each record's bytes after it was written, in no particular order; must be quick. Before
  // the first Append.
  void Follow(std::function<void(storage::RecordPosition, std::string)> follower);
  void AddToIndex(storage::RecordPosition position, const PredictionView& view);
  // Reads the whole log once, in order: fills the index and shows every record to `visit`. Before
  // the first Append.
  base::Status LoadIndex(
      const std::function<void(std::string_view bytes, const PredictionView&)>& visit);

  base::Result<LoggedPrediction> Get(std::string_view prediction_id) const;  // kNotFound
  base::Result<std::string> GetBytes(
      std::string_view record_id) const;  // the encoded record; kNotFound
  // The newest successful record with the caller's request id, among the recent ones, encoded;
  // kNotFound.
  base::Result<std::string> FindByRequestId(std::string_view endpoint,
                                            std::string_view request_id) const;
  // True when older requests than FindByRequestId knows are in the log.
  bool HasForgottenRequests() const;
  base::Result<PredictionPage> List(const PredictionFilter& filter) const;
  // Records of `endpoint` (empty: all) with since <= time < until, in log order, until `visit`
  // returns false.
  base::Status Visit(const std::string& endpoint, base::Micros since, base::Micros until,
                     const std::function<bool(const PredictionView&)>& visit) const;
  PredictionCount Count(const std::string& endpoint) const;  // empty: all
  std::vector<std::string> Endpoints() const;
  // True when the file that is written now holds a record older than `time`.
  bool HasOpenBefore(base::Micros time) const;
  // For the thread that archives, and for SQL over both forms.
  RecordStore& store() { return *store_; }

 private:
  PredictionLog(std::unique_ptr<RecordStore> store, int64_t recent_requests,
                base::Metrics& metrics);

  std::unique_ptr<RecordStore> store_;
  storage::Segments& segments_;  // of store_
  std::function<void(storage::RecordPosition, std::string)> follower_;
  base::Histogram& append_seconds_;
  mutable std::mutex mutex_;  // of what follows
  std::unique_ptr<PredictionIndex> index_;
  std::map<std::string, PredictionCount, std::less<>> counts_;
};

}  // namespace slipway::monitoring
