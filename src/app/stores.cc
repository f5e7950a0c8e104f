// SPDX-License-Identifier: Apache-2.0
// The first thing that is opened: the data folder, its database with its schema, its artifacts.
#include "app/stores.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "events/migrations.h"
#include "lifecycle/migrations.h"
#include "monitoring/migrations.h"
#include "pipelines/migrations.h"
#include "registry/migrations.h"
#include "tracking/migrations.h"
#include "traffic/migrations.h"

namespace slipway::app {
namespace {

// Held as long as it is in use, so that two never write one folder.
base::Result<base::FileHandle> LockFolder(const std::string& folder) {
  const std::string path = folder + "/lock";
  base::FileHandle handle(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!handle.valid()) return base::FromErrno(errno, "open " + path);
  if (flock(handle.fd(), LOCK_EX | LOCK_NB) != 0) {
    return base::FailedPrecondition("data_in_use",
                                    "another process is using the data folder " + folder);
  }
  return handle;
}

std::vector<storage::Migration> AllMigrations(const Assembly& assembly) {
  std::vector<storage::Migration> all;
  for (const auto& room :
       {events::Migrations(), tracking::Migrations(), registry::Migrations(), traffic::Migrations(),
        monitoring::Migrations(), pipelines::Migrations(), lifecycle::Migrations()}) {
    all.insert(all.end(), room.begin(), room.end());
  }
  const std::vector<storage::Migration> rows = assembly.Migrations();
  all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

// A driven clock goes on where the last event stands, so that a restart does not turn time back.
base::Result<std::unique_ptr<base::Clock>> MakeClock(const ProcessSettings& settings,
                                                     storage::Database& database) {
  if (settings.clock_mode == "system")
    return std::unique_ptr<base::Clock>(std::make_unique<base::SystemClock>());
  const auto configured = base::ParseTime(settings.clock_start);
  if (!configured.ok()) return base::InvalidArgument("clock.start", configured.status().message());
  const storage::Rows rows = TRY(database.Query("SELECT MAX(time) FROM events"));
  const base::Micros last = rows.empty() ? 0 : rows[0].Int(0);
  return std::unique_ptr<base::Clock>(
      std::make_unique<base::DrivenClock>(std::max(*configured, last)));
}

}  // namespace

base::Status PlaceData(Settings& settings) {
  TRY(base::CreateDirectories(settings.process.data));
  settings.process.data = std::filesystem::absolute(settings.process.data).string();
  settings.registry.cache_folder =
      (std::filesystem::path(settings.process.data) / settings.registry.cache_folder).string();
  return {};
}

base::Result<Stores> OpenStores(const Settings& settings, const Assembly& assembly,
                                base::Metrics& metrics) {
  const std::string& data = settings.process.data;
  Stores stores;
  stores.lock = TRY(LockFolder(data));
  stores.database =
      TRY(storage::OpenDatabase(settings.database, data, assembly.databases(), metrics));
  TRY(stores.database->Migrate(AllMigrations(assembly)));
  stores.clock = TRY(MakeClock(settings.process, *stores.database));
  stores.blobs = TRY(storage::OpenBlobs(settings.process.artifacts, data, assembly.stores()));
  stores.events = std::make_unique<events::EventLog>(*stores.database, *stores.clock);
  return stores;
}

}  // namespace slipway::app
