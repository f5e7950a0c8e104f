// SPDX-License-Identifier: Apache-2.0
// From a firing alert to what the policy lets it do.
#include "lifecycle/alert_actions.h"

#include <algorithm>
#include <utility>

namespace slipway::lifecycle {
namespace {

using base::Json;

base::Result<AlertAction> ParseOne(const std::string& field, const Json& json) {
  if (!json.is_object())
    return base::InvalidArgument(field, "expected {rule, do, pipeline, cooldown, most_per_day}");
  TRY(base::RequireOnly(json, {"rule", "do", "pipeline", "cooldown", "most_per_day"})
          .Annotate(field));
  AlertAction action;
  const auto at = [&field](const base::Status& status) {
    return base::InvalidArgument(field + "." + status.field(), status.message());
  };
  const auto rule = base::RequireString(json, "rule");
  const auto what = base::RequireString(json, "do");
  const auto pipeline = base::OptionalString(json, "pipeline");
  const auto cooldown = base::OptionalString(json, "cooldown");
  const auto most = base::OptionalInt(json, "most_per_day");
  for (const base::Status& status :
       {rule.status(), what.status(), pipeline.status(), cooldown.status(), most.status()}) {
    if (!status.ok()) return at(status);
  }
  action.rule = *rule;
  action.what = *what;
  action.pipeline = pipeline->value_or("");
  if (action.what != "retrain" && action.what != "pause_rollout" && action.what != "roll_back")
    return base::InvalidArgument(field + ".do", "expected retrain, pause_rollout or roll_back");
  if ((action.what == "retrain") == action.pipeline.empty())
    return base::InvalidArgument(field + ".pipeline", "expected the pipeline that retrain starts");
  if (*cooldown) {
    const auto parsed = base::ParseDuration(**cooldown);
    if (!parsed.ok()) return base::InvalidArgument(field + ".cooldown", parsed.status().message());
    action.cooldown = *parsed;
  }
  action.most_per_day = most->value_or(action.most_per_day);
  if (action.most_per_day < 1 || action.most_per_day > 100)
    return base::InvalidArgument(field + ".most_per_day", "expected 1 to 100");
  return action;
}

std::string TextOf(const Json& data, std::string_view key) {
  const Json* value = data.Find(key);
  return value != nullptr && value->is_string() ? value->AsString() : std::string();
}

}  // namespace

base::Result<std::vector<AlertAction>> ParseAlertActions(const std::string& field,
                                                         const Json& json) {
  std::vector<AlertAction> actions;
  if (!json.is_array()) return base::InvalidArgument(field, "expected a list of actions");
  for (const Json& item : json.AsArray())
    actions.push_back(TRY(ParseOne(field + "[" + std::to_string(actions.size()) + "]", item)));
  return actions;
}

Json ToJson(const AlertAction& action) {
  return Json::MakeObject({{"rule", action.rule},
                           {"do", action.what},
                           {"pipeline", action.pipeline},
                           {"cooldown", base::FormatDuration(action.cooldown)},
                           {"most_per_day", action.most_per_day}});
}

std::string HeldBack(const AlertAction& action, const std::string& alert,
                     const std::vector<events::Event>& acted, base::Micros now) {
  int64_t today = 0;
  base::Micros last = 0;
  for (const events::Event& event : acted) {
    if (TextOf(event.data, "do") != action.what || event.time <= now - base::kDay) continue;
    if (TextOf(event.data, "alert") == alert) return "this alert has done it already";
    ++today;
    last = std::max(last, event.time);
  }
  if (today > 0 && now - last < action.cooldown)
    return "it rests until " + base::FormatTime(last + action.cooldown);
  if (today >= action.most_per_day)
    return "it has happened " + std::to_string(today) + " times within a day";
  return "";
}

}  // namespace slipway::lifecycle
