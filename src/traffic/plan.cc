// SPDX-License-Identifier: Apache-2.0
// Walk of a prediction, step "route": how a key finds its arm; and how plans are kept.
#include "traffic/plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"
#include "traffic/endpoints.h"

namespace slipway::traffic {

using base::InvalidArgument;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr size_t kMaxNameBytes = 255;
constexpr double kWeightSlack = 1e-9;

uint32_t SaltedHash(std::string_view salt, std::string_view key) {
  std::array<char, 512> text;
  const size_t size = salt.size() + 1 + key.size();
  if (size > text.size()) {
    return base::Murmur3(std::string(salt).append(":").append(key));
  }
  std::memcpy(text.data(), salt.data(), salt.size());
  text[salt.size()] = ':';
  if (!key.empty()) std::memcpy(text.data() + salt.size() + 1, key.data(), key.size());
  return base::Murmur3({text.data(), size});
}

Status CheckArm(const Arm& arm, const std::string& field) {
  if (arm.name != kStable && arm.name != kCandidate && arm.name != kShadow) {
    return InvalidArgument(field + ".name",
                           "\"" + arm.name + "\": expected stable, candidate or shadow");
  }
  if (arm.model.empty()) return InvalidArgument(field + ".model", "expected a model's name");
  if (arm.version < 1)
    return InvalidArgument(field + ".version", "expected a version number from 1");
  if (!std::isfinite(arm.weight) || arm.weight < 0 || arm.weight > 1) {
    return InvalidArgument(field + ".weight", "expected a number from 0 to 1");
  }
  if (arm.name == kShadow && arm.weight != 0) {
    return InvalidArgument(field + ".weight", "a shadow answers nobody: expected 0");
  }
  return Status::Ok();
}

Result<Plan> PlanFromRow(const storage::Row& row) {
  Plan plan;
  plan.endpoint = row.Text(0);
  plan.epoch = row.Int(1);
  plan.salt = row.Text(2);
  plan.arms = TRY(ArmsFromJson(TRY(Json::Parse(row.Text(3)))));
  plan.since = row.Int(4);
  return plan;
}

constexpr std::string_view kSelectCurrent =
    "SELECT p.endpoint, p.epoch, p.salt, p.arms, p.since FROM endpoints e "
    "JOIN plans p ON p.endpoint = e.name AND p.epoch = e.epoch";

}  // namespace

size_t ChooseArm(const ServedEndpoint& endpoint, std::string_view key) {
  size_t stable = 0;
  size_t candidate = endpoint.arms.size();
  for (size_t i = 0; i < endpoint.arms.size(); ++i) {
    if (endpoint.arms[i].arm.name == kStable) stable = i;
    if (endpoint.arms[i].arm.name == kCandidate) candidate = i;
  }
  if (candidate == endpoint.arms.size()) return stable;
  const double bucket = static_cast<double>(SaltedHash(endpoint.plan.salt, key)) / 4294967296.0;
  return bucket < endpoint.arms[candidate].arm.weight ? candidate : stable;
}

const ServedArm& MainArm(const ServedEndpoint& endpoint) {
  const auto stable =
      std::ranges::find(endpoint.arms, kStable, [](const ServedArm& arm) { return arm.arm.name; });
  if (stable != endpoint.arms.end()) return *stable;
  CHECK(!endpoint.arms.empty(), "an endpoint has a version");
  return endpoint.arms.front();
}

Status CheckEndpointName(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return InvalidArgument("endpoint", "expected a name of 1 to 255 bytes");
  }
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '/') {
      return InvalidArgument("endpoint",
                             "\"" + name + "\": expected no '/' and no control character");
    }
  }
  return Status::Ok();
}

Status CheckArms(const std::vector<Arm>& arms) {
  std::set<std::string_view> names;
  double sum = 0;
  for (size_t i = 0; i < arms.size(); ++i) {
    const std::string field = "arms[" + std::to_string(i) + "]";
    TRY(CheckArm(arms[i], field));
    if (!names.insert(arms[i].name).second) {
      return InvalidArgument(field + ".name", "there are two arms \"" + arms[i].name + "\"");
    }
    sum += arms[i].weight;
  }
  if (!names.contains(kStable)) return InvalidArgument("arms", "expected an arm \"stable\"");
  if (std::abs(sum - 1) > kWeightSlack) {
    return InvalidArgument("arms", "expected weights whose sum is 1, not " + Json(sum).Dump());
  }
  return Status::Ok();
}

Json ArmsToJson(const std::vector<Arm>& arms) {
  Json list = Json::MakeArray();
  for (const Arm& arm : arms) {
    list.Append(Json::MakeObject({{"name", arm.name},
                                  {"model", arm.model},
                                  {"version", arm.version},
                                  {"weight", arm.weight}}));
  }
  return list;
}

Result<std::vector<Arm>> ArmsFromJson(const Json& arms) {
  if (!arms.is_array()) return InvalidArgument("arms", "expected a list");
  std::vector<Arm> list;
  for (const Json& item : arms.AsArray()) {
    Arm arm;
    arm.name = TRY(base::RequireString(item, "name"));
    arm.model = TRY(base::RequireString(item, "model"));
    arm.version = TRY(base::RequireInt(item, "version"));
    arm.weight = TRY(base::RequireDouble(item, "weight"));
    list.push_back(std::move(arm));
  }
  return list;
}

Json ToJson(const Plan& plan) {
  return Json::MakeObject({{"endpoint", plan.endpoint},
                           {"epoch", plan.epoch},
                           {"salt", plan.salt},
                           {"since", base::FormatTime(plan.since)},
                           {"arms", ArmsToJson(plan.arms)}});
}

const Arm* FindArm(const Plan& plan, std::string_view name) {
  for (const Arm& arm : plan.arms) {
    if (arm.name == name) return &arm;
  }
  return nullptr;
}

const Arm* OnlyArm(const Plan& plan) {
  return FindArm(plan, kCandidate) == nullptr ? FindArm(plan, kStable) : nullptr;
}

Result<std::optional<Plan>> CurrentPlan(storage::Transaction& transaction,
                                        const std::string& endpoint) {
  const storage::Rows rows =
      TRY(transaction.Query(std::string(kSelectCurrent) + " WHERE e.name = $1", {endpoint}));
  if (rows.empty()) return std::optional<Plan>();
  return std::optional<Plan>(TRY(PlanFromRow(rows[0])));
}

Result<std::vector<Plan>> CurrentPlans(storage::Transaction& transaction) {
  std::vector<Plan> plans;
  for (const storage::Row& row :
       TRY(transaction.Query(std::string(kSelectCurrent) + " ORDER BY e.name"))) {
    plans.push_back(TRY(PlanFromRow(row)));
  }
  return plans;
}

Result<std::optional<Arm>> RestorableArm(storage::Transaction& transaction, const Plan& plan) {
  const Arm* only = OnlyArm(plan);
  const storage::Rows rows = TRY(transaction.Query(
      "SELECT only_model, only_version FROM plans WHERE endpoint = $1 AND epoch < $2 AND "
      "only_version > 0 "
      "AND NOT (only_model = $3 AND only_version = $4) ORDER BY epoch DESC LIMIT 1",
      {plan.endpoint, plan.epoch, only != nullptr ? only->model : std::string(),
       only != nullptr ? only->version : int64_t{0}}));
  if (rows.empty()) return std::optional<Arm>();
  return std::optional<Arm>(Arm{std::string(kStable), rows[0].Text(0), rows[0].Int(1), 1});
}

Status InsertPlan(storage::Transaction& transaction, const Plan& plan, const std::string& why,
                  const std::string& actor) {
  const Arm* only = OnlyArm(plan);
  TRY(
      transaction.Execute("INSERT INTO plans (endpoint, epoch, salt, arms, only_model, "
                          "only_version, since, why, actor) "
                          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                          {plan.endpoint, plan.epoch, plan.salt, ArmsToJson(plan.arms).Dump(),
                           only != nullptr ? only->model : std::string(),
                           only != nullptr ? only->version : int64_t{0}, plan.since, why, actor}));
  const int64_t changed = TRY(transaction.Execute("UPDATE endpoints SET epoch = $2 WHERE name = $1",
                                                  {plan.endpoint, plan.epoch}));
  if (changed == 0) {
    TRY(transaction.Execute("INSERT INTO endpoints (name, epoch) VALUES ($1, $2)",
                            {plan.endpoint, plan.epoch}));
  }
  return Status::Ok();
}

}  // namespace slipway::traffic
