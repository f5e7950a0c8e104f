// SPDX-License-Identifier: Apache-2.0
// Rows a second of our tree evaluator against ONNX Runtime's, in one program on one thread:
// trees_speed MODEL.onnx... For each model and batch size both run in turn, over and over; each
// one's figure is its best round, so that a busy machine does not decide. Ours is Session::Run with
// its checks and tensors; theirs the same, its C ABI alone with inputs made once (bare), and that
// with outputs made once too (reused). The ratio is against the fastest of the three. Each run gets
// other rows, as callers send them; "again" is one request over and over, whose way through the
// trees the branch predictor knows by heart. One JSON object a line.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/ort_values.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/trees/forest.h"
#include "inference/trees/model.h"
#include "inference/trees/session.h"

namespace slipway::inference {
namespace {

template <typename T>
T Must(base::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(*result);
}

// The C ABI with nothing around it.
class Bare {
 public:
  Bare(const onnx::OrtLibrary& library, const std::string& path,
       const ModelDescription& description)
      : library_(library) {
    const onnx::OrtFunctions& api = library.api();
    onnx::OrtSessionOptions* options = nullptr;
    Take(api.CreateSessionOptions(&options));
    Take(api.SetIntraOpNumThreads(options, 1));
    Take(api.SetSessionGraphOptimizationLevel(options, onnx::kOrtOptimizeAll));
    Take(api.CreateSession(library.env(), path.c_str(), options, &session_));
    api.ReleaseSessionOptions(options);
    input_ = description.inputs[0].name;
    for (const TensorSpec& output : description.outputs) outputs_.push_back(output.name);
    for (const std::string& output : outputs_) names_.push_back(output.c_str());
    answers_.resize(names_.size(), nullptr);
  }
  ~Bare() {
    Release();
    library_.api().ReleaseSession(session_);
  }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void Give(const std::vector<Request>& requests) {
    values_.clear();
    copies_.clear();
    for (const Request& request : requests)
      values_.push_back(Must(onnx::ToOrtValue(library_, request.inputs[0].tensor, copies_)));
    Release();
  }
  void Run(size_t i) {
    Release();
    RunReused(i);
  }
  // Into the values that the run before it gave.
  void RunReused(size_t i) {
    const char* input = input_.c_str();
    const onnx::OrtValue* value = values_[i].get();
    Take(library_.api().Run(session_, library_.run_options(), &input, &value, 1, names_.data(),
                            names_.size(), answers_.data()));
  }

 private:
  void Take(onnx::OrtStatus* status) {
    const base::Status taken = library_.Take(status, "bench");
    CHECK(taken.ok(), taken.message());
  }
  void Release() {
    for (onnx::OrtValue*& answer : answers_) {
      if (answer != nullptr) library_.api().ReleaseValue(answer);
      answer = nullptr;
    }
  }

  const onnx::OrtLibrary& library_;
  onnx::OrtSession* session_ = nullptr;
  std::string input_;
  std::vector<std::string> outputs_;
  std::vector<const char*> names_;
  std::vector<Tensor> copies_;
  std::vector<onnx::OrtValueHandle> values_;
  std::vector<onnx::OrtValue*> answers_;
};

// `run` with each of `kinds` requests in turn.
template <typename Run>
double MicrosPerRun(size_t kinds, size_t& next, const Run& run) {
  constexpr int64_t kRoundNs = 3'000'000;
  const int64_t start_ns = base::MonotonicNanos();
  int64_t runs = 0, now_ns = start_ns;
  for (; now_ns - start_ns < kRoundNs; now_ns = base::MonotonicNanos()) {
    for (int i = 0; i < 4; ++i) {
      run(next);
      next = next + 1 < kinds ? next + 1 : 0;
    }
    runs += 4;
  }
  return static_cast<double>(now_ns - start_ns) / 1000.0 / static_cast<double>(runs);
}

std::vector<Request> MakeRequests(const TensorSpec& input, int64_t batch) {
  constexpr int64_t kRows = 4096;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<Request> requests(static_cast<size_t>(std::max(kRows / batch, int64_t{2})));
  for (Request& request : requests) {
    std::vector<float> values(static_cast<size_t>(batch * input.shape[1]));
    for (float& value : values) value = normal(random);
    request.inputs.push_back(
        {input.name, Tensor::Of<float>({batch, input.shape[1]}, values), nullptr});
  }
  return requests;
}

bool Equal(const Response& got, const Response& wanted) {
  bool equal = got.outputs.size() == wanted.outputs.size();
  for (size_t i = 0; equal && i < wanted.outputs.size(); ++i) {
    const auto left = got.outputs[i].tensor.bytes(), right = wanted.outputs[i].tensor.bytes();
    equal = left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size()) == 0;
  }
  return equal;
}

// The best rounds, in microseconds of one run.
struct Figures {
  double bare = 1e9, reused = 1e9, session = 1e9;
  double trees[3] = {1e9, 1e9, 1e9};

  [[nodiscard]] double Ratio() const { return std::min({bare, reused, session}) / trees[0]; }
};

Figures Measure(Bare& bare, Session& theirs, const std::vector<std::unique_ptr<Session>>& ours,
                const std::vector<Request>& requests, size_t kinds) {
  constexpr int kRounds = 7;
  Figures best;
  size_t next = 0;
  const auto take = [&](double& figure, const auto& run) {
    figure = std::min(figure, MicrosPerRun(kinds, next, run));
  };
  for (int round = 0; round < kRounds; ++round) {
    take(best.bare, [&](size_t i) { bare.Run(i); });
    take(best.reused, [&](size_t i) { bare.RunReused(i); });
    take(best.session, [&](size_t i) { CHECK(theirs.Run(requests[i]).ok(), "a run"); });
    for (size_t simd = 0; simd < ours.size(); ++simd)
      take(best.trees[simd], [&](size_t i) { CHECK(ours[simd]->Run(requests[i]).ok(), "a run"); });
  }
  return best;
}

void Compare(const onnx::OrtLibrary& library, Runtime& onnx, const std::string& path) {
  const auto theirs = Must(onnx.Load({.key = "bench", .runtime = "onnx", .path = path}));
  const std::string bytes = Must(base::ReadFile(path, int64_t{1} << 30));
  std::vector<std::unique_ptr<Session>> ours;
  for (const trees::Simd simd : {trees::BestSimd(), trees::Simd::kAvx2, trees::Simd::kScalar})
    ours.push_back(
        trees::MakeSession(Must(trees::ReadModel(bytes, {})), std::min(simd, trees::BestSimd())));
  Bare bare(library, path, theirs->description());
  for (const int64_t batch : {1, 2, 4, 8, 16, 32, 64, 128, 1024}) {
    const std::vector<Request> requests = MakeRequests(theirs->description().inputs[0], batch);
    bare.Give(requests);
    bool equal = true;
    for (const Request& request : requests)
      equal = equal && Equal(Must(ours[0]->Run(request)), Must(theirs->Run(request)));
    const Figures vary = Measure(bare, *theirs, ours, requests, requests.size());
    const Figures same = Measure(bare, *theirs, ours, requests, 1);
    std::printf(
        "{\"model\": \"%s\", \"batch\": %d, \"equal\": %s, \"ort_bare_us\": %.2f, "
        "\"ort_reused_us\": %.2f, \"ort_session_us\": %.2f, ",
        path.substr(path.rfind('/') + 1).c_str(), static_cast<int>(batch), equal ? "true" : "false",
        vary.bare, vary.reused, vary.session);
    std::printf(
        "\"trees_us\": %.2f, \"trees_avx2_us\": %.2f, \"trees_scalar_us\": %.2f, \"ratio\": "
        "%.1f, \"again_ort_us\": %.2f, \"again_trees_us\": %.2f, \"again_ratio\": %.1f}\n",
        vary.trees[0], vary.trees[1], vary.trees[2], vary.Ratio(),
        std::min({same.bare, same.reused, same.session}), same.trees[0], same.Ratio());
    std::fflush(stdout);
  }
}

int Main(int argc, char** argv) {
  const auto library = Must(onnx::OrtLibrary::Open(""));
  const auto onnx = Must(MakeOnnxRuntime({}));
  for (int i = 1; i < argc; ++i) Compare(*library, *onnx, argv[i]);
  return 0;
}

}  // namespace
}  // namespace slipway::inference

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: trees_speed MODEL.onnx...\n");
    return 2;
  }
  return slipway::inference::Main(argc, argv);
}
