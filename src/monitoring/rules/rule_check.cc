// SPDX-License-Identifier: Apache-2.0
// Recorded windows and minutes through the same rules and episodes as in the server.
#include "monitoring/rule_check.h"

#include <algorithm>
#include <utility>

#include "base/yaml.h"
#include "monitoring/alerts.h"
#include "monitoring/rules/judge.h"

namespace slipway::monitoring {
namespace {

using base::Json;

constexpr int64_t kMostSteps = 100'000;  // of one test

struct Step {
  base::Micros at = 0;  // after the start
  const Json* json = nullptr;
  std::string path;
};

// One test of the document.
class Test {
 public:
  Test(const base::YamlTree& document, const Json& json, std::string path,
       const std::vector<Rule>& rules, storage::Database& database)
      : document_(document),
        json_(json),
        path_(std::move(path)),
        rules_(rules),
        database_(database),
        clock_(0),
        events_(database, clock_),
        alerts_(database, events_, {}) {}

  base::Result<RuleTestResult> Run() {
    TRY(ReadHead());
    TRY(ReadLive());
    auto windows = TRY(ReadSteps("windows"));
    auto expected = TRY(ReadSteps("expect"));
    if (expected.empty()) return Refuse("expect", "expected a list of {at, alerts}");
    const base::Micros last = expected.back().at;
    if (last / interval_ > kMostSteps)
      return Refuse("expect", "more than 100000 steps; use a longer interval");
    auto window = windows.begin();
    auto expect = expected.begin();
    for (base::Micros now = 0; now <= last; now += interval_) {
      for (; window != windows.end() && window->at <= now; ++window) TRY(Judge(*window));
      TRY(JudgeLiveRules(start_ + now));
      for (; expect != expected.end() && expect->at < now + interval_; ++expect)
        TRY(Compare(*expect));
    }
    return result_;
  }

 private:
  base::Status Refuse(const std::string& key, const std::string& why) const {
    return document_.Refuse(path_ + "." + key, why);
  }

  base::Result<base::Micros> Time(const Json& object, const std::string& path,
                                  const std::string& key, base::Micros otherwise) const {
    const Json* value = object.Find(key);
    if (value == nullptr) return otherwise;
    if (value->is_int() && value->AsInt() == 0) return base::Micros{0};
    const auto parsed = value->is_string() ? base::ParseDuration(value->AsString())
                                           : base::Result<base::Micros>(base::Micros{-1});
    if (!parsed.ok() || *parsed < 0)
      return document_.Refuse(path + "." + key,
                              "expected a time such as 90m, got " + value->Dump());
    return parsed;
  }

  base::Status ReadHead() {
    const auto known =
        base::RequireOnly(json_, {"name", "endpoint", "version", "start", "interval", "window",
                                  "references", "live", "windows", "expect"});
    if (!known.ok()) return Refuse(known.field(), known.message());
    const auto name = base::OptionalString(json_, "name");
    const auto endpoint = base::OptionalString(json_, "endpoint");
    const auto version = base::OptionalInt(json_, "version");
    const auto start = base::OptionalString(json_, "start");
    for (const base::Status& status :
         {name.status(), endpoint.status(), version.status(), start.status()}) {
      if (!status.ok()) return Refuse(status.field(), status.message());
    }
    result_.name = name->value_or(path_);
    endpoint_ = endpoint->value_or("endpoint");
    version_ = version->value_or(1);
    const auto began = base::ParseTime(start->value_or("2026-01-01T00:00:00Z"));
    if (!began.ok()) return Refuse("start", began.status().message());
    start_ = *began;
    interval_ = TRY(Time(json_, path_, "interval", base::kMinute));
    window_ = TRY(Time(json_, path_, "window", base::kHour));
    if (interval_ < base::kSecond) return Refuse("interval", "expected at least 1s");
    return ReadReferences();
  }

  base::Status ReadReferences() {
    const Json* references = json_.Find("references");
    if (references == nullptr) return base::Status::Ok();
    if (!references->is_object()) return Refuse("references", "expected metric: value");
    for (const auto& [metric, value] : references->AsObject()) {
      if (!value.is_number()) return Refuse("references." + metric, "expected a number");
      references_[metric] = value.AsDouble();
    }
    return base::Status::Ok();
  }

  // Phases one after the other, each so many minutes of the same traffic.
  base::Status ReadLive() {
    const Json* phases = json_.Find("live");
    if (phases == nullptr) return base::Status::Ok();
    if (!phases->is_array()) return Refuse("live", "expected a list of phases");
    int64_t minute = 0;
    for (size_t i = 0; i < phases->AsArray().size(); ++i) {
      const Json& phase = phases->AsArray()[i];
      const std::string path = path_ + ".live[" + std::to_string(i) + "]";
      if (!phase.is_object()) return document_.Refuse(path, "expected {minutes, requests, ...}");
      if (auto known = base::RequireOnly(phase, {"minutes", "requests", "failed", "latency"});
          !known.ok())
        return document_.Refuse(path + "." + known.field(), known.message());
      const auto minutes = base::RequireInt(phase, "minutes");
      const auto requests = base::RequireInt(phase, "requests");
      const auto failed = base::OptionalInt(phase, "failed");
      for (const base::Status& status : {minutes.status(), requests.status(), failed.status()})
        if (!status.ok()) return document_.Refuse(path + "." + status.field(), status.message());
      const base::Micros latency = TRY(Time(phase, path, "latency", base::kMillisecond));
      const int64_t bad = failed->value_or(0);
      if (*minutes < 1 || *minutes > kMostSteps || *requests < 0 || bad < 0 || bad > *requests)
        return document_.Refuse(path, "expected minutes from 1, and failed of at most requests");
      for (int64_t end = minute + *minutes; minute < end; ++minute)
        AddMinute(start_ + minute * base::kMinute, *requests, bad, latency);
    }
    return base::Status::Ok();
  }

  void AddMinute(base::Micros time, int64_t requests, int64_t failed, base::Micros latency) {
    constexpr int64_t kNanosPerMicro = 1000;
    minutes_.push_back({time, requests, failed, latency * kNanosPerMicro});
  }

  base::Result<std::vector<Step>> ReadSteps(const std::string& key) const {
    std::vector<Step> steps;
    const Json* list = json_.Find(key);
    if (list == nullptr) return steps;
    if (!list->is_array()) return Refuse(key, "expected a list");
    for (size_t i = 0; i < list->AsArray().size(); ++i) {
      Step step{0, &list->AsArray()[i], path_ + "." + key + "[" + std::to_string(i) + "]"};
      if (!step.json->is_object() || step.json->Find("at") == nullptr)
        return document_.Refuse(step.path, "expected a mapping with at");
      step.at = TRY(Time(*step.json, step.path, "at", 0));
      if (!steps.empty() && step.at < steps.back().at)
        return document_.Refuse(step.path + ".at", "earlier than the one before");
      steps.push_back(std::move(step));
    }
    return steps;
  }

  base::Status Judge(const Step& step) {
    const base::Micros now = start_ + step.at;
    const Json* report = step.json->Find("report");
    const Json* drift = step.json->Find("drift");
    const WindowFacts facts{endpoint_,
                            version_,
                            now - window_,
                            now,
                            report == nullptr ? Json::MakeObject() : *report,
                            drift == nullptr ? Json() : *drift,
                            references_};
    return database_.Write([&](storage::Transaction& transaction) -> base::Status {
      for (const Rule& rule : rules_) {
        if (rule.live() || !MatchesAny(rule.endpoints, endpoint_)) continue;
        if (const auto finding = JudgeWindow(rule, facts))
          TRY(alerts_.Apply(transaction, *finding, now));
      }
      return base::Status::Ok();
    });
  }

  base::Status JudgeLiveRules(base::Micros now) {
    for (; next_minute_ < minutes_.size() && minutes_[next_minute_].time < now; ++next_minute_) {
      const Minute& minute = minutes_[next_minute_];
      counts_.Add(endpoint_, minute.time, false, minute.latency_ns,
                  minute.requests - minute.failed);
      if (minute.failed > 0) counts_.Add(endpoint_, minute.time, true, 0, minute.failed);
    }
    std::vector<Finding> findings;
    const LiveFacts facts{counts_, now, 0};
    for (const Rule& rule : rules_) {
      if (!rule.live() || !MatchesAny(rule.endpoints, endpoint_)) continue;
      if (auto finding = JudgeLive(rule, endpoint_, facts)) findings.push_back(*std::move(finding));
    }
    const bool quiet = open_ == 0 && std::none_of(findings.begin(), findings.end(),
                                                  [](const auto& one) { return one.breached; });
    if (quiet) return base::Status::Ok();
    const auto is_live = [this](const std::string& name) {
      return std::any_of(rules_.begin(), rules_.end(),
                         [&](const Rule& rule) { return rule.name == name && rule.live(); });
    };
    return database_.Write([&](storage::Transaction& transaction) -> base::Status {
      TRY(alerts_.ApplyLive(transaction, findings, is_live, now));
      open_ = TRY(alerts_.ListOpen(transaction)).size();
      return base::Status::Ok();
    });
  }

  // Every open alert must be expected, and every expected one be there.
  base::Status Compare(const Step& step) {
    const Json* list = step.json->Find("alerts");
    if (list == nullptr || !list->is_array())
      return document_.Refuse(step.path + ".alerts", "expected a list (empty: none)");
    std::vector<Alert> open;
    TRY(database_.Read([&](storage::Transaction& transaction) -> base::Status {
      open = TRY(alerts_.ListOpen(transaction));
      return base::Status::Ok();
    }));
    for (size_t i = 0; i < list->AsArray().size(); ++i) {
      const Json& wanted = list->AsArray()[i];
      const std::string path = step.path + ".alerts[" + std::to_string(i) + "]";
      if (!wanted.is_object() || !base::RequireString(wanted, "rule").ok())
        return document_.Refuse(path, "expected {rule, state, severity, ...}");
      const auto known = base::RequireOnly(wanted, {"rule", "state", "severity", "summary"});
      if (!known.ok()) return document_.Refuse(path + "." + known.field(), known.message());
      const auto found = std::find_if(open.begin(), open.end(), [&](const Alert& alert) {
        return alert.rule == wanted.Find("rule")->AsString();
      });
      const std::string where = document_.places.at(path);
      if (found == open.end()) {
        result_.failures.push_back(where + ": expected " + wanted.Dump() +
                                   ", no such alert is open");
        continue;
      }
      CompareOne(where, wanted, *found);
      open.erase(found);
    }
    for (const Alert& alert : open)
      result_.failures.push_back(document_.places.at(step.path) + ": not expected: " + alert.rule +
                                 " is " + alert.state + ": " + alert.summary);
    return base::Status::Ok();
  }

  void CompareOne(const std::string& where, const Json& wanted, const Alert& alert) {
    const Json shown = ToJson(alert);
    for (const auto& [key, value] : wanted.AsObject()) {
      if (*shown.Find(key) == value) continue;
      result_.failures.push_back(where + ": " + alert.rule + ": expected " + key + " " +
                                 value.Dump() + ", got " + shown.Find(key)->Dump());
    }
    if (wanted.Find("state") == nullptr && alert.state != "firing")
      result_.failures.push_back(where + ": " + alert.rule + ": expected state \"firing\", got \"" +
                                 alert.state + "\"");
  }

  struct Minute {
    base::Micros time = 0;
    int64_t requests = 0;
    int64_t failed = 0;
    int64_t latency_ns = 0;
  };

  const base::YamlTree& document_;
  const Json& json_;
  const std::string path_;
  const std::vector<Rule>& rules_;
  storage::Database& database_;
  base::DrivenClock clock_;
  events::EventLog events_;
  Alerts alerts_;
  RuleTestResult result_;
  std::string endpoint_;
  int64_t version_ = 1;
  base::Micros start_ = 0;
  base::Micros interval_ = base::kMinute;
  base::Micros window_ = base::kHour;
  std::map<std::string, double> references_;
  std::vector<Minute> minutes_;
  size_t next_minute_ = 0;
  LiveCounts counts_;
  size_t open_ = 0;  // episodes, after the last live step
};

base::Result<std::vector<Rule>> RulesOf(
    const base::YamlTree& document,
    const std::function<base::Result<std::string>(const std::string&)>& read_rules) {
  const Json* file = document.tree.Find("rules_file");
  if (file == nullptr) return ReadRules(std::string(DefaultRules()), "built in", {});
  if (!file->is_string()) return document.Refuse("rules_file", "expected the path of a rules file");
  const auto text = read_rules(file->AsString());
  if (!text.ok()) return document.Refuse("rules_file", text.status().message());
  return ReadRules(*text, file->AsString(), {});
}

}  // namespace

base::Result<std::vector<RuleTestResult>> RunRuleTests(
    const std::string& yaml, const std::string& name,
    const std::function<base::Result<std::string>(const std::string&)>& read_rules,
    storage::Database& database) {
  const base::YamlTree document = TRY(base::ReadYaml(yaml, name));
  const Json* tests = document.tree.Find("tests");
  if (tests == nullptr || !tests->is_array() || tests->AsArray().empty())
    return document.Refuse("tests", "expected a list of tests");
  for (const auto& [key, value] : document.tree.AsObject()) {
    if (key != "rules_file" && key != "tests")
      return document.Refuse(key, "unknown key; expected rules_file and tests");
  }
  const std::vector<Rule> rules = TRY(RulesOf(document, read_rules));
  std::vector<RuleTestResult> results;
  for (size_t i = 0; i < tests->AsArray().size(); ++i) {
    const std::string path = "tests[" + std::to_string(i) + "]";
    const Json& test = tests->AsArray()[i];
    if (!test.is_object()) return document.Refuse(path, "expected a mapping");
    TRY(database.Write([](storage::Transaction& transaction) -> base::Status {
      TRY(transaction.Execute("DELETE FROM alerts"));
      return base::Status::Ok();
    }));
    results.push_back(TRY(Test(document, test, path, rules, database).Run()));
  }
  return results;
}

base::Result<std::vector<std::string>> CheckRules(const std::string& yaml,
                                                  const std::string& name) {
  std::vector<std::string> names;
  for (const Rule& rule : TRY(ReadRules(yaml, name, {}))) names.push_back(rule.name);
  return names;
}

}  // namespace slipway::monitoring
