// SPDX-License-Identifier: Apache-2.0
// Stores: what lies in a data folder, opened for this process alone: the ground of the server, and
// all that a command needs which works on the folder itself.
#pragma once

#include <memory>

#include "app/assembly.h"
#include "app/settings.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::app {

struct Stores {
  base::FileHandle lock;  // held as long as the folder is in use
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<base::Clock> clock;
  std::unique_ptr<storage::Blobs> blobs;
  std::unique_ptr<events::EventLog> events;
};

// Makes the data folder, and the settings' paths absolute.
base::Status PlaceData(Settings& settings);
// After PlaceData. kFailedPrecondition (reason "data_in_use") when another process has the folder.
base::Result<Stores> OpenStores(const Settings& settings, const Assembly& assembly,
                                base::Metrics& metrics);

}  // namespace slipway::app
