// SPDX-License-Identifier: Apache-2.0
// A YAML document as a tree that remembers where each thing stands. Pure function.
#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "base/status.h"

namespace slipway::base {

struct YamlTree {
  Json tree;
  std::map<std::string, std::string> places;  // "rules[1].gates.approval" -> "policy.yaml:12:7"
  // Of what stands nearest above `path`.
  [[nodiscard]] std::string PlaceOf(std::string path) const;
  // kInvalidArgument (reason "bad_setting", field `path`): "<place>: <path>: <why>".
  Status Refuse(const std::string& path, const std::string& why) const;
};

// JSON is YAML, too. `name` is the file's in places. kInvalidArgument (reason "bad_yaml") with line
// and column: what cannot be read, a key that stands twice, too deep or too large a tree.
Result<YamlTree> ReadYaml(const std::string& text, const std::string& name);

// Of what another program wrote: every plain or quoted value is a text, as it stands; null is null.
// kInvalidArgument (reason "bad_yaml") naming `name` and the line.
Result<Json> ParseYamlTexts(const std::string& text, const std::string& name);

}  // namespace slipway::base
