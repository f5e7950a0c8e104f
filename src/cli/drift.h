// SPDX-License-Identifier: Apache-2.0
// Parts of `slipway drift`. Private to this room.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/table_source.h"
#include "drift/profile.h"
#include "drift/report.h"

namespace slipway::cli {

// What the reference is: a table, or only its profile.
struct DriftReference {
  std::unique_ptr<TableSource> table;
  drift::Profile profile;  // when there is no table
};

// Columns that both sides have and can be compared, by the reference's order; what else is
// different. kInvalidArgument naming "columns" for a name that neither side has.
struct ColumnPair {
  std::string name;
  size_t reference = 0;  // index in its table or profile
  size_t current = 0;
};
struct ColumnPairs {
  std::vector<ColumnPair> pairs;
  std::vector<drift::SchemaChange> changes;
};
base::Result<ColumnPairs> PairColumns(const DriftReference& reference, const TableSource& current,
                                      const std::vector<std::string>& chosen);

// Calls `work(table of this thread, or null; table of this thread; i)` for each i < count on two
// threads; the first failure ends it.
using ColumnWork =
    std::function<base::Status(TableSource* reference, TableSource& current, size_t i)>;
base::Status ForColumns(const DriftReference& reference, const TableSource& current, size_t count,
                        const ColumnWork& work);

// The report, and the reference's profile (of the columns compared).
struct Compared {
  drift::Report report;
  drift::Profile profile;
};
base::Result<Compared> CompareTables(const DriftArguments& arguments, DriftReference& reference,
                                     const TableSource& current);
// Of a reference alone.
base::Result<drift::Profile> ProfileTable(const DriftArguments& arguments, TableSource& table);
// Evidently's numbers: docs/drift.md has the members.
base::Result<base::Json> CompareAsEvidently(const DriftArguments& arguments,
                                            const DriftReference& reference,
                                            const TableSource& current);

}  // namespace slipway::cli
