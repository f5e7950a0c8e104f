// SPDX-License-Identifier: Apache-2.0
// What SageMaker's clients keep that the registry has no place for: policies, model cards, what a
// package says of itself. Thread-safe; blocks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"

namespace slipway::api::sagemaker {

struct Document {
  std::string kind;  // "policy", "package", "card" (one each version), "token"
  std::string name;
  int64_t number = 0;
  base::Micros created = 0;
  base::Micros updated = 0;
  base::Json body;
};

class Documents {
 public:
  explicit Documents(storage::Database& database) : database_(database) {}
  base::Result<std::optional<Document>> Find(const std::string& kind, const std::string& name,
                                             int64_t number);
  // Of that kind, and of that name when it is not empty; by name, numbers rising.
  base::Result<std::vector<Document>> List(const std::string& kind, const std::string& name);
  base::Status Put(const Document& document);                             // adds or replaces
  base::Status Add(const Document& document);                             // kAlreadyExists
  base::Status Remove(const std::string& kind, const std::string& name);  // every number

 private:
  storage::Database& database_;
};

}  // namespace slipway::api::sagemaker
