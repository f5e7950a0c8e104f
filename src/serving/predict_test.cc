// SPDX-License-Identifier: Apache-2.0
#include "serving/predict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/testing.h"

namespace slipway::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<float> Floats(const inference::Tensor& tensor) {
  const auto span = tensor.As<float>();
  return {span.begin(), span.end()};
}

// A key that the plan of FakeRoutes sends to `arm`.
std::string KeyFor(const FakeRoutes& routes, std::string_view arm) {
  const auto served = routes.Find("m");
  for (int i = 0; i < 10000; ++i) {
    std::string key = "user-" + std::to_string(i);
    if (served->arms[traffic::ChooseArm(*served, key)].arm.name == arm) return key;
  }
  ADD_FAILURE() << "no key goes to " << arm;
  return {};
}

TEST(Predictor, AnswersWithTheStableVersionAndRecordsIt) {
  FakeServing serving;
  serving.routes.Set("m", 7, {{"stable", 3, 1, TimesModel(2)}});
  PredictCall call = OneNumberCall({1, 2});
  call.request_id = "mine";
  const PredictAnswer answer = serving.Ask(std::move(call));
  ASSERT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_EQ(answer.version, 3);
  EXPECT_EQ(answer.arm, "stable");
  EXPECT_EQ(answer.model, "m");
  EXPECT_THAT(Floats(answer.response.outputs[0].tensor), ElementsAre(2, 4));

  const auto records = serving.recorder.Records();
  ASSERT_THAT(records, SizeIs(1));
  const monitoring::PredictionRecord& record = records[0];
  EXPECT_EQ(record.id, answer.prediction_id);
  EXPECT_EQ(record.id.size(), 26U);
  EXPECT_EQ(record.key, record.id);
  EXPECT_EQ(record.request_id, "mine");
  EXPECT_EQ(record.protocol, "test");
  EXPECT_EQ(record.time, serving.clock.Now());
  EXPECT_EQ(record.plan_epoch, 7);
  EXPECT_EQ(record.rows, 2);
  EXPECT_EQ(record.queue_ns, 10);
  EXPECT_EQ(record.run_ns, 20);
  EXPECT_GT(record.total_ns, 0);
  EXPECT_EQ(record.status_code, 0);
  EXPECT_THAT(Floats(record.inputs[0].tensor), ElementsAre(1, 2));
  EXPECT_THAT(Floats(record.outputs[0].tensor), ElementsAre(2, 4));

  const auto seen = serving.observer.All();
  ASSERT_THAT(seen, SizeIs(1));
  EXPECT_EQ(seen[0].arm, "stable");
  EXPECT_EQ(seen[0].epoch, 7);
  EXPECT_FALSE(seen[0].failed);
}

TEST(Predictor, KeepsAKeyOnItsArm) {
  FakeServing serving;
  serving.routes.Set("m", 1,
                     {{"stable", 1, 0.5, TimesModel(1)}, {"candidate", 2, 0.5, TimesModel(2)}});
  for (const std::string_view arm : {traffic::kStable, traffic::kCandidate}) {
    const std::string key = KeyFor(serving.routes, arm);
    for (int i = 0; i < 20; ++i) {
      PredictCall call = OneNumberCall({1});
      call.key = key;
      EXPECT_EQ(serving.Ask(std::move(call)).arm, arm);
    }
  }
}

class CandidateFailure : public ::testing::TestWithParam<base::Status> {};

TEST_P(CandidateFailure, IsAnsweredByStableAndBothAttemptsAreRecorded) {
  FakeServing serving;
  serving.routes.Set(
      "m", 5, {{"stable", 1, 0.5, TimesModel(10)}, {"candidate", 2, 0.5, BrokenModel(GetParam())}});
  PredictCall call = OneNumberCall({1});
  call.key = KeyFor(serving.routes, "candidate");
  const PredictAnswer answer = serving.Ask(call);
  ASSERT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_EQ(answer.arm, "stable");
  EXPECT_EQ(answer.version, 1);

  const auto records = serving.recorder.Records();
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].arm, "candidate");
  EXPECT_EQ(records[0].version, 2);
  EXPECT_EQ(records[0].status_code, static_cast<int>(GetParam().code()));
  EXPECT_THAT(records[0].error, HasSubstr(GetParam().message()));
  EXPECT_THAT(records[0].inputs, SizeIs(1));
  EXPECT_NE(records[0].id, answer.prediction_id);
  EXPECT_EQ(records[1].id, answer.prediction_id);
  EXPECT_EQ(records[1].arm, "stable");
  EXPECT_EQ(records[1].status_code, 0);

  const auto seen = serving.observer.All();
  ASSERT_THAT(seen, SizeIs(2));
  EXPECT_EQ(seen[0].arm, "candidate");
  EXPECT_TRUE(seen[0].failed);
  EXPECT_EQ(seen[0].key, call.key);
  EXPECT_EQ(seen[1].arm, "stable");
  EXPECT_FALSE(seen[1].failed);
}

INSTANTIATE_TEST_SUITE_P(
    OfAnyKind, CandidateFailure,
    ::testing::Values(base::Internal("run_failed", "it broke"),
                      base::InvalidArgument("inputs[0].shape", "takes other shapes"),
                      base::Status(base::Code::kDeadlineExceeded, "too_late", "too late"),
                      base::ResourceExhausted("queue_full", "too many")));

TEST(Predictor, CountsARefusalOfAFullModelAndLogsNone) {
  FakeServing serving;
  serving.routes.Set("m", 5,
                     {{"stable", 1, 1, BrokenModel(base::ResourceExhausted("overloaded", "later"))},
                      {"shadow", 2, 1, TimesModel(2)}});
  const PredictAnswer answer = serving.Ask(OneNumberCall({1}));
  EXPECT_EQ(answer.status.reason(), "overloaded");
  EXPECT_THAT(serving.recorder.Records(), SizeIs(0));
  EXPECT_THAT(
      serving.metrics.PrintPrometheusText(),
      HasSubstr(
          R"(slipway_serving_requests_total{arm="stable",code="RESOURCE_EXHAUSTED",endpoint="m",version="1"} 1)"));
}

TEST(Predictor, LeavesStableHalfOfTheTimeOfACandidatesCaller) {
  FakeServing serving;
  auto stable = TimesModel(1);
  auto candidate = BrokenModel(base::Internal("run_failed", "it broke"));
  serving.routes.Set("m", 1, {{"stable", 1, 0.5, stable}, {"candidate", 2, 0.5, candidate}});
  PredictCall call = OneNumberCall({1});
  call.key = KeyFor(serving.routes, "candidate");
  call.timeout_us = 60 * base::kSecond;
  call.started_ns = base::MonotonicNanos();
  const int64_t started_ns = call.started_ns;
  ASSERT_TRUE(serving.Ask(std::move(call)).status.ok());
  EXPECT_EQ(stable->last_deadline_ns, started_ns + 60'000'000'000);
  EXPECT_LT(candidate->last_deadline_ns, started_ns + 45'000'000'000);
}

TEST(Predictor, DoesNotBlameACandidateForWhatStableRefusesToo) {
  FakeServing serving;
  serving.routes.Set("m", 5,
                     {{"stable", 1, 0.5, TimesModel(1)}, {"candidate", 2, 0.5, TimesModel(2)}});
  PredictCall call = OneNumberCall({1});
  call.request.inputs[0].name = "z";
  call.key = KeyFor(serving.routes, "candidate");
  const PredictAnswer answer = serving.Ask(std::move(call));
  EXPECT_EQ(answer.status.code(), base::Code::kInvalidArgument);
  EXPECT_EQ(answer.status.field(), "inputs[0].name");
  EXPECT_THAT(serving.observer.All(), SizeIs(0));
}

TEST(Predictor, ShowsACandidatesFailureWhenFallingBackIsOff) {
  ServingSettings settings;
  settings.fallback_to_stable = false;
  FakeServing serving(settings);
  serving.routes.Set(
      "m", 5,
      {{"stable", 1, 0.5, TimesModel(1)},
       {"candidate", 2, 0.5, BrokenModel(base::Internal("run_failed", "it broke"))}});
  PredictCall call = OneNumberCall({1});
  call.key = KeyFor(serving.routes, "candidate");
  const PredictAnswer answer = serving.Ask(std::move(call));
  EXPECT_EQ(answer.status.code(), base::Code::kInternal);
  EXPECT_EQ(answer.arm, "candidate");
  ASSERT_THAT(serving.recorder.Records(), SizeIs(1));
  ASSERT_THAT(serving.observer.All(), SizeIs(1));
  EXPECT_TRUE(serving.observer.All()[0].failed);
}

TEST(Predictor, RunsTheShadowAfterTheAnswer) {
  FakeServing serving;
  auto shadow = TimesModel(3);
  shadow->Hold();
  serving.routes.Set("m", 5, {{"stable", 1, 1, TimesModel(1)}, {"shadow", 2, 0, shadow}});
  const PredictAnswer answer = serving.Ask(OneNumberCall({1}));
  EXPECT_EQ(answer.arm, "stable");
  ASSERT_THAT(serving.recorder.Records(), SizeIs(1));
  shadow->Release();
  const auto records = serving.recorder.Records();
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[1].arm, "shadow");
  EXPECT_EQ(records[1].version, 2);
  EXPECT_EQ(records[1].request_id, answer.prediction_id);
  EXPECT_NE(records[1].id, answer.prediction_id);
  EXPECT_THAT(Floats(records[1].outputs[0].tensor), ElementsAre(3));
  EXPECT_THAT(serving.observer.All(), SizeIs(1));
}

TEST(Predictor, LeavesShadowsOutWhenTooManyRun) {
  FakeServing serving;
  auto shadow = TimesModel(3);
  shadow->Hold();
  serving.routes.Set("m", 5, {{"stable", 1, 1, TimesModel(1)}, {"shadow", 2, 0, shadow}});
  for (int64_t i = 0; i < kMaxShadows + 5; ++i)
    ASSERT_TRUE(serving.Ask(OneNumberCall({1})).status.ok());
  EXPECT_EQ(shadow->runs, kMaxShadows);
  EXPECT_THAT(serving.metrics.PrintPrometheusText(),
              HasSubstr("slipway_serving_shadows_skipped_total 5"));
  shadow->Release();
  serving.Ask(OneNumberCall({1}));
  EXPECT_EQ(shadow->runs, kMaxShadows + 1);
}

TEST(Predictor, LetsNothingOutThatIsNotLogged) {
  FakeServing serving;
  serving.routes.Set("m", 5, {{"stable", 1, 1, TimesModel(1)}});
  serving.recorder.broken = true;
  const PredictAnswer answer = serving.Ask(OneNumberCall({1}));
  EXPECT_EQ(answer.status.code(), base::Code::kUnavailable);
  EXPECT_EQ(answer.status.reason(), "prediction_not_logged");
  EXPECT_THAT(answer.response.outputs, SizeIs(0));
}

TEST(Predictor, ServesUnloggedWhenToldToAndCountsIt) {
  ServingSettings settings;
  settings.on_log_failure = "serve";
  FakeServing serving(settings);
  serving.routes.Set("m", 5, {{"stable", 1, 1, TimesModel(1)}});
  serving.recorder.broken = true;
  const PredictAnswer answer = serving.Ask(OneNumberCall({1}));
  ASSERT_TRUE(answer.status.ok());
  EXPECT_THAT(answer.response.outputs, SizeIs(1));
  EXPECT_THAT(serving.metrics.PrintPrometheusText(), HasSubstr("slipway_serving_unlogged_total 1"));
}

TEST(Predictor, RunsTheVersionAskedForPastThePlan) {
  FakeServing serving;
  serving.routes.Set("m", 5, {{"stable", 1, 1, TimesModel(1)}, {"shadow", 9, 0, TimesModel(9)}});
  serving.routes.SetUnloaded("m", 2, TimesModel(2));
  PredictCall call = OneNumberCall({1});
  call.version = 2;
  const PredictAnswer answer = serving.Ask(std::move(call));
  ASSERT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_EQ(answer.version, 2);
  EXPECT_EQ(answer.arm, kPinned);
  EXPECT_THAT(Floats(answer.response.outputs[0].tensor), ElementsAre(2));
  EXPECT_THAT(serving.observer.All(), SizeIs(0));
  EXPECT_THAT(serving.recorder.Records(), SizeIs(1));
}

TEST(Predictor, SaysWhichEndpointOrVersionThereIsNot) {
  FakeServing serving;
  serving.routes.Set("m", 5, {{"stable", 1, 1, TimesModel(1)}});
  const PredictAnswer unknown = serving.Ask(OneNumberCall({1}, "other"));
  EXPECT_EQ(unknown.status.code(), base::Code::kNotFound);
  EXPECT_EQ(unknown.status.reason(), "endpoint_not_found");
  EXPECT_THAT(unknown.status.message(), HasSubstr("'other'"));
  PredictCall call = OneNumberCall({1});
  call.version = 77;
  EXPECT_EQ(serving.Ask(std::move(call)).status.code(), base::Code::kNotFound);
  EXPECT_THAT(serving.recorder.Records(), SizeIs(0));
  EXPECT_THAT(serving.metrics.PrintPrometheusText(), ::testing::Not(HasSubstr("other")));
}

TEST(Predictor, CountsAttemptsByOutcome) {
  FakeServing serving;
  serving.routes.Set("m", 5, {{"stable", 4, 1, TimesModel(1)}});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(serving.Ask(OneNumberCall({1})).status.ok());
  PredictCall bad = OneNumberCall({1});
  bad.request.inputs[0].name = "z";
  EXPECT_FALSE(serving.Ask(std::move(bad)).status.ok());
  const std::string text = serving.metrics.PrintPrometheusText();
  EXPECT_THAT(
      text,
      HasSubstr(
          R"(slipway_serving_requests_total{arm="stable",code="OK",endpoint="m",version="4"} 3)"));
  EXPECT_THAT(
      text,
      HasSubstr(
          R"(slipway_serving_requests_total{arm="stable",code="INVALID_ARGUMENT",endpoint="m",version="4"} 1)"));
  EXPECT_THAT(text,
              HasSubstr(R"(slipway_serving_request_seconds_count{arm="stable",endpoint="m"} 4)"));
}

TEST(Predictor, RefusesKeysThatAreTooLong) {
  FakeServing serving;
  serving.routes.Set("m", 5, {{"stable", 4, 1, TimesModel(1)}});
  PredictCall call = OneNumberCall({1});
  call.key = std::string(kMaxKeyBytes + 1, 'k');
  EXPECT_EQ(serving.Ask(std::move(call)).status.field(), "slipway-key");
}

TEST(Predictor, TakesOtherNumberTypesAndPlainVectors) {
  FakeServing serving;
  serving.routes.Set("m", 5, {{"stable", 4, 1, TimesModel(2)}});
  PredictCall call = OneNumberCall({});
  call.request.inputs = {{"x", inference::Tensor::Of<double>({3}, {1.5, 2, 3})}};
  const PredictAnswer answer = serving.Ask(std::move(call));
  ASSERT_TRUE(answer.status.ok()) << answer.status.ToString();
  EXPECT_THAT(Floats(answer.response.outputs[0].tensor), ElementsAre(3, 4, 6));
  EXPECT_EQ(serving.recorder.Records()[0].inputs[0].tensor.type(), inference::DataType::kFp32);
}

TEST(Predictor, DescribesThePlanAndAVersion) {
  FakeServing serving;
  serving.routes.Set("m", 5,
                     {{"candidate", 8, 0.1, TimesModel(1)}, {"stable", 4, 0.9, TimesModel(1)}});
  serving.routes.SetUnloaded("m", 2, TimesModel(2));
  const auto plan = serving.predictor.Describe("m", std::nullopt);
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(plan->versions, ElementsAre(4, 8));
  EXPECT_EQ(plan->description.inputs[0].name, "x");
  EXPECT_THAT(serving.predictor.Describe("m", 2)->versions, ElementsAre(2));
  EXPECT_EQ(serving.predictor.Describe("z", std::nullopt).status().reason(), "endpoint_not_found");
  EXPECT_THAT(serving.predictor.Endpoints(), ElementsAre("m"));
}

TEST(PredictStream, GivesEveryAnswerInOrderAndRecordsOnePrediction) {
  FakeServing serving;
  auto model = TimesModel(10);
  model->answers = 3;
  serving.routes.Set("m", 1, {{"stable", 1, 1.0, model}});
  std::vector<bool> lasts;
  std::string id;
  serving.predictor.PredictStream(OneNumberCall({2}), [&](const PredictAnswer& answer, bool last) {
    EXPECT_EQ(answer.response.outputs.at(0).tensor.NumberAt(0), 20);
    EXPECT_EQ(answer.version, 1);
    if (id.empty()) id = answer.prediction_id;
    EXPECT_EQ(answer.prediction_id, id);
    lasts.push_back(last);
  });
  EXPECT_EQ(lasts, (std::vector<bool>{false, false, true}));
  ASSERT_EQ(serving.recorder.Records().size(), 1);
  EXPECT_EQ(serving.recorder.Records()[0].id, id);
}

}  // namespace
}  // namespace slipway::serving
