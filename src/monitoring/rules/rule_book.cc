// SPDX-License-Identifier: Apache-2.0
// From a rules file to the rules that hold, and what held before.
#include "monitoring/rules/rule_book.h"

#include <algorithm>
#include <utility>

#include "base/files.h"

namespace slipway::monitoring {

using base::Json;

const Rule* RuleSet::Find(const std::string& name) const {
  const auto found =
      std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) { return rule.name == name; });
  return found == rules.end() ? nullptr : &*found;
}

RuleBook::RuleBook(storage::Database& database, events::EventLog& events, RuleDefaults defaults,
                   std::string file, std::vector<std::string> only)
    : database_(database),
      events_(events),
      defaults_(defaults),
      file_(std::move(file)),
      only_(std::move(only)) {}

base::Result<std::string> RuleBook::ReadFile() const {
  auto text = base::ReadFile(file_, kMaxRulesBytes);
  if (!text.ok())
    return base::InvalidArgument("alerts.rules_file", file_ + ": " + text.status().message());
  return text;
}

base::Status RuleBook::Adopt(int64_t version, const std::string& text, const std::string& source) {
  auto set = std::make_shared<RuleSet>();
  set->version = version;
  set->text = text;
  set->source = source;
  set->rules = TRY(ReadRules(text, file_.empty() ? "rules" : file_, defaults_));
  if (version == 0) {
    for (const std::string& name : only_) {
      if (set->Find(name) == nullptr) {
        return base::InvalidArgument("monitoring.rules",
                                     "unknown rule '" + name +
                                         "'; expected prediction_psi, feature_psi, auc_drop or "
                                         "error_rate");
      }
    }
    std::erase_if(set->rules, [this](const Rule& rule) {
      return std::find(only_.begin(), only_.end(), rule.name) == only_.end();
    });
  }
  const std::lock_guard lock(mutex_);
  current_ = std::move(set);
  return base::Status::Ok();
}

base::Status RuleBook::Start(base::Micros now) {
  TRY(Adopt(0, std::string(DefaultRules()), "built in"));
  TRY(Refresh());
  if (file_.empty()) return base::Status::Ok();
  const std::string text = TRY(ReadFile());
  const storage::Rows read = TRY(database_.Query(
      "SELECT body FROM alert_rules WHERE source = 'file' ORDER BY version DESC LIMIT 1"));
  if (!read.empty() && read[0].Text(0) == text) return base::Status::Ok();
  return Apply(text, "file", events::Internal("settings"), "the rules file at the start", now);
}

base::Result<bool> RuleBook::Refresh() {
  const storage::Rows rows = TRY(database_.Query(
      "SELECT version, body, source FROM alert_rules WHERE version > $1 ORDER BY version DESC "
      "LIMIT 1",
      {current()->version}));
  if (rows.empty()) return false;
  TRY(Adopt(rows[0].Int(0), rows[0].Text(1), rows[0].Text(2)));
  return true;
}

base::Status RuleBook::Apply(const std::string& text, const std::string& source,
                             const events::Actor& actor, const std::string& why, base::Micros now) {
  TRY(ReadRules(text, source == "file" ? file_ : "rules", defaults_));
  int64_t version = 0;
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const storage::Rows newest = TRY(transaction.Query(
        "SELECT version, body, source FROM alert_rules ORDER BY version DESC LIMIT 1"));
    if (!newest.empty() && newest[0].Text(1) == text && newest[0].Text(2) == source) {
      version = newest[0].Int(0);
      return base::Status::Ok();
    }
    version = newest.empty() ? 1 : newest[0].Int(0) + 1;
    TRY(transaction.Execute(
        "INSERT INTO alert_rules (version, body, source, who, why, created) VALUES ($1, $2, $3, "
        "$4, $5, $6)",
        {version, text, source, actor.name, why, now}));
    events::Event event;
    event.type = "alert.rules_changed";
    event.subject = "alert_rules/" + std::to_string(version);
    event.actor = actor;
    event.data = Json::MakeObject({{"version", version}, {"source", source}, {"reason", why}});
    return events_.Append(transaction, event);
  }));
  return Adopt(version, text, source);
}

base::Status RuleBook::Reload(const events::Actor& actor, const std::string& why,
                              base::Micros now) {
  if (file_.empty()) {
    return base::FailedPrecondition("no_rules_file",
                                    "setting alerts.rules_file names no file; send the rules");
  }
  return Apply(TRY(ReadFile()), "file", actor, why, now);
}

std::shared_ptr<const RuleSet> RuleBook::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

base::Result<Json> RuleBook::Versions(int64_t limit) {
  const storage::Rows rows = TRY(database_.Query(
      "SELECT version, source, who, why, created, body FROM alert_rules ORDER BY version DESC "
      "LIMIT $1",
      {limit}));
  Json versions = Json::MakeArray();
  for (const storage::Row& row : rows) {
    versions.Append(Json::MakeObject({{"version", row.Int(0)},
                                      {"source", row.Text(1)},
                                      {"who", row.Text(2)},
                                      {"why", row.Text(3)},
                                      {"created", base::FormatTime(row.Int(4))},
                                      {"text", row.Text(5)}}));
  }
  return versions;
}

}  // namespace slipway::monitoring
