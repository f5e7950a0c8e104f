// SPDX-License-Identifier: Apache-2.0
// The judge's promises, checked on simulated traffic with fixed seeds: it is asked every minute,
// and may be wrong in one trace of twenty. The traffic is unkind on purpose: users who fail more
// than others, retries, bad hours while the weight grows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "traffic/analysis.h"

namespace slipway::traffic {
namespace {

constexpr double kAlpha = 0.05;

struct Scenario {
  std::string name;
  double stable_rate = 0.01;
  double candidate_rate = 0.01;
  double tolerance = 0;
  int users = 2000;
  int requests_a_minute = 300;
  int minutes = 30;
  double user_cv = 0;     // how much users differ in their rate of failing
  double retries = 0;     // a failed request is tried again so often in the mean, and fails again
  double bad_factor = 1;  // rates are so many times higher from minute 10 to 20, for both arms
  double share = 0;       // > 0: one step with this share instead of 5 %, 25 %, 50 %
};

struct Answer {
  int minute = 0;         // of the finding; the last one when there was none
  int64_t candidate = 0;  // its requests by then
  Finding finding = Finding::kInconclusive;
};

class Trace {
 public:
  Trace(const Scenario& scenario, uint64_t seed) : scenario_(scenario), random_(seed) {
    const double shape = scenario.user_cv > 0 ? 1 / (scenario.user_cv * scenario.user_cv) : 0;
    std::gamma_distribution<double> factor(shape > 0 ? shape : 1, shape > 0 ? 1 / shape : 1);
    for (int user = 0; user < scenario.users; ++user) {
      users_.push_back({random_() % kJudgeBuckets, Uniform(), shape > 0 ? factor(random_) : 1});
    }
  }

  // The first minute at which the judge says `wanted`.
  Answer Run(const Analysis& analysis, Finding wanted) {
    Answer answer;
    for (int minute = 0; minute < scenario_.minutes; ++minute) {
      const size_t step =
          scenario_.share > 0 ? 0 : static_cast<size_t>(minute * 3 / scenario_.minutes);
      if (tallies_.size() <= step) tallies_.emplace_back();
      Minute(minute, step);
      std::vector<StepTotals> totals;
      answer.candidate = 0;
      for (const Tally& tally : tallies_) {
        totals.push_back({tally.Totals(Side::kOfStable), tally.Totals(Side::kOfCandidate)});
        answer.candidate += totals.back().candidate.count();
      }
      answer.minute = minute + 1;
      if (analysis.Judge(totals, kAlpha).finding == wanted) {
        answer.finding = wanted;
        return answer;
      }
    }
    return answer;
  }

 private:
  struct User {
    size_t bucket = 0;
    double place = 0;  // the candidate's when below its weight
    double factor = 1;
  };

  double Uniform() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

  void Minute(int minute, size_t step) {
    static constexpr double kWeights[] = {0.05, 0.25, 0.5};
    const double weight = scenario_.share > 0 ? scenario_.share : kWeights[step];
    const bool bad = minute * 3 >= scenario_.minutes && minute * 3 < 2 * scenario_.minutes;
    for (int sent = 0; sent < scenario_.requests_a_minute; ++sent) {
      const User& user = users_[random_() % users_.size()];
      const Side side = user.place < weight ? Side::kOfCandidate : Side::kOfStable;
      const double base =
          side == Side::kOfCandidate ? scenario_.candidate_rate : scenario_.stable_rate;
      const double rate = base * user.factor * (bad ? scenario_.bad_factor : 1);
      if (Uniform() >= rate) {
        tallies_[step].Add(side, user.bucket, 0);
        continue;
      }
      do {
        tallies_[step].Add(side, user.bucket, 1);
      } while (Uniform() < scenario_.retries / (1 + scenario_.retries));
    }
  }

  const Scenario& scenario_;
  std::mt19937_64 random_;
  std::vector<User> users_;
  std::deque<Tally> tallies_;
};

double Share(const Scenario& scenario, const Analysis& analysis, Finding wanted, int traces) {
  int found = 0;
  for (int trace = 0; trace < traces; ++trace) {
    found +=
        Trace(scenario, static_cast<uint64_t>(trace) + 1).Run(analysis, wanted).finding == wanted
            ? 1
            : 0;
  }
  return static_cast<double>(found) / traces;
}

class NoFalseAlarm : public testing::TestWithParam<Scenario> {};

// With tolerance 0 and equal versions: the edge of what may not be rolled back.
TEST_P(NoFalseAlarm, InMoreThanOneTraceOfTwenty) {
  const double share =
      Share(GetParam(), *MakeErrorRateAnalysis(GetParam().tolerance), Finding::kFail, 300);
  EXPECT_LE(share, kAlpha);
  RecordProperty("false_rollbacks", std::to_string(share));
}

Scenario Named(const std::string& name, void (*change)(Scenario&)) {
  Scenario scenario;
  scenario.name = name;
  change(scenario);
  return scenario;
}

INSTANTIATE_TEST_SUITE_P(
    Simulated, NoFalseAlarm,
    testing::Values(
        Named("Independent", [](Scenario&) {}),
        Named("RetryBursts", [](Scenario& s) { s.retries = 2; }),
        Named("UnequalUsers", [](Scenario& s) { s.user_cv = 1; }),
        Named("BurstsAndUnequalUsers", [](Scenario& s) { s.retries = 2, s.user_cv = 1; }),
        Named("BadHourWhileTheWeightGrows", [](Scenario& s) { s.bad_factor = 10; }),
        Named("OutageOfBoth", [](Scenario& s) { s.bad_factor = 60; }),
        Named("OutageFromTheStart",
              [](Scenario& s) { s.stable_rate = 0.7, s.candidate_rate = 0.7; }),
        Named("RareErrors", [](Scenario& s) { s.stable_rate = 0.0005, s.candidate_rate = 0.0005; }),
        Named("FewUsers", [](Scenario& s) { s.users = 150, s.user_cv = 1, s.retries = 2; }),
        Named("LittleTraffic", [](Scenario& s) { s.requests_a_minute = 20, s.minutes = 90; })),
    [](const auto& row) { return row.param.name; });

TEST(Judge, AVersionThatIsWorseByTheToleranceIsSeldomCalledHarmless) {
  Scenario scenario;
  scenario.stable_rate = 0.01;
  scenario.candidate_rate = 0.03;
  scenario.tolerance = 0.02;
  EXPECT_LE(Share(scenario, *MakeErrorRateAnalysis(0.02), Finding::kPass, 300), kAlpha);
  scenario.retries = 2;
  scenario.stable_rate = 0.004;
  scenario.candidate_rate = 0.01;  // with retries about 0.012 and 0.03 of the answers
  EXPECT_LE(Share(scenario, *MakeErrorRateAnalysis(0.018), Finding::kPass, 300), kAlpha);
}

TEST(Judge, AnEqualVersionIsShownToBeHarmless) {
  Scenario scenario;
  scenario.stable_rate = 0.002;
  scenario.candidate_rate = 0.002;
  const auto analysis = MakeErrorRateAnalysis(0.02);
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    EXPECT_EQ(Trace(scenario, seed).Run(*analysis, Finding::kPass).finding, Finding::kPass)
        << "seed " << seed;
  }
}

// The candidate's requests until the alarm, in the worst of 100 traces.
int64_t MostRequestsUntilAlarm(const Scenario& scenario, double tolerance) {
  const auto analysis = MakeErrorRateAnalysis(tolerance);
  int64_t most = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    const Answer answer = Trace(scenario, seed).Run(*analysis, Finding::kFail);
    EXPECT_EQ(answer.finding, Finding::kFail) << "seed " << seed;
    most = std::max(most, answer.candidate);
  }
  testing::Test::RecordProperty("most_requests", std::to_string(most));
  return most;
}

TEST(Judge, FiveTimesTheErrorsAreCaughtWithinSevenHundredOfItsRequests) {
  Scenario scenario;
  scenario.candidate_rate = 0.05;
  scenario.share = 0.05;
  scenario.minutes = 600;
  EXPECT_LE(MostRequestsUntilAlarm(scenario, 0), 700);
}

TEST(Judge, TwiceTheErrorsAreCaughtWithinSixThousandOfItsRequests) {
  Scenario scenario;
  scenario.candidate_rate = 0.02;
  scenario.share = 0.25;
  scenario.minutes = 300;
  EXPECT_LE(MostRequestsUntilAlarm(scenario, 0), 6000);
}

TEST(Judge, ABrokenVersionIsCaughtWithinTensOfItsRequests) {
  Scenario scenario;
  scenario.candidate_rate = 1;
  scenario.share = 0.05;
  scenario.requests_a_minute = 20;  // one of the candidate's between two looks
  scenario.minutes = 200;
  EXPECT_LE(MostRequestsUntilAlarm(scenario, 0.01), 25);
  scenario.candidate_rate = 0.8;
  EXPECT_LE(MostRequestsUntilAlarm(scenario, 0.01), 40);
}

TEST(Judge, AHigherLossIsCaughtAndAnEqualOneIsNot) {
  const auto analysis = MakeLossAnalysis(0.02);
  int alarms = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    for (const double shift : {0.0, 0.1}) {
      std::mt19937_64 random(seed);
      std::uniform_real_distribution<double> loss(0, 0.3);
      Tally tally;
      Finding finding = Finding::kInconclusive;
      int rows = 0;
      for (; rows < 6000 && finding != Finding::kFail; ++rows) {
        const bool candidate = random() % 2 == 0;
        tally.Add(candidate ? Side::kOfCandidate : Side::kOfStable, random() % kJudgeBuckets,
                  loss(random) + (candidate ? shift : 0));
        if (rows % 100 != 99) continue;
        const StepTotals totals{tally.Totals(Side::kOfStable), tally.Totals(Side::kOfCandidate)};
        finding = analysis->Judge(std::span(&totals, 1), kAlpha).finding;
      }
      if (shift > 0) {
        EXPECT_EQ(finding, Finding::kFail) << "seed " << seed;
        EXPECT_LE(rows, 600);
      } else {
        alarms += finding == Finding::kFail ? 1 : 0;
      }
    }
  }
  EXPECT_LE(alarms, 5);
}

TEST(Judge, SlowerAnswersAreCaughtAndASlowHourOfBothIsNot) {
  const auto analysis = MakeLatencyAnalysis(0.4);
  for (const bool slower : {false, true}) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> nanos(std::log(1e6), 0.6);
    Tally tally;
    for (int i = 0; i < 20000; ++i) {
      const bool candidate = random() % 20 == 0;
      Outcome outcome;
      outcome.total_ns =
          static_cast<int64_t>(nanos(random) * (i > 10000 ? 5 : 1) * (candidate && slower ? 2 : 1));
      tally.Add(candidate ? Side::kOfCandidate : Side::kOfStable, random() % kJudgeBuckets,
                analysis->ValueOf(outcome).value());
    }
    const StepTotals totals{tally.Totals(Side::kOfStable), tally.Totals(Side::kOfCandidate)};
    EXPECT_EQ(analysis->Judge(std::span(&totals, 1), kAlpha).finding,
              slower ? Finding::kFail : Finding::kPass);
  }
}

}  // namespace
}  // namespace slipway::traffic
