// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "events/migrations.h"
#include "pipelines/executor.h"
#include "pipelines/migrations.h"
#include "pipelines/pipelines.h"
#include "storage/databases_testing.h"

namespace slipway::pipelines {
namespace {

using base::Json;
using base::Status;

constexpr base::Micros kPatience = 60 * base::kSecond;

// Does what the test says and remembers what was launched; without instructions every step
// succeeds.
class ScriptedExecutor final : public Executor {
 public:
  using Answer =
      std::function<base::Result<StepExit>(const StepLaunch&, const std::atomic<bool>& stop)>;
  struct Script {
    std::mutex mutex;
    std::vector<StepLaunch> launches;
    Answer answer;
  };
  explicit ScriptedExecutor(Script& script) : script_(script) {}
  [[nodiscard]] std::string_view name() const override { return "scripted"; }
  base::Result<StepExit> Run(const StepLaunch& launch,
                             const std::function<void(int64_t pid)>& started,
                             const std::atomic<bool>& stop) override {
    Answer answer;
    {
      std::lock_guard lock(script_.mutex);
      script_.launches.push_back(launch);
      answer = script_.answer;
    }
    started(4711);
    return answer ? answer(launch, stop) : StepExit{};
  }

 private:
  Script& script_;
};

StepExit UntilStopped(const std::atomic<bool>& stop) {
  while (!stop) std::this_thread::yield();
  return {StepExit::Kind::kStopped, 0, 0};
}

class PipelinesStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_EQ(database_->Migrate(events::Migrations()).ToString(), "OK");
    ASSERT_EQ(database_->Migrate(Migrations()).ToString(), "OK");
  }
  void TearDown() override { pipelines_.reset(); }

  std::unique_ptr<Pipelines> Make(storage::Database& database, events::EventLog& events,
                                  std::unique_ptr<Executor> executor) {
    PipelineSettings settings = settings_;
    settings.pipelines = Json::Parse(config_).value();
    return std::make_unique<Pipelines>(
        database, events, clock_, real_clock_, metrics_, std::move(executor), settings,
        PipelineSurroundings{[] { return std::string("http://127.0.0.1:9"); }, folder_.path()});
  }
  void StartWith(std::unique_ptr<Executor> executor) {
    pipelines_.reset();
    pipelines_ = Make(*database_, events_, std::move(executor));
    ASSERT_EQ(pipelines_->Start().ToString(), "OK");
  }
  void StartScripted() { StartWith(std::make_unique<ScriptedExecutor>(script_)); }
  void StartReal() { StartWith(MakeProcessExecutor()); }
  base::Result<std::string> Trigger(const std::string& kind = "manual",
                                    std::map<std::string, std::string> parameters = {}) {
    return pipelines_->Trigger(
        {"p", Json::MakeObject({{"kind", kind}}), std::move(parameters), {"ada", "test"}});
  }
  RunRecord Wait(const std::string& id) {
    const auto run = pipelines_->WaitForRun(id, kPatience);
    EXPECT_EQ(run.status().ToString(), "OK");
    return run.ok() ? *run : RunRecord();
  }
  RunRecord RunOnce() { return Wait(Trigger().value()); }
  std::vector<std::string> EventTypes() {
    events::EventFilter filter;
    filter.type_prefix = "pipeline.";
    const auto events = events_.List(filter).value();
    std::vector<std::string> types;
    types.reserve(events.size());
    for (const events::Event& event : events) types.push_back(event.type);
    return types;
  }
  std::string Read(const std::string& name) {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t Launches() {
    std::lock_guard lock(script_.mutex);
    return script_.launches.size();
  }
  static std::string OneStep(const std::string& rest = "") {
    return R"([{"name": "p", "steps": [{"name": "s", "run": ["x"]}])" + rest + "}]";
  }
  static std::string Shell(const std::string& script) {
    return R"(["sh", "-c", )" + Json(script).Dump() + "]";
  }

  storage::TestDatabase database_{GetParam()};
  storage::TestFolder folder_;
  base::DrivenClock clock_{1'363'046'400'000'000};  // 2013-03-12
  base::DrivenClock real_clock_{1'000'000};
  base::Metrics metrics_;
  events::EventLog events_{*database_, clock_};
  PipelineSettings settings_;
  std::string config_ = OneStep();
  ScriptedExecutor::Script script_;
  std::unique_ptr<Pipelines> pipelines_;
};

TEST_P(PipelinesStore, RealProcessesHandOutputsOn) {
  const std::string use =
      Shell("echo got $1 $SLIPWAY_OUT_MAKE_ROWS; echo DOUBLE=$(($1 * 2)) >> $SLIPWAY_OUTPUT");
  const std::string make =
      Shell("echo hello; echo ROWS=12 >> $SLIPWAY_OUTPUT; echo m > $SLIPWAY_RUN_FOLDER/m.txt");
  config_ = R"([{"name": "p", "steps": [{"name": "use", "needs": ["make"], "run": )" +
            use.substr(0, use.size() - 1) +
            R"(, "sh", "${outputs.make.ROWS}"]}, {"name": "make", "run": )" + make +
            R"(, "outputs": ["m.txt"]}]}])";
  StartReal();
  const RunRecord run = RunOnce();
  EXPECT_EQ(run.state, "succeeded") << ToJson(run).Dump(2);
  EXPECT_EQ(run.outputs.at("make").at("ROWS"), "12");
  EXPECT_EQ(run.outputs.at("use").at("DOUBLE"), "24");
  EXPECT_EQ(pipelines_->Log(run.id, "make").value(), "hello\n");
  EXPECT_EQ(pipelines_->Log(run.id, "use").value(), "got 12 12\n");
  EXPECT_EQ(pipelines_->Log(run.id, "none").status().reason(), "log_not_found");
  EXPECT_EQ(EventTypes(),
            (std::vector<std::string>{"pipeline.run_started", "pipeline.step_finished",
                                      "pipeline.step_finished", "pipeline.run_finished"}));
}

TEST_P(PipelinesStore, StepsAreToldWhereTheyAre) {
  config_ =
      R"([{"name": "p", "env": {"COLOUR": "${params.colour}"}, "steps": [{"name": "s", "run": ["env"]}]}])";
  StartReal();
  const RunRecord run = Wait(Trigger("manual", {{"colour", "blue"}}).value());
  const std::string log = pipelines_->Log(run.id, "s").value();
  for (const std::string& line :
       {std::string("SLIPWAY_URL=http://127.0.0.1:9"),
        std::string("MLFLOW_TRACKING_URI=http://127.0.0.1:9"), "SLIPWAY_RUN_ID=" + run.id,
        std::string("SLIPWAY_PIPELINE=p"), std::string(R"(SLIPWAY_TRIGGER={"kind":"manual"})"),
        std::string("SLIPWAY_NOW=2013-03-12T00:00:00"), std::string("SLIPWAY_PARAM_COLOUR=blue"),
        std::string("COLOUR=blue")}) {
    EXPECT_NE(("\n" + log).find("\n" + line), std::string::npos) << line << " is not in\n" << log;
  }
}

TEST_P(PipelinesStore, AFailedStepEndsTheRunAndSkipsTheRest) {
  config_ =
      R"([{"name": "p", "steps": [{"name": "a", "run": ["sh", "-c", "exit 3"]}, {"name": "b", "run": ["true"], "needs": ["a"]}]}])";
  StartReal();
  const RunRecord run = RunOnce();
  EXPECT_EQ(run.state, "failed");
  EXPECT_EQ(run.message, "step \"a\" ended with exit status 3");
  EXPECT_EQ(run.steps.at(0).exit_status, 3);
  EXPECT_EQ(run.steps.at(1).state, "skipped");
}

TEST_P(PipelinesStore, AProgramThatIsMissingFailsTheStep) {
  config_ = R"([{"name": "p", "steps": [{"name": "a", "run": ["no-such-program-here"]}]}])";
  StartReal();
  EXPECT_NE(RunOnce().message.find("no-such-program-here"), std::string::npos);
}

TEST_P(PipelinesStore, ATimeoutEndsTheStep) {
  config_ =
      R"([{"name": "p", "steps": [{"name": "a", "run": ["sleep", "600"], "timeout": "100ms"}]}])";
  StartReal();
  const RunRecord run = RunOnce();
  EXPECT_EQ(run.state, "failed");
  EXPECT_NE(run.message.find("timeout of 100ms"), std::string::npos) << run.message;
}

TEST_P(PipelinesStore, ALogThatGrowsTooLargeEndsTheStep) {
  settings_.log_limit_bytes = 10000;
  config_ = R"([{"name": "p", "steps": [{"name": "a", "run": ["yes"]}]}])";
  StartReal();
  EXPECT_NE(RunOnce().message.find("log is larger than 10000"), std::string::npos);
}

TEST_P(PipelinesStore, BadOutputLinesAndMissingFilesFailTheStep) {
  config_ = R"([{"name": "p", "steps": [{"name": "a", "run": )" +
            Shell("echo 'no equals' > $SLIPWAY_OUTPUT") + "}]}]";
  StartReal();
  EXPECT_NE(RunOnce().message.find("line 1 of $SLIPWAY_OUTPUT"), std::string::npos);
  config_ =
      R"([{"name": "p", "steps": [{"name": "a", "run": ["true"], "outputs": ["model.onnx"]}]}])";
  StartReal();
  EXPECT_NE(RunOnce().message.find("did not leave \"model.onnx\""), std::string::npos);
}

TEST_P(PipelinesStore, AFailureIsTriedAgainAfterTheBackoffOfTheRealClock) {
  config_ =
      R"([{"name": "p", "steps": [{"name": "s", "run": ["x"], "retries": {"max": 1, "backoff": "1h"}}]}])";
  script_.answer = [](const StepLaunch& launch,
                      const std::atomic<bool>&) -> base::Result<StepExit> {
    return StepExit{StepExit::Kind::kExited, launch.attempt == 1 ? 1 : 0, 0};
  };
  StartScripted();
  const std::string id = Trigger().value();
  while (pipelines_->Run(id)->steps.at(0).message.empty()) std::this_thread::yield();
  EXPECT_EQ(pipelines_->WaitForRun(id, base::kMillisecond).status().reason(), "still_running");
  ASSERT_TRUE(real_clock_.Advance(real_clock_.Now() + base::kHour).ok());
  const RunRecord run = Wait(id);
  EXPECT_EQ(run.state, "succeeded");
  EXPECT_EQ(run.steps.at(0).attempt, 2);
}

TEST_P(PipelinesStore, IndependentStepsRunTogetherUpToTheLimit) {
  config_ =
      R"([{"name": "p", "steps": [{"name": "a", "run": ["x"]}, {"name": "b", "run": ["x"]}, {"name": "c", "run": ["x"]}]}])";
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  script_.answer = [&](const StepLaunch& launch,
                       const std::atomic<bool>& stop) -> base::Result<StepExit> {
    most = std::max(most.load(), ++now);
    while (launch.step != "c" && now < 2 && most < 2 && !stop) std::this_thread::yield();
    --now;
    return StepExit{};
  };
  StartScripted();
  EXPECT_EQ(RunOnce().state, "succeeded");
  EXPECT_EQ(most, 2);
}

TEST_P(PipelinesStore, ARestartGoesOnWithTheStepThatWasRunning) {
  config_ =
      R"([{"name": "p", "steps": [{"name": "a", "run": ["x"]}, {"name": "b", "run": ["x"], "needs": ["a"]}]}])";
  script_.answer = [](const StepLaunch& launch,
                      const std::atomic<bool>& stop) -> base::Result<StepExit> {
    if (launch.step == "a") return StepExit{};
    return UntilStopped(stop);
  };
  StartScripted();
  const std::string id = Trigger().value();
  while (Launches() < 2) std::this_thread::yield();
  pipelines_->Stop();
  EXPECT_EQ(Trigger().status().reason(), "not_started");
  script_.answer = nullptr;
  StartScripted();
  const RunRecord run = Wait(id);
  EXPECT_EQ(run.state, "succeeded");
  EXPECT_EQ(run.steps.at(0).attempt, 1) << "a step that is done stays done";
  EXPECT_EQ(run.steps.at(1).attempt, 2);
  EXPECT_EQ(Launches(), 3u);
}

TEST_P(PipelinesStore, AStepThatIsLostTooOftenEndsTheRunAsLost) {
  config_ = R"([{"name": "p", "steps": [{"name": "s", "run": ["x"], "retries": {"lost": 1}}]}])";
  script_.answer = [](const StepLaunch&, const std::atomic<bool>& stop) -> base::Result<StepExit> {
    return UntilStopped(stop);
  };
  StartScripted();
  const std::string id = Trigger().value();
  for (size_t launches = 1; launches <= 2; ++launches) {
    while (Launches() < launches) std::this_thread::yield();
    StartScripted();
  }
  const RunRecord run = Wait(id);
  EXPECT_EQ(run.state, "lost");
  EXPECT_EQ(run.steps.at(0).state, "lost");
  EXPECT_TRUE(Trigger().ok()) << "another run may begin";
}

// A second process is the server; it is killed in the middle of a step.
TEST_P(PipelinesStore, AKilledServerLeavesNoProcessAndTheRunGoesOn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer allows no threads after a fork of a program that has some";
#endif
  config_ = R"([{"name": "p", "steps": [
    {"name": "a", "run": )" +
            Shell("echo a >> $SLIPWAY_RUN_FOLDER/done") + R"(},
    {"name": "b", "needs": ["a"], "run": )" +
            Shell("[ $SLIPWAY_ATTEMPT = 2 ] || exec sleep 600") + "}]}]";
  const pid_t server = fork();
  if (server == 0) {
    auto database = database_.OpenAnother();
    if (!database.ok()) _exit(1);
    events::EventLog events(**database, clock_);
    pipelines_ = Make(**database, events, MakeProcessExecutor());
    if (!pipelines_->Start().ok() || !Trigger().ok()) _exit(1);
    while (true) pause();
  }
  ASSERT_GT(server, 0);
  int64_t step_pid = 0;
  while (step_pid == 0) {
    const auto rows =
        database_->Query("SELECT pid FROM pipeline_steps WHERE step = 'b' AND state = 'running'");
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    if (!rows->empty()) step_pid = rows->at(0).Int(0);
    ASSERT_EQ(waitpid(server, nullptr, WNOHANG), 0) << "the server ended by itself";
  }
  kill(server, SIGKILL);
  ASSERT_EQ(waitpid(server, nullptr, 0), server);
  // The orphan is reaped by the system's first process when it gets to it: a zombie counts as gone.
  const auto gone = [&] {
    std::ifstream stat("/proc/" + std::to_string(step_pid) + "/stat");
    const std::string text{std::istreambuf_iterator<char>(stat), {}};
    return text.empty() || text.find(") Z ") != std::string::npos;
  };
  while (!gone()) std::this_thread::yield();

  StartReal();
  const std::string id = pipelines_->Runs("p")->at(0).id;
  const RunRecord run = Wait(id);
  EXPECT_EQ(run.state, "succeeded") << ToJson(run).Dump(2);
  EXPECT_EQ(run.steps.at(1).attempt, 2);
  EXPECT_EQ(Read("pipelines/" + id + "/work/done"), "a\n") << "step a ran once";
  EXPECT_TRUE(events_.VerifyChain().ok());
}

TEST_P(PipelinesStore, AStepIsSkippedWhenNothingThatItDependsOnChanged) {
  ASSERT_TRUE(base::WriteFileAtomically(folder_ / "input.csv", "1\n").ok());
  config_ = R"([{"name": "p", "folder": )" + Json(folder_.path()).Dump() +
            R"(, "steps": [{"name": "s", "cache": "on",
    "inputs": ["*.csv"], "outputs": ["model.bin"], "run": )" +
            Shell(
                "echo ran >> count; cat input.csv > $SLIPWAY_RUN_FOLDER/model.bin; echo V=7 > "
                "$SLIPWAY_OUTPUT") +
            "}]}]";
  StartReal();
  EXPECT_FALSE(RunOnce().steps.at(0).cached);
  const RunRecord again = RunOnce();
  EXPECT_TRUE(again.steps.at(0).cached) << ToJson(again).Dump(2);
  EXPECT_EQ(again.outputs.at("s").at("V"), "7");
  EXPECT_EQ(Read("pipelines/" + again.id + "/work/model.bin"), "1\n");
  EXPECT_FALSE(Wait(Trigger("manual", {{"x", "1"}}).value()).steps.at(0).cached)
      << "a parameter changed";
  ASSERT_TRUE(base::WriteFileAtomically(folder_ / "input.csv", "2\n").ok());
  EXPECT_FALSE(RunOnce().steps.at(0).cached) << "an input changed";
  ASSERT_TRUE(base::WriteFileAtomically(folder_ / "input.csv", "1\n").ok());
  const auto runs = pipelines_->Runs("p").value();
  for (const RunRecord& run : runs) {
    std::ofstream(folder_ / ("pipelines/" + run.id + "/work/model.bin")) << "spoilt";
  }
  EXPECT_FALSE(RunOnce().steps.at(0).cached)
      << "what the cache would bring back is not what was left";
  EXPECT_EQ(Read("count"), "ran\nran\nran\nran\n");
}

TEST_P(PipelinesStore, OneRunAtATimeAndARestAfterIt) {
  config_ = OneStep(R"(, "cooldown": "1h")");
  std::atomic<bool> go{false};
  script_.answer = [&](const StepLaunch&, const std::atomic<bool>&) -> base::Result<StepExit> {
    while (!go) std::this_thread::yield();
    return StepExit{};
  };
  StartScripted();
  const std::string id = Trigger("alert").value();
  EXPECT_EQ(Trigger("alert").status().reason(), "already_running");
  EXPECT_EQ(Trigger().status().reason(), "already_running");
  go = true;
  Wait(id);
  EXPECT_EQ(Trigger("alert").status().reason(), "cooldown");
  ASSERT_TRUE(clock_.Advance(clock_.Now() + base::kHour).ok());
  EXPECT_TRUE(Trigger("alert").ok());
  while (!Trigger().ok()) std::this_thread::yield();  // a person need not wait for the cooldown
}

TEST_P(PipelinesStore, TheCooldownOutlivesARestart) {
  config_ = OneStep(R"(, "cooldown": "1h")");
  StartScripted();
  RunOnce();
  StartScripted();
  EXPECT_EQ(Trigger("alert").status().reason(), "cooldown");
}

TEST_P(PipelinesStore, ADebouncedRunWaitsAndTakesFurtherTriggersIn) {
  config_ = OneStep(R"(, "debounce": "5m")");
  StartScripted();
  const std::string id = Trigger("alert", {{"window", "1"}}).value();
  EXPECT_EQ(Trigger("alert", {{"window", "2"}}).value(), id);
  EXPECT_EQ(pipelines_->Run(id)->state, "queued");
  StartScripted();  // a waiting run outlives a restart
  ASSERT_TRUE(pipelines_->Tick(clock_.Now() + 5 * base::kMinute - 1).ok());
  EXPECT_EQ(pipelines_->Run(id)->state, "queued");
  ASSERT_TRUE(pipelines_->Tick(clock_.Now() + 5 * base::kMinute).ok());
  const RunRecord run = Wait(id);
  EXPECT_EQ(run.state, "succeeded");
  EXPECT_EQ(run.parameters.at("window"), "2");
  EXPECT_EQ(run.trigger.Find("merged")->AsInt(), 1);
  EXPECT_EQ(Launches(), 1u);
}

TEST_P(PipelinesStore, AScheduleFiresOnceHoweverManyFiringsWereMissed) {
  config_ = OneStep(R"(, "triggers": [{"schedule": "0 * * * *"}])");
  StartScripted();
  const auto pass = [&](base::Micros time) {
    ASSERT_TRUE(clock_.Advance(clock_.Now() + time).ok());
    ASSERT_TRUE(pipelines_->Tick(clock_.Now()).ok());
  };
  pass(0);
  pass(59 * base::kMinute);
  EXPECT_TRUE(pipelines_->Runs("p")->empty());
  pass(base::kMinute);
  ASSERT_EQ(pipelines_->Runs("p")->size(), 1u);
  const RunRecord first = Wait(pipelines_->Runs("p")->at(0).id);
  EXPECT_EQ(first.trigger.Find("kind")->AsString(), "schedule");
  EXPECT_EQ(first.trigger.Find("due")->AsString(), "2013-03-12T01:00:00.000000Z");
  StartScripted();
  pass(0);
  EXPECT_EQ(pipelines_->Runs("p")->size(), 1u) << "it remembers that it fired";
  pass(10 * base::kHour);
  pass(0);
  EXPECT_EQ(pipelines_->Runs("p")->size(), 2u);
}

TEST_P(PipelinesStore, AnAlertStartsThePipelinesThatNameItsRule) {
  config_ =
      R"([{"name": "p", "steps": [{"name": "s", "run": ["x"]}], "triggers": [{"on_alert": "quality"}]},
                {"name": "q", "steps": [{"name": "s", "run": ["x"]}], "triggers": [{"on_alert": "drift"}]}])";
  StartScripted();
  const auto ids = pipelines_->OnAlert("quality", Json::MakeObject({{"value", 0.61}}),
                                       {{"endpoint", "flights"}});
  ASSERT_EQ(ids.size(), 1u);
  const RunRecord run = Wait(ids[0]);
  EXPECT_EQ(run.pipeline, "p");
  EXPECT_EQ(run.trigger.Find("alert")->Find("value")->AsDouble(), 0.61);
  EXPECT_EQ(run.parameters.at("endpoint"), "flights");
  EXPECT_TRUE(pipelines_->OnAlert("latency", Json(), {}).empty());
}

TEST_P(PipelinesStore, RefusesWhatItDoesNotKnow) {
  StartScripted();
  EXPECT_EQ(pipelines_->Trigger({"none", Json(), {}, {}}).status().reason(), "pipeline_not_found");
  EXPECT_EQ(Trigger("manual", {{"a b", "1"}}).status().field(), "parameters.a b");
  EXPECT_EQ(pipelines_->Run("none").status().reason(), "run_not_found");
  EXPECT_TRUE(pipelines_->Runs("none")->empty());
  config_ = R"([{"name": "p", "steps": []}])";
  EXPECT_EQ(Make(*database_, events_, nullptr)->Start().field(), "pipelines[0].steps");
}

TEST_P(PipelinesStore, OldRunsLoseTheirFilesAndKeepTheirRecords) {
  settings_.keep_runs = 2;
  StartScripted();
  std::vector<std::string> ids;
  ids.reserve(4);
  for (int i = 0; i < 4; ++i) ids.push_back(RunOnce().id);
  const auto there = [&](size_t i) {
    return access((folder_ / ("pipelines/" + ids[i])).c_str(), F_OK) == 0;
  };
  EXPECT_FALSE(there(0));
  EXPECT_FALSE(there(1));
  EXPECT_TRUE(there(2));
  EXPECT_TRUE(there(3));
  EXPECT_EQ(pipelines_->Runs("p")->size(), 4u);
}

INSTANTIATE_TEST_SUITE_P(Databases, PipelinesStore, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::pipelines
