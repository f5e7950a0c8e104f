// SPDX-License-Identifier: Apache-2.0
// Actor: who does something. It travels with every call that changes something and is written into
// the event.
#pragma once

#include <string>
#include <utility>

namespace slipway::events {

struct Actor {
  std::string name = "anonymous";  // a user, or "policy/retrain", "rollout", "scheduler"
  std::string source;              // where from: "http 127.0.0.1:50412", "grpc ...", "internal"
  std::string reason = {};         // why, in the caller's words; kept in the event's data
};

inline Actor Internal(std::string name) { return {std::move(name), "internal", ""}; }

}  // namespace slipway::events
