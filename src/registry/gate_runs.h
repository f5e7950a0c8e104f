// SPDX-License-Identifier: Apache-2.0
// GateRun: the gates of one stage judging one version, on a thread of their own, with progress; on
// record from its first moment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "registry/registry.h"

namespace slipway::registry {

inline constexpr int64_t kMostGateRuns = 8;  // at a time; past it kResourceExhausted

struct GateRun {
  int64_t id = 0;
  std::string model;
  int64_t number = 0;
  Stage stage = Stage::kProduction;
  std::string state;   // "running", "passed", "failed"; "interrupted": the server ended under it
  int64_t policy = 0;  // version of the policy; 0: the built-in one
  std::string actor;
  base::Micros started = 0;
  base::Micros ended = 0;
  int64_t done = 0;
  int64_t total = 0;
  std::string current;  // gate that judges now
  base::Json verdicts = base::Json::MakeArray();
};
base::Json ToJson(const GateRun& run);

}  // namespace slipway::registry
