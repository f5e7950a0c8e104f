// SPDX-License-Identifier: Apache-2.0
// AlertSink: the seam to where alerts are sent. One file in sinks/ per implementation and one row
// in app/assembly.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace slipway::monitoring {

struct AlertMessage {
  std::string id;        // the same at every attempt: receivers drop repeats by it
  std::string type;      // "alert.firing", "alert.acknowledged", "alert.resolved"
  std::string incident;  // the alert's id
  std::string body;      // JSON: {"type","timestamp","data":{alert}}
  base::Micros created = 0;
};

struct Delivery {
  enum class Outcome { kDelivered, kRetry, kRejected };
  Outcome outcome = Outcome::kDelivered;
  std::string detail;                       // why not
  std::optional<base::Micros> retry_after;  // the receiver's own wish
};

// Thread-safe; Deliver blocks (the sink bounds how long).
class AlertSink {
 public:
  virtual ~AlertSink() = default;
  virtual std::string_view name() const = 0;
  // Told again of what fires, so often; nullopt: once is enough.
  virtual std::optional<base::Micros> repeat() const { return std::nullopt; }
  virtual Delivery Deliver(const AlertMessage& message, base::Micros now) = 0;
};

}  // namespace slipway::monitoring
