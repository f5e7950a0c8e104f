// SPDX-License-Identifier: Apache-2.0
// From a SearchQuery to SQL that both databases take. Unknown keys and comparisons that do not fit
// are kInvalidArgument.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tracking/tracking.h"

namespace slipway::tracking {

struct AttributeColumn {
  std::string expression;  // over the searched table's columns
  bool is_number = false;
};

// What is searched: which table, and where its metrics, params, tags and data sets stand (empty: it
// has none).
struct Searched {
  std::string_view what;     // "run", for errors
  std::string_view table;    // "tracking_runs"
  std::string_view id;       // its column: "run_id"
  std::string_view columns;  // what to select
  std::string_view metrics;
  std::string_view metrics_id;  // the id's column in metrics
  bool many_metrics = false;    // of one key: the newest counts for the order, any for a filter
  std::string_view params;
  std::string_view tags;
  std::string_view tags_id;  // the id's column in tags (and params)
  std::string_view datasets;
  std::map<std::string, AttributeColumn, std::less<>> attributes;
  std::string_view tie_break;  // appended to ORDER BY: "start_ms DESC, run_id"
};

struct SearchSql {
  std::string text;
  storage::SqlParams params;
};

enum class Extent {
  kAll,
  // Only what has a number for the metric that comes first in the order: the beginning of kAll's
  // answer, read from the index of the values.
  kWithFirstMetric,
};

// `kind` is the database's. Selects one row more than the limit, so that the caller sees whether
// there is another page.
base::Result<SearchSql> BuildSearch(const Searched& searched, const SearchQuery& query,
                                    std::string_view kind, Extent extent = Extent::kAll);
// Whether kWithFirstMetric is possible; and, where it is, whether the filter leaves nothing else.
bool LeadsByMetric(const Searched& searched, const SearchQuery& query);
bool NeedsFirstMetric(const SearchQuery& query);

}  // namespace slipway::tracking
