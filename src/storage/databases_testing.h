// SPDX-License-Identifier: Apache-2.0
// Real databases for tests of any room. Every store test runs on both kinds:
//   class RegistryStore : public testing::TestWithParam<std::string> { storage::TestDatabase database_{GetParam()}; };
//   INSTANTIATE_TEST_SUITE_P(Databases, RegistryStore, testing::ValuesIn(storage::DatabaseKinds()));
// The first PostgreSQL database of a test program starts a real server (in a temporary folder, on a Unix socket), which ends
// with the program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "storage/database.h"

namespace slipway::storage {

std::vector<std::string> DatabaseKinds();  // "sqlite", "postgresql"

// A folder that is removed, with all in it, at the end.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A fresh, empty database; gone at the end. Ends the program with a message when it cannot be made.
class TestDatabase {
 public:
  explicit TestDatabase(const std::string& kind, DatabaseSettings settings = {});
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  Database& operator*() { return *database_; }
  Database* operator->() { return database_.get(); }
  base::Metrics& metrics() { return metrics_; }
  // The file of SQLite, the URL of PostgreSQL.
  const std::string& address() const { return address_; }
  // Closes it and opens it again, as a restart does.
  void Reopen();
  // A further, independent one over the same data (another replica).
  base::Result<std::unique_ptr<Database>> OpenAnother();

 private:
  const std::string kind_;
  const DatabaseSettings settings_;
  TestFolder folder_;
  std::string address_;
  base::Metrics metrics_;
  std::unique_ptr<Database> database_;
};

// A program of the set-up (SLIPWAY_TOOLS/bin, then PATH). Ends the program with a message that names the set-up when absent.
std::string FindTool(const std::string& name);

}  // namespace slipway::storage
