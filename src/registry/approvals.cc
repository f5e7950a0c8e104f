// SPDX-License-Identifier: Apache-2.0
// A version's walk, where people have a say: approvals, and gates that are set aside for a reason.
#include "registry/approvals.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/policy.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/state.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr size_t kMostCommentBytes = 4000;

base::Result<std::vector<std::string>> NamesIn(const base::Json& options) {
  std::vector<std::string> names;
  const base::Json* by = options.Find("by");
  if (by == nullptr) return std::vector<std::string>{"*"};
  if (by->is_string()) return std::vector<std::string>{by->AsString()};
  const base::Status bad = base::InvalidArgument("by", "expected users or roles");
  if (!by->is_array() || by->AsArray().empty()) return bad;
  for (const base::Json& name : by->AsArray()) {
    if (!name.is_string()) return bad;
    names.push_back(name.AsString());
  }
  return names;
}

class Approval final : public Gate {
 public:
  Approval(storage::Database& database, base::Clock& clock) : database_(database), clock_(clock) {}
  [[nodiscard]] std::string_view name() const override { return "approval"; }
  [[nodiscard]] std::string_view help() const override {
    return "People have approved it: {by: [users or roles], count: 1, not_author: false}.";
  }
  [[nodiscard]] bool Guards(Stage) const override { return false; }
  [[nodiscard]] base::Status CheckOptions(const base::Json& options) const override {
    TRY(base::RequireOnly(options, {"by", "count", "not_author"}));
    TRY(NamesIn(options));
    TRY(base::OptionalBool(options, "not_author"));
    if (TRY(base::OptionalInt(options, "count")).value_or(1) < 1)
      return base::InvalidArgument("count", "expected 1 or more");
    return {};
  }

  Verdict Check(const GateContext& context) override {
    Verdict verdict;
    const base::Status read = Count(context, verdict);
    if (read.ok()) return verdict;
    verdict.outcome = Outcome::kFail;
    verdict.summary = "The approvals cannot be read: " + read.message();
    return verdict;
  }

 private:
  base::Status Count(const GateContext& context, Verdict& verdict) {
    const std::vector<std::string> by = TRY(NamesIn(context.options));
    const int64_t needed = TRY(base::OptionalInt(context.options, "count")).value_or(1);
    const bool not_author = TRY(base::OptionalBool(context.options, "not_author")).value_or(false);
    std::vector<Word> words;
    TRY(database_.Read([&](storage::Transaction& transaction) -> base::Status {
      words = TRY(LoadWords(transaction, context.version.model, context.version.number));
      return {};
    }));
    std::set<std::string> who;
    base::Json counted = base::Json::MakeArray();
    for (const Word& word : words) {
      const bool counts = word.kind == "approval" && word.stage == context.to &&
                          word.HoldsAt(clock_.Now()) &&
                          (context.policy == nullptr || context.policy->Among(by, word.actor)) &&
                          (!not_author || word.actor != context.version.user);
      if (counts && who.insert(word.actor).second) counted.Append(ToJson(word));
    }
    verdict.outcome = static_cast<int64_t>(who.size()) >= needed ? Outcome::kPass : Outcome::kFail;
    std::string names;
    for (const std::string& name :
         verdict.outcome == Outcome::kPass ? std::vector<std::string>(who.begin(), who.end()) : by)
      names += (names.empty() ? "" : ", ") + name;
    verdict.summary = verdict.outcome == Outcome::kPass
                          ? "Approved by " + names + "."
                          : std::to_string(who.size()) + " of " + std::to_string(needed) +
                                " approvals; one of " + names + " runs: slipway gates approve " +
                                context.version.model + " " +
                                std::to_string(context.version.number) + " " +
                                std::string(StageName(context.to)) + " --comment WHY";
    verdict.evidence = base::Json::MakeObject({{"needed", needed}, {"approvals", counted}});
    return {};
  }

  storage::Database& database_;
  base::Clock& clock_;
};

}  // namespace

base::Json ToJson(const Word& word) {
  const auto time = [](base::Micros at) {
    return at == 0 ? base::Json() : base::Json(base::FormatTime(at));
  };
  return base::Json::MakeObject({{"id", word.id},
                                 {"model", word.model},
                                 {"version", word.number},
                                 {"stage", StageName(word.stage)},
                                 {"kind", word.kind},
                                 {"gate", word.gate},
                                 {"actor", word.actor},
                                 {"comment", word.comment},
                                 {"created", time(word.created)},
                                 {"expires", time(word.expires)},
                                 {"revoked", time(word.revoked)}});
}

base::Result<std::vector<Word>> LoadWords(storage::Transaction& transaction,
                                          const std::string& model, int64_t number) {
  std::vector<Word> words;
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT id, model, number, stage, kind, gate, actor, comment, created, expires, revoked "
           "FROM registry_approvals WHERE model = $1 AND number = $2 ORDER BY id",
           {model, number}))) {
    words.push_back({row.Int(0), row.Text(1), row.Int(2), TRY(ParseStage(row.Text(3))), row.Text(4),
                     row.Text(5), row.Text(6), row.Text(7), row.Int(8), row.Int(9), row.Int(10)});
  }
  return words;
}

std::unique_ptr<Gate> MakeApprovalGate(storage::Database& database, base::Clock& clock) {
  return std::make_unique<Approval>(database, clock);
}

base::Result<std::vector<Word>> Registry::Words(const std::string& model, int64_t number) {
  std::vector<Word> words;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, model, number));
    words = TRY(LoadWords(transaction, model, number));
    return {};
  }));
  return words;
}

base::Result<Word> Registry::Say(Word word, const events::Actor& actor) {
  word.actor = actor.name;
  word.created = state_->clock.Now();
  if (word.comment.empty() || word.comment.size() > kMostCommentBytes) {
    return base::InvalidArgument(word.kind == "override" ? "reason" : "comment",
                                 "say why, in at most 4000 bytes; it is kept in the event log",
                                 "reason_missing");
  }
  if (word.expires != 0 && word.expires <= word.created)
    return base::InvalidArgument("expires", "expected a time to come");
  if (word.stage != Stage::kStaging && word.stage != Stage::kProduction)
    return base::InvalidArgument("to", "expected Staging or Production");
  if (word.kind == "override") {
    TRY(state_->RequireOverrider(actor));
    const bool known = std::ranges::any_of(
        state_->gates, [&](const auto& gate) { return gate->name() == word.gate; });
    if (!known)
      return base::InvalidArgument("gate", "there is no gate '" + word.gate + "'", "no_such_gate");
  }
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, word.model, word.number));
    word.id = TRY(transaction.Query("SELECT MAX(id) FROM registry_approvals")).front().Int(0) + 1;
    TRY(transaction.Execute(
        "INSERT INTO registry_approvals (id, model, number, stage, kind, gate, actor, comment, "
        "created, expires, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)",
        {word.id, word.model, word.number, std::string(StageName(word.stage)), word.kind, word.gate,
         word.actor, word.comment, word.created, word.expires}));
    return state_->Emit(transaction,
                        word.kind == "override" ? "gate.overridden" : "version.approved",
                        SubjectOf(word.model, word.number), actor, ToJson(word));
  }));
  return word;
}

base::Status Registry::Revoke(const std::string& model, int64_t number, int64_t id,
                              const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    std::vector<Word> words = TRY(LoadWords(transaction, model, number));
    const auto word = std::ranges::find(words, id, &Word::id);
    if (word == words.end())
      return base::NotFound("no_such_approval",
                            "version " + std::to_string(number) + " of model '" + model +
                                "' has no approval or override " + std::to_string(id));
    if (word->revoked != 0) return {};
    word->revoked = state_->clock.Now();
    TRY(transaction.Execute("UPDATE registry_approvals SET revoked = $2 WHERE id = $1",
                            {id, word->revoked}));
    return state_->Emit(transaction, "gate.revoked", SubjectOf(model, number), actor,
                        ToJson(*word));
  });
}

base::Status Registry::State::RequireOverrider(const events::Actor& actor) {
  if (TRY(CurrentPolicy())->policy.MayOverride(actor.name)) return {};
  return base::PermissionDenied(
      "may_not_override",
      "'" + actor.name + "' may not override gates: the policy's 'override' says who");
}

// What is set aside does not stand in the way, and says so.
void Registry::State::SetAside(const GatePolicy& policy, const std::vector<Word>& words, Stage to,
                               std::vector<Verdict>& verdicts) const {
  const base::Micros now = clock.Now();
  for (Verdict& verdict : verdicts) {
    if (verdict.outcome != Outcome::kFail) continue;
    for (const Word& word : words) {
      if (word.kind != "override" || word.gate != verdict.gate || word.stage != to ||
          !word.HoldsAt(now) || !policy.MayOverride(word.actor))
        continue;
      verdict.overridden = true;
      verdict.summary += " Overridden by " + word.actor + ": " + word.comment;
      if (!verdict.evidence.is_object()) verdict.evidence = base::Json::MakeObject();
      verdict.evidence.Set("override", ToJson(word));
      break;
    }
  }
}

}  // namespace slipway::registry
