// SPDX-License-Identifier: Apache-2.0
// What PostgreSQL's Database does when its connections are lost.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/database.h"
#include "storage/databases_testing.h"

namespace slipway::storage {
namespace {

using base::Code;
using base::Status;

class PostgresqlStore : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(Run("CREATE TABLE items (id BIGINT PRIMARY KEY)").ToString(), "OK");
  }
  Status Run(std::string_view sql) {
    return database_->Write([&](Transaction& transaction) -> Status {
      TRY(transaction.Execute(sql));
      return Status::Ok();
    });
  }
  int64_t Count() { return database_->Query("SELECT COUNT(*) FROM items").value()[0].Int(0); }

  TestDatabase database_{"postgresql"};
};

TEST_F(PostgresqlStore, ConnectsAgainAfterAllConnectionsWereLost) {
  ASSERT_TRUE(Run("INSERT INTO items VALUES (1)").ok());
  auto other = database_.OpenAnother();
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE((*other)
                  ->Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE datname = current_database() AND pid <> pg_backend_pid()")
                  .ok());
  EXPECT_EQ(Run("INSERT INTO items VALUES (2)").ToString(), "OK");
  EXPECT_EQ(Count(), 2);
}

TEST_F(PostgresqlStore, ALossInsideABodyRollsBack) {
  const Status lost = database_->Write([](Transaction& transaction) -> Status {
    TRY(transaction.Execute("INSERT INTO items VALUES (1)"));
    TRY(transaction.Query("SELECT pg_terminate_backend(pg_backend_pid())"));
    return Status::Ok();
  });
  EXPECT_EQ(lost.code(), Code::kUnavailable);
  EXPECT_EQ(lost.reason(), "database_lost");
  EXPECT_EQ(Count(), 0);
  EXPECT_TRUE(Run("INSERT INTO items VALUES (2)").ok());
}

TEST_F(PostgresqlStore, ALossDuringTheCommitSaysThatTheOutcomeIsUnknown) {
  ASSERT_EQ(Run("CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$")
                .ToString(),
            "OK");
  ASSERT_EQ(
      Run("CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED "
          "FOR EACH ROW EXECUTE FUNCTION die()")
          .ToString(),
      "OK");
  const Status lost = Run("INSERT INTO items VALUES (1)");
  EXPECT_EQ(lost.code(), Code::kUnavailable);
  EXPECT_EQ(lost.reason(), "commit_outcome_unknown");
  ASSERT_TRUE(Run("DROP TRIGGER at_commit ON items").ok());
  EXPECT_TRUE(Run("INSERT INTO items VALUES (2)").ok());
}

TEST_F(PostgresqlStore, ACommitThatTheServerRefusesIsRolledBack) {
  ASSERT_TRUE(
      Run("CREATE TABLE parts (item BIGINT REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED)")
          .ok());
  EXPECT_EQ(Run("INSERT INTO parts VALUES (7)").code(), Code::kAborted);
  EXPECT_TRUE(Run("INSERT INTO items VALUES (7)").ok());
  EXPECT_EQ(database_->Query("SELECT * FROM parts").value().size(), 0u);
}

TEST_F(PostgresqlStore, ASumTooLargeForAnIntegerReadsAsANumber) {
  EXPECT_EQ(database_->Query("SELECT SUM(x) FROM (VALUES (9223372036854775807), (1)) AS v (x)")
                .value()[0]
                .Double(0),
            9223372036854775808.0);
}

TEST(OpenPostgresql, SaysWhyItCannotConnect) {
  base::Metrics metrics;
  const Status status = OpenPostgresql("postgresql://127.0.0.1:1/nothing", {}, metrics).status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_NE(status.message().find("127.0.0.1"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace slipway::storage
