// SPDX-License-Identifier: Apache-2.0
// What this program adds to ONNX Runtime's own Run: inference_overhead MODEL.onnx [RUNS]. Three
// ways to run one row, in turn, over and over; each way's figure is its best round, so that a busy
// machine does not decide the difference:
//   bare   the C ABI alone: input values and output slots made once, outputs released after each
//   run session  Session::Run: request checked, inputs wrapped, outputs taken as tensors pool
//   LoadedModel::Run on the caller's thread: as every request of the server
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "inference/model_pool.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/ort_values.h"
#include "inference/request_check.h"

namespace slipway::inference {
namespace {

// The C ABI with nothing around it.
class Bare {
 public:
  Bare(const onnx::OrtLibrary& library, const std::string& path,
       const ModelDescription& description, const Request& request)
      : library_(library) {
    const onnx::OrtFunctions& api = library.api();
    onnx::OrtSessionOptions* options = nullptr;
    Must(api.CreateSessionOptions(&options));
    Must(api.SetIntraOpNumThreads(options, 1));
    Must(api.SetSessionGraphOptimizationLevel(options, onnx::kOrtOptimizeAll));
    Must(api.CreateSession(library.env(), path.c_str(), options, &session_));
    api.ReleaseSessionOptions(options);
    for (const NamedTensor& input : request.inputs) {
      auto value = onnx::ToOrtValue(library, input.tensor, copies_);
      CHECK(value.ok(), "the input becomes a value");
      values_.push_back(std::move(*value));
      inputs_.push_back(values_.back().get());
      input_names_.push_back(input.name.c_str());
    }
    for (const TensorSpec& output : description.outputs)
      output_names_.push_back(output.name.c_str());
    outputs_.resize(output_names_.size());
  }
  ~Bare() { library_.api().ReleaseSession(session_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void Run() {
    for (onnx::OrtValue*& output : outputs_) output = nullptr;
    Must(library_.api().Run(session_, library_.run_options(), input_names_.data(), inputs_.data(),
                            inputs_.size(), output_names_.data(), output_names_.size(),
                            outputs_.data()));
    for (onnx::OrtValue* output : outputs_) library_.api().ReleaseValue(output);
  }

 private:
  void Must(onnx::OrtStatus* status) {
    const base::Status taken = library_.Take(status, "bench");
    CHECK(taken.ok(), taken.message());
  }

  const onnx::OrtLibrary& library_;
  onnx::OrtSession* session_ = nullptr;
  std::vector<Tensor> copies_;
  std::vector<onnx::OrtValueHandle> values_;
  std::vector<const onnx::OrtValue*> inputs_;
  std::vector<const char*> input_names_, output_names_;
  std::vector<onnx::OrtValue*> outputs_;
};

template <typename T>
T Must(base::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(*result);
}

template <typename Once>
double MicrosPerRun(int runs, const Once& once) {
  const int64_t start_ns = base::MonotonicNanos();
  for (int i = 0; i < runs; ++i) once();
  return static_cast<double>(base::MonotonicNanos() - start_ns) / 1000.0 / runs;
}

int Main(const std::string& path, int runs) {
  const auto library = Must(onnx::OrtLibrary::Open(""));
  auto runtime = Must(MakeOnnxRuntime({}));
  const auto session = Must(runtime->Load({path, "onnx", path}));
  const Request request = ZeroRequest(session->description(), 1);
  Bare bare(*library, path, session->description(), request);

  base::Metrics metrics;
  PoolSettings settings;
  settings.threads = 1;
  settings.inline_run_us = 1'000'000;
  std::vector<std::unique_ptr<Runtime>> runtimes;
  runtimes.push_back(std::move(runtime));
  ModelPool pool(settings, std::move(runtimes), metrics);
  const auto model = Must(pool.Load({"bench", "onnx", path, {}}));

  constexpr int kRounds = 15;
  double best[4] = {1e9, 1e9, 1e9, 1e9};
  for (int round = 0; round < kRounds; ++round) {
    best[0] = std::min(best[0], MicrosPerRun(runs, [&] { bare.Run(); }));
    best[1] =
        std::min(best[1], MicrosPerRun(runs, [&] { CHECK(session->Run(request).ok(), "a run"); }));
    best[3] = std::min(
        best[3], MicrosPerRun(runs, [&] {  // the request that Run takes over is its caller's cost
          Request copy = request;
          CHECK(!copy.inputs.empty(), "a copy");
        }));
    best[2] = std::min(best[2], MicrosPerRun(runs, [&] {
                         Request copy = request;
                         model->Run(std::move(copy), {},
                                    [](const base::Result<Response>& response, RunTiming) {
                                      CHECK(response.ok(), "a run");
                                    });
                       }));
  }
  const double pool_us = best[2] - best[3];
  std::printf("{\"model\": \"%s\", \"inputs\": %zu, ", path.c_str(), request.inputs.size());
  std::printf("\"bare_us\": %.3f, \"session_us\": %.3f, \"pool_us\": %.3f, ", best[0], best[1],
              pool_us);
  std::printf("\"session_overhead_us\": %.3f, \"pool_overhead_us\": %.3f}\n", best[1] - best[0],
              pool_us - best[0]);
  return 0;
}

}  // namespace
}  // namespace slipway::inference

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: inference_overhead MODEL.onnx [RUNS]\n");
    return 2;
  }
  return slipway::inference::Main(argv[1], argc > 2 ? std::atoi(argv[2]) : 20000);
}
