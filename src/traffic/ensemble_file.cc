// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout", of a version that is a graph. Reads YAML.
#include "traffic/ensemble_file.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>

#include "base/json.h"
#include "inference/ensemble.h"

namespace slipway::traffic {

using base::Result;
using base::Status;

namespace {

constexpr size_t kMaxRank = 64;

Status Bad(const std::string& field, std::string message) {
  return base::InvalidArgument(field, std::move(message), "bad_ensemble");
}

// Misspelt members are errors.
Status CheckMembers(const YAML::Node& node, const std::string& field,
                    std::initializer_list<std::string_view> known) {
  if (!node.IsMap()) return Bad(field, "expected a mapping");
  for (const auto& member : node) {
    const auto name = member.first.as<std::string>();
    bool found = false;
    for (const std::string_view one : known) found = found || one == name;
    if (!found) return Bad(field + "." + name, "is not known here");
  }
  return Status::Ok();
}

Result<std::map<std::string, std::string>> ReadNames(const YAML::Node& node,
                                                     const std::string& field) {
  std::map<std::string, std::string> names;
  if (!node || !node.IsMap()) return Bad(field, "expected the model's names -> names here");
  if (node.size() > inference::kMaxEnsembleTensors) return Bad(field, "too many");
  for (const auto& pair : node) names[pair.first.as<std::string>()] = pair.second.as<std::string>();
  return names;
}

Result<std::vector<inference::TensorSpec>> ReadTensors(const YAML::Node& node,
                                                       const std::string& field) {
  std::vector<inference::TensorSpec> specs;
  if (!node) return specs;
  if (!node.IsSequence() || node.size() > inference::kMaxEnsembleTensors)
    return Bad(field, "expected a list of {name, type, shape}");
  for (size_t i = 0; i < node.size(); ++i) {
    const std::string at = field + "[" + std::to_string(i) + "]";
    TRY(CheckMembers(node[i], at, {"name", "type", "shape"}));
    inference::TensorSpec spec;
    if (!node[i]["name"] || !node[i]["type"] || !node[i]["shape"])
      return Bad(at, "expected name, type and shape");
    spec.name = node[i]["name"].as<std::string>();
    auto type = inference::ParseDataType(node[i]["type"].as<std::string>());
    if (!type.ok()) return Bad(at + ".type", type.status().message());
    spec.type = *type;
    spec.shape = node[i]["shape"].as<std::vector<int64_t>>();
    if (spec.shape.size() > kMaxRank) return Bad(at + ".shape", "too many dimensions");
    for (const int64_t dimension : spec.shape) {
      if (dimension < -1) return Bad(at + ".shape", "expected -1 or a size");
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

// "forest", "forest/3" or "forest@champion".
Status ReadModel(const std::string& text, const std::string& field, inference::EnsembleStep& step,
                 std::string& alias) {
  const size_t mark = text.find_first_of("/@");
  step.model = text.substr(0, mark);
  if (step.model.empty()) return Bad(field, "expected NAME, NAME/VERSION or NAME@ALIAS");
  if (mark == std::string::npos) return Status::Ok();
  const std::string rest = text.substr(mark + 1);
  if (text[mark] == '@') {
    alias = rest;
    return alias.empty() ? Bad(field, "expected an alias after @") : Status::Ok();
  }
  int64_t number = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (read.ec != std::errc() || read.ptr != rest.data() + rest.size() || number < 1)
    return Bad(field, "\"" + rest + "\" is no version's number");
  step.version = number;
  return Status::Ok();
}

Result<EnsembleFile> Read(const YAML::Node& root) {
  EnsembleFile file;
  TRY(CheckMembers(root, "ensemble", {"inputs", "outputs", "steps"}));
  file.config.runtime = "ensemble";
  file.config.inputs = TRY(ReadTensors(root["inputs"], "ensemble.inputs"));
  file.config.outputs = TRY(ReadTensors(root["outputs"], "ensemble.outputs"));
  const YAML::Node steps = root["steps"];
  if (!steps || !steps.IsSequence() || steps.size() == 0 ||
      steps.size() > inference::kMaxEnsembleSteps) {
    return Bad("ensemble.steps",
               "expected 1 to " + std::to_string(inference::kMaxEnsembleSteps) + " steps");
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string at = "ensemble.steps[" + std::to_string(i) + "]";
    TRY(CheckMembers(steps[i], at, {"model", "inputs", "outputs"}));
    if (!steps[i]["model"]) return Bad(at + ".model", "is missing");
    inference::EnsembleStep step;
    std::string alias;
    TRY(ReadModel(steps[i]["model"].as<std::string>(), at + ".model", step, alias));
    step.inputs = TRY(ReadNames(steps[i]["inputs"], at + ".inputs"));
    step.outputs = TRY(ReadNames(steps[i]["outputs"], at + ".outputs"));
    file.config.ensemble.push_back(std::move(step));
    file.aliases.push_back(std::move(alias));
  }
  return file;
}

}  // namespace

Result<EnsembleFile> ParseEnsembleFile(std::string_view text) {
  try {
    return Read(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& error) {
    return Bad("ensemble.yaml", error.what());
  }
}

}  // namespace slipway::traffic
