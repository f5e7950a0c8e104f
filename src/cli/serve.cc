// SPDX-License-Identifier: Apache-2.0
// `slipway serve` and `slipway config show`: settings from defaults, file, environment and flags;
// then the server until a signal.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iterator>

#include "app/server.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/loaded.h"
#include "cli/render.h"

extern char** environ;

namespace slipway::cli {
namespace {

constexpr int64_t kMostConfigBytes = 16LL * 1024 * 1024;

// Names that our own tools put into the environment: of the client, of a pipeline's step, of the
// build's scripts.
bool IsNoSetting(std::string_view name) {
  static constexpr std::string_view kNames[] = {"SLIPWAY_SERVER",
                                                "SLIPWAY_URL",
                                                "SLIPWAY_NOW",
                                                "SLIPWAY_OUTPUT",
                                                "SLIPWAY_RUN_ID",
                                                "SLIPWAY_PIPELINE",
                                                "SLIPWAY_TRIGGER",
                                                "SLIPWAY_ROOT",
                                                "SLIPWAY_CACHE",
                                                "SLIPWAY_SDK",
                                                "SLIPWAY_VENV",
                                                "SLIPWAY_TOOLS",
                                                "SLIPWAY_PYTHON",
                                                "SLIPWAY_TOOLCHAINS",
                                                "SLIPWAY_BINARY",
                                                "SLIPWAY_RUN_FOLDER",
                                                "SLIPWAY_PROGRAMS",
                                                "SLIPWAY_FRAMEWORKS",
                                                "SLIPWAY_FRAMEWORKS_VENV",
                                                "SLIPWAY_MLFLOW2",
                                                "SLIPWAY_EVIDENTLY",
                                                "SLIPWAY_DUCKDB"};
  return name.starts_with("SLIPWAY_PARAM_") ||
         std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

void ConfigureLog(const app::ProcessSettings& settings) {
  base::LogLevel level = base::LogLevel::kInfo;
  if (settings.log_level == "debug") level = base::LogLevel::kDebug;
  if (settings.log_level == "warning") level = base::LogLevel::kWarning;
  if (settings.log_level == "error") level = base::LogLevel::kError;
  base::ConfigureLog(
      settings.log_format == "json" ? base::LogFormat::kJson : base::LogFormat::kHuman, level);
}

}  // namespace

base::Status Load(const ServeArguments& arguments, Loaded& loaded) {
  base::ConfigInput input;
  if (!arguments.config_path.empty()) {
    input.yaml = TRY(base::ReadFile(arguments.config_path, kMostConfigBytes));
    input.yaml_name = arguments.config_path;
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (!text.starts_with("SLIPWAY_") || equals == std::string_view::npos ||
        IsNoSetting(text.substr(0, equals)))
      continue;
    input.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  input.flags = arguments.flags;
  base::Schema schema;
  app::Describe(schema, loaded.settings);
  loaded.assembly.Describe(schema);
  TRY(schema.Apply(input));
  loaded.rows = schema.Rows();
  return base::Status::Ok();
}

int Fail(const base::Status& status) {
  const std::string where = status.field().empty() ? "" : status.field() + ": ";
  std::fprintf(stderr, "slipway: %s%s\n", where.c_str(), status.message().c_str());
  return 1;
}

int Serve(const ServeArguments& arguments) {
  Loaded loaded;
  if (const base::Status status = Load(arguments, loaded); !status.ok()) return Fail(status);
  ConfigureLog(loaded.settings.process);
  // Blocked before any thread starts, so that only this one takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at the process's limit is an error of the write

  auto server =
      app::Server::Build(std::move(loaded.settings), loaded.assembly, std::move(loaded.rows));
  if (!server.ok()) return Fail(server.status());
  if (const base::Status status = (*server)->Start(); !status.ok()) return Fail(status);
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) (*server)->ReloadCertificates();
  base::Log(base::LogLevel::kInfo, "app", "stopping",
            {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  // A second signal means now.
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  (*server)->Stop();
  return 0;
}

int ConfigShow(const ServeArguments& arguments, bool json) {
  Loaded loaded;
  if (const base::Status status = Load(arguments, loaded); !status.ok()) return Fail(status);
  base::Json::Array rows;
  for (const base::SettingRow& row : app::MaskSecrets(loaded.rows)) {
    const std::string origin = row.where.empty() ? "default" : row.where;
    rows.push_back(base::Json::MakeObject({{"key", row.key},
                                           {"value", row.value},
                                           {"origin", origin},
                                           {"type", row.type},
                                           {"help", row.help}}));
  }
  if (json) {
    std::printf(
        "%s\n",
        base::Json::MakeObject({{"settings", base::Json(std::move(rows))}}).Dump(2).c_str());
    return 0;
  }
  static const std::vector<Column> kColumns = {
      {"SETTING", "key"}, {"VALUE", "value"}, {"FROM", "origin"}, {"WHAT", "help"}};
  std::fputs(Table(kColumns, rows).c_str(), stdout);
  return 0;
}

}  // namespace slipway::cli
