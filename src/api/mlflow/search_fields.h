// SPDX-License-Identifier: Apache-2.0
// The fields that every search of MLflow's shares: filter, order_by, view, max_results, page_token.
#pragma once

#include <string_view>

#include "api/mlflow/grammar.h"
#include "base/json.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {

// `view_field` is "view_type" or "run_view_type"; order_by is an array of texts.
base::Result<tracking::SearchQuery> DecodeSearch(const base::Json& fields,
                                                 std::string_view view_field,
                                                 const Grammar& grammar);

// One page of what is searched in memory: keeps query.offset ... + limit of `items`.
template <typename T>
tracking::Page<T> CutPage(std::vector<T> items, const tracking::SearchQuery& query) {
  tracking::Page<T> page;
  const auto first = static_cast<size_t>(query.offset);
  const auto limit = static_cast<size_t>(query.limit);
  for (size_t i = first; i < items.size() && i - first < limit; ++i)
    page.items.push_back(std::move(items[i]));
  page.more = items.size() > first && items.size() - first > limit;
  return page;
}

}  // namespace slipway::api::mlflow
