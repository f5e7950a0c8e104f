// SPDX-License-Identifier: Apache-2.0
#include "api/mlflow/filter.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/mlflow/grammar.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using tracking::Condition;
using tracking::Entity;

std::vector<Condition> Parse(std::string_view filter, const Grammar& grammar = RunGrammar()) {
  const auto conditions = ParseFilter(filter, grammar);
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
      "run_id IN ('a', \"b\",'it''s') AND dataset.name NOT IN ('x') AND tags.x IS NULL AND "
      "params.y IS NOT "
      "NULL");
  ASSERT_EQ(conditions.size(), 4u);
  EXPECT_EQ(conditions[0].texts, (std::vector<std::string>{"a", "b", "it's"}));
  EXPECT_EQ(conditions[1].op, "NOT IN");
  EXPECT_EQ(conditions[2].op, "IS NULL");
  EXPECT_EQ(conditions[3].op, "IS NOT NULL");
}

TEST(Filter, RefusesWhatItDoesNotSpeak) {
  for (const std::string bad :
       {"status = 'x' OR status = 'y'", "(status = 'x')", "status =", "= 1", "status = 'x",
        "run_id IN 'x'", "run_id IN ('x'", "run_id IN (1)", "status ! 1", "status",
        "status = 'x' status = 'y'", "status IS 3", "status LIKE", "status NOT LIKE 'x'",
        "status = run_id", "status; DROP TABLE x", "status = `x`", "metrics.a-b > 1",
        "metrics.a > 1x"}) {
    const auto refused = ParseFilter(bad, RunGrammar());
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_EQ(refused.status().code(), base::Code::kInvalidArgument);
    EXPECT_NE(refused.status().message().find("at character"), std::string::npos)
        << refused.status().message();
  }
  EXPECT_FALSE(ParseFilter(std::string(200'000, ' '), RunGrammar()).ok());
}

TEST(Filter, RefusesWhatDoesNotFitItsKey) {
  for (const std::string bad :
       {"nonsense = 'x'", "foo.bar = 'x'", "TAGS.team = 'x'", "metrics.auc > '1'", "params.a = 1",
        "params.a > 'x'", "status > 'x'", "status IN ('x')", "tags.a IN ('x')", "metrics.a IS NULL",
        "status IS NULL", "start_time = 'x'", "dataset.size = 'x'", "metrics.a LIKE 'x'"}) {
    EXPECT_FALSE(ParseFilter(bad, RunGrammar()).ok()) << bad;
  }
  EXPECT_FALSE(ParseFilter("name like 'x'", ExperimentGrammar()).ok());
  EXPECT_FALSE(ParseFilter("metrics.a > 1", ExperimentGrammar()).ok());
  EXPECT_FALSE(ParseFilter("tags.a IS NULL", RegisteredModelGrammar()).ok());
  EXPECT_FALSE(ParseFilter("creation_timestamp > 1", ModelVersionGrammar()).ok());
  EXPECT_FALSE(ParseFilter("version_number = 1.5", ModelVersionGrammar()).ok());
  EXPECT_FALSE(ParseFilter("tag.a = 'x'", LoggedModelGrammar()).ok());
  EXPECT_TRUE(ParseFilter("tags.a IN ('x') AND", LoggedModelGrammar()).ok());
}

TEST(Filter, ReadsOrder) {
  const auto order =
      ParseOrderBy({"metrics.auc DESC", "params.`a b`", "start_time asc"}, RunGrammar()).value();
  ASSERT_EQ(order.size(), 3u);
  EXPECT_EQ(order[0].entity, Entity::kMetric);
  EXPECT_FALSE(order[0].ascending);
  EXPECT_EQ(order[1].key, "a b");
  EXPECT_TRUE(order[2].ascending);
  for (const std::string bad : {"", "status b c", "status SIDEWAYS", "'status'", "dataset.name"})
    EXPECT_FALSE(ParseOrderBy({bad}, RunGrammar()).ok()) << bad;
  EXPECT_FALSE(ParseOrderBy({"status", "status DESC"}, RunGrammar()).ok());
  EXPECT_FALSE(ParseOrderBy({"attribute.name"}, RegisteredModelGrammar()).ok());
  EXPECT_FALSE(ParseOrderBy({"tags.a"}, ExperimentGrammar()).ok());
}

bool Text(const std::string& filter, const std::optional<std::string>& actual) {
  return MatchesText(Parse(filter, ModelVersionGrammar()).front(), actual).value();
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
}

TEST(Filter, MatchesNumbersInMemory) {
  const auto matches = [](const char* filter) {
    return MatchesNumber(Parse(filter, ModelVersionGrammar()).front(), 2).value();
  };
  EXPECT_TRUE(matches("version_number >= 2"));
  EXPECT_TRUE(matches("version_number = '2'"));
  EXPECT_FALSE(matches("version_number < 2"));
}

}  // namespace
}  // namespace slipway::api::mlflow
