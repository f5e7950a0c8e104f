// SPDX-License-Identifier: Apache-2.0
#include "api/mlflow/filter.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using tracking::Condition;
using tracking::Entity;

std::vector<Condition> Parse(std::string_view filter) {
  const auto conditions = ParseFilter(filter);
  EXPECT_TRUE(conditions.ok()) << filter << ": " << conditions.status().ToString();
  return conditions.ok() ? *conditions : std::vector<Condition>();
}

TEST(Filter, AnEmptyOneHasNoConditions) {
  EXPECT_TRUE(Parse("").empty());
  EXPECT_TRUE(Parse("  ").empty());
}

TEST(Filter, ReadsEveryKindOfKey) {
  const auto conditions = Parse(
      "metrics.auc > 0.7 and params.depth = '3' AND tags.`a b` LIKE 'x%' AND tag.\"c.d\" != \"e\" "
      "AND status = 'FINISHED' "
      "AND attributes.start_time>=-5e3 AND datasets.name = 'd' AND run.`run name` ILIKE 'r_'");
  ASSERT_EQ(conditions.size(), 8u);
  EXPECT_EQ(conditions[0].entity, Entity::kMetric);
  EXPECT_EQ(conditions[0].key, "auc");
  EXPECT_EQ(conditions[0].op, ">");
  EXPECT_EQ(conditions[0].number, 0.7);
  EXPECT_EQ(conditions[1].entity, Entity::kParam);
  EXPECT_EQ(conditions[1].texts, (std::vector<std::string>{"3"}));
  EXPECT_EQ(conditions[2].entity, Entity::kTag);
  EXPECT_EQ(conditions[2].key, "a b");
  EXPECT_EQ(conditions[3].key, "c.d");
  EXPECT_EQ(conditions[3].texts, (std::vector<std::string>{"e"}));
  EXPECT_EQ(conditions[4].entity, Entity::kAttribute);
  EXPECT_EQ(conditions[5].number, -5000);
  EXPECT_EQ(conditions[6].entity, Entity::kDataset);
  EXPECT_EQ(conditions[7].key, "run_name");
}

TEST(Filter, ReadsListsAndNulls) {
  const auto conditions = Parse(
      "run_id IN ('a', \"b\",'it''s') AND name NOT IN ('x') AND tags.x IS NULL AND params.y IS NOT "
      "NULL");
  ASSERT_EQ(conditions.size(), 4u);
  EXPECT_EQ(conditions[0].texts, (std::vector<std::string>{"a", "b", "it's"}));
  EXPECT_EQ(conditions[1].op, "NOT IN");
  EXPECT_EQ(conditions[2].op, "IS NULL");
  EXPECT_EQ(conditions[3].op, "IS NOT NULL");
}

TEST(Filter, RefusesWhatItDoesNotSpeak) {
  for (const std::string bad :
       {"a = 1 OR b = 2", "(a = 1)", "a =", "= 1", "a = 'x", "a IN 'x'", "a IN ('x'", "a IN (1)",
        "a = 1 AND", "a ! 1", "a", "a = 1 b = 2", "a IS 3", "a LIKE", "a NOT LIKE 'x'", "a = b",
        "a; DROP TABLE x", "a = `x`"}) {
    const auto refused = ParseFilter(bad);
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_EQ(refused.status().code(), base::Code::kInvalidArgument);
    EXPECT_NE(refused.status().message().find("at character"), std::string::npos)
        << refused.status().message();
  }
  EXPECT_FALSE(ParseFilter(std::string(200'000, ' ')).ok());
}

TEST(Filter, ReadsOrder) {
  const auto order = ParseOrderBy({"metrics.auc DESC", "params.`a b`", "start_time asc"}).value();
  ASSERT_EQ(order.size(), 3u);
  EXPECT_EQ(order[0].entity, Entity::kMetric);
  EXPECT_FALSE(order[0].ascending);
  EXPECT_EQ(order[1].key, "a b");
  EXPECT_TRUE(order[2].ascending);
  for (const std::string bad : {"", "a b c", "a SIDEWAYS", "'a'"})
    EXPECT_FALSE(ParseOrderBy({bad}).ok()) << bad;
}

bool Text(const std::string& filter, const std::optional<std::string>& actual) {
  return MatchesText(Parse(filter).front(), actual).value();
}

TEST(Filter, MatchesTextsInMemory) {
  EXPECT_TRUE(Text("name LIKE 'fr%d'", "fraud"));
  EXPECT_FALSE(Text("name LIKE 'fr%d'", "Fraud"));
  EXPECT_TRUE(Text("name ILIKE 'FR_UD'", "fraud"));
  EXPECT_TRUE(Text("name LIKE '%a%u%'", "aXaXu"));
  EXPECT_FALSE(Text("name LIKE '%a_'", "fraud"));
  EXPECT_TRUE(Text("name != 'x'", "y"));
  EXPECT_FALSE(Text("name != 'x'", std::nullopt));
  EXPECT_TRUE(Text("tags.`mlflow.prompt.is_prompt` != 'true'", std::nullopt));
  EXPECT_TRUE(Text("name IN ('a', 'b')", "b"));
  EXPECT_FALSE(Text("name NOT IN ('a', 'b')", "b"));
  EXPECT_TRUE(Text("tags.x IS NULL", std::nullopt));
  EXPECT_FALSE(MatchesText(Parse("name > 'a'").front(), "b").ok());
  EXPECT_FALSE(MatchesText(Parse("name = 3").front(), "b").ok());
}

TEST(Filter, MatchesNumbersInMemory) {
  EXPECT_TRUE(MatchesNumber(Parse("version_number >= 2").front(), 2).value());
  EXPECT_TRUE(MatchesNumber(Parse("version_number = '2'").front(), 2).value());
  EXPECT_FALSE(MatchesNumber(Parse("version_number < 2").front(), 2).value());
  EXPECT_FALSE(MatchesNumber(Parse("version_number LIKE '2'").front(), 2).ok());
}

}  // namespace
}  // namespace slipway::api::mlflow
