// SPDX-License-Identifier: Apache-2.0
// Decoding what searches share.
#include "api/mlflow/search_fields.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "api/mlflow/call.h"
#include "api/mlflow/filter.h"
#include "api/mlflow/grammar.h"
#include "base/json.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

constexpr int64_t kUsualResults = 1000;

base::Result<tracking::View> ParseView(const std::string& name, std::string_view field) {
  if (name.empty() || name == "ACTIVE_ONLY") return tracking::View::kActive;
  if (name == "DELETED_ONLY") return tracking::View::kDeleted;
  if (name == "ALL") return tracking::View::kAll;
  return WrongType(base::Json(name), field, "ACTIVE_ONLY, DELETED_ONLY or ALL");
}

}  // namespace

base::Result<tracking::SearchQuery> DecodeSearch(const base::Json& fields,
                                                 std::string_view view_field,
                                                 const Grammar& grammar) {
  tracking::SearchQuery query;
  query.conditions = TRY(ParseFilter(TRY(OptionalText(fields, "filter")), grammar));
  query.view = TRY(ParseView(TRY(OptionalText(fields, view_field)), view_field));
  query.limit = TRY(OptionalNumber(fields, "max_results")).value_or(kUsualResults);
  if (query.limit < 1 || query.limit > tracking::kMostPerPage) {
    return WrongType(base::Json(query.limit), "max_results",
                     "1 to " + std::to_string(tracking::kMostPerPage));
  }
  query.offset = TRY(OffsetOf(fields));
  // Logged models order by objects, which their own decoder reads.
  const base::Json* order = fields.Find("order_by");
  const bool of_objects = order != nullptr && order->is_array() && !order->AsArray().empty() &&
                          order->AsArray().front().is_object();
  if (!of_objects) query.order = TRY(ParseOrderBy(TRY(OptionalTexts(fields, "order_by")), grammar));
  return query;
}

}  // namespace slipway::api::mlflow
