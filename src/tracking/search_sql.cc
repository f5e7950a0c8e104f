// SPDX-License-Identifier: Apache-2.0
// Tracking, searching: a filter's comparisons become EXISTS clauses, its order becomes extra
// columns.
#include "tracking/search_sql.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
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

  base::Result<std::string> OrderExpression(const OrderBy& order) {
    const auto value_of = [&](std::string_view table, std::string_view id) {
      return "(SELECT MAX(x.value) FROM " + std::string(table) + " x WHERE x." + std::string(id) +
             " = s." + std::string(searched_.id) + " AND x.key = " + Bind(order.key) +
             (order.entity == Entity::kMetric ? " AND x.is_nan = 0)" : ")");
    };
    if (order.entity == Entity::kMetric && !searched_.metrics.empty())
      return value_of(searched_.metrics, searched_.metrics_id);
    if (order.entity == Entity::kParam && !searched_.params.empty())
      return value_of(searched_.params, searched_.tags_id);
    if (order.entity == Entity::kTag && !searched_.tags.empty())
      return value_of(searched_.tags, searched_.tags_id);
    if (order.entity != Entity::kAttribute) {
      return base::InvalidArgument("order_by", "Invalid order_by key '" + order.key + "' for a " +
                                                   std::string(searched_.what) + ".");
    }
    return TRY(Attribute(order.key)).expression;
  }

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

  base::Result<std::string> WhereMetric(const Condition& condition) {
    if (searched_.metrics.empty()) return Unfit(condition, "no metrics here");
    const std::string start = "EXISTS (SELECT 1 FROM " + std::string(searched_.metrics) +
                              " x WHERE x." + std::string(searched_.metrics_id) + " = s." +
                              std::string(searched_.id) + " AND x.key = " + Bind(condition.key) +
                              " AND x.is_nan = 0 AND ";
    return start + TRY(CompareNumber("x.value", condition)) + ")";
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
    if (condition.key == "context" &&
        condition.op == "=") {  // tags are JSON text: {"mlflow.data.context":"training"}
      std::string quoted;
      base::AppendJsonString(quoted, condition.texts.front());
      Condition like{
          Entity::kDataset, "context", "LIKE", {"%\"mlflow.data.context\":" + quoted + "%"}, 0};
      return start + TRY(CompareText("x.tags", like)) + ")";
    }
    return Unfit(condition, "dataset.name, dataset.digest, or dataset.context with =");
  }

  static base::Status Unfit(const Condition& condition, std::string_view expected) {
    return base::InvalidArgument("filter", "Invalid comparison '" + condition.key + " " +
                                               condition.op + " ...' in the filter. Expected " +
                                               std::string(expected) + ".");
  }

  const Searched& searched_;
  const bool sqlite_;
  storage::SqlParams params_;
};

}  // namespace

base::Result<SearchSql> BuildSearch(const Searched& searched, const SearchQuery& query,
                                    std::string_view kind) {
  if (query.conditions.size() > kMostConditions || query.order.size() > kMostOrderKeys) {
    return base::InvalidArgument(
        "filter", "A search has at most " + std::to_string(kMostConditions) + " comparisons and " +
                      std::to_string(kMostOrderKeys) + " order_by keys.");
  }
  Builder builder(searched, kind);
  std::string columns = "s.*";
  std::string order;
  for (size_t i = 0; i < query.order.size(); ++i) {
    const std::string name = "o" + std::to_string(i);
    columns += ", " + TRY(builder.OrderExpression(query.order[i])) + " AS " + name;
    order.append("CASE WHEN ").append(name).append(" IS NULL THEN 1 ELSE 0 END, ").append(name);
    order.append(query.order[i].ascending ? " ASC, " : " DESC, ");
  }
  std::string where = query.view == View::kAll      ? "1 = 1"
                      : query.view == View::kActive ? "deleted = 0"
                                                    : "deleted = 1";
  if (!query.experiment_ids.empty()) {
    std::string ids;
    for (const std::string& id : query.experiment_ids) {
      const base::Result<int64_t> number = ParseExperimentId(id);
      ids += (ids.empty() ? "" : ", ") + builder.Bind(number.ok() ? *number : kNoExperiment);
    }
    where += " AND experiment_id IN (" + ids + ")";
  }
  for (const Condition& condition : query.conditions)
    where += " AND " + TRY(builder.Where(condition));
  const std::string limit = builder.Bind(query.limit + 1);
  const std::string offset = builder.Bind(query.offset);
  SearchSql sql;
  sql.text = "SELECT " + std::string(searched.columns) + " FROM (SELECT " + columns + " FROM " +
             std::string(searched.table) + " s WHERE " + where + ") q ORDER BY " + order +
             std::string(searched.tie_break) + " LIMIT " + limit + " OFFSET " + offset;
  sql.params = builder.TakeParams();
  return sql;
}

}  // namespace slipway::tracking
