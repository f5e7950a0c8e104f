// SPDX-License-Identifier: Apache-2.0
// Limits: how many requests a second, and how many at once, an endpoint or one of its callers may
// send. Thread-safe; its time is its caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::serving {

struct LimitRule {
  std::string endpoint = "*";  // "*": all of them together, unless `per` tells them apart
  bool per_caller = false;
  bool per_endpoint = false;
  double rate = 0;      // requests a second; 0: any
  double burst = 0;     // at once after a silence; 0: as many as a second allows, at least 1
  int64_t at_once = 0;  // under way; 0: any
};
// "endpoint=fraud per=caller rate=100 burst=20 at_once=8": endpoint (default *), per (server,
// endpoint or caller; default server), and rate or at_once or both. kInvalidArgument, field
// "serving.rate_limits".
base::Result<std::vector<LimitRule>> ParseLimits(const std::vector<std::string>& lines);

class Limits {
 public:
  // Callers and endpoints that are told apart; what comes past it shares one account.
  static constexpr size_t kMostAccounts = 10'000;

  explicit Limits(std::vector<LimitRule> rules);
  ~Limits();
  // Held while the request is under way.
  class Pass {
   public:
    Pass() = default;
    Pass(Pass&&) noexcept = default;
    Pass& operator=(Pass&&) noexcept = default;
    ~Pass();

   private:
    friend class Limits;
    std::vector<std::shared_ptr<int64_t>> under_way_;
    std::shared_ptr<void> limits_;
  };
  [[nodiscard]] bool empty() const { return empty_; }
  // kResourceExhausted: reasons "rate_limited" and "too_many_at_once"; nothing is counted then.
  base::Result<Pass> Enter(std::string_view endpoint, std::string_view caller, int64_t now_ns);

 private:
  struct State;
  const bool empty_;
  const std::shared_ptr<State> state_;
};

}  // namespace slipway::serving
