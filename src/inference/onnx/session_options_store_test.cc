// SPDX-License-Identifier: Apache-2.0
// What a model's parameters and the settings do to real sessions.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/process.h"
#include "inference/onnx/session_options.h"
#include "inference/probe.h"
#include "inference/runtime.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

using Parameters = std::map<std::string, std::string>;

std::unique_ptr<Runtime> Make(const OnnxSettings& settings = {}) {
  auto made = MakeOnnxRuntime(settings);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return made.ok() ? std::move(*made) : nullptr;
}

ModelSource Source(const std::string& name, Parameters parameters = {}) {
  ModelSource source{name, "onnx", TestModel(name)};
  source.config.parameters = std::move(parameters);
  return source;
}

size_t ThreadsOfThisProcess() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    ++count;
  return count;
}

Request Row(std::vector<float> values) {
  const auto size = static_cast<int64_t>(values.size());
  return {{{"x", Tensor::Of<float>({1, size}, values)}}, {}};
}

TEST(OnnxThreads, ManyModelsShareOnePool) {
  const size_t before = ThreadsOfThisProcess();
  auto runtime = Make({.intra_op_threads = 3});
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 10; ++i) {
    auto session = runtime->Load(Source("linear"));
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    ASSERT_TRUE((*session)->Run(Row({1, 1, 1})).ok());
    sessions.push_back(std::move(*session));
  }
  EXPECT_EQ(ThreadsOfThisProcess() - before, 2U) << "the caller is the third";
  auto own = runtime->Load(Source("linear", {{"intra_op_threads", "2"}}));
  ASSERT_TRUE(own.ok()) << own.status().ToString();
  EXPECT_EQ(ThreadsOfThisProcess() - before, 3U);
}

TEST(OnnxDevice, AMissingDeviceIsSaidAndTheCpuRunsInstead) {
  auto runtime = Make();
  EXPECT_EQ((*runtime->Load(Source("linear")))->description().device_note, "");
  for (const char* device : {"cuda:0", "tensorrt:1"}) {
    auto session = runtime->Load(Source("linear", {{"device", device}}));
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    const ModelDescription& description = (*session)->description();
    EXPECT_EQ(description.device, "cpu");
    EXPECT_TRUE(description.device_note.starts_with(device)) << description.device_note;
    EXPECT_NE(description.device_note.find("ExecutionProvider"), std::string::npos);
    EXPECT_EQ((*session)->Run(Row({1, 1, 1}))->outputs[0].tensor.NumberAt(0), 6.5);
  }
}

TEST(OnnxDevice, AMissingDeviceIsRefusedWhenTheSettingsSaySo) {
  auto runtime = Make({.device_fallback = "refuse"});
  auto session = runtime->Load(Source("linear", {{"device", "cuda:0"}}));
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), base::Code::kFailedPrecondition);
  EXPECT_EQ(session.status().reason(), "device_missing");
  EXPECT_NE(session.status().message().find("cuda:0"), std::string::npos);
  EXPECT_TRUE(runtime->Load(Source("linear")).ok());
}

TEST(OnnxDevice, AProbeTriesTheCpuOnly) {
  const OnnxSettings settings = OnnxSettingsOfProbe("", {});
  auto runtime = Make(settings);
  auto session = runtime->Load(Source("linear", {{"device", "cuda:0"}}));
  ASSERT_TRUE(session.ok());
  EXPECT_EQ((*session)->description().device_note, "");
}

TEST(OnnxOptions, AFreeDimensionIsFixedByName) {
  auto session = Make()->Load(Source("linear", {{"free_dimension.n", "2"}}));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  EXPECT_EQ((*session)->description().inputs[0].shape, (Shape{2, 3}));
  EXPECT_FALSE((*session)->description().batchable);
}

TEST(OnnxOptions, EveryWayOfRunningGivesTheSameAnswer) {
  auto runtime = Make();
  const Parameters ways[] = {{{"execution_mode", "parallel"}, {"inter_op_threads", "2"}},
                             {{"graph_optimization", "off"}},
                             {{"enable_mem_arena", "0"}, {"enable_mem_pattern", "0"}},
                             {{"arena_shrinkage", "1"}}};
  for (const Parameters& way : ways) {
    auto session = runtime->Load(Source("linear", way));
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    for (int i = 0; i < 3; ++i) {
      auto response = (*session)->Run(Row({1, 1, 1}));
      ASSERT_TRUE(response.ok()) << way.begin()->first << ": " << response.status().ToString();
      EXPECT_EQ(response->outputs[0].tensor.NumberAt(1), 59.5);
    }
  }
}

TEST(OnnxOptions, MemoryIsAnUpperBoundOfTheWeights) {
  auto runtime = Make();
  EXPECT_GT((*runtime->Load(Source("external")))->memory_bytes(),
            static_cast<int64_t>(std::filesystem::file_size(TestModel("external"))));
}

TEST(OnnxRows, AnswersOfAnotherFormThanPromisedAreGivenAsTheyAre) {
  auto session = Make()->Load(Source("non_zero"));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  for (int i = 0; i < 3; ++i) {
    auto response = (*session)->Run(Row({0, 5, 7}));
    ASSERT_TRUE(response.ok()) << response.status().ToString();
    EXPECT_EQ(response->outputs[0].tensor.shape(), (Shape{2, 2}));
    EXPECT_EQ(response->outputs[0].tensor.As<int64_t>()[3], 2);
    EXPECT_EQ((*session)->Run(Row({0, 5, 0}))->outputs[0].tensor.shape(), (Shape{1, 2}));
  }
}

class CustomOps : public testing::Test {
 protected:
  OnnxSettings settings_ = {
      .custom_op_libraries = {"doubled=" + std::string(SLIPWAY_TEST_CUSTOM_OP)}};
};

TEST_F(CustomOps, ALibraryOfTheAllowListRunsWhereAModelNamesIt) {
  auto runtime = Make(settings_);
  auto session = runtime->Load(Source("custom_op", {{"custom_ops", "doubled"}}));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  auto response = (*session)->Run(Row({1, 2, 3}));
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(2), 6);
  EXPECT_FALSE(runtime->Load(Source("custom_op")).ok()) << "it has to be named";
}

TEST_F(CustomOps, TheProbeProcessIsToldOfThem) {
  const OnnxSettings probe = OnnxSettingsOfProbe("", Make(settings_)->probe_settings());
  EXPECT_EQ(probe.custom_op_libraries, settings_.custom_op_libraries);
  auto runtime = Make(probe);
  EXPECT_TRUE(ProbeModel(*runtime, Source("custom_op", {{"custom_ops", "doubled"}})).ok());
}

TEST_F(CustomOps, ALibraryThatIsNoneIsRefused) {
  settings_.custom_op_libraries = {"doubled=/nowhere/ops.so"};
  auto session = Make(settings_)->Load(Source("custom_op", {{"custom_ops", "doubled"}}));
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().reason(), "bad_model");
  EXPECT_NE(session.status().message().find("/nowhere/ops.so"), std::string::npos);
}

// Between the check of a name and its use nobody may put another file there: the bytes that were
// checked are the ones that are read.
TEST(OnnxFiles, ExternalDataIsReadThroughTheCheckedFile) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("slipway-external-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder / "data");
  std::filesystem::copy_file(TestModel("external"), folder / "external.onnx");
  std::filesystem::create_symlink(
      std::filesystem::path(TestModel("external")).parent_path() / "external.weights",
      folder / "external.weights");
  auto runtime = Make();
  ModelSource source{"m", "onnx", (folder / "external.onnx").string()};
  auto refused = runtime->Load(source);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().reason(), "external_data_escapes");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace slipway::inference
