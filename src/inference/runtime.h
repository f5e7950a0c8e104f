// SPDX-License-Identifier: Apache-2.0
// Runtime: the seam behind which ONNX Runtime (and later OpenVINO, trees, Python workers) sits.
// Session: one loaded model.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/status.h"
#include "inference/model_config.h"
#include "inference/tensor.h"

namespace slipway::inference {

struct ModelDescription {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // True when every input's first dimension is free: rows may be stacked into one run.
  bool batchable = false;
  std::string platform;        // "onnxruntime_onnx", as OIP's model metadata shows it
  std::string device = "cpu";  // where it runs: "cpu", "cuda:0", "tensorrt:1"
  std::string device_note;     // why not where its parameters want it; empty: it is there
  // The model does not say what it takes and gives: `inputs` is empty, and whatever comes is handed
  // to it.
  bool open = false;
  bool decoupled = false;  // a request may have any number of answers: Session::RunStream
};

// Thread-safe: Run may be called from several threads.
class Session {
 public:
  virtual ~Session() = default;
  [[nodiscard]] virtual const ModelDescription& description() const = 0;
  // Inputs are checked against the description (name, type, shape): kInvalidArgument with field
  // "inputs[i]...".
  virtual base::Result<Response> Run(const Request& request) = 0;
  // Any number of answers to one request, each handed to `part` as it comes; false from `part`:
  // the caller has gone, stop. Ok at the end of them. A model with one answer need not override it.
  using Part = std::function<bool(Response)>;
  virtual base::Status RunStream(const Request& request, const Part& part) {
    part(TRY(Run(request)));
    return base::Status::Ok();
  }
  // Runs at once that it does elsewhere, in processes of its own, while the calling thread only
  // waits: such a model has that many threads to itself and never runs on the caller's. 0: it works
  // on the thread that calls.
  [[nodiscard]] virtual int64_t runs_elsewhere() const { return 0; }
  // What it holds in memory, in this process and in workers of its own: an upper bound; 0: not
  // known.
  [[nodiscard]] virtual int64_t memory_bytes() const { return 0; }
};

// What is to be loaded.
struct ModelSource {
  std::string key;      // "flights/3": unique per version
  std::string runtime;  // a row's name, "onnx"
  std::string path;     // the model file, or the folder where a model is one
  // Recorded inputs run once before the model is handed out; may be empty.
  std::vector<Request> warmup = {};
  std::string folder = {};  // the version's files; empty: where `path` lies
  ModelConfig config = {};
  // What its opener demands of it; a failure is that of loading. Empty: nothing.
  std::function<base::Status(const ModelDescription&)> accept = {};
};

// Reasons of a failed run that took the process of its whole batch along: the requests of the batch
// are not run again one by one.
inline constexpr std::string_view kWorkerCrashed = "worker_crashed";
inline constexpr std::string_view kWorkerTimeout = "worker_timeout";

class Runtime {
 public:
  virtual ~Runtime() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  // "onnx"
  [[nodiscard]] virtual std::string Version() const = 0;
  // kInvalidArgument (reason "bad_model") when it is not a model that this runtime can run.
  virtual base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) = 0;
  // The shared library that it opened; empty: none. A probe process opens the same.
  [[nodiscard]] virtual std::string library() const { return {}; }
  // What else a probe process needs to open models as this one does: name -> value.
  [[nodiscard]] virtual std::map<std::string, std::string> probe_settings() const { return {}; }
  // Whether a model is first opened in a probe process. Not needed by a runtime whose models live
  // in processes of their own.
  [[nodiscard]] virtual bool probed() const { return true; }
};

struct OnnxSettings {
  std::string library =
      {};  // libonnxruntime.so.*; empty: beside the binary, then the build's default
  int64_t intra_op_threads = 1;               // of one run; one pool of them for all models
  std::string device = "cpu";                 // of models that name none
  std::string device_fallback = "cpu";        // when a device is missing: "cpu", "refuse"
  int64_t gpu_memory_limit_mb = 0;            // of the arena on each GPU; 0: none
  std::string arena_extend = "as_requested";  // or "doubling"
  std::vector<std::string> custom_op_libraries =
      {};                    // those that models may name: "name=/path/x.so"
  bool cpu_only = false;     // whatever a model asks for: in a probe process
  bool native_trees = true;  // PreferTrees
};
void Describe(base::Schema& schema, OnnxSettings& settings);
// As Runtime::probe_settings gives them.
OnnxSettings OnnxSettingsOfProbe(std::string library,
                                 const std::map<std::string, std::string>& settings);
// Before other threads start. Opens the library with the first model, or at once when the settings
// name it: kFailedPrecondition (reason "runtime_missing" / "runtime_too_old") with where it looked
// and what it needs.
base::Result<std::unique_ptr<Runtime>> MakeOnnxRuntime(const OnnxSettings& settings);

// Runtime "trees": gradient-boosted trees and forests by our own evaluator. Reads XGBoost (JSON,
// UBJSON), LightGBM (text) and ONNX graphs that are only a tree ensemble. Of the parameters it
// reads "output" (docs/runtimes.md).
std::unique_ptr<Runtime> MakeTreesRuntime();
// `onnx` itself, but a model that is only a tree ensemble runs on our evaluator when both gave the
// same bits on random and edge rows at load; else, and with a line in the log, on `onnx`.
std::unique_ptr<Runtime> PreferTrees(std::unique_ptr<Runtime> onnx);

}  // namespace slipway::inference
