// SPDX-License-Identifier: Apache-2.0
// What SQLite's Database does when the disk fails or the process is killed. A VFS between SQLite
// and the files plays the bad disk.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/database.h"
#include "storage/folder_testing.h"

namespace slipway::storage {
namespace {

using base::Code;
using base::Status;

std::atomic<bool> fail_sync = false;
std::atomic<bool> disk_full = false;

// A file of the real VFS behind one that fails when told to.
struct BadFile {
  sqlite3_file base;
  sqlite3_file* real;
};

sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<BadFile*>(file)->real; }
sqlite3_vfs* RealVfs(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

const sqlite3_io_methods kBadMethods = {
    .iVersion = 2,
    .xClose =
        [](sqlite3_file* file) {
          const int code = Real(file)->pMethods == nullptr
                               ? SQLITE_OK
                               : Real(file)->pMethods->xClose(Real(file));
          std::free(Real(file));
          return code;
        },
    .xRead =
        [](sqlite3_file* file, void* out, int size, sqlite3_int64 at) {
          return Real(file)->pMethods->xRead(Real(file), out, size, at);
        },
    .xWrite =
        [](sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
          return disk_full ? SQLITE_FULL
                           : Real(file)->pMethods->xWrite(Real(file), bytes, size, at);
        },
    .xTruncate =
        [](sqlite3_file* file, sqlite3_int64 size) {
          return Real(file)->pMethods->xTruncate(Real(file), size);
        },
    .xSync =
        [](sqlite3_file* file, int flags) {
          return fail_sync ? SQLITE_IOERR_FSYNC : Real(file)->pMethods->xSync(Real(file), flags);
        },
    .xFileSize =
        [](sqlite3_file* file, sqlite3_int64* size) {
          return Real(file)->pMethods->xFileSize(Real(file), size);
        },
    .xLock = [](sqlite3_file* file,
                int level) { return Real(file)->pMethods->xLock(Real(file), level); },
    .xUnlock = [](sqlite3_file* file,
                  int level) { return Real(file)->pMethods->xUnlock(Real(file), level); },
    .xCheckReservedLock =
        [](sqlite3_file* file, int* held) {
          return Real(file)->pMethods->xCheckReservedLock(Real(file), held);
        },
    .xFileControl =
        [](sqlite3_file* file, int op, void* argument) {
          return Real(file)->pMethods->xFileControl(Real(file), op, argument);
        },
    .xSectorSize = [](sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); },
    .xDeviceCharacteristics =
        [](sqlite3_file* file) { return Real(file)->pMethods->xDeviceCharacteristics(Real(file)); },
    .xShmMap =
        [](sqlite3_file* file, int region, int size, int extend, void volatile** out) {
          return Real(file)->pMethods->xShmMap(Real(file), region, size, extend, out);
        },
    .xShmLock =
        [](sqlite3_file* file, int offset, int count, int flags) {
          return Real(file)->pMethods->xShmLock(Real(file), offset, count, flags);
        },
    .xShmBarrier = [](sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); },
    .xShmUnmap = [](sqlite3_file* file,
                    int remove) { return Real(file)->pMethods->xShmUnmap(Real(file), remove); },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int OpenBad(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto* bad = reinterpret_cast<BadFile*>(file);
  bad->real =
      static_cast<sqlite3_file*>(std::calloc(1, static_cast<size_t>(RealVfs(vfs)->szOsFile)));
  bad->base.pMethods = &kBadMethods;  // so that xClose frees it even when the open fails
  return RealVfs(vfs)->xOpen(RealVfs(vfs), name, bad->real, flags, out_flags);
}

// The default VFS of this program from now on; harmless until told to fail.
void InstallBadVfs() {
  static sqlite3_vfs bad = [] {
    sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
    sqlite3_vfs made = *real;
    made.zName = "bad";
    made.pAppData = real;
    made.szOsFile = sizeof(BadFile);
    made.xOpen = OpenBad;
    return made;
  }();
  ASSERT_EQ(sqlite3_vfs_register(&bad, 1), SQLITE_OK);
}

class SqliteStore : public testing::Test {
 protected:
  void SetUp() override {
    InstallBadVfs();
    Open();
    ASSERT_EQ(Run("CREATE TABLE items (id BIGINT PRIMARY KEY, text TEXT)").ToString(), "OK");
  }
  void TearDown() override { fail_sync = disk_full = false; }
  void Open() {
    database_.reset();
    auto opened = OpenSqlite(folder_ / "test.db", {}, metrics_);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    database_ = std::move(opened).value();
  }
  Status Run(std::string_view sql, const SqlParams& params = {}) {
    return database_->Write([&](Transaction& transaction) -> Status {
      TRY(transaction.Execute(sql, params));
      return Status::Ok();
    });
  }
  Status Insert(int64_t id) {
    return Run("INSERT INTO items (id, text) VALUES ($1, $2)", {id, std::string(5000, 'x')});
  }
  int64_t Count() { return database_->Query("SELECT COUNT(*) FROM items").value()[0].Int(0); }

  TestFolder folder_;
  base::Metrics metrics_;
  std::unique_ptr<Database> database_;
};

TEST_F(SqliteStore, CountsTheChangesOfARoomsTables) {
  ASSERT_TRUE(Run("CREATE TABLE flags_items (id BIGINT)").ok());
  const auto flags = [&] { return database_->ChangesOf("flags").value(); };
  const auto others = [&] { return database_->ChangesOf("others").value(); };
  const uint64_t before = others();
  for (const char* sql : {"INSERT INTO flags_items (id) VALUES (1)",
                          "UPDATE flags_items SET id = 2", "DELETE FROM flags_items"}) {
    const uint64_t count = flags();
    ASSERT_TRUE(Run(sql).ok());
    EXPECT_GT(flags(), count) << sql;
  }
  EXPECT_EQ(others(), before);
  const uint64_t count = flags();
  EXPECT_TRUE(database_->Query("SELECT id FROM flags_items").ok());
  EXPECT_EQ(flags(), count);
  // What does not begin as these do may have changed anything.
  ASSERT_TRUE(Run("CREATE INDEX flags_items_by_id ON flags_items (id)").ok());
  EXPECT_GT(flags(), count);
  EXPECT_GT(others(), before);
}

TEST_F(SqliteStore, AFailedFsyncStopsTheWriterUntilARestart) {
  ASSERT_EQ(Insert(1).ToString(), "OK");
  bool called = false;
  fail_sync = true;
  const Status failed = database_->Write([&](Transaction& transaction) -> Status {
    TRY(transaction.Execute("INSERT INTO items (id) VALUES (2)"));
    transaction.AfterCommit([&] { called = true; });
    return Status::Ok();
  });
  EXPECT_EQ(failed.code(), Code::kDataLoss) << failed.ToString();
  EXPECT_FALSE(called);
  fail_sync = false;
  EXPECT_EQ(Insert(3).reason(), "writer_stopped");
  EXPECT_GE(Count(), 1);  // reads go on
  Open();
  EXPECT_EQ(Insert(4).ToString(), "OK");
}

TEST_F(SqliteStore, AFullDiskRefusesTheWriteAndLaterOnesSucceed) {
  ASSERT_EQ(Insert(1).ToString(), "OK");
  disk_full = true;
  const Status failed = Insert(2);
  EXPECT_EQ(failed.code(), Code::kResourceExhausted) << failed.ToString();
  EXPECT_EQ(failed.reason(), "disk_full");
  disk_full = false;
  EXPECT_EQ(Count(), 1);
  EXPECT_EQ(Insert(3).ToString(), "OK");
  EXPECT_EQ(Count(), 2);
}

TEST_F(SqliteStore, AFileThatIsNoDatabaseIsRefused) {
  ASSERT_TRUE(base::WriteFileAtomically(folder_ / "other.db", std::string(5000, 'x')).ok());
  base::Metrics metrics;
  EXPECT_EQ(OpenSqlite(folder_ / "other.db", {}, metrics).status().code(), Code::kDataLoss);
  EXPECT_FALSE(OpenSqlite(folder_ / "no/such/folder.db", {}, metrics).ok());
  EXPECT_EQ(OpenSqlite("sqlite:", {}, metrics).status().field(), "database.url");
}

constexpr int kThreads = 3;

// In the child: pairs of rows in one write each, the pair's number reported once acknowledged.
[[noreturn]] void WriteUntilKilled(const std::string& path, int64_t first, int report) {
  base::Metrics metrics;
  auto database = OpenSqlite(path, {}, metrics);
  if (!database.ok()) _exit(2);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t id = first + t; id < first + 1'000'000; id += kThreads) {
        const Status written = (*database)->Write([&](Transaction& transaction) -> Status {
          TRY(transaction.Execute("INSERT INTO items (id) VALUES ($1)", {2 * id}));
          TRY(transaction.Execute("INSERT INTO items (id) VALUES ($1)", {2 * id + 1}));
          return Status::Ok();
        });
        if (!written.ok()) _exit(3);
        if (write(report, &id, sizeof(id)) != sizeof(id)) _exit(4);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  _exit(5);
}

TEST_F(SqliteStore, KillAtAnyMomentKeepsEveryAcknowledgedWriteWhole) {
  std::mt19937 random(3);
  std::vector<int64_t> acknowledged;
  for (int64_t round = 0; round < 20; ++round) {
    database_.reset();
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) WriteUntilKilled(folder_ / "test.db", round * 10'000'000, ends[1]);
    close(ends[1]);
    const base::FileHandle report(ends[0]);
    const size_t kill_at = acknowledged.size() + 1 + random() % 40;
    int64_t id = 0;
    while (read(report.fd(), &id, sizeof(id)) == sizeof(id)) {
      acknowledged.push_back(id);
      if (acknowledged.size() == kill_at) {
        ASSERT_EQ(kill(child, SIGKILL), 0);
      }
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    Open();
    for (const int64_t sent : acknowledged) {
      const Rows rows = database_
                            ->Query("SELECT COUNT(*) FROM items WHERE id = $1 OR id = $2",
                                    {2 * sent, 2 * sent + 1})
                            .value();
      ASSERT_EQ(rows[0].Int(0), 2) << sent;
    }
    const Rows halves =
        database_->Query("SELECT COUNT(*) FROM items GROUP BY id / 2 HAVING COUNT(*) <> 2").value();
    EXPECT_TRUE(halves.empty());
  }
}

}  // namespace
}  // namespace slipway::storage
