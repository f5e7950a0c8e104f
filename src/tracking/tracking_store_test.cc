// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "events/migrations.h"
#include "storage/databases_testing.h"
#include "tracking/migrations.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

using base::Code;
using base::Json;

const events::Actor kAda = {"ada", "http 127.0.0.1:5"};

class TrackingStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_EQ(database_->Migrate(events::Migrations()).ToString(), "OK");
    ASSERT_EQ(database_->Migrate(Migrations()).ToString(), "OK");
  }

  std::string NewRun(const std::string& name = "", const Tags& tags = {},
                     const std::string& experiment = "0") {
    return tracking_.CreateRun(experiment, name, "ada", 1000, tags, kAda).value().info.run_id;
  }
  static LogBatch Metrics(std::vector<Metric> metrics) { return {std::move(metrics), {}, {}}; }
  static LogBatch Params(std::vector<Param> params) { return {{}, std::move(params), {}}; }
  static Metric At(const std::string& key, double value, int64_t timestamp_ms, int64_t step) {
    return {key, value, timestamp_ms, step, {}, {}, {}};
  }
  double Latest(const std::string& run_id) { return tracking_.GetRun(run_id)->metrics.at(0).value; }
  std::vector<std::string> Names(const std::vector<Condition>& conditions,
                                 std::vector<OrderBy> order = {}) {
    SearchQuery query;
    query.experiment_ids = {"0"};
    query.conditions = conditions;
    query.order = order.empty() ? std::vector<OrderBy>{{Entity::kAttribute, "run_name", true}}
                                : std::move(order);
    const auto page = tracking_.SearchRuns(query);
    EXPECT_TRUE(page.ok()) << page.status().ToString();
    std::vector<std::string> names;
    if (!page.ok()) return names;
    for (const tracking::Run& run : page->items) names.push_back(run.info.name);
    return names;
  }
  std::vector<std::string> EventTypes() {
    std::vector<std::string> types;
    const std::vector<events::Event> events = events_.List({}).TakeValue();
    types.reserve(events.size());
    for (const events::Event& event : events) types.push_back(event.type);
    return types;
  }

  storage::TestDatabase database_{GetParam()};
  base::DrivenClock clock_{5'000'000};
  events::EventLog events_{*database_, clock_};
  Tracking tracking_{*database_, events_, clock_};
};

TEST_P(TrackingStore, HasADefaultExperiment) {
  EXPECT_EQ(tracking_.GetExperiment("0")->name, "Default");
  EXPECT_EQ(tracking_.GetExperimentByName("Default")->id, "0");
  for (const char* id : {"7", "x", "", "-1", "0x1"}) {
    EXPECT_EQ(tracking_.GetExperiment(id).status().reason(), "experiment_not_found") << id;
  }
}

TEST_P(TrackingStore, ExperimentsHaveRisingIdsAndTags) {
  const Experiment first = tracking_.CreateExperiment("first", {{"kind", "test"}}, kAda).value();
  EXPECT_EQ(first.id, "1");
  EXPECT_EQ(first.artifact_uri, "mlflow-artifacts:/1");
  EXPECT_EQ(first.created_ms, 5000);
  EXPECT_EQ(tracking_.CreateExperiment("first", {}, kAda).status().reason(), "experiment_exists");
  ASSERT_TRUE(tracking_.DeleteExperiment("1", kAda).ok());
  EXPECT_EQ(tracking_.CreateExperiment("first", {}, kAda).status().reason(), "experiment_exists");
  EXPECT_EQ(tracking_.CreateExperiment("second", {}, kAda)->id, "2");
  EXPECT_EQ(tracking_.SetExperimentTag("1", "a", "b").reason(), "experiment_deleted");
  ASSERT_TRUE(tracking_.RestoreExperiment("1", kAda).ok());
  ASSERT_TRUE(tracking_.SetExperimentTag("1", "a", "b").ok());
  ASSERT_TRUE(tracking_.DeleteExperimentTag("1", "kind").ok());
  ASSERT_TRUE(tracking_.RenameExperiment("1", "renamed", kAda).ok());
  EXPECT_EQ(tracking_.GetExperimentByName("renamed")->tags, (Tags{{"a", "b"}}));
  EXPECT_EQ(tracking_.RenameExperiment("1", "second", kAda).reason(), "experiment_exists");
}

TEST_P(TrackingStore, ARunBeginsRunningAndEnds) {
  const tracking::Run run = tracking_.CreateRun("0", "", "ada", 1000, {{"a", "b"}}, kAda).value();
  EXPECT_EQ(run.info.status, "RUNNING");
  EXPECT_EQ(run.info.start_ms, 1000);
  EXPECT_FALSE(run.info.end_ms);
  EXPECT_EQ(run.info.name, run.tags.at("mlflow.runName"));
  EXPECT_EQ(run.info.artifact_uri, "mlflow-artifacts:/0/" + run.info.run_id + "/artifacts");
  const RunInfo ended =
      tracking_.UpdateRun(run.info.run_id, {"renamed", "FINISHED", 3500}, kAda).value();
  EXPECT_EQ(ended.end_ms, 3500);
  EXPECT_EQ(ended.name, "renamed");
  EXPECT_EQ(tracking_.GetRun(run.info.run_id)->tags.at("mlflow.runName"), "renamed");
  EXPECT_EQ(EventTypes(), (std::vector<std::string>{"run.created", "run.finished"}));
  EXPECT_EQ(tracking_.UpdateRun(run.info.run_id, {{}, "DONE", {}}, kAda).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(tracking_.GetRun("none").status().reason(), "run_not_found");
}

TEST_P(TrackingStore, ADeletedRunTakesNothing) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking_.DeleteRun(run, kAda).ok());
  EXPECT_EQ(tracking_.Log(run, Metrics({At("auc", 1, 1, 0)})).reason(), "run_deleted");
  EXPECT_TRUE(Names({}).empty());
  ASSERT_TRUE(tracking_.RestoreRun(run, kAda).ok());
  EXPECT_TRUE(tracking_.Log(run, Metrics({At("auc", 1, 1, 0)})).ok());
  EXPECT_EQ(Names({}).size(), 1u);
}

TEST_P(TrackingStore, TheLatestMetricIsOfTheHighestStepThenTimeThenValue) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking_
                  .Log(run, Metrics({At("auc", 0.5, 100, 1), At("auc", 0.9, 50, 2),
                                     At("auc", 0.7, 100, 1)}))
                  .ok());
  EXPECT_EQ(Latest(run), 0.9);
  ASSERT_TRUE(tracking_.Log(run, Metrics({At("auc", 0.1, 900, 1)})).ok());
  EXPECT_EQ(Latest(run), 0.9);
  ASSERT_TRUE(tracking_.Log(run, Metrics({At("auc", 0.8, 50, 2)})).ok());
  EXPECT_EQ(Latest(run), 0.9);
  ASSERT_TRUE(tracking_.Log(run, Metrics({At("auc", 0.2, 60, 2)})).ok());
  EXPECT_EQ(Latest(run), 0.2);
  const Page<Metric> history = tracking_.MetricHistory(run, "auc", 0, 4).value();
  ASSERT_EQ(history.items.size(), 4u);
  EXPECT_TRUE(history.more);
  EXPECT_EQ(history.items[0].value, 0.8);
  EXPECT_EQ(history.items[1].value, 0.9);
  EXPECT_EQ(tracking_.MetricHistory(run, "auc", 4, 4)->items.size(), 2u);
}

TEST_P(TrackingStore, TheSameMetricTwiceIsOneRow) {
  const std::string run = NewRun();
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(tracking_.Log(run, Metrics({At("auc", 0.5, 100, 1), At("auc", 0.5, 100, 1)})).ok());
  EXPECT_EQ(tracking_.MetricHistory(run, "auc", 0, 10)->items.size(), 1u);
}

TEST_P(TrackingStore, KeepsNumbersThatDatabasesLack) {
  const std::string run = NewRun();
  const double infinity = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(tracking_
                  .Log(run, Metrics({At("a", std::nan(""), 1, 0), At("b", infinity, 1, 0),
                                     At("c", -infinity, 1, 0), At("d", 0.1, 1, 0)}))
                  .ok());
  const tracking::Run read = tracking_.GetRun(run).value();
  EXPECT_TRUE(std::isnan(read.metrics[0].value));
  EXPECT_EQ(read.metrics[1].value, std::numeric_limits<double>::max());
  EXPECT_EQ(read.metrics[2].value, std::numeric_limits<double>::lowest());
  EXPECT_EQ(read.metrics[3].value, 0.1);
}

TEST_P(TrackingStore, AWholeBatchIsWrittenOrNothing) {
  const std::string run = NewRun();
  std::vector<Metric> metrics;
  metrics.reserve(1000);
  for (int i = 0; i < 1000; ++i) metrics.push_back(At("m" + std::to_string(i % 250), i, i, i));
  ASSERT_TRUE(tracking_.Log(run, {metrics, {{"depth", "3"}}, {{"t", "u"}}}).ok());
  EXPECT_EQ(tracking_.GetRun(run)->metrics.size(), 250u);
  LogBatch bad = {{At("new", 1, 1, 0)}, {{"depth", "4"}}, {{"t", "changed"}}};
  EXPECT_EQ(tracking_.Log(run, bad).reason(), "param_changed");
  const tracking::Run read = tracking_.GetRun(run).value();
  EXPECT_EQ(read.metrics.size(), 250u);
  EXPECT_EQ(read.params.at(0).value, "3");
  EXPECT_EQ(read.tags.at("t"), "u");
}

TEST_P(TrackingStore, BatchesKeysAndValuesHaveLimits) {
  const std::string run = NewRun();
  EXPECT_EQ(tracking_.Log(run, Metrics(std::vector<Metric>(1001, At("a", 1, 1, 0)))).reason(),
            "too_many");
  EXPECT_EQ(tracking_.Log(run, Params(std::vector<Param>(101, {"a", "b"}))).reason(), "too_many");
  EXPECT_EQ(tracking_.Log(run, Params({{std::string(251, 'k'), "b"}})).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(tracking_.Log(run, Params({{"", "b"}})).code(), Code::kInvalidArgument);
  EXPECT_EQ(tracking_.Log(run, Params({{"k", std::string(6001, 'v')}})).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(tracking_.Log(run, {{}, {}, {{"k", std::string(8001, 'v')}}}).code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(tracking_.Log(run, Params({{std::string(250, 'k'), std::string(6000, 'v')}})).ok());
}

TEST_P(TrackingStore, DeletesTags) {
  const std::string run = NewRun("", {{"a", "b"}});
  EXPECT_TRUE(tracking_.DeleteTag(run, "a").ok());
  EXPECT_EQ(tracking_.DeleteTag(run, "a").reason(), "tag_not_found");
}

class TrackingSearch : public TrackingStore {
 protected:
  void SetUp() override {
    TrackingStore::SetUp();
    for (int i = 0; i < 5; ++i) {
      const std::string run =
          NewRun("run-" + std::to_string(i),
                 {{"parity", i % 2 == 0 ? "even" : "odd"}, {"path", "a*b_" + std::to_string(i)}});
      ASSERT_TRUE(tracking_
                      .Log(run, {{At("auc", i == 4 ? std::nan("") : i / 10.0, 1, 0)},
                                 {{"depth", std::to_string(i)}},
                                 {}})
                      .ok());
    }
    ASSERT_TRUE(
        tracking_
            .LogInputs(
                RunNamed("run-3"),
                {{"flights", "d3", "csv", "", "", "", {{"mlflow.data.context", "training"}}}}, {})
            .ok());
  }
  std::string RunNamed(const std::string& name) {
    SearchQuery query;
    query.experiment_ids = {"0"};
    query.conditions = {{Entity::kAttribute, "run_name", "=", {name}, 0}};
    return tracking_.SearchRuns(query)->items.at(0).info.run_id;
  }
  using Strings = std::vector<std::string>;
};

TEST_P(TrackingSearch, ComparesNumbersAndTexts) {
  EXPECT_EQ(Names({{Entity::kMetric, "auc", ">=", {}, 0.2}}), (Strings{"run-2", "run-3"}));
  // run-4's is not a number, which differs from every number
  EXPECT_EQ(Names({{Entity::kMetric, "auc", "!=", {}, 0.2}}),
            (Strings{"run-0", "run-1", "run-3", "run-4"}));
  EXPECT_EQ(
      Names({{Entity::kTag, "parity", "=", {"odd"}, 0}, {Entity::kParam, "depth", "!=", {"1"}, 0}}),
      (Strings{"run-3"}));
  EXPECT_EQ(Names({{Entity::kAttribute, "run_name", "IN", {"run-0", "run-4", "x"}, 0}}),
            (Strings{"run-0", "run-4"}));
  EXPECT_EQ(Names({{Entity::kAttribute, "run_name", "NOT IN", {"run-0", "run-4"}, 0}}),
            (Strings{"run-1", "run-2", "run-3"}));
  EXPECT_EQ(Names({{Entity::kAttribute, "start_time", "=", {}, 1000}}).size(), 5u);
  EXPECT_TRUE(Names({{Entity::kAttribute, "end_time", ">", {}, 0}}).empty());
  EXPECT_EQ(Names({{Entity::kDataset, "digest", "=", {"d3"}, 0}}), (Strings{"run-3"}));
  EXPECT_EQ(Names({{Entity::kDataset, "context", "=", {"training"}, 0}}), (Strings{"run-3"}));
  EXPECT_EQ(Names({{Entity::kDataset, "context", "ILIKE", {"TRAIN%"}, 0}}), (Strings{"run-3"}));
}

TEST_P(TrackingSearch, LikeIsTheSameOnBothDatabases) {
  EXPECT_EQ(Names({{Entity::kAttribute, "run_name", "LIKE", {"run-_"}, 0}}).size(), 5u);
  EXPECT_TRUE(Names({{Entity::kAttribute, "run_name", "LIKE", {"RUN-_"}, 0}}).empty());
  EXPECT_EQ(Names({{Entity::kAttribute, "run_name", "ILIKE", {"RUN-%"}, 0}}).size(), 5u);
  EXPECT_EQ(Names({{Entity::kTag, "path", "LIKE", {"a*b_1"}, 0}}), (Strings{"run-1"}));
  EXPECT_TRUE(Names({{Entity::kTag, "path", "LIKE", {"a*1"}, 0}}).empty());
  EXPECT_TRUE(Names({{Entity::kTag, "path", "LIKE", {"a\\*%"}, 0}}).empty());
}

TEST_P(TrackingSearch, AsksWhetherATagIsThere) {
  ASSERT_TRUE(tracking_.DeleteTag(RunNamed("run-2"), "parity").ok());
  EXPECT_EQ(Names({{Entity::kTag, "parity", "IS NULL", {}, 0}}), (Strings{"run-2"}));
  EXPECT_EQ(Names({{Entity::kTag, "parity", "IS NOT NULL", {}, 0}}).size(), 4u);
}

TEST_P(TrackingSearch, SortsWithWhatIsMissingLast) {
  EXPECT_EQ(Names({}, {{Entity::kMetric, "auc", false}}),
            (Strings{"run-3", "run-2", "run-1", "run-0", "run-4"}));
  EXPECT_EQ(Names({}, {{Entity::kMetric, "auc", true}}),
            (Strings{"run-0", "run-1", "run-2", "run-3", "run-4"}));
  EXPECT_EQ(Names({}, {{Entity::kTag, "parity", false}, {Entity::kParam, "depth", false}}),
            (Strings{"run-3", "run-1", "run-4", "run-2", "run-0"}));
}

TEST_P(TrackingSearch, PagesCoverAllOnce) {
  SearchQuery query;
  query.experiment_ids = {"0"};
  query.order = {{Entity::kAttribute, "run_name", true}};
  query.limit = 2;
  Strings names;
  for (bool more = true; more; query.offset += query.limit) {
    const Page<tracking::Run> page = tracking_.SearchRuns(query).value();
    for (const tracking::Run& run : page.items) names.push_back(run.info.name);
    more = page.more;
  }
  EXPECT_EQ(names, (Strings{"run-0", "run-1", "run-2", "run-3", "run-4"}));
}

// The pages that the index of values gives go on with what has no value.
TEST_P(TrackingSearch, PagesByAMetricCoverAllOnce) {
  NewRun("run-5", {});
  for (const bool ascending : {true, false}) {
    for (const int64_t limit : {1, 2, 3, 4, 6}) {
      SearchQuery query;
      query.experiment_ids = {"0"};
      query.order = {{Entity::kMetric, "auc", ascending}};
      query.limit = limit;
      Strings names;
      for (bool more = true; more; query.offset += query.limit) {
        const Page<tracking::Run> page = tracking_.SearchRuns(query).value();
        for (const tracking::Run& run : page.items) names.push_back(run.info.name);
        more = page.more;
      }
      Strings expected = {"run-0", "run-1", "run-2", "run-3", "run-4", "run-5"};
      if (!ascending) std::reverse(expected.begin(), expected.begin() + 4);
      EXPECT_EQ(names, expected) << limit;
    }
  }
}

TEST_P(TrackingSearch, ComparesTheMetricThatItSortsBy) {
  const std::vector<OrderBy> by_auc = {{Entity::kMetric, "auc", false}};
  EXPECT_EQ(Names({{Entity::kMetric, "auc", ">", {}, 0.1}}, by_auc), (Strings{"run-3", "run-2"}));
  EXPECT_EQ(Names({{Entity::kMetric, "auc", "!=", {}, 0.2}}, by_auc),
            (Strings{"run-3", "run-1", "run-0", "run-4"}));
  EXPECT_EQ(
      Names({{Entity::kMetric, "auc", "<", {}, 0.3}, {Entity::kTag, "parity", "=", {"even"}, 0}},
            by_auc),
      (Strings{"run-2", "run-0"}));
}

TEST_P(TrackingSearch, RefusesWhatDoesNotFit) {
  SearchQuery query;
  query.experiment_ids = {"0"};
  for (const Condition& bad :
       std::vector<Condition>{{Entity::kMetric, "auc", "LIKE", {"x"}, 0},
                              {Entity::kMetric, "auc", "=", {"x"}, 0},
                              {Entity::kParam, "depth", ">", {}, 3},
                              {Entity::kAttribute, "nonsense", "=", {"x"}, 0},
                              {Entity::kAttribute, "start_time", "LIKE", {"x"}, 0},
                              {Entity::kDataset, "schema", "=", {"x"}, 0}}) {
    query.conditions = {bad};
    EXPECT_EQ(tracking_.SearchRuns(query).status().code(), Code::kInvalidArgument)
        << bad.key << bad.op;
  }
  query.conditions.clear();
  query.limit = kMostPerPage + 1;
  EXPECT_EQ(tracking_.SearchRuns(query).status().field(), "max_results");
  query.limit = 10;
  query.experiment_ids = {"nonsense"};
  EXPECT_TRUE(tracking_.SearchRuns(query)->items.empty());
}

TEST_P(TrackingSearch, FindsExperimentsByView) {
  ASSERT_TRUE(tracking_.CreateExperiment("gone", {}, kAda).ok());
  ASSERT_TRUE(tracking_.DeleteExperiment("1", kAda).ok());
  SearchQuery query;
  EXPECT_EQ(tracking_.SearchExperiments(query)->items.size(), 1u);
  query.view = View::kDeleted;
  EXPECT_EQ(tracking_.SearchExperiments(query)->items.at(0).name, "gone");
  query.view = View::kAll;
  EXPECT_EQ(tracking_.SearchExperiments(query)->items.size(), 2u);
}

TEST_P(TrackingStore, LoggedModelsAreMadeFinalizedAndFound) {
  const std::string run = NewRun();
  LoggedModel asked;
  asked.experiment_id = "0";
  asked.name = "model";
  asked.run_id = run;
  asked.params = {{"depth", "3"}};
  asked.tags = {{"a", "b"}};
  const LoggedModel model = tracking_.CreateLoggedModel(asked, kAda).value();
  EXPECT_EQ(model.status, "LOGGED_MODEL_PENDING");
  EXPECT_EQ(model.artifact_uri, "mlflow-artifacts:/0/models/" + model.model_id + "/artifacts");
  ASSERT_TRUE(tracking_.LogOutputs(run, {{model.model_id, 2}}).ok());
  EXPECT_EQ(tracking_.GetRun(run)->model_outputs.at(0).step, 2);
  EXPECT_EQ(tracking_.LogOutputs(run, {{"m-none", 0}}).reason(), "logged_model_not_found");
  EXPECT_EQ(tracking_.FinalizeLoggedModel(model.model_id, "DONE", kAda).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(tracking_.FinalizeLoggedModel(model.model_id, "LOGGED_MODEL_READY", kAda)->status,
            "LOGGED_MODEL_READY");
  Metric metric = At("auc", 0.7, 1, 0);
  metric.model_id = model.model_id;
  metric.dataset_digest = "d1";
  ASSERT_TRUE(tracking_.Log(run, Metrics({At("auc", 0.7, 1, 0), metric})).ok());
  EXPECT_EQ(tracking_.MetricHistory(run, "auc", 0, 10)->items.size(), 1u);
  ASSERT_TRUE(tracking_.SetLoggedModelTags(model.model_id, {{"c", "d"}}).ok());
  ASSERT_TRUE(tracking_.DeleteLoggedModelTag(model.model_id, "a").ok());
  SearchQuery query;
  query.experiment_ids = {"0"};
  query.conditions = {{Entity::kAttribute, "name", "=", {"model"}, 0},
                      {Entity::kMetric, "auc", ">", {}, 0.5}};
  query.order = {{Entity::kMetric, "auc", false}};
  const Page<LoggedModel> found = tracking_.SearchLoggedModels(query).value();
  ASSERT_EQ(found.items.size(), 1u);
  EXPECT_EQ(found.items[0].tags, (Tags{{"c", "d"}}));
  EXPECT_EQ(found.items[0].metrics.at(0).dataset_digest, "d1");
  EXPECT_EQ(found.items[0].params.at(0).value, "3");
  ASSERT_TRUE(tracking_.DeleteLoggedModel(model.model_id, kAda).ok());
  EXPECT_EQ(tracking_.GetLoggedModel(model.model_id).status().reason(), "logged_model_not_found");
}

TEST_P(TrackingStore, SaysWhereAVersionComesFrom) {
  const std::string run = NewRun("", {{"mlflow.source.git.commit", "abc"}});
  EXPECT_EQ(tracking_.ReproducibilityOf(run, "")->Dump(),
            R"({"git_sha":"abc","params":{},"metrics":{}})");
  ASSERT_TRUE(
      tracking_
          .LogInputs(
              run,
              {{"check", "d0", "csv", "s0", "", "", {{"mlflow.data.context", "eval"}}},
               {"flights", "d1", "csv", "s1", "", "", {{"mlflow.data.context", "training"}}}},
              {})
          .ok());
  ASSERT_TRUE(tracking_.Log(run, {{At("auc", 0.5, 1, 0)}, {{"depth", "3"}}, {}}).ok());
  ASSERT_TRUE(tracking_.UpdateRun(run, {{}, "FINISHED", 3500}, kAda).ok());
  EXPECT_EQ(
      tracking_.ReproducibilityOf(run, "")->Dump(),
      R"({"dataset_hash":"d1","dataset":{"name":"flights","source":"s1","digest":"d1","context":"training"},)"
      R"("git_sha":"abc","training_duration_s":2.5,"params":{"depth":"3"},"metrics":{"auc":0.5}})");
  ASSERT_TRUE(tracking_
                  .Log(run, {{At("training_duration_s", 1.5, 1, 0)},
                             {},
                             {{"dataset_hash", "h"}, {"git_sha", "def"}}})
                  .ok());
  const Json json = tracking_.ReproducibilityOf(run, "").value();
  EXPECT_EQ(json.Find("dataset_hash")->AsString(), "h");
  EXPECT_EQ(json.Find("git_sha")->AsString(), "def");
  EXPECT_EQ(json.Find("training_duration_s")->AsDouble(), 1.5);
  EXPECT_EQ(json.Find("metrics")->Find("training_duration_s"), nullptr);
  EXPECT_EQ(tracking_.ReproducibilityOf("", "").status().code(), Code::kNotFound);
}

TEST_P(TrackingStore, ManyClientsLogAtOnce) {
  const std::string run = NewRun();
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j)
        EXPECT_TRUE(tracking_.Log(run, Metrics({At("loss", i * 100 + j, j, i * 100 + j)})).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tracking_.MetricHistory(run, "loss", 0, 1000)->items.size(), 160u);
  EXPECT_EQ(Latest(run), 719);
}

INSTANTIATE_TEST_SUITE_P(Databases, TrackingStore, testing::ValuesIn(storage::DatabaseKinds()));
INSTANTIATE_TEST_SUITE_P(Databases, TrackingSearch, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::tracking
