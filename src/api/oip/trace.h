// SPDX-License-Identifier: Apache-2.0
// Tracer: the trace extension. Of every so many requests one leaves its timestamps in a file, by
// settings that callers change while the server runs. Private to the room.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/threads.h"
#include "serving/predict.h"

namespace slipway::api::oip {

inline constexpr size_t kMaxTracedModels = 1000;  // with settings of their own
inline constexpr int64_t kMaxTraceFileBytes = 256 << 20;

// The settings of the extension that have an effect here. A trace is one of every `rate` requests.
struct TraceSettings {
  std::string file = "trace.json";  // a name in the tracer's folder
  bool timestamps = false;          // trace_level TIMESTAMPS; else OFF
  int64_t rate = 1000;
  int64_t count = -1;         // traces still to be taken; -1: any number
  int64_t log_frequency = 0;  // traces a file: "<file>.0", "<file>.1" ...; 0: all in one
  bool operator==(const TraceSettings&) const = default;
};

// Thread-safe. Files are written by a thread of its own.
class Tracer {
 public:
  // `folder` is made when the first trace is written; empty: tracing cannot be turned on.
  explicit Tracer(std::string folder);
  ~Tracer();  // what was taken is written

  // Whether to take a trace of this request; on the path of every request.
  bool Wants(const std::string& model) {
    return active_.load(std::memory_order_relaxed) && Take(model);
  }
  // `started_ns`: base::MonotonicNanos when the request was received; now it is answered.
  void Record(const std::string& model, const std::string& request_id, int64_t started_ns,
              const serving::PredictAnswer& answer);

  // The extension's object: of all models (`model` empty) or of one.
  base::Json Settings(const std::string& model) const;
  // Changes those named; null: back to what it was at first (for a model: what all have). All or
  // nothing: kInvalidArgument with the setting as field.
  base::Result<base::Json> Update(const std::string& model, const base::Json& changes);

 private:
  struct Counting {
    TraceSettings settings;
    int64_t seen = 0;   // requests since tracing was set
    int64_t taken = 0;  // traces in the files of these settings
  };
  bool Take(const std::string& model);
  Counting& Of(const std::string& model);  // with mutex_ held
  void Write(const std::string& file, const std::string& text);

  const std::string folder_;
  std::atomic<bool> active_{false};
  mutable std::mutex mutex_;
  Counting all_;
  std::map<std::string, Counting, std::less<>> models_;
  int64_t next_id_ = 1;
  base::ThreadPool writer_{"oip-trace", 1, 10'000};
};

}  // namespace slipway::api::oip
