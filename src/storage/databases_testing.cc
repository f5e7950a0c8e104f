// SPDX-License-Identifier: Apache-2.0
// Starts what store tests run against.
#include "storage/databases_testing.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/process.h"
#include "base/status.h"
#include "storage/database.h"

namespace slipway::storage {
namespace {

constexpr base::Micros kStartLimit = 60 * base::kSecond;

std::string PostgresqlFolder() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (fs::exists(version.path() / "bin/initdb")) return (version.path() / "bin").string();
  }
  CHECK(false,
        "no PostgreSQL server below /usr/lib/postgresql: the set-up (deps/apt.txt) installs it");
}

// PostgreSQL refuses to run as root; the child ends when this program does.
std::vector<std::string> AsPostgres(std::vector<std::string> command) {
  std::vector<std::string> argv = {"setpriv"};
  if (geteuid() == 0)
    argv.insert(argv.end(), {"--reuid", "postgres", "--regid", "postgres", "--clear-groups"});
  argv.insert(argv.end(), {"--pdeathsig", "QUIT"});
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

class PostgresqlServer {
 public:
  PostgresqlServer() {
    if (geteuid() == 0) {
      const passwd* user = getpwnam("postgres");
      CHECK(user != nullptr && chown(folder_.path().c_str(), user->pw_uid, user->pw_gid) == 0,
            "no user postgres");
    }
    const std::string binaries = PostgresqlFolder();
    const std::string data = folder_ / "data";
    auto initdb = base::Process::Start(
        {AsPostgres({binaries + "/initdb", "-D", data, "-U", "slipway", "-A", "trust", "-E", "UTF8",
                     "--locale", "C.UTF-8", "--no-sync"}),
         {},
         folder_.path(),
         folder_ / "initdb.log"});
    CHECK(initdb.ok(), initdb.status().ToString());
    auto made = initdb->Wait(kStartLimit);
    CHECK(made.ok() && made->exited && made->exit_status == 0,
          "initdb failed: " + Log("initdb.log"));
    auto server = base::Process::Start(
        {AsPostgres({binaries + "/postgres", "-D", data, "-k", folder_.path(), "-c",
                     "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-c",
                     "shared_buffers=16MB", "-c", "unix_socket_permissions=0777"}),
         {},
         folder_.path(),
         folder_ / "postgres.log"});
    CHECK(server.ok(), server.status().ToString());
    server_.emplace(std::move(server).value());
    const int64_t give_up = base::MonotonicNanos() + kStartLimit * 1000;
    while (PQping(Url("postgres").c_str()) != PQPING_OK) {
      CHECK(base::MonotonicNanos() < give_up, "PostgreSQL did not start: " + Log("postgres.log"));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  ~PostgresqlServer() { server_->Kill(10 * base::kSecond); }

  [[nodiscard]] std::string Url(const std::string& database) const {
    return "postgresql:///" + database + "?user=slipway&host=" + folder_.path();
  }

  void Run(const std::string& sql) const {
    PGconn* connection = PQconnectdb(Url("postgres").c_str());
    PGresult* result = PQexec(connection, sql.c_str());
    CHECK(PQresultStatus(result) == PGRES_COMMAND_OK, sql + ": " + PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
  }

 private:
  [[nodiscard]] std::string Log(const std::string& name) const {
    auto text = base::ReadFile(folder_ / name, 1 << 20);
    return text.ok() ? *text : text.status().ToString();
  }

  TestFolder folder_;
  std::optional<base::Process> server_;
};

PostgresqlServer& Server() {
  static PostgresqlServer server;
  return server;
}

base::Result<std::unique_ptr<Database>> OpenAt(const std::string& kind, const std::string& address,
                                               const DatabaseSettings& settings,
                                               base::Metrics& metrics) {
  return kind == "sqlite" ? OpenSqlite(address, settings, metrics)
                          : OpenPostgresql(address, settings, metrics);
}

}  // namespace

std::vector<std::string> DatabaseKinds() { return {"sqlite", "postgresql"}; }

TestDatabase::TestDatabase(const std::string& kind, DatabaseSettings settings)
    : kind_(kind), settings_(std::move(settings)) {
  if (kind_ == "sqlite") {
    address_ = folder_ / "slipway.db";
  } else {
    const std::string name = "test_" + base::RandomHex32();
    Server().Run("CREATE DATABASE " + name);
    address_ = Server().Url(name);
  }
  Reopen();
}

TestDatabase::~TestDatabase() {
  database_.reset();
  if (kind_ == "sqlite") return;
  const size_t start = std::string_view("postgresql:///").size();
  Server().Run("DROP DATABASE " + address_.substr(start, address_.find('?') - start) +
               " WITH (FORCE)");
}

void TestDatabase::Reopen() {
  database_.reset();
  auto opened = OpenAnother();
  CHECK(opened.ok(), opened.status().ToString());
  database_ = std::move(opened).value();
}

base::Result<std::unique_ptr<Database>> TestDatabase::OpenAnother() {
  return OpenAt(kind_, address_, settings_, metrics_);
}

}  // namespace slipway::storage
