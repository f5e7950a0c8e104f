// SPDX-License-Identifier: Apache-2.0
// Real workers of a real interpreter ($SLIPWAY_PYTHON, else python3 with numpy).
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "inference/python_runtime.h"
#include "inference/runtime.h"

namespace slipway::inference {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = R"(
import os, signal, socket, sys, time
import numpy as np

class Model:
    inputs = {"x": ("FP32", [-1, 2])}
    outputs = {"y": ("FP32", [-1, 2])}

    def predict(self, inputs):
        x = inputs["x"]
        what = int(x[0, 0])
        if what == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if what == 2:
            print("about to leave", flush=True)
            os._exit(7)
        if what == 3:
            while True:
                time.sleep(0.01)
        if what == 4:
            np.ones(1 << 31)
        if what == 5:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", 9))
        if what == 6:
            os.kill(os.getppid(), signal.SIGKILL)
        if what == 7:
            open("/proc/%d/mem" % os.getppid(), "rb")
        if what == 8:
            return {"y": np.array([[os.getpid(), os.getppid()]], dtype=np.float32)}
        if what == 9:  # until three of them are at it
            open("here-%d" % os.getpid(), "w").close()
            while len([name for name in os.listdir(".") if name.startswith("here-")]) < 3:
                time.sleep(0.01)
        return {"y": x * 2}
)";

class PythonModels : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/slipway-python-XXXXXX";
    folder_ = mkdtemp(name);
    settings_.folder = folder_ / "data";
    if (const char* python = std::getenv("SLIPWAY_PYTHON")) settings_.interpreter = python;
    settings_.run_timeout = {2 * base::kSecond};
    settings_.memory_mb = 4096;
  }
  void TearDown() override {
    session_ = nullptr;
    runtime_ = nullptr;
    fs::remove_all(folder_);
  }

  base::Status Load(const std::string& code, int64_t workers = 1) {
    const fs::path version = folder_ / "version";
    fs::create_directories(version);
    std::ofstream(version / "model.py") << code;
    runtime_ = MakePythonRuntime(settings_);
    ModelSource source;
    source.key = "m/3";
    source.runtime = "python";
    source.path = version;
    source.folder = version;
    source.config.instances = workers;
    session_ = TRY(runtime_->Load(source));
    return base::Status::Ok();
  }

  base::Result<Response> Ask(float what, float other = 0) {
    Request request;
    request.inputs.push_back({"x", Tensor::Of<float>({1, 2}, {what, other})});
    return session_->Run(request);
  }
  // After a worker has died: a new one answers.
  void ExpectBack() {
    const auto answer = Ask(10, 5);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    EXPECT_EQ(answer->outputs[0].tensor.As<float>()[1], 10);
  }

  fs::path folder_;
  PythonSettings settings_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Session> session_;
};

TEST_F(PythonModels, DescribesAndRuns) {
  ASSERT_TRUE(Load(kModel).ok());
  const ModelDescription& description = session_->description();
  ASSERT_EQ(description.inputs.size(), 1U);
  EXPECT_EQ(description.inputs[0].shape, (Shape{-1, 2}));
  EXPECT_TRUE(description.batchable);
  EXPECT_EQ(session_->runs_elsewhere(), 1);
  EXPECT_GT(session_->memory_bytes(), 1 << 20);
  for (int i = 0; i < 50; ++i) ExpectBack();
  Request large;
  large.inputs.push_back({"x", Tensor(DataType::kFp32, {500'000, 2})});
  for (int i = 0; i < 3; ++i) {
    const auto answer = session_->Run(large);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    EXPECT_EQ(answer->outputs[0].tensor.shape(), (Shape{500'000, 2}));
  }
}

TEST_F(PythonModels, AnswersThatAreStillHeldAreNotOverwritten) {
  ASSERT_TRUE(Load(kModel).ok());
  std::vector<Response> held;
  for (int i = 0; i < 12; ++i) {
    Request request;
    Tensor x(DataType::kFp32, {100'000, 2});
    reinterpret_cast<float*>(x.mutable_bytes().data())[0] = static_cast<float>(20 + i);
    request.inputs.push_back({"x", std::move(x)});
    auto answer = session_->Run(request);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    held.push_back(std::move(*answer));
  }
  for (int i = 0; i < 12; ++i)
    EXPECT_EQ(held[static_cast<size_t>(i)].outputs[0].tensor.As<float>()[0],
              static_cast<float>(2 * (20 + i)));
}

TEST_F(PythonModels, ACrashFailsItsBatchSaysHowAndAnotherWorkerAnswers) {
  ASSERT_TRUE(Load(kModel).ok());
  const auto crashed = Ask(1);
  EXPECT_EQ(crashed.status().reason(), "worker_crashed");
  EXPECT_NE(crashed.status().message().find("signal 11"), std::string::npos)
      << crashed.status().message();
  ExpectBack();
  const auto left = Ask(2);
  EXPECT_EQ(left.status().code(), base::Code::kInternal);
  EXPECT_NE(left.status().message().find("status 7"), std::string::npos);
  EXPECT_NE(left.status().message().find("about to leave"), std::string::npos);
  ExpectBack();
}

TEST_F(PythonModels, AnEndlessRunIsEnded) {
  ASSERT_TRUE(Load(kModel).ok());
  EXPECT_EQ(Ask(3).status().reason(), "worker_timeout");
  ExpectBack();
}

TEST_F(PythonModels, MemoryHasItsLimit) {
  ASSERT_TRUE(Load(kModel).ok());
  const auto answer = Ask(4);
  EXPECT_EQ(answer.status().reason(), "worker_out_of_memory") << answer.status().ToString();
  ExpectBack();
}

TEST_F(PythonModels, ThereIsNoNetworkUnlessItIsAllowed) {
  ASSERT_TRUE(Load(kModel).ok());
  const auto refused = Ask(5);
  EXPECT_NE(refused.status().message().find("python.network"), std::string::npos)
      << refused.status().ToString();
  settings_.network = true;
  ASSERT_TRUE(Load(kModel).ok());
  const auto allowed = Ask(5);
  EXPECT_NE(allowed.status().message().find("ConnectionRefused"), std::string::npos)
      << allowed.status().ToString();
}

TEST_F(PythonModels, AWorkerCannotEndTheServer) {
  ASSERT_TRUE(Load(kModel).ok());
  EXPECT_NE(Ask(6).status().message().find("PermissionError"), std::string::npos);
  ExpectBack();
}

TEST_F(PythonModels, SeveralWorkersRunAtTheSameTime) {
  ASSERT_TRUE(Load(kModel, 3).ok());
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      if (Ask(9).ok()) ++right;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right, 3);
}

TEST_F(PythonModels, NoProcessIsLeftBehind) {
  ASSERT_TRUE(Load(kModel, 2).ok());
  const auto answer = Ask(8);
  ASSERT_TRUE(answer.ok());
  const auto pid = static_cast<pid_t>(answer->outputs[0].tensor.As<float>()[0]);
  ASSERT_EQ(kill(pid, 0), 0);
  session_ = nullptr;
  EXPECT_NE(kill(pid, 0), 0);
}

TEST_F(PythonModels, WhatCannotBeLoadedIsRefused) {
  const base::Status broken = Load("raise RuntimeError('not today')");
  EXPECT_EQ(broken.code(), base::Code::kInvalidArgument);
  EXPECT_EQ(broken.reason(), "bad_model");
  EXPECT_NE(broken.message().find("not today"), std::string::npos);
  EXPECT_EQ(Load("import os; os._exit(3)").reason(), "worker_crashed");
  settings_.load_timeout = {base::kSecond};
  EXPECT_EQ(Load("import time; time.sleep(60)").reason(), "worker_timeout");
  settings_.interpreter = "no-such-python";
  EXPECT_EQ(Load(kModel).reason(), "no_interpreter");
}

TEST_F(PythonModels, AnEnvironmentThatCannotBeBuiltSaysWhatPipSaid) {
  settings_.environments = "venv";
  fs::create_directories(folder_ / "version");
  std::ofstream(folder_ / "version" / "requirements.txt") << "./no-such-folder-here\n";
  const base::Status failed = Load(kModel);
  EXPECT_EQ(failed.reason(), "environment_failed");
  EXPECT_NE(failed.message().find("no-such-folder-here"), std::string::npos) << failed.message();
}

}  // namespace
}  // namespace slipway::inference
