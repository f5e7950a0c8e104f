// SPDX-License-Identifier: Apache-2.0
// What only an import may do: versions keep the numbers, times and authors that they had where they
// come from.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::registry {

// The next version of the model gets `number`; kFailedPrecondition (reason "version_number_taken")
// when that one was given before.
base::Status SetNextNumber(storage::Database& database, const std::string& model, int64_t number);

// Takes back a version that a killed import left PENDING, with its files, so that it can be brought
// in again under its number; kFailedPrecondition (reason "version_not_pending") of any other.
base::Status DropHalfDone(storage::Database& database, storage::Blobs& blobs,
                          const std::string& model, int64_t number);

struct Origin {
  std::string user;
  base::Micros created = 0;
  base::Micros updated = 0;
};
base::Status StampVersion(storage::Database& database, const std::string& model, int64_t number,
                          const Origin& origin);
base::Status StampModel(storage::Database& database, const std::string& model,
                        const Origin& origin);

}  // namespace slipway::registry
