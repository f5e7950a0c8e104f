// SPDX-License-Identifier: Apache-2.0
// `slipway import`: works on the data folder itself, so that ids, times and histories can stay as
// they are.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "app/adapters.h"
#include "app/stores.h"
#include "base/log.h"
#include "base/metrics.h"
#include "cli/cli.h"
#include "cli/loaded.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "storage/database.h"
#include "storage/foreign.h"
#include "tracking/tracking.h"
#include "transfer/files.h"
#include "transfer/mlflow_import.h"
#include "transfer/mlflow_source.h"
#include "transfer/wandb_import.h"

namespace slipway::cli {
namespace {

namespace fs = std::filesystem;

// "postgresql+psycopg2://host/db" -> "postgresql://host/db"
std::string WithoutDriver(const std::string& uri) {
  const size_t end = uri.find("://");
  const size_t plus = uri.find('+');
  return plus < end ? uri.substr(0, plus) + uri.substr(end) : uri;
}

base::Result<std::unique_ptr<transfer::MlflowSource>> OpenSource(const std::string& source,
                                                                 const app::Assembly& assembly,
                                                                 base::Metrics& metrics) {
  const std::string uri = WithoutDriver(source);
  constexpr std::string_view kSqlite = "sqlite:///";
  constexpr std::string_view kFile = "file://";
  if (uri.starts_with(kSqlite)) {
    return transfer::OpenSqlSource(
        TRY(storage::OpenForeignSqlite(uri.substr(kSqlite.size()), metrics)));
  }
  const std::string path = uri.starts_with(kFile) ? uri.substr(kFile.size()) : uri;
  if (fs::is_directory(path)) return transfer::OpenFolderSource(path);
  if (fs::is_regular_file(path))
    return transfer::OpenSqlSource(TRY(storage::OpenForeignSqlite(path, metrics)));
  if (uri.find("://") == std::string::npos || uri.starts_with("http")) {
    return base::InvalidArgument(
        "source", "'" + source +
                      "' is not there: expected sqlite:///FILE, postgresql://..., or the path of a "
                      "file or of an mlruns folder (of a tracking server: its own store)");
  }
  storage::DatabaseSettings settings;
  settings.url = uri;
  settings.readers = 1;
  return transfer::OpenSqlSource(
      TRY(storage::OpenDatabase(settings, ".", assembly.databases(), metrics)));
}

void Line(const char* what, const transfer::Count& count) {
  std::printf("%-16s%12lld found%12lld new\n", what, static_cast<long long>(count.found),
              static_cast<long long>(count.added));
}

template <typename Report>
void PrintChecks(const Report& report) {
  std::printf("%lld runs with %lld metric values and %lld files read back and equal\n",
              static_cast<long long>(report.verified_runs),
              static_cast<long long>(report.metric_values),
              static_cast<long long>(report.verified_files));
  for (const std::string& difference : report.differences)
    std::printf("differs: %s\n", difference.c_str());
}

void Print(const transfer::ImportReport& report) {
  Line("experiments", report.experiments);
  Line("runs", report.runs);
  Line("logged models", report.logged_models);
  Line("files", report.files);
  Line("models", report.models);
  Line("versions", report.versions);
  PrintChecks(report);
}

void Print(const transfer::WandbReport& report) {
  Line("runs", report.runs);
  Line("files", report.files);
  Line("versions", report.versions);
  PrintChecks(report);
}

template <typename Report>
int Finish(const base::Result<Report>& report, bool json) {
  if (!report.ok()) return Fail(report.status());
  if (json) {
    std::printf("%s\n", report->ToJson().Dump(2).c_str());
  } else {
    Print(*report);
  }
  return report->differences.empty() ? 0 : 1;
}

// The data folder, open for this process alone.
struct Target {
  Loaded loaded;
  base::Metrics metrics;
  app::Stores stores;
  std::unique_ptr<tracking::Tracking> tracking;
  std::unique_ptr<registry::Registry> registry;

  base::Status Prepare(const ImportArguments& arguments) {
    TRY(Load(arguments.settings, loaded));
    base::ConfigureLog(base::LogFormat::kHuman, base::LogLevel::kWarning);
    return app::PlaceData(loaded.settings);
  }
  base::Result<transfer::ImportTarget> Open() {
    stores = TRY(app::OpenStores(loaded.settings, loaded.assembly, metrics));
    registry = std::make_unique<registry::Registry>(*stores.database, *stores.blobs, *stores.events,
                                                    *stores.clock, loaded.settings.registry);
    // A version keeps what its run says of it from when it enters a stage.
    tracking =
        std::make_unique<tracking::Tracking>(*stores.database, *stores.events, *stores.clock);
    registry->SetMetadataSource(app::MetadataFrom(*tracking));
    return transfer::ImportTarget{*stores.database, *stores.blobs, *stores.events, *registry};
  }
};

base::Result<transfer::ImportReport> RunMlflow(const ImportArguments& arguments) {
  Target target;
  TRY(target.Prepare(arguments));
  const std::unique_ptr<transfer::MlflowSource> source =
      TRY(OpenSource(arguments.source, target.loaded.assembly, target.metrics));
  const transfer::ImportTarget opened = TRY(target.Open());
  transfer::SourceFiles files(arguments.artifacts, [&](const std::string& uri) {
    return storage::OpenBlobs(uri, target.loaded.settings.process.data,
                              target.loaded.assembly.stores());
  });
  transfer::ImportOptions options;
  options.artifacts = !arguments.without_artifacts;
  if (!arguments.json) {
    options.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  }
  return transfer::ImportMlflow(*source, files, opened, options);
}

base::Result<transfer::WandbReport> RunWandb(const ImportArguments& arguments) {
  Target target;
  TRY(target.Prepare(arguments));
  const transfer::ImportTarget opened = TRY(target.Open());
  return transfer::ImportWandb(arguments.source, opened);
}

}  // namespace

int ImportMlflow(const ImportArguments& arguments) {
  return Finish(RunMlflow(arguments), arguments.json);
}

int ImportWandb(const ImportArguments& arguments) {
  return Finish(RunWandb(arguments), arguments.json);
}

}  // namespace slipway::cli
