// SPDX-License-Identifier: Apache-2.0
// What happens by itself, as the settings say it.
#include "lifecycle/lifecycle.h"

namespace slipway::lifecycle {
namespace {

base::Result<Policy> ParsePolicy(const std::string& field, const base::Json& json) {
  if (!json.is_object())
    return base::InvalidArgument(field, "expected an object, got " + std::string(json.TypeName()));
  Policy policy;
  for (const auto& [key, value] : json.AsObject()) {
    const std::string at = field + "." + key;
    if (key == "candidates") {
      if (!value.is_string() || (value.AsString() != "stage" && value.AsString() != "ignore")) {
        return base::InvalidArgument(at, "expected \"stage\" or \"ignore\"");
      }
      policy.stage_candidates = value.AsString() == "stage";
    } else if (key == "rollout") {
      if (!value.is_bool()) return base::InvalidArgument(at, "expected true or false");
      policy.rollout = value.AsBool();
    } else if (key == "reference_metric") {
      if (!value.is_string()) return base::InvalidArgument(at, "expected the name of a metric");
      policy.reference_metric = value.AsString();
    } else if (key == "on_alert") {
      policy.on_alert = TRY(ParseAlertActions(at, value));
    } else {
      return base::InvalidArgument(
          at, "unknown key; expected candidates, rollout, reference_metric or on_alert");
    }
  }
  return policy;
}

}  // namespace

base::Result<std::map<std::string, Policy>> ParsePolicies(const base::Json& setting) {
  std::map<std::string, Policy> policies;
  if (setting.is_null()) return policies;
  if (!setting.is_object())
    return base::InvalidArgument("policies", "expected a mapping from model name to policy");
  for (const auto& [model, json] : setting.AsObject())
    policies[model] = TRY(ParsePolicy("policies." + model, json));
  return policies;
}

base::Json ToJson(const Policy& policy) {
  base::Json actions = base::Json::MakeArray();
  for (const AlertAction& action : policy.on_alert) actions.Append(ToJson(action));
  return base::Json::MakeObject({{"candidates", policy.stage_candidates ? "stage" : "ignore"},
                                 {"rollout", policy.rollout},
                                 {"reference_metric", policy.reference_metric},
                                 {"on_alert", std::move(actions)}});
}

void Describe(base::Schema& schema, LifecycleSettings& settings) {
  schema.AddJson(
      "policies", &settings.policies,
      "What happens by itself, by model name or \"*\": {candidates: stage | ignore, "
      "rollout: true, reference_metric: name, on_alert: [{rule, do: retrain | pause_rollout | "
      "roll_back, pipeline, cooldown: 1h, most_per_day: 3}]}.");
  schema.Add("contest.margin", &settings.contest.margin,
             "AUC that a challenger must gain over production.", 0, 1);
  schema.Add("contest.confidence", &settings.contest.confidence,
             "Of the interval whose lower bound must be above 0.", 0.5, 0.9999);
  schema.Add("contest.least_rows", &settings.contest.least_rows,
             "Labelled rows that a window needs for a comparison.", 20,
             monitoring::kMaxLabelledRows);
  schema.Add("contest.archived", &settings.contest.archived,
             "Newest archived versions that compete with a candidate.", 0, 20);
  schema.Add("contest.resamples", &settings.contest.resamples, "Bootstrap resamples.", 100, 10'000);
}

}  // namespace slipway::lifecycle
