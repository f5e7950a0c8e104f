// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "events/migrations.h"
#include "storage/databases_testing.h"
#include "tracking/migrations.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

class TracesStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_EQ(database_->Migrate(events::Migrations()).ToString(), "OK");
    ASSERT_EQ(database_->Migrate(Migrations()).ToString(), "OK");
  }

  static Span At(const std::string& trace, const std::string& span, int64_t start_s, bool root) {
    return {trace,
            span,
            root,
            "span " + span,
            start_s * kSecondNs,
            (start_s + 1) * kSecondNs,
            span == "bad",
            "{\"name\":\"" + span + "\"}"};
  }
  TraceInfo Put(const std::string& id, int64_t request_ms, const Tags& tags = {}) {
    TraceInfo info;
    info.trace_id = id;
    info.experiment_id = "0";
    info.request_ms = request_ms;
    info.duration_ms = 5;
    info.state = "OK";
    info.metadata = {{"mlflow.sourceRun", "r" + id}};
    info.tags = tags;
    return tracking_.PutTrace(info).value();
  }
  std::vector<std::string> Found(const std::vector<Condition>& conditions,
                                 std::vector<OrderBy> order = {}) {
    SearchQuery query;
    query.experiment_ids = {"0"};
    query.conditions = conditions;
    query.order = std::move(order);
    const auto page = tracking_.SearchTraces(query);
    EXPECT_TRUE(page.ok()) << page.status().ToString();
    std::vector<std::string> ids;
    if (!page.ok()) return ids;
    for (const TraceInfo& info : page->items) ids.push_back(info.trace_id);
    return ids;
  }
  using Strings = std::vector<std::string>;

  storage::TestDatabase database_{GetParam()};
  base::DrivenClock clock_{0};
  events::EventLog events_{*database_, clock_};
  Tracking tracking_{*database_, events_, clock_};
};

TEST_P(TracesStore, GrowsFromItsSpansUntilTheWholeIsReported) {
  ASSERT_TRUE(tracking_.LogSpans("0", {At("t", "child", 11, false)}).ok());
  TraceInfo info = tracking_.GetTraces({"t"}).value().front().info;
  EXPECT_EQ(info.state, "IN_PROGRESS");
  EXPECT_EQ(info.request_ms, 11'000);
  EXPECT_FALSE(info.duration_ms);
  ASSERT_TRUE(tracking_.LogSpans("0", {At("t", "bad", 10, true)}).ok());
  const Trace trace = tracking_.GetTraces({"none", "t"}).value().front();
  EXPECT_EQ(trace.info.state, "ERROR");
  EXPECT_EQ(trace.info.request_ms, 10'000);
  EXPECT_EQ(trace.info.duration_ms, 1000);
  EXPECT_EQ(trace.info.tags.at("mlflow.traceName"), "span bad");
  EXPECT_EQ(trace.info.tags.at("mlflow.trace.spansLocation"), "TRACKING_STORE");
  EXPECT_EQ(trace.spans, (Strings{R"({"name":"bad"})", R"({"name":"child"})"}));
  EXPECT_EQ(Put("t", 9000).request_ms, 9000);
  ASSERT_TRUE(tracking_.LogSpans("0", {At("t", "bad", 10, true)}).ok());
  EXPECT_EQ(tracking_.GetTraces({"t"}).value().front().info.state, "OK");
  EXPECT_FALSE(tracking_.LogSpans("99", {At("u", "a", 1, true)}).ok());
  EXPECT_TRUE(tracking_.GetTraces({"u"}).value().empty());
}

TEST_P(TracesStore, IsSearchedByWhatItSays) {
  Put("a", 1000, {{"team", "blue"}});
  Put("b", 2000, {{"team", "red"}});
  Put("c", 3000);
  EXPECT_EQ(Found({}), (Strings{"c", "b", "a"}));
  EXPECT_EQ(Found({}, {{Entity::kAttribute, "timestamp_ms", true}}), (Strings{"a", "b", "c"}));
  EXPECT_EQ(Found({}, {{Entity::kTag, "team", false}}), (Strings{"b", "a", "c"}));
  EXPECT_EQ(Found({{Entity::kTag, "team", "LIKE", {"b%"}, 0}}), (Strings{"a"}));
  EXPECT_EQ(Found({{Entity::kParam, "mlflow.sourceRun", "IN", {"ra", "rc"}, 0}}),
            (Strings{"c", "a"}));
  EXPECT_EQ(Found({{Entity::kAttribute, "end_time_ms", ">", {}, 2004}}), (Strings{"c", "b"}));
  EXPECT_EQ(Found({{Entity::kAttribute, "status", "!=", {"OK"}, 0}}), (Strings{}));
}

TEST_P(TracesStore, TagsAndTracesGo) {
  for (const char* id : {"a", "b", "c", "d"}) Put(id, 1000 + (id[0] - 'a') * 1000);
  EXPECT_TRUE(tracking_.SetTraceTag("a", "k", "v").ok());
  EXPECT_TRUE(tracking_.DeleteTraceTag("a", "k").ok());
  EXPECT_EQ(tracking_.DeleteTraceTag("a", "k").reason(), "tag_not_found");
  EXPECT_EQ(tracking_.SetTraceTag("none", "k", "v").reason(), "trace_not_found");
  EXPECT_EQ(tracking_.DeleteTraces({"0", {"d", "none"}, {}, {}}).value(), 1);
  EXPECT_EQ(tracking_.DeleteTraces({"0", {}, 2000, 1}).value(), 1);
  EXPECT_EQ(Found({}), (Strings{"c", "b"}));
  EXPECT_EQ(tracking_.DeleteTraces({"1", {}, 9000, {}}).value(), 0);
  EXPECT_EQ(tracking_.DeleteTraces({"0", {}, 9000, {}}).value(), 2);
  EXPECT_TRUE(tracking_.GetTraces({"a", "b", "c", "d"}).value().empty());
  EXPECT_FALSE(tracking_.DeleteTraces({"0", {}, {}, {}}).ok());
}

INSTANTIATE_TEST_SUITE_P(Databases, TracesStore, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::tracking
