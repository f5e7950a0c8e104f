// SPDX-License-Identifier: Apache-2.0
// A version's walk, begun elsewhere: its number and its times.
#include "registry/import.h"

#include <cstdint>
#include <string>

#include "base/status.h"
#include "registry/records.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::registry {

base::Status SetNextNumber(storage::Database& database, const std::string& model, int64_t number) {
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, model));
    const int64_t changed = TRY(transaction.Execute(
        "UPDATE registry_models SET next_number = $2 WHERE name = $1 AND next_number <= $2",
        {model, number}));
    if (changed > 0) return {};
    return base::FailedPrecondition("version_number_taken",
                                    "number " + std::to_string(number) + " of model '" + model +
                                        "' was given before: numbers are never given twice");
  });
}

base::Status DropHalfDone(storage::Database& database, storage::Blobs& blobs,
                          const std::string& model, int64_t number) {
  std::string folder;
  TRY(database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Version version = TRY(LoadVersion(transaction, model, number));
    if (version.status != "PENDING_REGISTRATION") {
      return base::FailedPrecondition(
          "version_not_pending",
          "version " + std::to_string(number) + " of model '" + model + "' is " + version.status);
    }
    folder = version.Folder();
    for (const char* table : {"registry_versions", "registry_version_tags"}) {
      TRY(transaction.Execute(
          std::string("DELETE FROM ") + table + " WHERE model = $1 AND number = $2",
          {model, number}));
    }
    TRY(transaction.Execute("UPDATE registry_models SET next_number = $2 WHERE name = $1",
                            {model, number}));
    return {};
  }));
  const base::Status removed = blobs.Remove(folder);
  return removed.code() == base::Code::kNotFound ? base::Status() : removed;
}

base::Status StampVersion(storage::Database& database, const std::string& model, int64_t number,
                          const Origin& origin) {
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(
        transaction.Execute("UPDATE registry_versions SET author = $3, created = $4, updated = $5 "
                            "WHERE model = $1 AND number = $2",
                            {model, number, origin.user, origin.created, origin.updated}));
    return {};
  });
}

base::Status StampModel(storage::Database& database, const std::string& model,
                        const Origin& origin) {
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(transaction.Execute("UPDATE registry_models SET created = $2, updated = $3 WHERE name = $1",
                            {model, origin.created, origin.updated}));
    return {};
  });
}

}  // namespace slipway::registry
