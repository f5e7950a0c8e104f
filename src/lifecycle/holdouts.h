// SPDX-License-Identifier: Apache-2.0
// Holdouts: labelled rows that candidates are measured on, registered once under a name and never
// changed; a second registration of other bytes is the name's next version. The file is kept as it
// came, `holdouts/<name>/<sha256>`. Thread-safe; blocks. Event: holdout.registered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "lifecycle/holdout_rows.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::lifecycle {

struct Holdout {
  std::string name;
  int64_t version = 0;
  std::string sha256;  // of the file
  HoldoutShape shape;
  int64_t rows = 0;
  int64_t size_bytes = 0;
  std::string actor;
  base::Micros created = 0;
};
base::Json ToJson(const Holdout& holdout);

class Holdouts {
 public:
  Holdouts(storage::Database& database, storage::Blobs& blobs, events::EventLog& events,
           base::Clock& clock);
  // Reads the rows first (ReadHoldout's errors). The same file and shape again is the version that
  // there is.
  base::Result<Holdout> Register(const std::string& name, std::string_view bytes,
                                 HoldoutShape shape, const events::Actor& actor);
  base::Result<std::vector<Holdout>> List();  // by name, newest first
  // Whether some version of `name` has these bytes.
  base::Result<bool> Has(const std::string& name, const std::string& sha256);
  // The newest version of `name`, or "name@3"; kNotFound (reason "holdout_not_found").
  base::Result<Holdout> Find(const std::string& name);
  // kDataLoss (reason "file_differs") when the bytes are not those that were registered.
  base::Result<HoldoutRows> Load(const Holdout& holdout);

 private:
  storage::Database& database_;
  storage::Blobs& blobs_;
  events::EventLog& events_;
  base::Clock& clock_;
};

}  // namespace slipway::lifecycle
