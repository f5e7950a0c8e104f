// SPDX-License-Identifier: Apache-2.0
// A version's walk, its rules: what the settings say about gates.
#include "registry/policy.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/nearest.h"
#include "base/status.h"
#include "registry/registry.h"

namespace slipway::registry {
namespace {

// One text, or an array of texts.
base::Result<std::vector<std::string>> Texts(const std::string& at, const base::Json& json) {
  std::vector<std::string> texts;
  if (json.is_string()) return std::vector<std::string>{json.AsString()};
  if (!json.is_array()) return base::InvalidArgument(at, "expected a name or a list of names");
  for (const base::Json& one : json.AsArray()) {
    if (!one.is_string()) return base::InvalidArgument(at, "expected a list of names");
    texts.push_back(one.AsString());
  }
  return texts;
}

base::Status OnlyKeys(const std::string& at, const base::Json& json,
                      std::vector<std::string_view> known) {
  if (!json.is_object())
    return base::InvalidArgument(at.empty() ? "policy" : at,
                                 "expected a mapping, got " + std::string(json.TypeName()));
  for (const auto& [key, value] : json.AsObject()) {
    const bool root = at.empty() || at.ends_with('.');
    if (std::ranges::find(known, key) == known.end())
      return base::InvalidArgument(at + (root ? "" : ".") + key,
                                   "unknown key" + base::DidYouMean(key, known));
  }
  return {};
}

// Nothing: the gate is off.
base::Result<std::map<std::string, std::optional<base::Json>>> ParseGates(
    const std::string& at, const base::Json* wanted,
    const std::vector<std::unique_ptr<Gate>>& gates) {
  if (wanted == nullptr || !wanted->is_object())
    return base::InvalidArgument(at, "expected a mapping of gates to their options");
  std::map<std::string, std::optional<base::Json>> parsed;
  std::vector<std::string_view> known;
  for (const auto& gate : gates) known.push_back(gate->name());
  for (const auto& [name, value] : wanted->AsObject()) {
    const std::string where = at + "." + name;
    const auto gate = std::ranges::find(gates, name, [](const auto& one) { return one->name(); });
    if (gate == gates.end())
      return base::InvalidArgument(where, "there is no such gate" + base::DidYouMean(name, known));
    if (value.is_bool() && !value.AsBool()) {
      parsed[name] = std::nullopt;
      continue;
    }
    const base::Json options =
        value.is_bool() || value.is_null() ? base::Json::MakeObject() : value;
    if (!options.is_object())
      return base::InvalidArgument(where, "expected true, false or a mapping of options");
    if (base::Status bad = (*gate)->CheckOptions(options); !bad.ok()) {
      return base::InvalidArgument(where + (bad.field().empty() ? "" : "." + bad.field()),
                                   bad.message());
    }
    parsed[name] = options;
  }
  return parsed;
}

}  // namespace

bool MatchesName(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

base::Result<GatePolicy::Rule> GatePolicy::ParseRule(
    const std::string& at, const base::Json& json,
    const std::vector<std::unique_ptr<Gate>>& gates) {
  TRY(OnlyKeys(at, json, {"models", "stages", "gates"}));
  Rule rule;
  const base::Json* models = json.Find("models");
  rule.models =
      models == nullptr ? std::vector<std::string>{"*"} : TRY(Texts(at + ".models", *models));
  const base::Json* stages = json.Find("stages");
  if (stages == nullptr) rule.stages = {Stage::kStaging, Stage::kProduction};
  for (const std::string& name :
       stages == nullptr ? std::vector<std::string>() : TRY(Texts(at + ".stages", *stages))) {
    const base::Result<Stage> stage = ParseStage(name);
    if (!stage.ok() || (*stage != Stage::kStaging && *stage != Stage::kProduction))
      return base::InvalidArgument(at + ".stages",
                                   "expected Staging or Production, got '" + name + "'");
    rule.stages.insert(*stage);
  }
  rule.gates = TRY(ParseGates(at + ".gates", json.Find("gates"), gates));
  return rule;
}

base::Result<GatePolicy> GatePolicy::Parse(const base::Json& json,
                                           const std::vector<std::unique_ptr<Gate>>& gates,
                                           const std::string& root) {
  GatePolicy policy;
  if (json.is_null()) return policy;
  TRY(OnlyKeys(root, json, {"roles", "override", "rules"}));
  policy.json_ = json;
  if (const base::Json* roles = json.Find("roles"); roles != nullptr) {
    if (!roles->is_object())
      return base::InvalidArgument(root + "roles", "expected a mapping of roles to users");
    for (const auto& [role, users] : roles->AsObject())
      policy.roles_[role] = TRY(Texts(root + "roles." + role, users));
  }
  if (const base::Json* who = json.Find("override"); who != nullptr)
    policy.overriders_ = TRY(Texts(root + "override", *who));
  const base::Json* rules = json.Find("rules");
  if (rules == nullptr) return policy;
  if (!rules->is_array()) return base::InvalidArgument(root + "rules", "expected a list of rules");
  for (const base::Json& rule : rules->AsArray()) {
    const std::string at = root + "rules[" + std::to_string(policy.rules_.size()) + "]";
    policy.rules_.push_back(TRY(ParseRule(at, rule, gates)));
  }
  return policy;
}

std::optional<base::Json> GatePolicy::OptionsOf(const Gate& gate, const std::string& model,
                                                Stage stage) const {
  std::optional<base::Json> options;
  if (gate.Guards(stage)) options = base::Json::MakeObject();
  for (const Rule& rule : rules_) {
    const auto named = rule.gates.find(std::string(gate.name()));
    const bool matches =
        named != rule.gates.end() && rule.stages.contains(stage) &&
        std::ranges::any_of(rule.models, [&](const auto& one) { return MatchesName(one, model); });
    if (matches) options = named->second;
  }
  return options;
}

bool GatePolicy::Among(const std::vector<std::string>& names, const std::string& actor) const {
  return std::ranges::any_of(names, [&](const std::string& name) {
    const auto role = roles_.find(name);
    return name == actor || name == "*" ||
           (role != roles_.end() && std::ranges::find(role->second, actor) != role->second.end());
  });
}

bool GatePolicy::MayOverride(const std::string& actor) const {
  return !overriders_ || Among(*overriders_, actor);
}

}  // namespace slipway::registry
