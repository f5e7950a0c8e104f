// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/database.h"
#include "storage/databases_testing.h"
#include "storage/migration.h"

namespace slipway::storage {
namespace {

using base::Code;

constexpr std::string_view kFirst =
    "CREATE TABLE a (id BIGINT PRIMARY KEY); -- one; comment\nINSERT INTO a (id) VALUES (1);\n";
constexpr std::string_view kSecond = "ALTER TABLE a ADD COLUMN name TEXT NOT NULL DEFAULT 'x;y'";

class MigrateStore : public testing::TestWithParam<std::string> {
 protected:
  std::string Migrate(const std::vector<Migration>& migrations) {
    return database_->Migrate(migrations).ToString();
  }
  TestDatabase database_{GetParam()};
};

TEST_P(MigrateStore, AppliesEachOnceInOrder) {
  EXPECT_EQ(Migrate({{"tracking", 1, "first", kFirst}}), "OK");
  const std::vector<Migration> both = {{"tracking", 1, "first", kFirst},
                                       {"tracking", 2, "second", kSecond}};
  EXPECT_EQ(Migrate(both), "OK");
  database_.Reopen();
  EXPECT_EQ(Migrate(both), "OK");
  EXPECT_EQ(database_->Query("SELECT name FROM a").value()[0].Text(0), "x;y");
  const Rows rows =
      database_->Query("SELECT room, number, name, sha256 FROM schema_migrations ORDER BY number")
          .value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].Text(2), "second");
  EXPECT_EQ(rows[1].Text(3).size(), 64u);
}

TEST_P(MigrateStore, RoomsAreNumberedApart) {
  EXPECT_EQ(Migrate({{"tracking", 1, "first", kFirst}}), "OK");
  EXPECT_EQ(Migrate({{"registry", 1, "first", "CREATE TABLE b (id BIGINT)"}}), "OK");
}

TEST_P(MigrateStore, AChangedFileIsNamed) {
  ASSERT_EQ(Migrate({{"tracking", 1, "first", kFirst}}), "OK");
  const base::Status status = database_->Migrate(
      std::vector<Migration>{{"tracking", 1, "first", "CREATE TABLE other (id BIGINT)"}});
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_EQ(status.reason(), "migration_changed");
  EXPECT_NE(status.message().find("tracking/migrations/0001_first.sql"), std::string::npos)
      << status.message();
}

TEST_P(MigrateStore, RefusesADatabaseOfANewerVersion) {
  ASSERT_EQ(Migrate({{"tracking", 1, "first", kFirst}, {"tracking", 2, "second", kSecond}}), "OK");
  const base::Status status =
      database_->Migrate(std::vector<Migration>{{"tracking", 1, "first", kFirst}});
  EXPECT_EQ(status.reason(), "newer_schema");
  EXPECT_NE(status.message().find("written by a newer version"), std::string::npos);
}

TEST_P(MigrateStore, AFailureLeavesNothingOfTheBatch) {
  const base::Status status = database_->Migrate(std::vector<Migration>{
      {"tracking", 1, "first", kFirst}, {"tracking", 2, "bad", "CREATE TABEL c (id BIGINT)"}});
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("0002_bad.sql"), std::string::npos) << status.message();
  EXPECT_FALSE(database_->Query("SELECT * FROM a").ok());
  EXPECT_EQ(Migrate({{"tracking", 1, "first", kFirst}}), "OK");
}

INSTANTIATE_TEST_SUITE_P(Databases, MigrateStore, testing::ValuesIn(DatabaseKinds()),
                         [](const auto& kind) { return kind.param; });

}  // namespace
}  // namespace slipway::storage
