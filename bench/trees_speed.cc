// SPDX-License-Identifier: Apache-2.0
// Rows a second of our tree evaluator against ONNX Runtime's, in one program on one thread:
// trees_speed MODEL.onnx... For each model and batch size both run in turn, over and over; each
// one's figure is its best round, so that a busy machine does not decide. Ours is Session::Run with
// its checks and tensors; theirs the same, and (bare) its C ABI alone with values made once. The
// ratio is against bare: the harder of the two. One JSON object a line.
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
  }
  ~Bare() { library_.api().ReleaseSession(session_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void Give(const Tensor& rows) {
    value_ =
        std::make_unique<onnx::OrtValueHandle>(Must(onnx::ToOrtValue(library_, rows, copies_)));
  }
  void Run() {
    const char* input = input_.c_str();
    const onnx::OrtValue* value = value_->get();
    std::vector<const char*> names;
    for (const std::string& output : outputs_) names.push_back(output.c_str());
    std::vector<onnx::OrtValue*> outputs(names.size(), nullptr);
    Take(library_.api().Run(session_, library_.run_options(), &input, &value, 1, names.data(),
                            names.size(), outputs.data()));
    for (onnx::OrtValue* output : outputs) library_.api().ReleaseValue(output);
  }

 private:
  void Take(onnx::OrtStatus* status) {
    const base::Status taken = library_.Take(status, "bench");
    CHECK(taken.ok(), taken.message());
  }

  const onnx::OrtLibrary& library_;
  onnx::OrtSession* session_ = nullptr;
  std::string input_;
  std::vector<std::string> outputs_;
  std::vector<Tensor> copies_;
  std::unique_ptr<onnx::OrtValueHandle> value_;
};

template <typename Once>
double MicrosPerRun(const Once& once) {
  constexpr int64_t kRoundNs = 4'000'000;
  const int64_t start_ns = base::MonotonicNanos();
  int64_t runs = 0, now_ns = start_ns;
  for (; now_ns - start_ns < kRoundNs; now_ns = base::MonotonicNanos()) {
    for (int i = 0; i < 4; ++i) once();
    runs += 4;
  }
  return static_cast<double>(now_ns - start_ns) / 1000.0 / static_cast<double>(runs);
}

void Compare(const onnx::OrtLibrary& library, Runtime& onnx, const std::string& path) {
  const auto theirs = Must(onnx.Load({.key = "bench", .runtime = "onnx", .path = path}));
  const std::string bytes = Must(base::ReadFile(path, int64_t{1} << 30));
  std::vector<std::unique_ptr<Session>> ours;
  for (const trees::Simd simd : {trees::BestSimd(), trees::Simd::kAvx2, trees::Simd::kScalar})
    ours.push_back(
        trees::MakeSession(Must(trees::ReadModel(bytes, {})), std::min(simd, trees::BestSimd())));
  Bare bare(library, path, theirs->description());
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const TensorSpec& input = theirs->description().inputs[0];
  for (const int64_t batch : {1, 8, 32, 128, 1024}) {
    std::vector<float> values(static_cast<size_t>(batch * input.shape[1]));
    for (float& value : values) value = normal(random);
    Request request;
    request.inputs.push_back(
        {input.name, Tensor::Of<float>({batch, input.shape[1]}, values), nullptr});
    bare.Give(request.inputs[0].tensor);
    const auto got = Must(ours[0]->Run(request)), wanted = Must(theirs->Run(request));
    bool equal = true;
    for (size_t i = 0; i < wanted.outputs.size(); ++i) {
      const auto left = got.outputs[i].tensor.bytes(), right = wanted.outputs[i].tensor.bytes();
      equal = equal && left.size() == right.size() &&
              std::memcmp(left.data(), right.data(), left.size()) == 0;
    }
    double best[5] = {1e9, 1e9, 1e9, 1e9, 1e9};
    for (int round = 0; round < 7; ++round) {
      best[0] = std::min(best[0], MicrosPerRun([&] { bare.Run(); }));
      best[1] = std::min(best[1], MicrosPerRun([&] { CHECK(theirs->Run(request).ok(), "a run"); }));
      for (size_t i = 0; i < ours.size(); ++i)
        best[2 + i] = std::min(best[2 + i],
                               MicrosPerRun([&] { CHECK(ours[i]->Run(request).ok(), "a run"); }));
    }
    std::printf(
        "{\"model\": \"%s\", \"batch\": %d, \"equal\": %s, \"ort_bare_us\": %.2f, "
        "\"ort_session_us\": %.2f, ",
        path.substr(path.rfind('/') + 1).c_str(), static_cast<int>(batch), equal ? "true" : "false",
        best[0], best[1]);
    std::printf(
        "\"trees_us\": %.2f, \"trees_avx2_us\": %.2f, \"trees_scalar_us\": %.2f, \"ratio\": "
        "%.1f}\n",
        best[2], best[3], best[4], best[0] / best[2]);
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
