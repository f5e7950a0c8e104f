// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": from the setting to what may be run.
#include "pipelines/spec.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "pipelines/cron.h"
#include "pipelines/template.h"

namespace slipway::pipelines {

using base::InvalidArgument;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr size_t kMaxNameBytes = 64;
constexpr base::Micros kLongest = 30 * base::kDay;
constexpr int64_t kMostRetries = 100;

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
         });
}

// Puts `field` before the field that a reader named.
Status Under(const std::string& field, const Status& status) {
  return InvalidArgument(status.field().empty() ? field : field + "." + status.field(),
                         status.message());
}

Result<std::string> Scalar(const Json& value, const std::string& field) {
  if (value.is_string()) return value.AsString();
  if (value.is_number() || value.is_bool()) return value.Dump();
  return InvalidArgument(field, "expected text or a number, not " + std::string(value.TypeName()));
}

Result<std::string> Name(const Json& object, const std::string& field) {
  const auto name = base::RequireString(object, "name");
  if (!name.ok()) return Under(field, name.status());
  if (!IsName(*name)) {
    return InvalidArgument(field + ".name",
                           "\"" + *name + "\": expected 1 to 64 letters, digits, '_' or '-'");
  }
  return *name;
}

Result<std::vector<std::string>> List(const Json& object, std::string_view key,
                                      const std::string& field) {
  std::vector<std::string> items;
  const Json* list = object.Find(key);
  if (list == nullptr || list->is_null()) return items;
  const std::string path = field + "." + std::string(key);
  if (!list->is_array())
    return InvalidArgument(path, "expected a list, not " + std::string(list->TypeName()));
  if (list->AsArray().size() > kMaxArguments) {
    return InvalidArgument(path, "expected at most " + std::to_string(kMaxArguments) + " items");
  }
  for (size_t i = 0; i < list->AsArray().size(); ++i) {
    items.push_back(TRY(Scalar(list->AsArray()[i], path + "[" + std::to_string(i) + "]")));
  }
  return items;
}

Result<std::map<std::string, std::string>> Environment(const Json& object,
                                                       const std::string& field) {
  std::map<std::string, std::string> environment;
  const Json* env = object.Find("env");
  if (env == nullptr || env->is_null()) return environment;
  if (!env->is_object())
    return InvalidArgument(field + ".env", "expected a mapping from name to value");
  for (const auto& [name, value] : env->AsObject()) {
    const std::string path = std::string(field).append(".env.").append(name);
    if (name.empty() || name.find('=') != std::string::npos || name.starts_with("SLIPWAY_")) {
      return InvalidArgument(
          path, "expected a variable's name without '=' that does not begin with SLIPWAY_");
    }
    environment[name] = TRY(Scalar(value, path));
  }
  return environment;
}

Result<base::Micros> Duration(const Json& object, std::string_view key, base::Micros otherwise,
                              const std::string& field) {
  const Json* value = object.Find(key);
  if (value == nullptr || value->is_null()) return otherwise;
  const std::string path = field + "." + std::string(key);
  base::Micros duration = -1;
  if (value->is_int() && value->AsInt() >= 0 && value->AsInt() <= kLongest / base::kSecond) {
    duration = value->AsInt() * base::kSecond;
  } else if (value->is_string()) {
    duration =
        base::ParseDuration(value->AsString()).ok() ? *base::ParseDuration(value->AsString()) : -1;
  }
  if (duration < 0 || duration > kLongest) {
    return InvalidArgument(path, "expected a duration such as \"10m\" of at most 30d");
  }
  return duration;
}

Result<bool> Switch(const Json& object, std::string_view key, const std::string& field) {
  const Json* value = object.Find(key);
  if (value == nullptr || value->is_null()) return false;
  if (value->is_bool()) return value->AsBool();
  if (value->is_string() && (value->AsString() == "on" || value->AsString() == "off")) {
    return value->AsString() == "on";
  }
  return InvalidArgument(field + "." + std::string(key), "expected on or off");
}

Result<int64_t> Number(const Json& object, std::string_view key, int64_t otherwise,
                       const std::string& field) {
  const auto value = base::OptionalInt(object, key);
  if (!value.ok() || value->value_or(0) < 0 || value->value_or(0) > kMostRetries) {
    return InvalidArgument(field + "." + std::string(key),
                           "expected a number from 0 to " + std::to_string(kMostRetries));
  }
  return value->value_or(otherwise);
}

Result<Retries> ParseRetries(const Json& step, const std::string& field) {
  Retries retries;
  const Json* value = step.Find("retries");
  if (value == nullptr || value->is_null()) return retries;
  const std::string path = field + ".retries";
  if (!value->is_object()) return InvalidArgument(path, "expected {max, backoff, lost}");
  const Status known = base::RequireOnly(*value, {"max", "backoff", "lost"});
  if (!known.ok()) return Under(path, known);
  retries.max = TRY(Number(*value, "max", retries.max, path));
  retries.lost = TRY(Number(*value, "lost", retries.lost, path));
  retries.backoff = TRY(Duration(*value, "backoff", retries.backoff, path));
  return retries;
}

Status CheckPaths(const std::vector<std::string>& paths, const std::string& field) {
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string& path = paths[i];
    if (path.empty() || path.front() == '/' ||
        ("/" + path + "/").find("/../") != std::string::npos) {
      return InvalidArgument(field + "[" + std::to_string(i) + "]",
                             "\"" + path + "\": expected a path below the folder");
    }
  }
  return Status::Ok();
}

Result<StepSpec> ParseStep(const Json& json, const std::string& field) {
  if (!json.is_object()) return InvalidArgument(field, "expected {name, run, ...}");
  const Status known = base::RequireOnly(
      json, {"name", "run", "needs", "env", "timeout", "retries", "cache", "inputs", "outputs"});
  if (!known.ok()) return Under(field, known);
  StepSpec step;
  step.name = TRY(Name(json, field));
  step.run = TRY(List(json, "run", field));
  if (step.run.empty() || step.run[0].empty()) {
    return InvalidArgument(field + ".run",
                           "expected a command: a list of a program and its arguments");
  }
  step.needs = TRY(List(json, "needs", field));
  step.env = TRY(Environment(json, field));
  step.timeout = TRY(Duration(json, "timeout", step.timeout, field));
  if (step.timeout == 0) return InvalidArgument(field + ".timeout", "expected more than 0");
  step.retries = TRY(ParseRetries(json, field));
  step.cache = TRY(Switch(json, "cache", field));
  step.inputs = TRY(List(json, "inputs", field));
  step.outputs = TRY(List(json, "outputs", field));
  TRY(CheckPaths(step.inputs, field + ".inputs"));
  TRY(CheckPaths(step.outputs, field + ".outputs"));
  return step;
}

Result<Trigger> ParseTrigger(const Json& json, const std::string& field) {
  const Status known =
      json.is_object() ? base::RequireOnly(json, {"schedule", "on_alert", "manual"}) : Status::Ok();
  if (!known.ok()) return Under(field, known);
  if (!json.is_object() || json.AsObject().size() != 1) {
    return InvalidArgument(
        field, "expected one of {schedule: \"0 3 * * *\"}, {on_alert: RULE} and {manual: true}");
  }
  Trigger trigger;
  const auto& [key, value] = json.AsObject()[0];
  if (key == "manual") {
    if (!value.is_bool() || !value.AsBool())
      return InvalidArgument(field + ".manual", "expected true");
    return trigger;
  }
  if (!value.is_string() || value.AsString().empty()) {
    return InvalidArgument(field + "." + key, "expected text");
  }
  trigger.kind = key == "schedule" ? Trigger::Kind::kSchedule : Trigger::Kind::kAlert;
  trigger.text = value.AsString();
  if (trigger.kind == Trigger::Kind::kSchedule) {
    auto cron = ParseCron(trigger.text);
    if (!cron.ok()) return Under(field, cron.status());
    trigger.cron = *cron;
  }
  return trigger;
}

std::optional<size_t> FindStep(const PipelineSpec& spec, std::string_view name) {
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    if (spec.steps[i].name == name) return i;
  }
  return std::nullopt;
}

// All that a step waits for, directly or not.
std::set<std::string> AllNeeds(const PipelineSpec& spec, const StepSpec& step) {
  std::set<std::string> all(step.needs.begin(), step.needs.end());
  std::vector<std::string> open = step.needs;
  while (!open.empty()) {
    const auto at = FindStep(spec, open.back());
    open.pop_back();
    for (const std::string& need : spec.steps[*at].needs) {
      if (all.insert(need).second) open.push_back(need);
    }
  }
  return all;
}

Status CheckGraph(const PipelineSpec& spec, const std::string& field) {
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    const std::string path = field + ".steps[" + std::to_string(i) + "]";
    if (*FindStep(spec, spec.steps[i].name) != i) {
      return InvalidArgument(path + ".name", "there are two steps \"" + spec.steps[i].name + "\"");
    }
    for (size_t n = 0; n < spec.steps[i].needs.size(); ++n) {
      if (!FindStep(spec, spec.steps[i].needs[n])) {
        return InvalidArgument(path + ".needs[" + std::to_string(n) + "]",
                               "there is no step \"" + spec.steps[i].needs[n] + "\"");
      }
    }
  }
  if (TopologicalOrder(spec).size() == spec.steps.size()) return Status::Ok();
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    if (AllNeeds(spec, spec.steps[i]).contains(spec.steps[i].name)) {
      return InvalidArgument(
          field + ".steps[" + std::to_string(i) + "].needs",
          "\"" + spec.steps[i].name + "\" would wait for itself: expected no cycle");
    }
  }
  return Status::Ok();
}

Status CheckTemplates(const PipelineSpec& spec, const std::string& field) {
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    const std::string path = field + ".steps[" + std::to_string(i) + "]";
    const std::set<std::string> needs = AllNeeds(spec, spec.steps[i]);
    for (size_t a = 0; a < spec.steps[i].run.size(); ++a) {
      const Status good = CheckTemplate(spec.steps[i].run[a], needs);
      if (!good.ok())
        return InvalidArgument(path + ".run[" + std::to_string(a) + "]", good.message());
    }
    for (const auto* env : {&spec.env, &spec.steps[i].env}) {
      for (const auto& [name, value] : *env) {
        const Status good = CheckTemplate(value, needs);
        if (!good.ok())
          return InvalidArgument(std::string(path).append(".env.").append(name), good.message());
      }
    }
  }
  return Status::Ok();
}

Status ParseLists(const Json& json, const std::string& field, PipelineSpec& spec) {
  const Json* steps = json.Find("steps");
  if (steps == nullptr || !steps->is_array() || steps->AsArray().empty() ||
      steps->AsArray().size() > kMaxSteps) {
    return InvalidArgument(field + ".steps",
                           "expected a list of 1 to " + std::to_string(kMaxSteps) + " steps");
  }
  for (size_t i = 0; i < steps->AsArray().size(); ++i) {
    spec.steps.push_back(
        TRY(ParseStep(steps->AsArray()[i], field + ".steps[" + std::to_string(i) + "]")));
  }
  const Json* triggers = json.Find("triggers");
  if (triggers == nullptr || triggers->is_null()) return Status::Ok();
  if (!triggers->is_array() || triggers->AsArray().size() > kMaxSteps) {
    return InvalidArgument(field + ".triggers",
                           "expected a list of at most " + std::to_string(kMaxSteps) + " triggers");
  }
  for (size_t i = 0; i < triggers->AsArray().size(); ++i) {
    spec.triggers.push_back(
        TRY(ParseTrigger(triggers->AsArray()[i], field + ".triggers[" + std::to_string(i) + "]")));
  }
  return Status::Ok();
}

}  // namespace

Result<PipelineSpec> ParsePipeline(const Json& json, const std::string& field) {
  if (!json.is_object()) return InvalidArgument(field, "expected {name, steps, ...}");
  const Status known = base::RequireOnly(
      json, {"name", "folder", "env", "steps", "triggers", "debounce", "cooldown"});
  if (!known.ok()) return Under(field, known);
  PipelineSpec spec;
  spec.name = TRY(Name(json, field));
  const auto folder = base::OptionalString(json, "folder");
  if (!folder.ok()) return Under(field, folder.status());
  spec.folder = folder->value_or("");
  spec.env = TRY(Environment(json, field));
  spec.debounce = TRY(Duration(json, "debounce", 0, field));
  spec.cooldown = TRY(Duration(json, "cooldown", 0, field));
  TRY(ParseLists(json, field, spec));
  TRY(CheckGraph(spec, field));
  TRY(CheckTemplates(spec, field));
  return spec;
}

Result<std::vector<PipelineSpec>> ParsePipelines(const Json& setting) {
  std::vector<PipelineSpec> specs;
  if (setting.is_null()) return specs;
  const size_t count = setting.is_array()    ? setting.AsArray().size()
                       : setting.is_object() ? setting.AsObject().size()
                                             : 0;
  if ((!setting.is_array() && !setting.is_object()) || count > kMaxPipelines) {
    return InvalidArgument("pipelines", "expected a list of at most " +
                                            std::to_string(kMaxPipelines) +
                                            " pipelines, or a mapping from name to pipeline");
  }
  for (size_t i = 0; i < count; ++i) {
    std::string field = "pipelines[" + std::to_string(i) + "]";
    Json json = setting.is_array() ? setting.AsArray()[i] : setting.AsObject()[i].second;
    if (setting.is_object()) {
      field = "pipelines." + setting.AsObject()[i].first;
      if (json.is_object() && json.Find("name") == nullptr)
        json.Set("name", setting.AsObject()[i].first);
    }
    specs.push_back(TRY(ParsePipeline(json, field)));
    for (size_t before = 0; before < i; ++before) {
      if (specs[before].name == specs[i].name) {
        return InvalidArgument(field + ".name",
                               "there are two pipelines \"" + specs[i].name + "\"");
      }
    }
  }
  return specs;
}

std::vector<size_t> TopologicalOrder(const PipelineSpec& spec) {
  std::vector<size_t> order;
  std::set<std::string_view> placed;
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t i = 0; i < spec.steps.size(); ++i) {
      const StepSpec& step = spec.steps[i];
      if (placed.contains(step.name)) continue;
      if (!std::all_of(step.needs.begin(), step.needs.end(),
                       [&](const auto& need) { return placed.contains(need); })) {
        continue;
      }
      placed.insert(step.name);
      order.push_back(i);
      moved = true;
    }
  }
  return order;
}

}  // namespace slipway::pipelines
