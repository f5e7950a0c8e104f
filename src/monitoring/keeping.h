// SPDX-License-Identifier: Apache-2.0
// What of an endpoint's predictions is kept, and how long: redaction before a record is written,
// retention of the tables that it ends up in. Private to this room.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "monitoring/prediction_log.h"

namespace slipway::monitoring {

struct ArchivedFile;

struct KeepRule {
  std::optional<double> retention_days = {};
  std::optional<int64_t> retention_bytes = {};
  std::set<std::string, std::less<>> drop = {};  // inputs, outputs, "key", "request_id"
  std::set<std::string, std::less<>> hash = {};
};
// Of settings.endpoints; kInvalidArgument naming the key.
base::Result<std::map<std::string, KeepRule, std::less<>>> ReadKeepRules(
    const base::Json& endpoints);

// Thread-safe.
class Redactor {
 public:
  // kInvalidArgument (field "monitoring.redaction_salt") when something is hashed and the salt is
  // shorter than 16 bytes.
  static base::Result<Redactor> Make(std::map<std::string, KeepRule, std::less<>> rules,
                                     std::string salt);
  [[nodiscard]] bool Touches(std::string_view endpoint) const;
  // Named tensors are left out, or become texts: the hex of HMAC-SHA-256 under the salt of each
  // element's text. Of an error only its reason stays, because messages quote values.
  [[nodiscard]] PredictionRecord Apply(const PredictionRecord& record) const;
  // A request id or key of a caller as the log has it.
  [[nodiscard]] std::string TextAsLogged(std::string_view endpoint, std::string_view field,
                                         std::string_view text) const;

 private:
  void ApplyTo(const KeepRule& rule, std::vector<inference::NamedTensor>& tensors) const;
  std::string Hash(std::string_view text) const;

  std::map<std::string, KeepRule, std::less<>> rules_;  // only of endpoints with drop or hash
  std::string salt_;
};

// The files that are past their endpoint's age or over its bytes (the oldest first).
std::vector<ArchivedFile> PastRetention(std::vector<ArchivedFile> files,
                                        const std::map<std::string, KeepRule, std::less<>>& rules,
                                        const KeepRule& others, base::Micros now);

}  // namespace slipway::monitoring
