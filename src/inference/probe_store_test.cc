// SPDX-License-Identifier: Apache-2.0
// The probe on real models, and what its parent makes of every way in which it can end.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/probe.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

base::Result<std::unique_ptr<Runtime>> MakeOnnx(
    const std::string& name, const std::string& library,
    const std::map<std::string, std::string>& settings) {
  if (name != "onnx") return base::InvalidArgument("runtime", "no runtime '" + name + "'");
  return MakeOnnxRuntime(OnnxSettingsOfProbe(library, settings));
}

[[noreturn]] void RunProbeMain(const std::string& path, const std::string& memory_mb) {
  std::vector<std::string> words = {"slipway", "__probe", "onnx", path, "", memory_mb, ""};
  std::vector<char*> argv;
  argv.reserve(words.size());
  argv.reserve(words.size());
  for (std::string& word : words) argv.push_back(word.data());
  _exit(ProbeMain(static_cast<int>(argv.size()), argv.data(), MakeOnnx));
}

class Probe : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  // ExecProbe's answer when the binary is this shell script.
  base::Status ProbeBy(const std::string& script) {
    const std::string path =
        testing::TempDir() + "probe_script_" + std::to_string(getpid()) + ".sh";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    const base::Status status = ExecProbe(settings_, path)(source_, runtime_);
    std::filesystem::remove(path);
    return status;
  }

  PoolSettings settings_;
  ModelSource source_{"m/1", "onnx", "/models/m.onnx"};
  FakeRuntime runtime_{nullptr};
};

TEST_F(Probe, PassesAGoodModel) {
  EXPECT_EXIT(RunProbeMain(TestModel("linear"), "4096"), testing::ExitedWithCode(0), "");
}

TEST_F(Probe, PassesAModelThatMerelyRefusesZeros) {
  EXPECT_EXIT(RunProbeMain(TestModel("fixed_batch"), "4096"), testing::ExitedWithCode(0), "");
}

TEST_F(Probe, RefusesWhatIsNoModel) {
  EXPECT_EXIT(RunProbeMain(TestModel("broken"), "4096"), testing::ExitedWithCode(3), "");
}

TEST_F(Probe, RefusesAModelThatFillsTheMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "no memory limit under a sanitizer";
#endif
  EXPECT_EXIT(RunProbeMain(TestModel("swelling"), "2048"), testing::ExitedWithCode(3), "");
}

TEST_F(Probe, RunsTheModelSoThatAnEndlessOneHangsThereAndNotInTheServer) {
  const auto run = [] {
    alarm(2);
    RunProbeMain(TestModel("endless"), "4096");
  };
  EXPECT_EXIT(run(), testing::KilledBySignal(SIGALRM), "");
}

TEST_F(Probe, CalledWronglySaysSo) {
  char name[] = "slipway";
  char* argv[] = {name};
  EXPECT_EQ(ProbeMain(1, argv, MakeOnnx), 2);
}

TEST_F(Probe, GivesTheChildItsModelAndLimits) {
  settings_.probe_memory_mb = 77;
  source_.folder = "/models";
  source_.config.parameters = {{"device", "cpu"}};
  EXPECT_TRUE(
      ProbeBy("test \"$*\" = '__probe onnx /models/m.onnx /models 77 /lib/fake.so device=cpu'")
          .ok());
}

TEST_F(Probe, ACrashIsARefusalThatNamesTheSignal) {
  const base::Status status = ProbeBy("kill -SEGV $$");
  EXPECT_EQ(status.code(), base::Code::kInvalidArgument);
  EXPECT_EQ(status.reason(), "probe_failed");
  EXPECT_NE(status.message().find("signal 11"), std::string::npos) << status.message();
}

TEST_F(Probe, AHangIsARefusalThatNamesTheSetting) {
  settings_.probe_timeout_s = 1;
  const base::Status status = ProbeBy("exec sleep 1000");
  EXPECT_EQ(status.reason(), "probe_failed");
  EXPECT_NE(status.message().find("inference.probe_timeout_s"), std::string::npos)
      << status.message();
}

TEST_F(Probe, ItsReasonIsPassedOn) {
  const base::Status status =
      ProbeBy("echo noise; echo 'slipway-probe: bad_model it is a picture'; echo more; exit 3");
  EXPECT_EQ(status.code(), base::Code::kInvalidArgument);
  EXPECT_EQ(status.field(), "model");
  EXPECT_EQ(status.reason(), "bad_model");
  EXPECT_EQ(status.message(), "it is a picture");
}

TEST_F(Probe, AnyOtherEndIsARefusal) {
  EXPECT_EQ(ProbeBy("exit 3").reason(), "probe_failed");
  EXPECT_EQ(ProbeBy("exit 9").reason(), "probe_failed");
}

class RememberedProbe : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(testing::TempDir()) / ("slipway-probed-" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "model");
    Write("first");
    source_ = {"m/1", "onnx", (folder_ / "model" / "m.onnx").string()};
    auto made = MakeOnnxRuntime({});
    ASSERT_TRUE(made.ok());
    runtime_ = std::move(*made);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& bytes) {
    std::ofstream(folder_ / "model" / "m.onnx", std::ios::binary) << bytes;
  }
  // As after a restart: nothing but the folder remembers.
  base::Status Ask() {
    const Prober counted = [this](const ModelSource&, const Runtime&) {
      ++asked_;
      return verdict_;
    };
    return RememberPassed(counted, (folder_ / "probed").string())(source_, *runtime_);
  }

  std::filesystem::path folder_;
  ModelSource source_;
  std::unique_ptr<Runtime> runtime_;
  base::Status verdict_ = base::Status::Ok();
  int asked_ = 0;
};

TEST_F(RememberedProbe, AModelThatPassedIsNotProbedAgain) {
  EXPECT_TRUE(Ask().ok());
  EXPECT_TRUE(Ask().ok());
  EXPECT_EQ(asked_, 1);
}

TEST_F(RememberedProbe, AChangedFileOrParameterIsAnotherModel) {
  EXPECT_TRUE(Ask().ok());
  Write("other");  // as long as before
  EXPECT_TRUE(Ask().ok());
  EXPECT_EQ(asked_, 2);
  source_.config.parameters["free_dimension.n"] = "2";
  EXPECT_TRUE(Ask().ok());
  EXPECT_EQ(asked_, 3);
  std::ofstream(folder_ / "model" / "weights") << "more";
  EXPECT_TRUE(Ask().ok());
  EXPECT_EQ(asked_, 4);
}

TEST_F(RememberedProbe, ARefusalIsNotRemembered) {
  verdict_ = base::InvalidArgument("model", "no", "probe_failed");
  EXPECT_EQ(Ask().reason(), "probe_failed");
  EXPECT_EQ(Ask().reason(), "probe_failed");
  EXPECT_EQ(asked_, 2);
}

TEST_F(RememberedProbe, ALinkAmongTheFilesIsProbedEachTime) {
  std::filesystem::create_symlink("/etc/hostname", folder_ / "model" / "link");
  EXPECT_TRUE(Ask().ok());
  EXPECT_TRUE(Ask().ok());
  EXPECT_EQ(asked_, 2);
}

}  // namespace
}  // namespace slipway::inference
