// SPDX-License-Identifier: Apache-2.0
// BodyTransaction: the Transaction that one body sees. It makes both databases behave alike: after
// a failed statement nothing more runs (PostgreSQL's rule), text may not hold NUL (PostgreSQL
// cannot store it), NaN is stored as NULL (SQLite's rule).
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/connection.h"
#include "storage/database.h"

namespace slipway::storage {

class BodyTransaction final : public Transaction {
 public:
  explicit BodyTransaction(Connection& connection) : connection_(connection) {}

  base::Result<Rows> Query(std::string_view sql, const SqlParams& params) override;
  base::Result<int64_t> Execute(std::string_view sql, const SqlParams& params) override;
  void AfterCommit(std::function<void()> callback) override {
    after_commit_.push_back(std::move(callback));
  }

  // The first failure of a statement; ok when there was none.
  [[nodiscard]] const base::Status& failure() const { return failure_; }
  std::vector<std::function<void()>> TakeCallbacks() { return std::move(after_commit_); }
  // Of the tables that were changed, what stands before the first "_"; "" when that is not known.
  [[nodiscard]] const std::set<std::string, std::less<>>& changed_rooms() const {
    return changed_rooms_;
  }

 private:
  // `params` as they are stored: themselves, or a copy of them in `changed`.
  static base::Result<const SqlParams*> Prepare(const SqlParams& params, SqlParams& changed);
  void NoteChange(std::string_view sql);

  Connection& connection_;
  base::Status failure_;
  std::vector<std::function<void()>> after_commit_;
  std::set<std::string, std::less<>> changed_rooms_;
};

}  // namespace slipway::storage
