// SPDX-License-Identifier: Apache-2.0
// What both databases promise alike.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <future>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/database.h"
#include "storage/databases_testing.h"
#include "storage/folder_testing.h"

namespace slipway::storage {
namespace {

using base::Code;
using base::Status;

class DatabaseStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    Run("CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT NOT NULL, price DOUBLE PRECISION)");
    Run("CREATE TABLE parts (id BIGINT PRIMARY KEY, item BIGINT NOT NULL REFERENCES items (id))");
  }
  void Run(std::string_view sql, const SqlParams& params = {}) {
    ASSERT_EQ(Try(sql, params).ToString(), "OK");
  }
  Status Try(std::string_view sql, const SqlParams& params = {}) {
    return database_->Write([&](Transaction& transaction) -> Status {
      TRY(transaction.Execute(sql, params));
      return Status::Ok();
    });
  }
  Status Insert(int64_t id, const std::string& name = "x") {
    return Try("INSERT INTO items (id, name) VALUES ($1, $2)", {id, name});
  }
  int64_t Count() { return database_->Query("SELECT COUNT(*) FROM items").value()[0].Int(0); }

  TestDatabase database_{GetParam()};
};

TEST_P(DatabaseStore, ReadsBackEveryType) {
  const int64_t large = std::numeric_limits<int64_t>::max();
  const std::string text = "Grüße 'quoted' $1 \xF0\x9F\x9A\xA2";
  Run("INSERT INTO items (id, name, price) VALUES ($1, $2, $3)", {large, text, 0.1});
  Run("INSERT INTO items (id, name, price) VALUES ($1, $2, $3)",
      {int64_t{-1}, std::string(), std::monostate{}});
  const Rows rows = database_->Query("SELECT id, name, price FROM items ORDER BY id DESC").value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].Int(0), large);
  EXPECT_EQ(rows[0].Text(1), text);
  EXPECT_EQ(rows[0].Double(2), 0.1);
  EXPECT_EQ(rows[1].Int(0), -1);
  EXPECT_FALSE(rows[1].IsNull(1));
  EXPECT_TRUE(rows[1].IsNull(2));
  EXPECT_EQ(rows[1].Double(2), 0.0);
  EXPECT_EQ(rows[1].MaybeDouble(2), std::nullopt);
}

TEST_P(DatabaseStore, SumsAverageAndComparisonsReadAsNumbers) {
  for (int64_t id = 1; id <= 4; ++id) {
    Run("INSERT INTO items (id, name, price) VALUES ($1, 'x', $2)",
        {id, static_cast<double>(id) / 2});
  }
  const Rows rows =
      database_->Query("SELECT SUM(id), AVG(id), MAX(price), COUNT(*), 1 = 1 FROM items").value();
  EXPECT_EQ(rows[0].Int(0), 10);
  EXPECT_EQ(rows[0].Double(1), 2.5);
  EXPECT_EQ(rows[0].Double(2), 2.0);
  EXPECT_EQ(rows[0].Int(3), 4);
  EXPECT_EQ(rows[0].Int(4), 1);
}

TEST_P(DatabaseStore, ParametersGoByTheirNumber) {
  const Rows rows = database_
                        ->Query("SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)",
                                {std::string("a"), std::string("b")})
                        .value();
  EXPECT_EQ(rows[0].Text(0) + rows[0].Text(1) + rows[0].Text(2), "bab");
}

TEST_P(DatabaseStore, CountsChangedRows) {
  ASSERT_TRUE(Insert(1).ok());
  ASSERT_TRUE(Insert(2).ok());
  ASSERT_TRUE(database_
                  ->Write([&](Transaction& transaction) -> Status {
                    EXPECT_EQ(TRY(transaction.Execute("UPDATE items SET name = 'y'")), 2);
                    EXPECT_EQ(TRY(transaction.Execute("UPDATE items SET name = 'z' WHERE id = 7")),
                              0);
                    EXPECT_EQ(TRY(transaction.Execute("CREATE TABLE other (id BIGINT)")), 0);
                    EXPECT_EQ(TRY(transaction.Execute("DELETE FROM items WHERE id = 1")), 1);
                    return Status::Ok();
                  })
                  .ok());
}

TEST_P(DatabaseStore, AFailedBodyLeavesNothing) {
  const Status status = database_->Write([&](Transaction& transaction) -> Status {
    TRY(transaction.Execute("INSERT INTO items (id, name) VALUES (1, 'x')"));
    transaction.AfterCommit([] { FAIL() << "nothing was committed"; });
    return base::FailedPrecondition("no", "changed my mind");
  });
  EXPECT_EQ(status.reason(), "no");
  EXPECT_EQ(Count(), 0);
}

TEST_P(DatabaseStore, AFailedStatementFailsTheTransactionEvenWhenTheBodyGoesOn) {
  ASSERT_TRUE(Insert(1).ok());
  const Status status = database_->Write([&](Transaction& transaction) -> Status {
    TRY(transaction.Execute("INSERT INTO items (id, name) VALUES (2, 'x')"));
    EXPECT_FALSE(transaction.Execute("INSERT INTO items (id, name) VALUES (1, 'x')").ok());
    EXPECT_EQ(transaction.Query("SELECT 1").status().code(), Code::kAlreadyExists);
    return Status::Ok();
  });
  EXPECT_EQ(status.code(), Code::kAlreadyExists);
  EXPECT_EQ(Count(), 1);
}

TEST_P(DatabaseStore, NamesBrokenConstraints) {
  ASSERT_TRUE(Insert(1).ok());
  const Status unique = Insert(1);
  EXPECT_EQ(unique.code(), Code::kAlreadyExists);
  EXPECT_EQ(unique.reason(), "constraint");
  const Status foreign = Try("INSERT INTO parts (id, item) VALUES (1, 99)");
  EXPECT_EQ(foreign.code(), Code::kFailedPrecondition);
  EXPECT_EQ(foreign.reason(), "constraint");
  const Status missing = Try("INSERT INTO items (id) VALUES (5)");
  EXPECT_EQ(missing.code(), Code::kFailedPrecondition);
  EXPECT_EQ(missing.reason(), "constraint");
}

TEST_P(DatabaseStore, BadSqlIsAnErrorThatRepeatsTheStatement) {
  const Status status = Try("INSERT INTO nowhere VALUES (1)");
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_EQ(status.reason(), "sql_error");
  EXPECT_NE(status.message().find("INSERT INTO nowhere"), std::string::npos);
  EXPECT_FALSE(Try("SELECT 1; SELECT 2").ok());
  EXPECT_FALSE(Try("SELECT $1", {}).ok());
}

TEST_P(DatabaseStore, RefusesTextWithNulAndStoresNanAsNull) {
  EXPECT_EQ(Insert(1, std::string("a\0b", 3)).code(), Code::kInvalidArgument);
  Run("INSERT INTO items (id, name, price) VALUES (2, 'x', $1)", {std::nan("")});
  EXPECT_TRUE(database_->Query("SELECT price FROM items").value()[0].IsNull(0));
}

TEST_P(DatabaseStore, AReadMayNotWrite) {
  const Status status = database_->Read([&](Transaction& transaction) -> Status {
    TRY(transaction.Execute("INSERT INTO items (id, name) VALUES (1, 'x')"));
    return Status::Ok();
  });
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_EQ(status.reason(), "read_only");
  EXPECT_EQ(Count(), 0);
}

TEST_P(DatabaseStore, AReadSeesOneMomentWhileOthersWrite) {
  ASSERT_TRUE(Insert(1).ok());
  ASSERT_TRUE(database_
                  ->Read([&](Transaction& transaction) -> Status {
                    EXPECT_EQ(TRY(transaction.Query("SELECT COUNT(*) FROM items"))[0].Int(0), 1);
                    std::thread([&] { EXPECT_TRUE(Insert(2).ok()); }).join();
                    EXPECT_EQ(TRY(transaction.Query("SELECT COUNT(*) FROM items"))[0].Int(0), 1);
                    return Status::Ok();
                  })
                  .ok());
  EXPECT_EQ(Count(), 2);
}

TEST_P(DatabaseStore, CallbacksRunInOrderAfterTheCommitAndBeforeTheAnswer) {
  std::vector<int64_t> seen;
  for (int64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(
        database_
            ->Write([&](Transaction& transaction) -> Status {
              TRY(transaction.Execute("INSERT INTO items (id, name) VALUES ($1, 'x')", {id}));
              transaction.AfterCommit([&, id] { seen.push_back(id * 10 + Count()); });
              return Status::Ok();
            })
            .ok());
    EXPECT_EQ(seen.size(), static_cast<size_t>(id));
  }
  EXPECT_EQ(seen, (std::vector<int64_t>{11, 22, 33}));
}

TEST_P(DatabaseStore, WritesThatWaitShareACommitAndFailAlone) {
  std::promise<void> entered;
  std::promise<void> go_on;
  std::thread first([&] {
    EXPECT_TRUE(database_
                    ->Write([&](Transaction&) -> Status {
                      entered.set_value();
                      go_on.get_future().wait();
                      return Status::Ok();
                    })
                    .ok());
  });
  entered.get_future().wait();
  // All of these wait behind the first; the even ones fail.
  constexpr int kWriters = 16;
  std::vector<std::thread> writers;
  std::atomic<int> failed = 0;
  for (int i = 1; i <= kWriters; ++i) {
    writers.emplace_back([&, i] {
      const Status status = database_->Write([&, i](Transaction& transaction) -> Status {
        TRY(transaction.Execute("INSERT INTO items (id, name) VALUES ($1, 'x')", {int64_t{i}}));
        return i % 2 == 0 ? base::FailedPrecondition("even", "no even ones") : Status::Ok();
      });
      if (status.reason() == "even") ++failed;
    });
  }
  base::Gauge& waiting =
      database_.metrics().GetGauge("slipway_storage_writes_waiting", "", {{"kind", GetParam()}});
  while (waiting.Value() < kWriters) std::this_thread::yield();
  go_on.set_value();
  first.join();
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(failed, kWriters / 2);
  EXPECT_EQ(Count(), kWriters / 2);
  const auto& groups = database_.metrics().GetHistogram(
      "slipway_storage_commit_group_size", "", base::LatencyBounds(), {{"kind", GetParam()}});
  EXPECT_EQ(groups.Count(), 2u + 2u);  // two tables, the first write, and all the others together
}

TEST_P(DatabaseStore, RefusesWritesWhenTheQueueIsFull) {
  DatabaseSettings settings;
  settings.queue_limit = 1;
  TestDatabase small(GetParam(), settings);
  std::promise<void> entered;
  std::promise<void> go_on;
  std::thread first([&] {
    EXPECT_TRUE(small
                    ->Write([&](Transaction&) -> Status {
                      entered.set_value();
                      go_on.get_future().wait();
                      return Status::Ok();
                    })
                    .ok());
  });
  entered.get_future().wait();
  std::thread second(
      [&] { EXPECT_TRUE(small->Write([](Transaction&) { return Status::Ok(); }).ok()); });
  base::Gauge& waiting =
      small.metrics().GetGauge("slipway_storage_writes_waiting", "", {{"kind", GetParam()}});
  while (waiting.Value() < 1) std::this_thread::yield();
  const Status refused = small->Write([](Transaction&) { return Status::Ok(); });
  EXPECT_EQ(refused.code(), Code::kResourceExhausted);
  EXPECT_EQ(refused.reason(), "write_queue_full");
  go_on.set_value();
  first.join();
  second.join();
}

TEST_P(DatabaseStore, KeepsWhatWasWrittenOverARestart) {
  ASSERT_TRUE(Insert(1, "kept").ok());
  database_.Reopen();
  EXPECT_EQ(database_->Query("SELECT name FROM items").value()[0].Text(0), "kept");
}

TEST_P(DatabaseStore, TwoReplicasDoNotLoseEachOthersWrites) {
  ASSERT_TRUE(Insert(1, "").ok());
  Run("UPDATE items SET price = 0");
  auto other = database_.OpenAnother();
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  constexpr int kTimes = 50;
  const auto add_often = [](Database& database) {
    for (int i = 0; i < kTimes; ++i) {
      const Status status = database.Write([](Transaction& transaction) -> Status {
        const Rows rows = TRY(transaction.Query("SELECT price FROM items WHERE id = 1"));
        TRY(transaction.Execute("UPDATE items SET price = $1 WHERE id = 1",
                                {rows[0].Double(0) + 1}));
        return Status::Ok();
      });
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
  };
  std::thread one([&] { add_often(*database_); });
  add_often(**other);
  one.join();
  EXPECT_EQ(database_->Query("SELECT price FROM items").value()[0].Double(0), 2 * kTimes);
}

constexpr DatabaseKind kKinds[] = {{"sqlite", OpenSqlite}, {"postgresql", OpenPostgresql}};

TEST(OpenDatabase, FindsTheKindByItsScheme) {
  const TestFolder folder;
  base::Metrics metrics;
  DatabaseSettings settings;
  auto opened = OpenDatabase(settings, folder.path(), kKinds, metrics);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  EXPECT_EQ((*opened)->kind(), "sqlite");
  EXPECT_TRUE(std::filesystem::exists(folder / "slipway.db"));
  settings.url = "postgresql://127.0.0.1:1/nothing";
  EXPECT_EQ(OpenDatabase(settings, folder.path(), kKinds, metrics).status().reason(),
            "database_lost");
  settings.url = "mysql:x";
  const Status unknown = OpenDatabase(settings, folder.path(), kKinds, metrics).status();
  EXPECT_EQ(unknown.field(), "database.url");
  EXPECT_NE(unknown.message().find("sqlite, postgresql"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Databases, DatabaseStore, testing::ValuesIn(DatabaseKinds()),
                         [](const auto& kind) { return kind.param; });

}  // namespace
}  // namespace slipway::storage
