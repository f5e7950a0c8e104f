// SPDX-License-Identifier: Apache-2.0
#include "monitoring/stats.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <random>

namespace slipway::monitoring {
namespace {

double NaiveAuc(const std::vector<ScoredLabel>& rows) {
  double won = 0;
  double pairs = 0;
  for (const ScoredLabel& positive : rows) {
    for (const ScoredLabel& negative : rows) {
      if (!positive.label || negative.label) continue;
      pairs += 1;
      won += positive.score > negative.score ? 1 : positive.score == negative.score ? 0.5 : 0;
    }
  }
  return won / pairs;
}

TEST(Auc, CountsTheRightPairsAndHalfTheTies) {
  EXPECT_EQ(Auc(std::vector<ScoredLabel>{{0.8, true}, {0.4, true}, {0.6, false}, {0.2, false}}),
            0.75);
  EXPECT_EQ(Auc(std::vector<ScoredLabel>{{0.5, true}, {0.5, false}}), 0.5);
  EXPECT_EQ(Auc(std::vector<ScoredLabel>{{0.1, true}, {0.9, false}}), 0.0);
}

TEST(Auc, HasNoValueForOneClass) {
  EXPECT_FALSE(Auc(std::vector<ScoredLabel>{{0.8, true}, {0.4, true}}).has_value());
  EXPECT_FALSE(Auc({}).has_value());
}

TEST(Auc, EqualsTheCountOverAllPairsInAnyOrder) {
  EXPECT_TRUE(rc::check([] {
    const auto given = *rc::gen::container<std::vector<std::pair<int, bool>>>(
        rc::gen::pair(rc::gen::inRange(0, 12), rc::gen::arbitrary<bool>()));
    std::vector<ScoredLabel> rows;
    for (const auto& [score, label] : given) rows.push_back({score / 12.0, label});
    const auto auc = Auc(rows);
    RC_PRE(auc.has_value());
    RC_ASSERT(std::abs(*auc - NaiveAuc(rows)) < 1e-12);
    std::vector<ScoredLabel> backwards(rows.rbegin(), rows.rend());
    RC_ASSERT(Auc(backwards) == auc);
  }));
}

TEST(Auc, HasDeLongsInterval) {
  // By hand: shares won by the positives 1 and 0.5, by the negatives 0.5 and 1; variance 0.125/2 +
  // 0.125/2.
  const auto estimate = AucWithInterval(
      std::vector<ScoredLabel>{{0.8, true}, {0.4, true}, {0.6, false}, {0.2, false}}, 0.95);
  EXPECT_NEAR(estimate->lower, 0.75 - 1.959963985 * std::sqrt(0.125), 1e-9);
  EXPECT_EQ(estimate->upper, 1);
}

TEST(Auc, IntervalCoversTheTruthAboutAsOftenAsItSays) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> noise;
  const double truth = 0.5 * std::erfc(-0.5);  // P(N(1,1) > N(0,1))
  int covered = 0;
  for (int run = 0; run < 400; ++run) {
    std::vector<ScoredLabel> rows;
    for (int i = 0; i < 200; ++i) rows.push_back({noise(random) + (i % 2), i % 2 == 1});
    const auto estimate = AucWithInterval(rows, 0.95);
    covered += estimate->lower <= truth && truth <= estimate->upper ? 1 : 0;
  }
  EXPECT_GE(covered, 365);
  EXPECT_LE(covered, 395);
}

TEST(Quality, HasTheValuesWorkedOutByHand) {
  std::vector<ScoredLabel> rows = {{0.9, true}, {0.2, false}, {0.6, false}, {0.4, true}};
  const auto quality = MeasureQuality(rows, 0.95);
  EXPECT_EQ(quality->n, 4);
  EXPECT_EQ(quality->positives, 2);
  EXPECT_NEAR(quality->brier.value, (0.01 + 0.04 + 0.36 + 0.36) / 4, 1e-12);
  EXPECT_NEAR(quality->log_loss.value, -(std::log(0.9) + std::log(0.8) + 2 * std::log(0.4)) / 4,
              1e-12);
  EXPECT_EQ(quality->accuracy.value, 0.5);
  EXPECT_NEAR(quality->accuracy.lower, 0.150, 1e-3);  // Wilson's interval of 2 in 4
  EXPECT_NEAR(quality->accuracy.upper, 0.850, 1e-3);
  EXPECT_EQ(quality->auc->value, 0.75);
}

TEST(Quality, IsTheSameToTheLastBitInAnyOrder) {
  EXPECT_TRUE(rc::check([] {
    const auto given = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::pair<int, bool>>>(
        rc::gen::pair(rc::gen::inRange(0, 1000), rc::gen::arbitrary<bool>())));
    std::vector<ScoredLabel> rows;
    for (const auto& [score, label] : given) rows.push_back({score / 999.0, label});
    std::vector<ScoredLabel> backwards(rows.rbegin(), rows.rend());
    const auto one = MeasureQuality(rows, 0.95);
    const auto other = MeasureQuality(backwards, 0.95);
    RC_ASSERT((one->brier.value == other->brier.value && one->brier.upper == other->brier.upper));
    RC_ASSERT(one->log_loss.value == other->log_loss.value);
    RC_ASSERT(one->auc.has_value() == other->auc.has_value());
    // In a second pair of parentheses, because the captured expression would not short-circuit.
    RC_ASSERT((!one->auc || one->auc->lower == other->auc->lower));
  }));
}

TEST(Quality, SurvivesScoresOfExactlyZeroAndOne) {
  std::vector<ScoredLabel> rows = {{0, true}, {1, false}};
  EXPECT_TRUE(std::isfinite(MeasureQuality(rows, 0.95)->log_loss.value));
}

struct Competition {
  std::vector<uint8_t> labels;
  std::vector<std::vector<double>> scores{3};
};

// Model 1 sees more of the truth than model 0; model 2 is model 0 again.
Competition MakeCompetition(int rows) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> noise;
  Competition competition;
  for (int i = 0; i < rows; ++i) {
    const bool label = random() % 4 == 0;
    const double shared = noise(random);
    competition.labels.push_back(label ? 1 : 0);
    competition.scores[0].push_back(shared + (label ? 1.0 : 0.0));
    competition.scores[1].push_back(shared + (label ? 1.5 : 0.0));
  }
  competition.scores[2] = competition.scores[0];
  return competition;
}

TEST(CompareAuc, BoundsTheGainOfABetterModelAwayFromZero) {
  const Competition competition = MakeCompetition(2000);
  const auto result = CompareAuc(competition.labels, competition.scores, 0, {});
  ASSERT_TRUE(result.ok());
  EXPECT_NEAR((*result)[0].auc, 0.76, 0.02);
  EXPECT_GT((*result)[1].lower, 0.05);
  EXPECT_LT((*result)[1].upper, 0.15);
  EXPECT_NEAR((*result)[1].difference, (*result)[1].auc - (*result)[0].auc, 1e-15);
  // Paired: the same scores differ by nothing in every resample.
  EXPECT_EQ((*result)[2].lower, 0);
  EXPECT_EQ((*result)[2].upper, 0);
}

TEST(CompareAuc, GivesTheSameNumbersForTheSameSeed) {
  const Competition competition = MakeCompetition(500);
  const auto one = CompareAuc(competition.labels, competition.scores, 0, {.seed = 3});
  const auto same = CompareAuc(competition.labels, competition.scores, 0, {.seed = 3});
  const auto other = CompareAuc(competition.labels, competition.scores, 0, {.seed = 4});
  EXPECT_EQ((*one)[1].lower, (*same)[1].lower);
  EXPECT_NE((*one)[1].lower, (*other)[1].lower);
}

TEST(CompareAuc, IntervalAgreesWithDeLongForOneModelAgainstChance) {
  Competition competition = MakeCompetition(1000);
  competition.scores = {std::vector<double>(1000, 0.5), competition.scores[1]};
  std::vector<ScoredLabel> rows;
  for (size_t i = 0; i < 1000; ++i)
    rows.push_back({competition.scores[1][i], competition.labels[i] != 0});
  const auto result = CompareAuc(competition.labels, competition.scores, 0, {.resamples = 2000});
  const auto delong = AucWithInterval(rows, 0.95);
  EXPECT_NEAR((*result)[1].lower, delong->lower - 0.5, 0.005);
  EXPECT_NEAR((*result)[1].upper, delong->upper - 0.5, 0.005);
}

TEST(CompareAuc, SaysWhatIsWrong) {
  const std::vector<std::vector<double>> scores = {{0.1, 0.2}, {0.3}};
  EXPECT_EQ(CompareAuc(std::vector<uint8_t>{1, 0}, scores, 0, {}).status().field(), "scores[1]");
  EXPECT_EQ(CompareAuc(std::vector<uint8_t>{1, 0}, scores, 2, {}).status().field(), "reference");
  const std::vector<std::vector<double>> one = {{0.1, 0.2}};
  EXPECT_EQ(CompareAuc(std::vector<uint8_t>{1, 1}, one, 0, {}).status().reason(), "one_class");
  EXPECT_EQ(CompareAuc(std::vector<uint8_t>{1, 0}, one, 0, {.resamples = 1}).status().field(),
            "resamples");
}

}  // namespace
}  // namespace slipway::monitoring
