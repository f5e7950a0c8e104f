// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "repository/model_repository.h"
#include "repository/testing.h"

namespace slipway::repository {
namespace {

using base::Code;

class Repository : public testing::Test, protected RepositoryHouse {
 protected:
  base::Status LoadFiles(const std::string& name, const std::string& text,
                         const std::string& config = "") {
    return repository->Load({name, config, {{"file:1/model.onnx", text}}, kLocal});
  }
  // Waits (at most ten seconds) until the watcher has seen something.
  template <typename Condition>
  static bool Until(const Condition& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }
  RepositorySettings Watching() const {
    RepositorySettings settings;
    settings.models = {folder.path()};
    settings.poll = {20 * base::kMillisecond};
    return settings;
  }
};

TEST_F(Repository, AModelLoadedWithItsFilesAnswersAtOnceAndGoesAgain) {
  ASSERT_TRUE(Start({}).ok());
  EXPECT_EQ(Index(), "");
  ASSERT_EQ(LoadFiles("fresh", "times 3").ToString(), "OK");
  EXPECT_EQ(Ask("fresh"), 3);
  EXPECT_EQ(Ask("fresh", 1), 3);
  EXPECT_EQ(repository->Find("fresh")->plan.arms.at(0).name, "unmanaged");
  EXPECT_EQ(Index(), "fresh/1 READY");
  EXPECT_FALSE(repository->Index().at(0).managed);
  ASSERT_EQ(repository->Unload("fresh", false, kLocal).ToString(), "OK");
  EXPECT_EQ(repository->Find("fresh"), nullptr);
  EXPECT_EQ(Index(), "");
  EXPECT_EQ(repository->Unload("fresh", false, kLocal).reason(), "model_not_loaded");
  const auto events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].type, "unmanaged.loaded");
  EXPECT_EQ(events[0].actor.source, kLocal.source);
  EXPECT_EQ(events[1].type, "unmanaged.unloaded");
}

TEST_F(Repository, AFailedLoadLeavesWhatWasServed) {
  ASSERT_TRUE(Start({}).ok());
  ASSERT_TRUE(LoadFiles("m", "times 3").ok());
  const auto failed = LoadFiles("m", "nonsense");
  EXPECT_EQ(failed.reason(), "bad_model") << failed.ToString();
  EXPECT_EQ(Ask("m"), 3);
  EXPECT_NE(repository->Index().at(0).reason.find("no factor"), std::string::npos);
  ASSERT_TRUE(LoadFiles("m", "times 4").ok());
  EXPECT_EQ(Ask("m"), 4);
  ASSERT_TRUE(LoadFiles("m", "times 5").ok());
  EXPECT_EQ(Ask("m"), 5);
  EXPECT_EQ(Index(), "m/1 READY");
}

TEST_F(Repository, FilesStayBelowTheirFolder) {
  ASSERT_TRUE(Start({}).ok());
  for (const char* path :
       {"file:../x.onnx", "file:1/../../x.onnx", "file:/etc/x.onnx", "file:", "file:1/./x"}) {
    const auto status = repository->Load({"m", "", {{path, "times 3"}}, kLocal});
    EXPECT_EQ(status.reason(), "bad_file_path") << path;
    EXPECT_EQ(status.field(), path);
  }
  for (const char* path : {"file:one/two/x.bin", "file:1"}) {
    const auto status = repository->Load({"m", "", {{path, "times 3"}}, kLocal});
    EXPECT_EQ(status.reason(), "no_model_file") << path;
  }
  EXPECT_EQ(Index(), "");
  EXPECT_EQ(repository->Load({"a/b", "", {{"1/model.onnx", "times 1"}}, kLocal}).field(), "name");
  EXPECT_EQ(repository->Load({"..", "", {{"1/model.onnx", "times 1"}}, kLocal}).field(), "name");
}

TEST_F(Repository, FilesHaveLimits) {
  RepositorySettings settings;
  settings.max_upload_mb = 1;
  ASSERT_TRUE(Start(settings).ok());
  const std::string large(1024 * 1024 + 1, 'x');
  EXPECT_EQ(LoadFiles("m", large).reason(), "files_too_large");
  std::map<std::string, std::string> many;
  for (size_t i = 0; i <= kMaxFiles; ++i) many["1/" + std::to_string(i)] = "";
  EXPECT_EQ(repository->Load({"m", "", many, kLocal}).reason(), "too_many_files");
  EXPECT_EQ(Index(), "");
}

TEST_F(Repository, PolicySaysWhoMayLoad) {
  ASSERT_TRUE(Start({}).ok());
  const LoadRequest from_elsewhere{"m", "", {{"1/model.onnx", "times 2"}}, kRemote};
  EXPECT_EQ(repository->Load(from_elsewhere).reason(), "unmanaged_refused");
  ASSERT_TRUE(LoadFiles("m", "times 2").ok());
  EXPECT_EQ(repository->Unload("m", false, kRemote).code(), Code::kPermissionDenied);
  for (const char* source : {"grpc ipv4:127.0.0.1:7", "grpc ipv6:%5B::1%5D:7", "grpc ipv6:[::1]:7"})
    EXPECT_TRUE(repository->Load({"m", "", {{"1/model.onnx", "times 2"}}, {"a", source}}).ok())
        << source;
  RepositorySettings open;
  open.unmanaged = "allow";
  ASSERT_TRUE(Start(open).ok());
  EXPECT_TRUE(repository->Load(from_elsewhere).ok());
  RepositorySettings closed;
  closed.unmanaged = "refuse";
  ASSERT_TRUE(Start(closed).ok());
  EXPECT_EQ(LoadFiles("m", "times 2").code(), Code::kPermissionDenied);
  closed.models = {folder.path()};
  EXPECT_EQ(Start(closed).field(), "repository.models");
}

TEST_F(Repository, ARegisteredNameIsTaken) {
  ASSERT_TRUE(registry().CreateModel("fraud", {}, "", kLocal).ok());
  Write("fraud/1/model.onnx", "times 2");
  ASSERT_TRUE(Start(Watching()).ok());
  EXPECT_EQ(repository->Find("fraud"), nullptr);
  EXPECT_NE(repository->Index().at(0).reason.find("name_taken"), std::string::npos);
  EXPECT_EQ(LoadFiles("fraud", "times 3").reason(), "name_taken");
}

TEST_F(Repository, FoldersOfEveryLayoutAreServed) {
  Write("triton/1/model.onnx", "times 2");
  Write("triton/3/model.onnx", "times 3");
  Write("triton/config.pbtxt", "max_batch_size: 4\nversion_policy { all {} }");
  Write("tensorflow/00000123/model.onnx", "times 4");
  Write("tensorflow/00000007/model.onnx", "times 9");
  Write("mlflow/MLmodel", "flavors: {onnx: {data: data.onnx}}");
  Write("mlflow/data.onnx", "times 5");
  Write("numbered/2/MLmodel", "flavors: {onnx: {data: data.onnx}}");
  Write("numbered/2/data.onnx", "times 6");
  Write("bare.onnx", "times 7");
  Write("named/1/net.bin", "times 8");
  Write("named/config.pbtxt", "backend: \"onnxruntime\" default_model_filename: \"net.bin\"");
  Write("README.txt", "notes");
  Write("helper.py", "print(1)");
  Write("settings.json", "{}");
  Write("docs/notes.txt", "notes");
  Write(".hidden/1/model.onnx", "times 1");
  ASSERT_TRUE(Start(Watching()).ok());
  EXPECT_EQ(Index(),
            "bare/1 READY, mlflow/1 READY, named/1 READY, numbered/2 READY, "
            "tensorflow/123 READY, triton/1 READY, triton/3 READY")
      << repository->Index().at(2).reason;
  EXPECT_EQ(Ask("named"), 8);
  EXPECT_EQ(Ask("triton"), 3);
  EXPECT_EQ(Ask("triton", 1), 2);
  EXPECT_EQ(Ask("tensorflow"), 4);
  EXPECT_EQ(Ask("mlflow"), 5);
  EXPECT_EQ(Ask("numbered"), 6);
  EXPECT_EQ(Ask("bare"), 7);
}

TEST_F(Repository, AFolderMayBeOneModelItself) {
  Write("only/1/model.onnx", "times 2");
  Write("only/2/model.onnx", "times 3");
  RepositorySettings settings = Watching();
  settings.models = {folder / "only/"};
  ASSERT_TRUE(Start(settings).ok());
  EXPECT_EQ(Index(), "only/2 READY");
  EXPECT_EQ(Ask("only"), 3);
}

TEST_F(Repository, ANewVersionTakesOverWhileRequestsRun) {
  Write("m/1/model.onnx", "times 1");
  ASSERT_TRUE(Start(Watching()).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread asking([&] {
    double last = 1;
    while (!stop) {
      const double now = Ask("m");
      if (now != last && now != 2) ++wrong;
      last = now;
    }
  });
  Write("m/2/model.onnx", "times 2");
  const bool served = Until([&] { return Ask("m") == 2; });
  stop = true;
  asking.join();
  EXPECT_TRUE(served) << Index();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Index(), "m/2 READY");
}

TEST_F(Repository, ABrokenVersionLeavesTheOldOneUntilItIsMended) {
  Write("m/1/model.onnx", "times 1");
  ASSERT_TRUE(Start(Watching()).ok());
  Write("m/2/model.onnx", "half");
  ASSERT_TRUE(Until([&] { return Index() == "m/1 READY, m/2 UNAVAILABLE"; })) << Index();
  EXPECT_EQ(Ask("m"), 1);
  Write("m/2/model.onnx", "times 2");
  ASSERT_TRUE(Until([&] { return Index() == "m/2 READY"; })) << Index();
  EXPECT_EQ(Ask("m"), 2);
}

TEST_F(Repository, AChangedConfigurationIsAppliedAndALoadsOwnOneIsKept) {
  Write("m/1/model.onnx", "times 1");
  Write("m/2/model.onnx", "times 2");
  ASSERT_TRUE(Start(Watching()).ok());
  EXPECT_EQ(Index(), "m/2 READY");
  Write("m/config.pbtxt", "max_batch_size: 3 version_policy { all {} }");
  ASSERT_TRUE(Until([&] { return Index() == "m/1 READY, m/2 READY"; })) << Index();
  EXPECT_EQ(repository->Find("m")->arms[0].model->config().max_batch_rows, 3);
  EXPECT_EQ(repository->PolicyOf("m").kind, VersionPolicy::Kind::kAll);
  ASSERT_TRUE(repository->Load({"m", R"({"max_batch_size": 5})", {}, kLocal}).ok());
  // The watcher has had looks enough when it has loaded something else.
  Write("other/1/model.onnx", "times 3");
  ASSERT_TRUE(Until([&] { return Ask("other") == 3; }));
  EXPECT_EQ(Index(), "m/2 READY, other/1 READY");
  EXPECT_EQ(repository->Find("m")->arms[0].model->config().max_batch_rows, 5);
}

TEST_F(Repository, FoldersThatComeAndGoAreFollowed) {
  ASSERT_TRUE(Start(Watching()).ok());
  Write("late/1/model.onnx", "times 3");
  ASSERT_TRUE(Until([&] { return Ask("late") == 3; })) << Index();
  std::filesystem::remove_all(folder / "late");
  ASSERT_TRUE(Until([&] { return Index().empty(); })) << Index();
}

TEST_F(Repository, WhatACallerUnloadedStaysAwayUntilItIsLoaded) {
  Write("m/1/model.onnx", "times 1");
  ASSERT_TRUE(Start(Watching()).ok());
  ASSERT_TRUE(repository->Unload("m", false, kLocal).ok());
  Write("m/2/model.onnx", "times 2");
  Write("other/1/model.onnx", "times 3");
  ASSERT_TRUE(Until([&] { return Ask("other") == 3; }));
  EXPECT_EQ(Index(), "m/0 UNAVAILABLE, other/1 READY");
  ASSERT_TRUE(repository->Load({"m", "", {}, kLocal}).ok());
  EXPECT_EQ(Ask("m"), 2);
}

TEST_F(Repository, ExplicitModeLoadsWhatItIsTold) {
  Write("a/1/model.onnx", "times 1");
  Write("b/1/model.onnx", "times 2");
  RepositorySettings settings = Watching();
  settings.mode = "explicit";
  settings.load = {"b", "absent"};
  ASSERT_TRUE(Start(settings).ok());
  EXPECT_EQ(Index(), "a/0 UNAVAILABLE, b/1 READY");
  ASSERT_TRUE(repository->Load({"a", "", {}, kLocal}).ok());
  EXPECT_EQ(Ask("a"), 1);
  EXPECT_EQ(repository->Load({"absent", "", {}, kLocal}).reason(), "model_not_found");
}

TEST_F(Repository, TheConfigurationIsHeldAgainstTheModel) {
  ASSERT_TRUE(Start({}).ok());
  const auto with = [this](const std::string& config) { return LoadFiles("m", "times 3", config); };
  EXPECT_EQ(with(R"({"name": "other"})").field(), "config.name");
  EXPECT_EQ(
      with(R"({"input": [{"name": "z", "data_type": "TYPE_FP32", "dims": [-1, 1]}]})").field(),
      "config.input[0].name");
  EXPECT_EQ(
      with(R"({"input": [{"name": "x", "data_type": "TYPE_INT8", "dims": [-1, 1]}]})").field(),
      "config.input[0].data_type");
  EXPECT_EQ(with(R"({"max_batch_size": 4,
                     "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [7]}]})")
                .field(),
            "config.input[0].dims");
  EXPECT_EQ(with(R"({"backend": "tensorrt"})").reason(), "unknown_runtime");
  EXPECT_EQ(repository->Find("m"), nullptr);
  ASSERT_EQ(with(R"({"max_batch_size": 4,
                     "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1, 1],
                                "reshape": {"shape": [1]}}]})")
                .ToString(),
            "OK");
  const auto served = repository->Find("m");
  EXPECT_EQ(served->arms[0].model->description().inputs[0].shape, (inference::Shape{-1, 1, 1}));
  EXPECT_EQ(served->arms[0].model->config().max_batch_rows, 4);
}

constexpr const char* kTwoSteps = R"({"platform": "ensemble", "max_batch_size": 8,
    "input": [{"name": "raw", "data_type": "TYPE_FP32", "dims": [1]}],
    "output": [{"name": "end", "data_type": "TYPE_FP32", "dims": [1]}],
    "ensemble_scheduling": {"step": [
      {"model_name": "first", "model_version": -1, "input_map": {"x": "raw"},
       "output_map": {"y": "between"}},
      {"model_name": "second", "model_version": -1, "input_map": {"x": "between"},
       "output_map": {"y": "end"}}]}})";

TEST_F(Repository, AnEnsembleIsLoadedFromItsConfigurationAlone) {
  ASSERT_TRUE(Start({}).ok());
  EXPECT_EQ(repository->Load({"both", kTwoSteps, {}, kLocal}).reason(), "step_not_loaded");
  ASSERT_TRUE(LoadFiles("first", "times 2").ok());
  ASSERT_TRUE(LoadFiles("second", "times 10").ok());
  ASSERT_EQ(repository->Load({"both", kTwoSteps, {}, kLocal}).ToString(), "OK");
  EXPECT_EQ(Ask("both"), 20);
  // A step that names no version follows its name.
  ASSERT_TRUE(LoadFiles("second", "times 100").ok());
  EXPECT_EQ(Ask("both"), 200);
  EXPECT_EQ(repository->Unload("first", false, kLocal).reason(), "model_in_use");
  EXPECT_EQ(Ask("both"), 200);
  ASSERT_TRUE(repository->Unload("both", true, kLocal).ok());
  EXPECT_EQ(repository->Find("first"), nullptr);
  EXPECT_EQ(repository->Find("second"), nullptr);
}

TEST_F(Repository, UnloadingAnEnsembleKeepsItsModelsUnlessToldOtherwise) {
  ASSERT_TRUE(Start({}).ok());
  ASSERT_TRUE(LoadFiles("first", "times 2").ok());
  ASSERT_TRUE(LoadFiles("second", "times 10").ok());
  ASSERT_TRUE(repository->Load({"both", kTwoSteps, {}, kLocal}).ok());
  ASSERT_TRUE(repository->Load({"again", kTwoSteps, {}, kLocal}).ok());
  ASSERT_TRUE(repository->Unload("both", true, kLocal).ok());
  EXPECT_EQ(Ask("again"), 20) << "another ensemble needs them";
  ASSERT_TRUE(repository->Unload("again", false, kLocal).ok());
  EXPECT_EQ(Ask("first"), 2);
}

TEST_F(Repository, AnEnsembleInAFolderBringsItsModelsAlong) {
  Write("a_both/config.pbtxt", R"(
    platform: "ensemble" max_batch_size: 8
    input { name: "raw" data_type: TYPE_FP32 dims: 1 }
    output { name: "end" data_type: TYPE_FP32 dims: 1 }
    ensemble_scheduling { step [
      { model_name: "first" model_version: 1
        input_map { key: "x" value: "raw" } output_map { key: "y" value: "between" } },
      { model_name: "second" model_version: -1
        input_map { key: "x" value: "between" } output_map { key: "y" value: "end" } } ] })");
  std::filesystem::create_directories(folder / "a_both/1");
  Write("first/1/model.onnx", "times 3");
  Write("second/1/model.onnx", "times 5");
  ASSERT_TRUE(Start(Watching()).ok());
  EXPECT_EQ(Index(), "a_both/1 READY, first/1 READY, second/1 READY")
      << repository->Index().at(0).reason;
  EXPECT_EQ(Ask("a_both"), 15);
}

TEST_F(Repository, EnsemblesThatAskEachOtherAreRefused) {
  ASSERT_TRUE(Start({}).ok());
  ASSERT_TRUE(LoadFiles("first", "times 2").ok());
  ASSERT_TRUE(LoadFiles("second", "times 10").ok());
  ASSERT_TRUE(repository->Load({"both", kTwoSteps, {}, kLocal}).ok());
  const std::string back = R"({"platform": "ensemble", "ensemble_scheduling": {"step": [
      {"model_name": "both", "model_version": -1, "input_map": {"raw": "x"},
       "output_map": {"end": "y"}}]}})";
  EXPECT_EQ(repository->Load({"first", back, {}, kLocal}).reason(), "bad_ensemble");
  EXPECT_EQ(Ask("both"), 20);
}

TEST_F(Repository, AnEnsembleIsTriedAgainWhenItsModelsHaveCome) {
  Write("both/config.pbtxt", R"(
    platform: "ensemble"
    ensemble_scheduling { step [
      { model_name: "late" model_version: -1
        input_map { key: "x" value: "raw" } output_map { key: "y" value: "end" } } ] })");
  std::filesystem::create_directories(folder / "both/1");
  ASSERT_TRUE(Start(Watching()).ok());
  EXPECT_EQ(Index(), "both/0 UNAVAILABLE");
  EXPECT_NE(repository->Index().at(0).reason.find("late"), std::string::npos);
  Write("late/1/model.onnx", "times 6");
  ASSERT_TRUE(Until([&] { return Ask("both") == 6; })) << Index();
}

TEST_F(Repository, LabelsMayComeWithTheFiles) {
  ASSERT_TRUE(Start({}).ok());
  const std::string config =
      R"({"output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [-1, 1],
                     "label_filename": "labels.txt"}]})";
  ASSERT_EQ(repository
                ->Load({"m",
                        config,
                        {{"file:1/model.onnx", "times 1"}, {"file:labels.txt", "cat\r\ndog\n"}},
                        kLocal})
                .ToString(),
            "OK");
  const auto labels = repository->Find("m")->arms[0].model->config().labels;
  EXPECT_EQ(labels.at("y"), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(LoadFiles("m", "times 1", config).field(), "config.output.y.label_filename");
}

TEST_F(Repository, AnEnsembleOfItselfIsRefused) {
  ASSERT_TRUE(Start({}).ok());
  const auto status = repository->Load({"first", kTwoSteps, {}, kLocal});
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(repository->Find("first"), nullptr);
}

}  // namespace
}  // namespace slipway::repository
