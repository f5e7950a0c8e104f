// SPDX-License-Identifier: Apache-2.0
// What people say about a version at the door of a stage: approvals, and overrides of a gate. Rows
// are never changed but to be revoked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"
#include "storage/database.h"

namespace slipway::registry {

struct Word {
  int64_t id = 0;
  std::string model;
  int64_t number = 0;
  Stage stage = Stage::kProduction;
  std::string kind;  // "approval", "override"
  std::string gate;  // that an override sets aside
  std::string actor;
  std::string comment;
  base::Micros created = 0;
  base::Micros expires = 0;  // 0: never
  base::Micros revoked = 0;  // 0: not
  [[nodiscard]] bool HoldsAt(base::Micros now) const {
    return revoked == 0 && (expires == 0 || now < expires);
  }
};
base::Json ToJson(const Word& word);

// All of a version, the oldest first.
base::Result<std::vector<Word>> LoadWords(storage::Transaction& transaction,
                                          const std::string& model, int64_t number);

// "approval": options {by: [users or roles], count: 1, not_author: true}; `database` and `clock`
// outlive it.
std::unique_ptr<Gate> MakeApprovalGate(storage::Database& database, base::Clock& clock);

}  // namespace slipway::registry
