// SPDX-License-Identifier: Apache-2.0
// Front: what both transports share, and what their callers may ask besides predictions, said in
// JSON: REST sends it as it is, gRPC turns it into its messages. Private to the room.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/oip/oip.h"
#include "api/oip/shared_memory.h"
#include "api/oip/trace.h"
#include "base/json.h"
#include "base/status.h"
#include "base/threads.h"
#include "repository/triton_config.h"

namespace slipway::api::oip {

inline constexpr size_t kMaxLoads = 64;  // loads and unloads over gRPC that may wait

// Why no CUDA shared memory can be registered.
base::Status NoCuda();

class Front {
 public:
  explicit Front(OipParts parts);

  // An empty model: all; no version: those of the model's plan. {"model_stats": [...]}.
  base::Result<base::Json> Statistics(const std::string& model,
                                      std::optional<int64_t> version) const;
  // {"log_info": true, ...}; all or nothing: kInvalidArgument with the setting as field.
  base::Json LogSettings() const;
  base::Result<base::Json> SetLogSettings(const base::Json& changes) const;
  // Of all models, or of one: kNotFound when there is no such endpoint.
  base::Result<base::Json> TraceSettings(const std::string& model) const;
  base::Result<base::Json> SetTraceSettings(const std::string& model, const base::Json& changes);
  // [{"name", "key", "offset", "byte_size"}, ...]
  base::Result<base::Json> Regions(const std::string& name) const;

  // What a model is run by, for repository::TritonConfigJson and TritonConfigBytes. Refers to
  // `info`.
  repository::ConfigAnswer Config(const serving::Predictor::ModelInfo& info) const;

  // [{"name", "version", "state", "reason"}, ...]
  base::Json Index(bool ready_only) const;
  // Runs work that blocks, such as loading, on a thread for that; `work` is dropped with a failure
  // when too much of it waits.
  base::Status Later(std::function<void()> work) { return loads_.Submit(std::move(work)); }

  serving::Predictor& predictor;
  repository::ModelRepository* const repository;
  const int64_t max_batch_rows;
  const OipSettings settings;
  const Ready ready;
  SharedRegions regions;
  Tracer tracer;

 private:
  base::ThreadPool loads_{"oip-load", 1, kMaxLoads};
};

}  // namespace slipway::api::oip
