// SPDX-License-Identifier: Apache-2.0
#include "monitoring/detect/stream_detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "monitoring/detect/simulation_testing.h"

namespace slipway::monitoring {
namespace {

constexpr int64_t kReferenceRows = 20'000;

void Add(StreamDetector& detector, uint8_t bin, base::Micros time) {
  detector.Add({&bin, 1}, time);
}

template <typename Stream>
int64_t MedianDelay(Stream& stream, double level, double changed, int64_t limit) {
  std::vector<int64_t> delays;
  for (int i = 0; i < 41; ++i) delays.push_back(Delay(stream, level, changed, 300, limit));
  std::nth_element(delays.begin(), delays.begin() + 20, delays.end());
  return delays[20];
}

// The bounds are river's ADWIN on such streams.
TEST(StreamDetector, FindsAMoveOfTheMeanNoLaterThanAdwin) {
  NormalStream stream(kReferenceRows, 1);
  EXPECT_LE(MedianDelay(stream, 0, 0.25, 3000), 295);
  EXPECT_LE(MedianDelay(stream, 0, -0.25, 3000), 295);
  EXPECT_LE(MedianDelay(stream, 0, 0.5, 3000), 119);
  EXPECT_LE(MedianDelay(stream, 0, 1, 3000), 39);
  EXPECT_LE(MedianDelay(stream, 0, -1, 3000), 39);
}

TEST(StreamDetector, FindsMoreErrorsNoLaterThanAdwin) {
  ErrorStream stream(kReferenceRows, 0.15, 2);
  EXPECT_LE(MedianDelay(stream, 0.15, 0.20, 6000), 1223);
  EXPECT_LE(MedianDelay(stream, 0.15, 0.25, 3000), 311);
  EXPECT_LE(MedianDelay(stream, 0.15, 0.35, 3000), 135);
}

TEST(StreamDetector, RaisesAtMostOneFalseAlarmIn100000Values) {
  int64_t alarms = 0;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    NormalStream stream(kReferenceRows, seed);
    alarms += CountAlarms(stream, 0, 300'000);
  }
  EXPECT_LE(alarms, 12);
}

TEST(StreamDetector, RaisesAtMostOneFalseAlarmIn100000Errors) {
  int64_t alarms = 0;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    ErrorStream stream(kReferenceRows, 0.15, seed);
    alarms += CountAlarms(stream, 0.15, 300'000);
  }
  EXPECT_LE(alarms, 12);
}

TEST(StreamDetector, LeavesOutWhatASmallReferenceCannotTellFromChance) {
  EXPECT_EQ(NormalStream(kReferenceRows, 3).Plan().smallest_shift(), 0.25);
  EXPECT_EQ(NormalStream(1000, 3).Plan().smallest_shift(), 0.5);
  EXPECT_EQ(NormalStream(20, 3).Plan().smallest_shift(), 0);
  int64_t alarms = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    NormalStream stream(1000, seed);
    alarms += CountAlarms(stream, 0, 100'000);
  }
  EXPECT_LE(alarms, 6);
}

TEST(StreamDetector, IsNotTriggeredByOneOutlier) {
  NormalStream stream(kReferenceRows, 4);
  StreamDetector detector(stream.Plan());
  for (int i = 0; i < 5000; ++i) Add(detector, stream.Next(i == 2500 ? 1e6 : 0), i);
  EXPECT_EQ(detector.alarms(), 0);
}

TEST(StreamDetector, NamesWhatChangedAndWhenItBegan) {
  NormalStream stream(kReferenceRows, 5);
  StreamDetector detector(stream.Plan());
  for (int i = 0; i < 3000; ++i) Add(detector, stream.Next(i < 2000 ? 0 : -1), i);
  ASSERT_TRUE(detector.episode());
  EXPECT_EQ(detector.episode()->what, "falls");
  EXPECT_NEAR(static_cast<double>(detector.episode()->began), 2000, 30);
  EXPECT_NEAR(static_cast<double>(detector.episode()->value_number), 2030, 60);
  EXPECT_GT(detector.episode()->alarms, 5);
}

TEST(StreamDetector, EndsAnEpisodeAfterManyQuietValues) {
  NormalStream stream(kReferenceRows, 6);
  StreamDetector detector(stream.Plan());
  for (int i = 0; i < 200; ++i) Add(detector, stream.Next(2), i);
  EXPECT_TRUE(detector.episode());
  for (int i = 0; i < kQuietValues + 500; ++i) Add(detector, stream.Next(0), i);
  EXPECT_FALSE(detector.episode());
}

TEST(StreamDetector, DoesNotDependOnHowTheValuesAreCut) {
  NormalStream stream(kReferenceRows, 7);
  StreamDetector whole(stream.Plan());
  StreamDetector cut(stream.Plan());
  std::vector<uint8_t> bins;
  for (int i = 0; i < 5000; ++i) bins.push_back(stream.Next(i < 3000 ? 0 : 0.7));
  whole.Add(bins, 1);
  for (size_t i = 0; i < bins.size(); i += 7)
    cut.Add(std::span(bins).subspan(i, std::min<size_t>(7, bins.size() - i)), 1);
  EXPECT_GT(whole.alarms(), 0);
  EXPECT_EQ(whole.alarms(), cut.alarms());
  EXPECT_EQ(whole.episode()->value_number, cut.episode()->value_number);
  EXPECT_EQ(whole.level(), cut.level());
}

TEST(StreamDetector, HearsMissingUnseenAndMovedCategories) {
  const std::vector<std::string> labels{"missing", "unseen", "other", "JFK", "EWR", "LGA"};
  const std::vector<int64_t> counts{0, 0, 100, 9000, 7000, 3900};
  const auto run = [&](const std::vector<int64_t>& per_hundred) {
    StreamDetector detector(DetectorPlan::Categorical(counts, labels));
    std::vector<uint8_t> bins;
    for (size_t bin = 0; bin < per_hundred.size(); ++bin)
      bins.insert(bins.end(), static_cast<size_t>(per_hundred[bin]), static_cast<uint8_t>(bin));
    for (size_t i = 0; i < 3000; ++i) Add(detector, bins[i * 37 % bins.size()], 0);
    return detector.episode() ? detector.episode()->what : std::string();
  };
  EXPECT_EQ(run({0, 0, 1, 45, 35, 19}), "");
  EXPECT_EQ(run({10, 0, 1, 40, 32, 17}), "missing");
  EXPECT_EQ(run({0, 10, 1, 40, 32, 17}), "unseen");
  EXPECT_EQ(run({0, 0, 1, 70, 20, 9}), "more 'JFK'");
  EXPECT_EQ(run({0, 0, 50, 20, 15, 15}), "less 'JFK'");
}

}  // namespace
}  // namespace slipway::monitoring
