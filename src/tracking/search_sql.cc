// SPDX-License-Identifier: Apache-2.0
// Tracking, searching: a filter's comparisons become EXISTS clauses, its order becomes extra
// columns.
#include "tracking/search_sql.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr size_t kMostConditions = 100;
constexpr size_t kMostOrderKeys = 20;
constexpr int64_t kNoExperiment = -1;

// SQLite's LIKE ignores case, PostgreSQL's does not: case-sensitive matching is GLOB in the one and
// LIKE in the other.
std::string GlobOf(std::string_view like) {
  std::string glob;
  for (const char c : like) {
    if (c == '%') {
      glob += '*';
    } else if (c == '_') {
      glob += '?';
    } else if (c == '*' || c == '?' || c == '[') {
      glob += std::string("[") + c + "]";
    } else {
      glob += c;
    }
  }
  return glob;
}

class Builder {
 public:
  Builder(const Searched& searched, std::string_view kind)
      : searched_(searched), sqlite_(kind == "sqlite") {}

  // From the values of one metric on, in their order: what has none (or no number) is left out.
  void LeadBy(const OrderBy& order) {
    led_by_ = order.key;
    // The order of CROSS JOIN is kept by SQLite; PostgreSQL finds it by itself.
    from =
        std::string(searched_.metrics) + " lead CROSS JOIN " + std::string(searched_.table) + " s";
    columns += ", lead.value AS led";
    led_where = "lead.key = " + Bind(order.key) + " AND lead.is_nan = 0 AND s." +
                std::string(searched_.id) + " = lead." + std::string(searched_.metrics_id) +
                " AND ";
    order_by += order.ascending ? "led ASC, " : "led DESC, ";
  }

  std::string Bind(storage::SqlValue value) {
    params_.push_back(std::move(value));
    return "$" + std::to_string(params_.size());
  }

  base::Result<std::string> CompareText(const std::string& expression, const Condition& condition) {
    const std::string& op = condition.op;
    if (op == "IN" || op == "NOT IN") {
      std::string list;
      for (const std::string& text : condition.texts)
        list += (list.empty() ? "" : ", ") + Bind(text);
      return expression + " " + op + " (" + list + ")";
    }
    const std::string& text = condition.texts.front();
    if (op == "=") return expression + " = " + Bind(text);
    if (op == "!=") return expression + " <> " + Bind(text);
    if (op == "LIKE" && sqlite_) return expression + " GLOB " + Bind(GlobOf(text));
    const std::string no_escape =
        sqlite_ ? "" : " ESCAPE ''";  // a backslash is a letter in the one: in the other too
    if (op == "LIKE") return expression + " LIKE " + Bind(text) + no_escape;
    if (op == "ILIKE")
      return "LOWER(" + expression + ") LIKE LOWER(" + Bind(text) + ")" + no_escape;
    return Unfit(condition, "=, !=, LIKE, ILIKE, IN, NOT IN");
  }

  base::Result<std::string> CompareNumber(const std::string& expression,
                                          const Condition& condition) {
    constexpr std::array<std::string_view, 6> kOps = {"=", "!=", "<", "<=", ">", ">="};
    for (const std::string_view op : kOps) {
      if (condition.op != op || !condition.texts.empty()) continue;
      return expression + " " + std::string(op == "!=" ? "<>" : op) + " " + Bind(condition.number);
    }
    return Unfit(condition, "=, !=, <, <=, >, >= and a number");
  }

  base::Result<std::string> Where(const Condition& condition) {
    switch (condition.entity) {
      case Entity::kAttribute:
        return WhereAttribute(condition);
      case Entity::kMetric:
        return WhereMetric(condition);
      case Entity::kParam:
        return WhereText(searched_.params, condition);
      case Entity::kTag:
        return WhereText(searched_.tags, condition);
      case Entity::kDataset:
        return WhereDataset(condition);
    }
    return Unfit(condition, "an attribute, metric, param, tag or dataset");
  }

  // Adds a key of the order: what to join, what to select, and the two columns to order by, so that
  // what is missing (and, before it, what is not a number) comes last whichever the direction.
  base::Status AddOrder(const OrderBy& order) {
    const std::string number = std::to_string(orders_++);
    const std::string value = "o" + number;
    std::string rank = "CASE WHEN " + value + " IS NULL THEN 2 ELSE 0 END";
    const std::string join = "j" + number;
    const auto join_unique = [&](std::string_view table, std::string_view id) {
      joins += " LEFT JOIN " + std::string(table) + " " + join + " ON " + join + "." +
               std::string(id) + " = s." + std::string(searched_.id) + " AND " + join +
               ".key = " + Bind(order.key);
      columns += ", " + join + ".value AS " + value;
    };
    if (order.entity == Entity::kMetric && searched_.many_metrics) {
      columns += ", " + NewestMetric(order) + " AS " + value;
    } else if (order.entity == Entity::kMetric && !searched_.metrics.empty()) {
      join_unique(searched_.metrics, searched_.metrics_id);
      columns += ", " + join + ".is_nan AS n" + number;
      rank = "CASE WHEN n" + number + " = 1 THEN 1 WHEN " + value + " IS NULL THEN 2 ELSE 0 END";
    } else if (order.entity == Entity::kParam && !searched_.params.empty()) {
      join_unique(searched_.params, searched_.tags_id);
    } else if (order.entity == Entity::kTag && !searched_.tags.empty()) {
      join_unique(searched_.tags, searched_.tags_id);
    } else if (order.entity == Entity::kAttribute) {
      columns += ", " + TRY(Attribute(order.key)).expression + " AS " + value;
    } else {
      return base::InvalidArgument("order_by", "Invalid order_by key '" + order.key + "' for a " +
                                                   std::string(searched_.what) + ".");
    }
    order_by += rank + ", " + value + (order.ascending ? " ASC, " : " DESC, ");
    return {};
  }

  // Restricts to what was measured on one of the data sets, unless a metric condition does so.
  std::string WhereMeasured(const SearchQuery& query) {
    datasets_ = &query.datasets;
    const bool by_metric = std::ranges::any_of(
        query.conditions, [](const Condition& c) { return c.entity == Entity::kMetric; });
    if (query.datasets.empty() || by_metric || !searched_.many_metrics) return "";
    return " AND EXISTS (SELECT 1 FROM " + std::string(searched_.metrics) + " x WHERE x." +
           std::string(searched_.metrics_id) + " = s." + std::string(searched_.id) + OnDatasets() +
           ")";
  }

  std::string columns = "s.*";
  std::string from;
  std::string led_where;
  std::string joins;
  std::string order_by;

  storage::SqlParams TakeParams() { return std::move(params_); }

 private:
  base::Result<AttributeColumn> Attribute(const std::string& key) {
    const auto found = searched_.attributes.find(key);
    if (found != searched_.attributes.end()) return found->second;
    std::string known;
    for (const auto& [name, column] : searched_.attributes)
      known += (known.empty() ? "'" : ", '") + name + "'";
    return base::InvalidArgument(
        "filter", "Invalid attribute key '" + key + "' specified. Valid keys are " + known);
  }

  base::Result<std::string> WhereAttribute(const Condition& condition) {
    const AttributeColumn column = TRY(Attribute(condition.key));
    if (column.is_number) return CompareNumber(column.expression, condition);
    if (condition.texts.empty()) return Unfit(condition, "a string in quotes");
    return CompareText(column.expression, condition);
  }

  // "!=" holds for what is not a number, no other comparison does.
  base::Result<std::string> WhereMetric(const Condition& condition) {
    if (searched_.metrics.empty()) return Unfit(condition, "no metrics here");
    if (condition.key == led_by_) return CompareNumber("lead.value", condition);
    const std::string start = "EXISTS (SELECT 1 FROM " + std::string(searched_.metrics) +
                              " x WHERE x." + std::string(searched_.metrics_id) + " = s." +
                              std::string(searched_.id) + " AND x.key = " + Bind(condition.key) +
                              OnDatasets();
    const std::string compared = TRY(CompareNumber("x.value", condition));
    return start + (condition.op == "!=" ? " AND (x.is_nan = 1 OR " + compared + "))"
                                         : " AND x.is_nan = 0 AND " + compared + ")");
  }

  std::string OnDatasets() {
    if (datasets_ == nullptr || datasets_->empty() || !searched_.many_metrics) return "";
    std::string any;
    for (const DatasetName& dataset : *datasets_) {
      any += (any.empty() ? "" : " OR ") + ("(x.dataset_name = " + Bind(dataset.name));
      any += dataset.digest.empty() ? ")" : " AND x.dataset_digest = " + Bind(dataset.digest) + ")";
    }
    return " AND (" + any + ")";
  }

  std::string NewestMetric(const OrderBy& order) {
    std::string sql = "(SELECT CASE WHEN x.is_nan = 1 THEN NULL ELSE x.value END FROM " +
                      std::string(searched_.metrics) + " x WHERE x." +
                      std::string(searched_.metrics_id) + " = s." + std::string(searched_.id) +
                      " AND x.key = " + Bind(order.key);
    if (!order.dataset_name.empty()) sql += " AND x.dataset_name = " + Bind(order.dataset_name);
    if (!order.dataset_digest.empty())
      sql += " AND x.dataset_digest = " + Bind(order.dataset_digest);
    return sql + " ORDER BY x.timestamp_ms DESC, x.step DESC, x.run_id LIMIT 1)";
  }

  base::Result<std::string> WhereText(std::string_view table, const Condition& condition) {
    if (table.empty()) return Unfit(condition, "an attribute");
    const std::string start = "EXISTS (SELECT 1 FROM " + std::string(table) + " x WHERE x." +
                              std::string(searched_.tags_id) + " = s." + std::string(searched_.id) +
                              " AND x.key = " + Bind(condition.key);
    if (condition.op == "IS NOT NULL") return start + ")";
    if (condition.op == "IS NULL") return "NOT " + start + ")";
    if (condition.texts.empty()) return Unfit(condition, "a string in quotes");
    return start + " AND " + TRY(CompareText("x.value", condition)) + ")";
  }

  base::Result<std::string> WhereDataset(const Condition& condition) {
    if (searched_.datasets.empty()) return Unfit(condition, "no data sets here");
    if (condition.texts.empty()) return Unfit(condition, "a string in quotes");
    const std::string start = "EXISTS (SELECT 1 FROM " + std::string(searched_.datasets) +
                              " x WHERE x.run_id = s." + std::string(searched_.id) + " AND ";
    if (condition.key == "name" || condition.key == "digest") {
      return start + TRY(CompareText("x." + condition.key, condition)) + ")";
    }
    if (condition.key == "context") {  // tags are JSON text: {"mlflow.data.context":"training"}
      const std::string context = sqlite_ ? "json_extract(x.tags, '$.\"mlflow.data.context\"')"
                                          : "(CAST(x.tags AS json) ->> 'mlflow.data.context')";
      return start + TRY(CompareText(context, condition)) + ")";
    }
    return Unfit(condition, "dataset.name, dataset.digest or dataset.context");
  }

  static base::Status Unfit(const Condition& condition, std::string_view expected) {
    return base::InvalidArgument("filter", "Invalid comparison '" + condition.key + " " +
                                               condition.op + " ...' in the filter. Expected " +
                                               std::string(expected) + ".");
  }

  const Searched& searched_;
  const bool sqlite_;
  std::optional<std::string> led_by_;
  const std::vector<DatasetName>* datasets_ = nullptr;
  size_t orders_ = 0;
  storage::SqlParams params_;
};

}  // namespace

base::Result<SearchSql> BuildSearch(const Searched& searched, const SearchQuery& query,
                                    std::string_view kind, Extent extent) {
  if (query.conditions.size() > kMostConditions || query.order.size() > kMostOrderKeys) {
    return base::InvalidArgument(
        "filter", "A search has at most " + std::to_string(kMostConditions) + " comparisons and " +
                      std::to_string(kMostOrderKeys) + " order_by keys.");
  }
  Builder builder(searched, kind);
  builder.from = std::string(searched.table) + " s";
  size_t first = 0;
  if (extent == Extent::kWithFirstMetric) builder.LeadBy(query.order[first++]);
  for (size_t i = first; i < query.order.size(); ++i) TRY(builder.AddOrder(query.order[i]));
  std::string where = query.view == View::kAll      ? "1 = 1"
                      : query.view == View::kActive ? "s.deleted = 0"
                                                    : "s.deleted = 1";
  if (!query.experiment_ids.empty()) {
    std::string ids;
    for (const std::string& id : query.experiment_ids) {
      const base::Result<int64_t> number = ParseExperimentId(id);
      ids += (ids.empty() ? "" : ", ") + builder.Bind(number.ok() ? *number : kNoExperiment);
    }
    where += " AND s.experiment_id IN (" + ids + ")";
  }
  where += builder.WhereMeasured(query);
  for (const Condition& condition : query.conditions)
    where += " AND " + TRY(builder.Where(condition));
  const std::string limit = builder.Bind(query.limit + 1);
  const std::string offset = builder.Bind(query.offset);
  SearchSql sql;
  sql.text = "SELECT " + std::string(searched.columns) + " FROM (SELECT " + builder.columns +
             " FROM " + builder.from + builder.joins + " WHERE " + builder.led_where + where +
             ") q ORDER BY " + builder.order_by + std::string(searched.tie_break) + " LIMIT " +
             limit + " OFFSET " + offset;
  sql.params = builder.TakeParams();
  return sql;
}

bool LeadsByMetric(const Searched& searched, const SearchQuery& query) {
  return !query.order.empty() && query.order.front().entity == Entity::kMetric &&
         !searched.metrics.empty() && !searched.many_metrics;
}

bool NeedsFirstMetric(const SearchQuery& query) {
  return std::ranges::any_of(query.conditions, [&](const Condition& condition) {
    return condition.entity == Entity::kMetric && condition.key == query.order.front().key &&
           condition.op != "!=";
  });
}

}  // namespace slipway::tracking
