// SPDX-License-Identifier: Apache-2.0
// Reads a YAML settings file into rows of dotted key, value and place. Private to base: config.cc
// is its only user.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace slipway::base {

// What a setting is given: text, a list, or a tree.
using Given = std::variant<std::string, std::vector<std::string>, Json>;

struct YamlSetting {
  std::string key;  // "http.listen"
  Given given;
  std::string where;  // "slipway.yaml:12:3"
};

// `types`: key -> SettingRow::type. Errors name line and column; unknown keys and keys that stand
// twice are refused.
Result<std::vector<YamlSetting>> ReadYamlSettings(const std::string& text, const std::string& name,
                                                  const std::map<std::string, std::string>& types);

}  // namespace slipway::base
