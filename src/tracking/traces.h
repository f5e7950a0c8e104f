// SPDX-License-Identifier: Apache-2.0
// Values of tracking: traces of what a program did, and their spans.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slipway::tracking {

inline constexpr int64_t kMostTracesPerPage = 500;
inline constexpr size_t kMostSpansPerCall = 10'000;

struct TraceInfo {
  std::string trace_id;  // "tr-<32 hex digits>"
  std::string experiment_id;
  std::string client_request_id;
  std::string request_preview;
  std::string response_preview;
  int64_t request_ms = 0;
  std::optional<int64_t> duration_ms;
  std::string state = "IN_PROGRESS";  // OK, ERROR, STATE_UNSPECIFIED
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> tags;
};

struct Span {
  std::string trace_id;
  std::string span_id;
  bool is_root = false;
  std::string name;
  int64_t start_ns = 0;
  int64_t end_ns = 0;
  bool failed = false;
  std::string content;  // the whole span as JSON, kept as it came
};

struct Trace {
  TraceInfo info;
  std::vector<std::string> spans;  // their contents, by start
};

// Which traces of an experiment to delete: those named, or those up to a time, oldest first.
struct TraceDeletion {
  std::string experiment_id;
  std::vector<std::string> trace_ids;
  std::optional<int64_t> until_ms;
  std::optional<int64_t> most;
};

}  // namespace slipway::tracking
