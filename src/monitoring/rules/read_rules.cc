// SPDX-License-Identifier: Apache-2.0
// A rules file, read and checked: what is wrong is said with its line and column.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/nearest.h"
#include "base/yaml.h"
#include "monitoring/rules/rule.h"

namespace slipway::monitoring {
namespace {

using base::Json;

constexpr base::Micros kLongestHold = 30 * base::kDay;
constexpr double kMuch = 1e15;

struct KindRow {
  std::string_view name;
  RuleKind kind;
  std::vector<std::string_view> keys;  // beside the common ones
};

const std::vector<KindRow>& Kinds() {
  static const std::vector<KindRow> kinds = {
      {"drift",
       RuleKind::kDrift,
       {"of", "metric", "feature", "threshold", "significant", "windows"}},
      {"quality",
       RuleKind::kQuality,
       {"metric", "above", "below", "below_reference", "significant", "least_labels", "windows"}},
      {"error_rate", RuleKind::kErrorRate, {"above", "span", "least_requests", "windows"}},
      {"latency", RuleKind::kLatency, {"quantile", "above", "span", "least_requests"}},
      {"volume_drop",
       RuleKind::kVolumeDrop,
       {"against", "below", "span", "days", "trailing", "least_requests"}},
      {"label_delay", RuleKind::kLabelDelay, {"above", "least_labels", "windows"}},
      {"label_coverage", RuleKind::kLabelCoverage, {"below", "least_requests", "windows"}},
      {"slo_burn_rate",
       RuleKind::kBurnRate,
       {"objective", "slower_than", "burn", "least_requests"}},
      {"log_failures", RuleKind::kLogFailures, {"above", "span"}},
  };
  return kinds;
}

constexpr std::array<std::string_view, 9> kCommonKeys = {"name",    "kind",          "severity",
                                                         "runbook", "labels",        "endpoints",
                                                         "for",     "resolve_ratio", "enabled"};

// One rule of the document; each Take reads a member, if it is there, into its place.
class RuleReader {
 public:
  RuleReader(const base::YamlTree& document, const Json& rule, std::string path)
      : document_(document), rule_(rule), path_(std::move(path)) {}

  base::Status Refuse(std::string_view key, const std::string& why) const {
    return document_.Refuse(path_ + "." + std::string(key), why);
  }
  bool Has(std::string_view key) const {
    const Json* value = rule_.Find(key);
    return value != nullptr && !value->is_null();
  }
  base::Status Text(std::string_view key, std::string& into) const {
    if (!Has(key)) return base::Status::Ok();
    if (!rule_.Find(key)->is_string() || rule_.Find(key)->AsString().empty())
      return Refuse(key, "expected text, got " + rule_.Find(key)->Dump());
    into = rule_.Find(key)->AsString();
    return base::Status::Ok();
  }
  base::Status Choice(std::string_view key, std::string& into,
                      const std::vector<std::string_view>& choices) const {
    TRY(Text(key, into));
    if (!Has(key) || std::find(choices.begin(), choices.end(), into) != choices.end())
      return base::Status::Ok();
    std::string expected;
    for (const std::string_view choice : choices)
      expected += (expected.empty() ? "" : ", ") + std::string(choice);
    return Refuse(key, "expected one of " + expected + ", got \"" + into + "\"" +
                           base::DidYouMean(into, choices));
  }
  base::Status Flag(std::string_view key, bool& into) const {
    if (!Has(key)) return base::Status::Ok();
    if (!rule_.Find(key)->is_bool()) return Refuse(key, "expected true or false");
    into = rule_.Find(key)->AsBool();
    return base::Status::Ok();
  }
  base::Status Number(std::string_view key, double& into, double least, double most) const {
    if (!Has(key)) return base::Status::Ok();
    const Json& value = *rule_.Find(key);
    if (!value.is_number() || !(value.AsDouble() >= least && value.AsDouble() <= most)) {
      return Refuse(key, "expected a number from " + Json(least).Dump() + " to " +
                             Json(most).Dump() + ", got " + value.Dump());
    }
    into = value.AsDouble();
    return base::Status::Ok();
  }
  base::Status Whole(std::string_view key, int64_t& into, int64_t least, int64_t most) const {
    if (!Has(key)) return base::Status::Ok();
    const Json& value = *rule_.Find(key);
    if (!value.is_int() || value.AsInt() < least || value.AsInt() > most) {
      return Refuse(key, "expected a whole number from " + std::to_string(least) + " to " +
                             std::to_string(most) + ", got " + value.Dump());
    }
    into = value.AsInt();
    return base::Status::Ok();
  }
  base::Status Span(std::string_view key, base::Micros& into, base::Micros least,
                    base::Micros most) const {
    if (!Has(key)) return base::Status::Ok();
    const Json& value = *rule_.Find(key);
    const auto parsed = value.is_string() ? base::ParseDuration(value.AsString())
                                          : base::Result<base::Micros>(base::Micros{0});
    if (!value.is_string() || !parsed.ok() || *parsed < least || *parsed > most) {
      return Refuse(key, "expected a time from " + base::FormatDuration(least) + " to " +
                             base::FormatDuration(most) + ", such as 5m, got " + value.Dump());
    }
    into = *parsed;
    return base::Status::Ok();
  }
  base::Status Require(std::string_view key, const std::string& what) const {
    return Has(key) ? base::Status::Ok() : Refuse(key, "missing: " + what);
  }
  const Json& json() const { return rule_; }
  const std::string& path() const { return path_; }

 private:
  const base::YamlTree& document_;
  const Json& rule_;
  const std::string path_;
};

base::Status ReadLabels(const RuleReader& reader, Rule& rule) {
  if (!reader.Has("labels")) return base::Status::Ok();
  const Json& labels = *reader.json().Find("labels");
  if (!labels.is_object()) return reader.Refuse("labels", "expected a mapping of name to text");
  for (const auto& [name, value] : labels.AsObject()) {
    if (!value.is_string()) return reader.Refuse("labels." + name, "expected text");
    if (name == "rule" || name == "endpoint" || name == "version" || name == "severity")
      return reader.Refuse("labels." + name, "this label is given by the alert itself");
    rule.labels[name] = value.AsString();
  }
  return base::Status::Ok();
}

base::Status ReadEndpoints(const RuleReader& reader, Rule& rule) {
  if (!reader.Has("endpoints")) return base::Status::Ok();
  const Json& list = *reader.json().Find("endpoints");
  if (!list.is_array() || list.AsArray().empty())
    return reader.Refuse("endpoints", "expected a list of names or patterns such as \"fraud-*\"");
  rule.endpoints.clear();
  for (const Json& item : list.AsArray()) {
    if (!item.is_string()) return reader.Refuse("endpoints", "expected a list of names");
    rule.endpoints.push_back(item.AsString());
  }
  return base::Status::Ok();
}

base::Status ReadCommon(const RuleReader& reader, Rule& rule) {
  TRY(reader.Choice("severity", rule.severity, {"info", "warning", "critical"}));
  TRY(reader.Text("runbook", rule.runbook));
  TRY(reader.Span("for", rule.hold, 0, kLongestHold));
  TRY(reader.Number("resolve_ratio", rule.resolve_ratio, 0, 1));
  TRY(reader.Whole("windows", rule.windows, 1, 100));
  TRY(ReadLabels(reader, rule));
  return ReadEndpoints(reader, rule);
}

base::Status ReadDrift(const RuleReader& reader, const RuleDefaults& defaults, Rule& rule) {
  std::string of = "feature";
  TRY(reader.Choice("of", of, {"feature", "prediction"}));
  rule.predictions = of == "prediction";
  if (rule.predictions && reader.Has("feature"))
    return reader.Refuse("feature", "the predictions have no features; leave it out");
  rule.metric = "psi";
  TRY(reader.Text("metric", rule.metric));
  if (rule.metric != "psi")
    TRY(reader.Require("threshold", "metric " + rule.metric + " has no default"));
  TRY(reader.Text("feature", rule.feature));
  TRY(reader.Flag("significant", rule.significant));
  rule.threshold = defaults.psi_threshold;
  return reader.Number("threshold", rule.threshold, 0, kMuch);
}

base::Status ReadQuality(const RuleReader& reader, const RuleDefaults& defaults, Rule& rule) {
  TRY(reader.Require("metric", "expected a metric of the window report, such as auc"));
  TRY(reader.Text("metric", rule.metric));
  const int given = static_cast<int>(reader.Has("above")) + static_cast<int>(reader.Has("below")) +
                    static_cast<int>(reader.Has("below_reference"));
  if (given > 1) return reader.Refuse("below", "only one of above, below and below_reference");
  if (given == 0 && rule.metric != "auc")
    return reader.Refuse("below", "missing: expected above, below or below_reference");
  rule.below = reader.Has("below");
  rule.against_reference = given == 0 || reader.Has("below_reference");
  rule.threshold = defaults.auc_drop;
  TRY(reader.Number("above", rule.threshold, -kMuch, kMuch));
  TRY(reader.Number("below", rule.threshold, -kMuch, kMuch));
  TRY(reader.Number("below_reference", rule.threshold, 0, kMuch));
  TRY(reader.Flag("significant", rule.significant));
  return reader.Whole("least_labels", rule.least, 1, 1'000'000'000);
}

base::Status ReadErrorRate(const RuleReader& reader, const RuleDefaults& defaults, Rule& rule) {
  rule.threshold = defaults.error_rate;
  rule.least = 100;
  TRY(reader.Number("above", rule.threshold, 0, 1));
  TRY(reader.Span("span", rule.span, base::kMinute, kCountsKept / 2));
  if (rule.span > 0 && reader.Has("windows"))
    return reader.Refuse("windows", "goes with closed windows, not with a span; use for");
  return reader.Whole("least_requests", rule.least, 1, 1'000'000'000);
}

base::Status ReadLatency(const RuleReader& reader, Rule& rule) {
  base::Micros above = 0;
  rule.span = 5 * base::kMinute;
  rule.least = 20;
  TRY(reader.Require("above", "expected a time such as 250ms"));
  TRY(reader.Span("above", above, 1, base::kDay));
  rule.threshold = static_cast<double>(above) / static_cast<double>(base::kSecond);
  TRY(reader.Number("quantile", rule.quantile, 0, 1));
  TRY(reader.Span("span", rule.span, base::kMinute, kLatencyKept));
  return reader.Whole("least_requests", rule.least, 1, 1'000'000'000);
}

base::Status ReadVolume(const RuleReader& reader, Rule& rule) {
  std::string against = "trailing";
  rule.below = true;
  rule.span = 15 * base::kMinute;
  rule.threshold = 0.5;
  rule.least = 20;
  TRY(reader.Choice("against", against, {"trailing", "same_time"}));
  rule.same_time = against == "same_time";
  if (rule.same_time && reader.Has("trailing"))
    return reader.Refuse("trailing", "goes with against: trailing");
  if (!rule.same_time && reader.Has("days"))
    return reader.Refuse("days", "goes with against: same_time");
  TRY(reader.Number("below", rule.threshold, 0, 1));
  TRY(reader.Span("span", rule.span, base::kMinute, base::kDay));
  TRY(reader.Whole("days", rule.days, 1, 7));
  TRY(reader.Span("trailing", rule.trailing, base::kMinute, 6 * base::kDay));
  return reader.Whole("least_requests", rule.least, 1, 1'000'000'000);
}

base::Status ReadLabelDelay(const RuleReader& reader, Rule& rule) {
  base::Micros above = 0;
  rule.least = 1;
  TRY(reader.Require("above", "expected a time such as 2h"));
  TRY(reader.Span("above", above, 1, 3660 * base::kDay));
  rule.threshold = static_cast<double>(above) / static_cast<double>(base::kSecond);
  return reader.Whole("least_labels", rule.least, 1, 1'000'000'000);
}

base::Status ReadLabelCoverage(const RuleReader& reader, Rule& rule) {
  rule.below = true;
  rule.least = 1;
  TRY(reader.Require("below", "expected a share from 0 to 1"));
  TRY(reader.Number("below", rule.threshold, 0, 1));
  return reader.Whole("least_requests", rule.least, 1, 1'000'000'000);
}

base::Status ReadBurnRate(const RuleReader& reader, const base::YamlTree& document, Rule& rule) {
  rule.least = 20;
  rule.threshold = 1;
  rule.burn = {{base::kHour, 5 * base::kMinute, 14.4}, {6 * base::kHour, 30 * base::kMinute, 6}};
  TRY(reader.Require("objective", "expected the share of good requests, such as 0.999"));
  TRY(reader.Number("objective", rule.objective, 0.5, 0.999999));
  TRY(reader.Span("slower_than", rule.slower_than, 1, base::kDay));
  TRY(reader.Whole("least_requests", rule.least, 1, 1'000'000'000));
  if (!reader.Has("burn")) return base::Status::Ok();
  const Json& list = *reader.json().Find("burn");
  if (!list.is_array() || list.AsArray().empty())
    return reader.Refuse("burn", "expected a list of {span, confirm, factor}");
  rule.burn.clear();
  const base::Micros longest = rule.slower_than > 0 ? kLatencyKept : kCountsKept;
  for (size_t i = 0; i < list.AsArray().size(); ++i) {
    const RuleReader one(document, list.AsArray()[i],
                         reader.path() + ".burn[" + std::to_string(i) + "]");
    BurnWindow window;
    for (const char* key : {"span", "confirm", "factor"})
      TRY(one.Require(key, "expected span, confirm and factor"));
    TRY(one.Span("span", window.span, base::kMinute, longest));
    TRY(one.Span("confirm", window.confirm, base::kMinute, window.span));
    TRY(one.Number("factor", window.factor, 0.01, 10'000));
    rule.burn.push_back(window);
  }
  return base::Status::Ok();
}

base::Status ReadLogFailures(const RuleReader& reader, Rule& rule) {
  rule.span = 5 * base::kMinute;
  TRY(reader.Number("above", rule.threshold, 0, kMuch));
  return reader.Span("span", rule.span, base::kMinute, base::kDay);
}

base::Status ReadKind(const RuleReader& reader, const base::YamlTree& document,
                      const RuleDefaults& defaults, Rule& rule) {
  switch (rule.kind) {
    case RuleKind::kDrift:
      return ReadDrift(reader, defaults, rule);
    case RuleKind::kQuality:
      return ReadQuality(reader, defaults, rule);
    case RuleKind::kErrorRate:
      return ReadErrorRate(reader, defaults, rule);
    case RuleKind::kLatency:
      return ReadLatency(reader, rule);
    case RuleKind::kVolumeDrop:
      return ReadVolume(reader, rule);
    case RuleKind::kLabelDelay:
      return ReadLabelDelay(reader, rule);
    case RuleKind::kLabelCoverage:
      return ReadLabelCoverage(reader, rule);
    case RuleKind::kBurnRate:
      return ReadBurnRate(reader, document, rule);
    case RuleKind::kLogFailures:
      return ReadLogFailures(reader, rule);
  }
  return base::Status::Ok();
}

base::Result<const KindRow*> ReadKindName(const RuleReader& reader) {
  std::string name;
  TRY(reader.Require("kind", "expected drift, quality, latency, ..."));
  TRY(reader.Text("kind", name));
  if (name == "stale_features") {
    return reader.Refuse("kind",
                         "this server keeps no features, so their freshness is not measured; "
                         "expected another kind");
  }
  std::vector<std::string_view> known;
  for (const KindRow& row : Kinds()) {
    if (row.name == name) return &row;
    known.push_back(row.name);
  }
  std::string expected;
  for (const std::string_view one : known)
    expected += (expected.empty() ? "" : ", ") + std::string(one);
  return reader.Refuse("kind", "unknown kind \"" + name + "\"; expected one of " + expected +
                                   base::DidYouMean(name, known));
}

base::Status CheckKeys(const RuleReader& reader, const KindRow& kind) {
  std::vector<std::string_view> known(kCommonKeys.begin(), kCommonKeys.end());
  known.insert(known.end(), kind.keys.begin(), kind.keys.end());
  for (const auto& [key, value] : reader.json().AsObject()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return reader.Refuse(key, "a rule of kind " + std::string(kind.name) + " has no such key" +
                                  base::DidYouMean(key, known));
  }
  return base::Status::Ok();
}

}  // namespace

std::string_view RuleKindName(RuleKind kind) {
  for (const KindRow& row : Kinds()) {
    if (row.kind == kind) return row.name;
  }
  return "";
}

base::Result<std::vector<Rule>> ReadRules(const std::string& yaml, const std::string& name,
                                          const RuleDefaults& defaults) {
  if (yaml.size() > kMaxRulesBytes)
    return base::InvalidArgument("", name + ": too long: at most 512 KiB", "bad_setting");
  const base::YamlTree document = TRY(base::ReadYaml(yaml, name));
  const Json* list = document.tree.Find("rules");
  if (!document.tree.is_object() || list == nullptr || !list->is_array())
    return document.Refuse("rules", "expected a list of rules");
  for (const auto& [key, value] : document.tree.AsObject()) {
    if (key != "rules") return document.Refuse(key, "unknown key; expected rules");
  }
  if (list->AsArray().size() > kMaxRules)
    return document.Refuse("rules", "at most " + std::to_string(kMaxRules) + " rules");
  std::vector<Rule> rules;
  std::set<std::string> names;
  for (size_t i = 0; i < list->AsArray().size(); ++i) {
    const std::string path = "rules[" + std::to_string(i) + "]";
    if (!list->AsArray()[i].is_object()) return document.Refuse(path, "expected a mapping");
    const RuleReader reader(document, list->AsArray()[i], path);
    Rule rule;
    rule.resolve_ratio = defaults.resolve_ratio;
    bool enabled = true;
    TRY(reader.Require("name", "expected a name of its own"));
    TRY(reader.Text("name", rule.name));
    if (!names.insert(rule.name).second)
      return reader.Refuse("name", "another rule is called \"" + rule.name + "\" already");
    const KindRow* kind = TRY(ReadKindName(reader));
    rule.kind = kind->kind;
    TRY(CheckKeys(reader, *kind));
    TRY(reader.Flag("enabled", enabled));
    TRY(ReadCommon(reader, rule));
    TRY(ReadKind(reader, document, defaults, rule));
    if (enabled) rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace slipway::monitoring
