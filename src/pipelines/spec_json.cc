// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": a pipeline as text. The only file of the room that reads YAML.
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "pipelines/spec.h"

namespace slipway::pipelines {

using base::InvalidArgument;
using base::Json;
using base::Result;

namespace {

constexpr size_t kMaxSpecBytes = 1 << 20;
constexpr int kMaxDepth = 16;
constexpr size_t kMaxNodes = 100000;

// Plain scalars become numbers and booleans as YAML 1.2 has them; on and off stay text.
Json ScalarFromYaml(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true" || text == "false") return text == "true";
  if (text.empty() || text == "~" || text == "null") return {};
  if (auto number = Json::Parse(text); number.ok() && number->is_number()) return *number;
  return text;
}

Result<Json> FromYaml(const YAML::Node& node, int depth, size_t& nodes) {
  if (depth > kMaxDepth || ++nodes > kMaxNodes)
    return InvalidArgument("", "the YAML text is nested or aliased too much");
  if (node.IsScalar()) return ScalarFromYaml(node);
  if (node.IsSequence()) {
    Json list = Json::MakeArray();
    for (const YAML::Node& item : node) list.Append(TRY(FromYaml(item, depth + 1, nodes)));
    return list;
  }
  if (!node.IsMap()) return Json();
  Json object = Json::MakeObject();
  for (const auto& member : node) {
    const std::string key = member.first.Scalar();
    if (object.Find(key) != nullptr) return InvalidArgument(key, "stands twice");
    object.Set(key, TRY(FromYaml(member.second, depth + 1, nodes)));
  }
  return object;
}

Json ToJson(const std::map<std::string, std::string>& map) {
  Json object = Json::MakeObject();
  for (const auto& [key, value] : map) object.Set(key, value);
  return object;
}

Json ToJson(const std::vector<std::string>& list) {
  Json array = Json::MakeArray();
  for (const std::string& item : list) array.Append(item);
  return array;
}

Json ToJson(const StepSpec& step) {
  return Json::MakeObject(
      {{"name", step.name},
       {"run", ToJson(step.run)},
       {"needs", ToJson(step.needs)},
       {"env", ToJson(step.env)},
       {"timeout", base::FormatDuration(step.timeout)},
       {"retries", Json::MakeObject({{"max", step.retries.max},
                                     {"backoff", base::FormatDuration(step.retries.backoff)},
                                     {"lost", step.retries.lost}})},
       {"cache", step.cache},
       {"inputs", ToJson(step.inputs)},
       {"outputs", ToJson(step.outputs)}});
}

Json ToJson(const Trigger& trigger) {
  switch (trigger.kind) {
    case Trigger::Kind::kSchedule:
      return Json::MakeObject({{"schedule", trigger.text}});
    case Trigger::Kind::kAlert:
      return Json::MakeObject({{"on_alert", trigger.text}});
    case Trigger::Kind::kManual:
      break;
  }
  return Json::MakeObject({{"manual", true}});
}

}  // namespace

Result<PipelineSpec> ParsePipelineYaml(const std::string& text) {
  if (text.size() > kMaxSpecBytes)
    return InvalidArgument("pipeline", "expected at most 1 MiB of YAML");
  try {
    size_t nodes = 0;
    return ParsePipeline(TRY(FromYaml(YAML::Load(text), 0, nodes)), "pipeline");
  } catch (const YAML::Exception& error) {
    return InvalidArgument("pipeline", std::string("not YAML: ") + error.what());
  }
}

Json ToJson(const PipelineSpec& spec) {
  Json steps = Json::MakeArray();
  for (const StepSpec& step : spec.steps) steps.Append(ToJson(step));
  Json triggers = Json::MakeArray();
  for (const Trigger& trigger : spec.triggers) triggers.Append(ToJson(trigger));
  return Json::MakeObject({{"name", spec.name},
                           {"folder", spec.folder},
                           {"env", ToJson(spec.env)},
                           {"steps", std::move(steps)},
                           {"triggers", std::move(triggers)},
                           {"debounce", base::FormatDuration(spec.debounce)},
                           {"cooldown", base::FormatDuration(spec.cooldown)}});
}

}  // namespace slipway::pipelines
