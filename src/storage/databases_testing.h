// SPDX-License-Identifier: Apache-2.0
// Real databases for tests of any room. Every store test runs on both kinds:
//   class RegistryStore : public testing::TestWithParam<std::string> { storage::TestDatabase
//   database_{GetParam()}; }; INSTANTIATE_TEST_SUITE_P(Databases, RegistryStore,
//   testing::ValuesIn(storage::DatabaseKinds()));
// The first PostgreSQL database of a test program starts a real server (in a temporary folder, on a
// Unix socket), which ends with the program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "storage/database.h"
#include "storage/folder_testing.h"

namespace slipway::storage {

std::vector<std::string> DatabaseKinds();  // "sqlite", "postgresql"

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
  [[nodiscard]] const std::string& address() const { return address_; }
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

}  // namespace slipway::storage
