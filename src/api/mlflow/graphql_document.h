// SPDX-License-Identifier: Apache-2.0
// As much of GraphQL as MLflow's page sends: one operation whose fields take `input: $variable`,
// aliases, fragments. Directives and variable types are read over; mutations are refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::api::mlflow {

struct Field {
  std::string name;
  std::string answer_name;  // the alias, else the name
  std::string variable;     // of its first argument; empty without one
  std::vector<Field> fields;
};

// The operation's fields, fragments put in their places. kInvalidArgument says where it goes wrong.
base::Result<std::vector<Field>> ParseGraphql(std::string_view document);

}  // namespace slipway::api::mlflow
