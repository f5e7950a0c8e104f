// SPDX-License-Identifier: Apache-2.0
// Who must not be woken, and until when.
#include "monitoring/silences.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "monitoring/rules/rule.h"

namespace slipway::monitoring {
namespace {

using base::Json;

constexpr std::string_view kColumns = "id, matcher, starts, ends, who, why";
constexpr size_t kMaxLabels = 20;

Json MatcherJson(const Silence& silence) {
  Json json = Json::MakeObject();
  for (const auto& [label, pattern] : silence.matcher) json.Set(label, pattern);
  return json;
}

Silence FromRow(const storage::Row& row) {
  Silence silence{row.Text(0), {}, row.Int(2), row.Int(3), row.Text(4), row.Text(5)};
  const auto matcher = Json::Parse(row.Text(1));
  if (!matcher.ok() || !matcher->is_object()) return silence;
  for (const auto& [label, pattern] : matcher->AsObject()) {
    if (pattern.is_string()) silence.matcher[label] = pattern.AsString();
  }
  return silence;
}

events::Event EventOf(const char* type, const Silence& silence, const events::Actor& actor,
                      base::Micros now) {
  events::Event event;
  event.type = type;
  event.subject = "silence/" + silence.id;
  event.actor = actor;
  event.data = ToJson(silence, now);
  return event;
}

}  // namespace

Json ToJson(const Silence& silence, base::Micros now) {
  return Json::MakeObject({{"id", silence.id},
                           {"matcher", MatcherJson(silence)},
                           {"starts", base::FormatTime(silence.starts)},
                           {"ends", base::FormatTime(silence.ends)},
                           {"active", silence.starts <= now && silence.ends > now},
                           {"who", silence.who},
                           {"why", silence.why}});
}

const Silence* FindSilence(const std::vector<Silence>& silences,
                           const std::map<std::string, std::string>& labels) {
  for (const Silence& silence : silences) {
    const bool matches =
        !silence.matcher.empty() &&
        std::all_of(silence.matcher.begin(), silence.matcher.end(), [&](const auto& wanted) {
          const auto label = labels.find(wanted.first);
          return label != labels.end() && Matches(wanted.second, label->second);
        });
    if (matches) return &silence;
  }
  return nullptr;
}

base::Result<std::map<std::string, std::string>> ReadMatcher(const Json& json,
                                                             const std::string& field) {
  const std::string expected =
      "expected a mapping of label (rule, endpoint, version, severity or one of the rule's) to "
      "pattern";
  if (!json.is_object() || json.AsObject().empty() || json.AsObject().size() > kMaxLabels)
    return base::InvalidArgument(field, expected);
  std::map<std::string, std::string> matcher;
  for (const auto& [label, pattern] : json.AsObject()) {
    if (!pattern.is_string() || pattern.AsString().empty())
      return base::InvalidArgument(field + "." + label, "expected a pattern such as \"fraud-*\"");
    matcher[label] = pattern.AsString();
  }
  return matcher;
}

Silences::Silences(storage::Database& database, events::EventLog& events)
    : database_(database), events_(events) {}

base::Result<Silence> Silences::Add(Silence silence, const events::Actor& actor, base::Micros now) {
  if (silence.matcher.empty())
    return base::InvalidArgument("matcher", "expected at least one label to match");
  if (silence.why.empty())
    return base::InvalidArgument("why", "expected a reason: it stands in the audit log");
  silence.starts = std::max(silence.starts, now);
  if (silence.ends <= silence.starts)
    return base::InvalidArgument("until",
                                 "expected a time after " + base::FormatTime(silence.starts));
  silence.id = base::NewUlid(now);
  silence.who = actor.name;
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const storage::Rows there =
        TRY(transaction.Query("SELECT COUNT(*) FROM silences WHERE ends > $1", {now}));
    if (there[0].Int(0) >= static_cast<int64_t>(kMaxSilences)) {
      return base::ResourceExhausted(
          "too_many_silences", "at most " + std::to_string(kMaxSilences) + " silences at once");
    }
    TRY(transaction.Execute(
        "INSERT INTO silences (" + std::string(kColumns) + ") VALUES ($1, $2, $3, $4, $5, $6)",
        {silence.id, MatcherJson(silence).Dump(), silence.starts, silence.ends, silence.who,
         silence.why}));
    return events_.Append(transaction, EventOf("alert.silenced", silence, actor, now));
  }));
  return silence;
}

base::Status Silences::End(const std::string& id, const events::Actor& actor, base::Micros now) {
  return database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const storage::Rows rows = TRY(transaction.Query(
        "SELECT " + std::string(kColumns) + " FROM silences WHERE id = $1", {id}));
    if (rows.empty()) return base::NotFound("silence_not_found", "no silence '" + id + "'");
    Silence silence = FromRow(rows[0]);
    if (silence.ends <= now)
      return base::FailedPrecondition("silence_over", "this silence has ended already");
    silence.ends = now;
    TRY(transaction.Execute("UPDATE silences SET ends = $2 WHERE id = $1", {id, now}));
    return events_.Append(transaction, EventOf("alert.unsilenced", silence, actor, now));
  });
}

base::Result<std::vector<Silence>> Silences::List(bool ended, base::Micros now) {
  const storage::Rows rows = TRY(
      database_.Query("SELECT " + std::string(kColumns) +
                          " FROM silences WHERE ends > $1 ORDER BY starts DESC, id DESC LIMIT $2",
                      {ended ? base::Micros{0} : now, static_cast<int64_t>(kMaxSilences)}));
  std::vector<Silence> silences;
  silences.reserve(rows.size());
  for (const storage::Row& row : rows) silences.push_back(FromRow(row));
  return silences;
}

base::Result<std::vector<Silence>> Silences::Active(storage::Transaction& transaction,
                                                    base::Micros now) {
  const storage::Rows rows =
      TRY(transaction.Query("SELECT " + std::string(kColumns) +
                                " FROM silences WHERE starts <= $1 AND ends > $1 ORDER BY id",
                            {now}));
  std::vector<Silence> silences;
  silences.reserve(rows.size());
  for (const storage::Row& row : rows) silences.push_back(FromRow(row));
  return silences;
}

}  // namespace slipway::monitoring
