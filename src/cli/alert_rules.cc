// SPDX-License-Identifier: Apache-2.0
// `slipway alerts test` and `slipway alerts apply`: rules files that lie here.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/files.h"
#include "base/metrics.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/render.h"
#include "events/migrations.h"
#include "monitoring/migrations.h"
#include "monitoring/rule_check.h"
#include "storage/database.h"

namespace slipway::cli {
namespace {

using base::Json;
namespace fs = std::filesystem;

constexpr int64_t kMostBytes = 8 * 1024 * 1024;

// A database of its own, gone with it.
class Scratch {
 public:
  base::Status Open() {
    // Every step of a test commits: in memory where the system has such a folder.
    std::error_code error;
    const fs::path memory = "/dev/shm";
    const fs::path parent = fs::is_directory(memory, error) ? memory : fs::temp_directory_path();
    std::string pattern = (parent / "slipway-alerts-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return base::FromErrno(errno, "make a scratch folder");
    folder_ = pattern;
    database_ = TRY(storage::OpenSqlite("sqlite:" + folder_ + "/rules.db", {}, metrics_));
    std::vector<storage::Migration> all;
    for (const auto& room : {events::Migrations(), monitoring::Migrations()})
      all.insert(all.end(), room.begin(), room.end());
    return database_->Migrate(all);
  }
  ~Scratch() {
    database_.reset();
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  storage::Database& database() { return *database_; }

 private:
  std::string folder_;
  base::Metrics metrics_;
  std::unique_ptr<storage::Database> database_;
};

int Fail(const base::Status& status) {
  std::fprintf(stderr, "slipway: %s\n", status.message().c_str());
  return 1;
}

base::Result<std::vector<monitoring::RuleTestResult>> RunTests(const std::string& path) {
  const std::string yaml = TRY(base::ReadFile(path, kMostBytes));
  Scratch scratch;
  TRY(scratch.Open());
  const auto read = [&](const std::string& rules) {
    const fs::path beside = fs::path(path).parent_path() / rules;
    return base::ReadFile(beside.string(), kMostBytes);
  };
  return monitoring::RunRuleTests(yaml, path, read, scratch.database());
}

}  // namespace

int TestAlerts(const AlertFileArguments& arguments) {
  const auto results = RunTests(arguments.path);
  if (!results.ok()) return Fail(results.status());
  int failed = 0;
  Json tests = Json::MakeArray();
  for (const monitoring::RuleTestResult& result : *results) {
    if (!result.failures.empty()) ++failed;
    Json failures = Json::MakeArray();
    for (const std::string& failure : result.failures) failures.Append(failure);
    tests.Append(Json::MakeObject({{"name", result.name},
                                   {"passed", result.failures.empty()},
                                   {"failures", std::move(failures)}}));
    if (arguments.json) continue;
    std::printf("%s  %s\n", result.failures.empty() ? "ok    " : "FAILED", result.name.c_str());
    for (const std::string& failure : result.failures) std::printf("        %s\n", failure.c_str());
  }
  if (arguments.json) {
    std::printf("%s\n", Json::MakeObject({{"failed", failed}, {"tests", tests}}).Dump(2).c_str());
  } else {
    std::printf("%zu tests, %d failed\n", results->size(), failed);
  }
  return failed == 0 ? 0 : 1;
}

int ApplyAlertRules(const AlertFileArguments& arguments) {
  const auto text = base::ReadFile(arguments.path, kMostBytes);
  if (!text.ok()) return Fail(text.status());
  const auto names = monitoring::CheckRules(*text, arguments.path);
  if (!names.ok()) return Fail(names.status());
  const Json body = Json::MakeObject({{"text", *text}, {"why", arguments.why}});
  const auto answer = Call(arguments.server, "POST", "/api/v1/alerts/rules", body.Dump());
  if (!answer.ok()) return Fail(answer.status());
  if (answer->status >= 300) {
    std::fprintf(stderr, "slipway: %s\n", ErrorText(*answer).c_str());
    return 1;
  }
  const Json* version = answer->body.Find("version");
  std::printf("%zu rules in force as version %s\n", names->size(),
              version == nullptr ? "?" : version->Dump().c_str());
  return 0;
}

}  // namespace slipway::cli
