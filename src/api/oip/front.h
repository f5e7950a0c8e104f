// SPDX-License-Identifier: Apache-2.0
// Front: what both transports share, and what their callers may ask besides predictions, said in
// JSON: REST sends it as it is, gRPC turns it into its messages. Private to the room.
#pragma once

#include <optional>
#include <string>

#include "api/oip/oip.h"
#include "api/oip/shared_memory.h"
#include "api/oip/trace.h"
#include "base/json.h"
#include "base/status.h"

namespace slipway::api::oip {

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

  serving::Predictor& predictor;
  const OipSettings settings;
  const Ready ready;
  SharedRegions regions;
  Tracer tracer;
};

}  // namespace slipway::api::oip
