// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": what of it is kept.
#include "traffic/rollout_store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"
#include "traffic/rollout_codec.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {

using base::Json;
using base::Result;
using base::Status;

namespace {

Result<std::vector<Rollout>> FromRows(const storage::Rows& rows) {
  std::vector<Rollout> rollouts;
  for (const storage::Row& row : rows) {
    rollouts.push_back(TRY(RolloutFromJson(TRY(Json::Parse(row.Text(0))))));
  }
  return rollouts;
}

}  // namespace

Status SaveRollout(storage::Transaction& transaction, const Rollout& rollout) {
  TRY(transaction.Execute(
      "INSERT INTO rollouts (id, endpoint, state, data) VALUES ($1, $2, $3, $4) "
      "ON CONFLICT (id) DO UPDATE SET state = excluded.state, data = excluded.data",
      {rollout.id, rollout.endpoint, std::string(RolloutStateName(rollout.state)),
       ToJson(rollout).Dump()}));
  return Status::Ok();
}

Status SaveEvidence(storage::Transaction& transaction, const std::string& rollout, base::Micros now,
                    const Json& evidence) {
  TRY(transaction.Execute(
      "INSERT INTO rollout_evidence (rollout, saved, data) VALUES ($1, $2, $3) "
      "ON CONFLICT (rollout) DO UPDATE SET saved = excluded.saved, data = excluded.data",
      {rollout, now, evidence.Dump()}));
  return Status::Ok();
}

Result<std::vector<Rollout>> ReadRollouts(storage::Transaction& transaction,
                                          const std::string& endpoint, int64_t limit) {
  return FromRows(TRY(transaction.Query(
      "SELECT data FROM rollouts WHERE endpoint = $1 OR $1 = '' ORDER BY id DESC LIMIT $2",
      {endpoint, limit})));
}

Result<std::vector<Rollout>> ReadActiveRollouts(storage::Transaction& transaction) {
  return FromRows(TRY(transaction.Query(
      "SELECT data FROM rollouts WHERE state = 'running' OR state = 'paused' ORDER BY id")));
}

Result<std::optional<Rollout>> ReadRollout(storage::Transaction& transaction,
                                           const std::string& id) {
  const std::vector<Rollout> found =
      TRY(FromRows(TRY(transaction.Query("SELECT data FROM rollouts WHERE id = $1", {id}))));
  return found.empty() ? std::optional<Rollout>() : std::optional<Rollout>(found[0]);
}

Result<std::optional<Json>> ReadEvidence(storage::Transaction& transaction,
                                         const std::string& rollout) {
  const storage::Rows rows =
      TRY(transaction.Query("SELECT data FROM rollout_evidence WHERE rollout = $1", {rollout}));
  if (rows.empty()) return std::optional<Json>();
  return std::optional<Json>(TRY(Json::Parse(rows[0].Text(0))));
}

}  // namespace slipway::traffic
