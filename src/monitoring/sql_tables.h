// SPDX-License-Identifier: Apache-2.0
// SqlTables: both logs as files that an SQL engine reads: the archived ones where they lie, what is
// not archived yet written beside them with the first query after it came. Private to this room.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "monitoring/labels.h"
#include "monitoring/record_store.h"

namespace slipway::monitoring {

// Thread-safe.
class SqlTables {
 public:
  // `folder`: for the files of what is not archived; emptied.
  static base::Result<std::unique_ptr<SqlTables>> Open(RecordStore& store, const LabelLog& labels,
                                                       const std::string& folder);
  // Statements that make the views `predictions`, `labels` and `label_log` over all that was logged
  // before the call.
  base::Result<std::vector<std::string>> Views();
  // Folders that the files lie in.
  [[nodiscard]] std::vector<std::string> Folders() const;

 private:
  SqlTables(RecordStore& store, const LabelLog& labels, std::string folder)
      : store_(store), labels_(labels), folder_(std::move(folder)) {}
  base::Result<std::vector<std::string>> PredictionFiles();
  base::Status WriteRecords(const std::vector<StoredRecord>& records);
  base::Status WriteLabels();
  std::string NewPath(const std::string& name);
  void Forget(std::vector<std::string>& files);

  RecordStore& store_;
  const LabelLog& labels_;
  const std::string folder_;
  std::mutex mutex_;  // of what follows
  int64_t next_file_ = 0;
  int64_t first_segment_ = 0;
  storage::RecordPosition records_end_;
  std::vector<std::string> record_files_;
  storage::RecordPosition labels_end_;
  std::vector<std::string> label_files_;
  int64_t labels_before_ = 0;
};

}  // namespace slipway::monitoring
