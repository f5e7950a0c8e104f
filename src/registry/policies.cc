// SPDX-License-Identifier: Apache-2.0
// A version's walk, its rules on record: each policy that ever held, who set it and why.
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/yaml.h"
#include "registry/policy.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/state.h"

namespace slipway::registry {
namespace {

constexpr size_t kMostPolicyBytes = 256UL * 1024;
constexpr std::string_view kApplied = "applied", kSettings = "settings";

base::Result<GatePolicy> ParseText(const std::string& text, const std::string& name,
                                   const std::vector<std::unique_ptr<Gate>>& gates) {
  if (text.size() > kMostPolicyBytes)
    return base::InvalidArgument("policy", "expected at most 256 KiB");
  const base::YamlTree yaml = TRY(base::ReadYaml(text, name));
  if (!yaml.tree.is_object())
    return base::InvalidArgument("policy",
                                 name + ":1:1: expected a mapping of roles, override, rules");
  auto policy = GatePolicy::Parse(yaml.tree, gates, "");
  if (policy.ok()) return policy;
  const base::Status& wrong = policy.status();
  return base::InvalidArgument(
      wrong.field(), yaml.PlaceOf(wrong.field()) + ": " + wrong.field() + ": " + wrong.message());
}

}  // namespace

base::Result<int64_t> NewestPolicy(storage::Transaction& transaction) {
  return TRY(transaction.Query("SELECT COALESCE(MAX(version), 0) FROM registry_policies"))
      .front()
      .Int(0);
}

base::Result<std::shared_ptr<const KeptPolicy>> Registry::State::CurrentPolicy() {
  std::shared_ptr<const KeptPolicy> known;
  {
    const std::lock_guard hold(mutex);
    known = kept_policy;
  }
  KeptPolicy next;
  bool same = false;
  TRY(database.Read([&](storage::Transaction& transaction) -> base::Status {
    next.version = TRY(NewestPolicy(transaction));
    same = known != nullptr && known->version == next.version;
    if (same || next.version == 0) return {};
    const storage::Rows rows = TRY(transaction.Query(
        "SELECT body, origin, source FROM registry_policies WHERE version = $1", {next.version}));
    next.policy = TRY(GatePolicy::Parse(TRY(base::Json::Parse(rows.front().Text(0))), gates));
    next.origin = rows.front().Text(1);
    next.text = rows.front().Text(2);
    return {};
  }));
  if (same) return known;
  known = std::make_shared<const KeptPolicy>(std::move(next));
  const std::lock_guard hold(mutex);
  kept_policy = known;
  return known;
}

// False when somebody else was first. `next.version` is the number it gets.
base::Result<bool> Registry::State::WritePolicy(const KeptPolicy& next,
                                                const events::Actor& actor) {
  bool written = false;
  TRY(database.Write([&](storage::Transaction& transaction) -> base::Status {
    written = TRY(NewestPolicy(transaction)) + 1 == next.version;
    if (!written) return {};
    TRY(transaction.Execute(
        "INSERT INTO registry_policies (version, time, body, actor, reason, origin, source) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        {next.version, clock.Now(), next.policy.json().Dump(), actor.name, actor.reason,
         next.origin, next.text}));
    return Emit(transaction, "gates.policy_changed", "gates/policy", actor,
                base::Json::MakeObject({{"version", next.version},
                                        {"origin", next.origin},
                                        {"reason", actor.reason},
                                        {"policy", next.policy.json()}}));
  }));
  return written;
}

// What the settings say is on record, once for each change, as long as nobody applied another.
base::Status Registry::State::KeepPolicy() {
  KeptPolicy next;
  next.policy = TRY(GatePolicy::Parse(settings.policy, gates));
  const std::shared_ptr<const KeptPolicy> known = TRY(CurrentPolicy());
  if (known->origin == kApplied) return {};
  if (known->policy.json().Dump() == next.policy.json().Dump()) return {};
  next.version = known->version + 1;
  TRY(WritePolicy(next, events::Internal("settings")));
  return {};
}

base::Status Registry::CheckPolicy(const std::string& text, const std::string& name) {
  return ParseText(text, name, state_->gates).status();
}

base::Result<base::Json> Registry::ApplyPolicy(const std::optional<std::string>& text,
                                               const std::string& name,
                                               std::optional<int64_t> expected,
                                               const events::Actor& actor) {
  TRY(state_->RequireOverrider(actor));
  if (actor.reason.empty())
    return base::InvalidArgument("reason", "say why; it is kept in the event log",
                                 "reason_missing");
  const std::shared_ptr<const KeptPolicy> known = TRY(state_->CurrentPolicy());
  KeptPolicy next;
  next.version = known->version + 1;
  next.origin = text ? kApplied : kSettings;
  next.text = text.value_or("");
  next.policy = text ? TRY(ParseText(*text, name, state_->gates))
                     : TRY(GatePolicy::Parse(state_->settings.policy, state_->gates));
  const bool written =
      expected.value_or(known->version) == known->version && TRY(state_->WritePolicy(next, actor));
  if (!written)
    return base::Status(base::Code::kAborted, "policy_changed",
                        "the policy was changed meanwhile: read it and try again");
  return PolicyJson();
}

base::Result<base::Json> Registry::PolicyJson() {
  const std::shared_ptr<const KeptPolicy> policy = TRY(state_->CurrentPolicy());
  base::Json versions = base::Json::MakeArray();
  for (const storage::Row& row : TRY(state_->database.Query(
           "SELECT version, time, body, actor, reason, origin FROM registry_policies "
           "ORDER BY version DESC LIMIT 100"))) {
    versions.Append(base::Json::MakeObject({{"version", row.Int(0)},
                                            {"time", base::FormatTime(row.Int(1))},
                                            {"policy", TRY(base::Json::Parse(row.Text(2)))},
                                            {"actor", row.Text(3)},
                                            {"reason", row.Text(4)},
                                            {"origin", row.Text(5)}}));
  }
  return base::Json::MakeObject({{"version", policy->version},
                                 {"origin", policy->origin},
                                 {"policy", policy->policy.json()},
                                 {"text", policy->text},
                                 {"versions", std::move(versions)}});
}

}  // namespace slipway::registry
