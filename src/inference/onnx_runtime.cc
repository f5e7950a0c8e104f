// SPDX-License-Identifier: Apache-2.0
// A prediction, the run itself: ONNX Runtime behind the Runtime seam.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/config.h"
#include "base/loader_pages.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/onnx/describe_model.h"
#include "inference/onnx/ort_abi.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/ort_values.h"
#include "inference/onnx/row_lanes.h"
#include "inference/onnx/session_options.h"
#include "inference/onnx/session_plan.h"
#include "inference/onnx_file/external_data.h"
#include "inference/onnx_file/model_files.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/values.h"

namespace slipway::inference {
namespace {

using onnx::OrtLibrary;
using onnx::OrtValue;
using onnx::OrtValueHandle;
using onnx::RowLanes;

// A session without weights, and how often it holds the weights: as read, and laid out for its
// kernels. Trees become tables: of 4.8 MB of them 30 MiB were seen.
constexpr int64_t kSessionBytes = 1 << 20;
constexpr int64_t kCopiesOfWeights = 3, kCopiesOfTrees = 8;
constexpr const char* kCustomOpLibraries = "custom_op_libraries";

// The loaded model; outputs that live in its memory keep it alive.
struct Loaded {
  std::shared_ptr<const OrtLibrary> library;
  onnx::OrtSession* session = nullptr;
  ~Loaded() {
    if (session != nullptr) library->api().ReleaseSession(session);
  }
};

class OnnxSession final : public Session {
 public:
  static base::Result<std::unique_ptr<Session>> Open(
      const std::shared_ptr<const OrtLibrary>& library, const ModelSource& source,
      const OnnxSettings& settings);
  ~OnnxSession() override = default;
  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  base::Result<Response> Run(const Request& request) override;
  [[nodiscard]] int64_t memory_bytes() const override { return memory_bytes_; }

 private:
  OnnxSession() = default;
  base::Status Describe();
  // No value: the outputs are not of the form that was bound; to be run again without.
  std::optional<Response> RunBound(const onnx::RowLanes::Lane& lane) const;
  base::Result<NamedTensor> TakeOutput(OrtValueHandle value, size_t output) const;

  std::shared_ptr<Loaded> loaded_;
  ModelDescription description_;
  const onnx::OrtRunOptions* run_options_ = nullptr;
  std::unique_ptr<RowLanes> lanes_;                      // goes before the session
  std::vector<const char*> input_names_, output_names_;  // into description_
  std::vector<bool> output_is_tensor_;
  std::vector<size_t> every_output_;
  int64_t memory_bytes_ = 0;
};

base::Result<std::shared_ptr<Loaded>> Create(const std::shared_ptr<const OrtLibrary>& library,
                                             const onnx::ModelFiles& files,
                                             const onnx::SessionPlan& plan,
                                             const OnnxSettings& settings) {
  onnx::SessionOptions options(*library);
  TRY(options.Fill(plan, settings));
  TRY(options.AddExternalData(files));
  auto loaded = std::make_shared<Loaded>();
  loaded->library = library;
  const auto model = files.model.bytes();
  TRY(library->Take(
      library->api().CreateSessionFromArray(library->env(), model.data(), model.size(),
                                            options.get(), &loaded->session),
      "bad_model", base::Code::kInvalidArgument));
  return loaded;
}

// On the device of the plan, else where the settings allow instead: `plan` and `note` say it then.
base::Result<std::shared_ptr<Loaded>> CreateSomewhere(
    const std::shared_ptr<const OrtLibrary>& library, const ModelSource& source,
    const onnx::ModelFiles& files, const OnnxSettings& settings, onnx::SessionPlan& plan,
    std::string& note) {
  auto wanted = Create(library, files, plan, settings);
  if (wanted.ok() || plan.device.kind == onnx::Device::Kind::kCpu) return wanted;
  const std::string why = plan.device.Name() + ": " + wanted.status().message();
  if (settings.device_fallback == "refuse") {
    return base::FailedPrecondition(
        "device_missing", "the model cannot run on " + why + " (onnx.device_fallback is refuse)");
  }
  plan.device = {};
  auto instead = TRY(Create(library, files, plan, settings));
  base::Log(base::LogLevel::kWarning, "inference", "the model runs on the CPU instead",
            {{"model", source.key}, {"wanted", why}});
  note = why;
  return instead;
}

base::Result<std::unique_ptr<Session>> OnnxSession::Open(
    const std::shared_ptr<const OrtLibrary>& library, const ModelSource& source,
    const OnnxSettings& settings) {
  const onnx::ModelFiles files = TRY(onnx::ModelFiles::Open(source.path));
  onnx::SessionPlan plan = TRY(onnx::ReadPlan(source.config, settings));
  if (settings.cpu_only) plan.device = {};
  std::unique_ptr<OnnxSession> session(new OnnxSession());
  std::string note;
  session->loaded_ = TRY(CreateSomewhere(library, source, files, settings, plan, note));
  TRY(session->Describe());
  session->description_.device = plan.device.Name();
  session->description_.device_note = std::move(note);
  session->run_options_ =
      plan.shrink_arena ? library->shrinking_run_options() : library->run_options();
  const bool trees = onnx::UsesMlOperators(files.model.bytes());
  session->memory_bytes_ =
      kSessionBytes + (trees ? kCopiesOfTrees : kCopiesOfWeights) * files.size_bytes();
  return std::unique_ptr<Session>(std::move(session));
}

base::Status OnnxSession::Describe() {
  onnx::Described described = TRY(onnx::DescribeModel(*loaded_->library, loaded_->session));
  description_ = std::move(described.model);
  output_is_tensor_ = std::move(described.output_is_tensor);
  lanes_ = std::make_unique<RowLanes>(*loaded_->library, loaded_->session, description_);
  for (const TensorSpec& spec : description_.inputs) input_names_.push_back(spec.name.c_str());
  for (const TensorSpec& spec : description_.outputs) output_names_.push_back(spec.name.c_str());
  every_output_.resize(output_names_.size());
  std::iota(every_output_.begin(), every_output_.end(), size_t{0});
  return base::Status::Ok();
}

size_t PlaceOf(const std::vector<TensorSpec>& specs, const std::string& name, size_t guess) {
  if (guess < specs.size() && specs[guess].name == name) return guess;
  return static_cast<size_t>(std::ranges::find(specs, name, &TensorSpec::name) - specs.begin());
}

// The outputs of one run; those that were not taken over are released.
class Outputs {
 public:
  Outputs(const OrtLibrary& library, size_t count) : library_(library), values_(count, nullptr) {}
  ~Outputs() {
    for (OrtValue* value : values_) {
      if (value != nullptr) library_.api().ReleaseValue(value);
    }
  }
  Outputs(const Outputs&) = delete;
  Outputs& operator=(const Outputs&) = delete;
  OrtValue** data() { return values_.data(); }
  OrtValueHandle Take(size_t index) { return {library_, std::exchange(values_[index], nullptr)}; }

 private:
  const OrtLibrary& library_;
  std::vector<OrtValue*> values_;
};

// The request as the runtime takes it: a ready lane for one small row, else values around the
// request's own bytes.
class Inputs {
 public:
  static base::Result<Inputs> Of(const OrtLibrary& library, const ModelDescription& description,
                                 RowLanes& lanes, const Request& request) {
    Inputs inputs(TRY(lanes.Take(request)), request);
    if (inputs.lease_) return inputs;
    const size_t count = request.inputs.size();
    inputs.values_.reserve(count);
    inputs.raw_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      inputs.values_.push_back(
          TRY(onnx::ToOrtValue(library, request.inputs[i].tensor, inputs.copies_)));
      inputs.raw_[PlaceOf(description.inputs, request.inputs[i].name, i)] =
          inputs.values_.back().get();
    }
    return inputs;
  }
  // nullptr: not a row whose outputs are bound.
  [[nodiscard]] const RowLanes::Lane* bound() const {
    return lease_ && lease_->binding.get() != nullptr ? lease_.operator->() : nullptr;
  }
  [[nodiscard]] const OrtValue* const* data() const {
    return lease_ ? lease_->raw.data() : raw_.data();
  }

  // An output that is an input passed through lies in bytes that are not ours to keep.
  void Part(Tensor& output) const {
    if (output.bytes().empty()) return;
    const auto holds = [&output](const Tensor& input) {
      const auto bytes = input.bytes();
      return output.bytes().data() >= bytes.data() &&
             output.bytes().data() < bytes.data() + bytes.size();
    };
    const bool shared =
        lease_ ? std::ranges::any_of(lease_->tensors, holds)
               : std::ranges::any_of(copies_, holds) ||
                     std::ranges::any_of(request_->inputs, holds, &NamedTensor::tensor);
    if (shared) output.mutable_bytes();
  }

 private:
  Inputs(RowLanes::Lease lease, const Request& request)
      : lease_(std::move(lease)), request_(&request) {}

  RowLanes::Lease lease_;
  const Request* request_;
  std::vector<Tensor> copies_;  // of those whose bytes are not aligned
  std::vector<OrtValueHandle> values_;
  std::vector<const OrtValue*> raw_;
};

std::optional<Response> OnnxSession::RunBound(const RowLanes::Lane& lane) const {
  const OrtLibrary& library = *loaded_->library;
  const onnx::OrtFunctions& api = library.api();
  if (onnx::OrtStatus* status =
          api.RunWithBinding(loaded_->session, run_options_, lane.binding.get())) {
    api.ReleaseStatus(status);  // of a request that is at fault, the other way will say so
    return std::nullopt;
  }
  Response response;
  response.outputs.reserve(lane.outputs.size());
  for (size_t i = 0; i < lane.outputs.size(); ++i) {
    const Tensor& from = lane.outputs[i];
    Tensor copy(from.type(), from.shape());
    std::ranges::copy(from.bytes(), copy.mutable_bytes().begin());
    response.outputs.push_back({description_.outputs[i].name, std::move(copy), nullptr});
  }
  return response;
}

base::Result<Response> OnnxSession::Run(const Request& request) {
  TRY(CheckRequest(description_, request));
  const OrtLibrary& library = *loaded_->library;
  const Inputs inputs = TRY(Inputs::Of(library, description_, *lanes_, request));
  const RowLanes::Lane* bound = request.outputs.empty() ? inputs.bound() : nullptr;
  if (bound != nullptr) {
    if (std::optional<Response> response = RunBound(*bound)) return std::move(*response);
  }
  std::vector<size_t> chosen;
  std::vector<const char*> chosen_names;
  for (const std::string& name : request.outputs) {
    chosen.push_back(PlaceOf(description_.outputs, name, chosen.size()));
    chosen_names.push_back(output_names_[chosen.back()]);
  }
  const std::vector<size_t>& wanted = chosen.empty() ? every_output_ : chosen;
  const std::vector<const char*>& names = chosen.empty() ? output_names_ : chosen_names;
  Outputs outputs(library, wanted.size());
  onnx::OrtStatus* status =
      library.api().Run(loaded_->session, run_options_, input_names_.data(), inputs.data(),
                        input_names_.size(), names.data(), names.size(), outputs.data());
  if (status != nullptr) {
    const bool argument = library.api().GetErrorCode(status) == onnx::kOrtErrorInvalidArgument;
    return library.Take(status, "run_failed",
                        argument ? base::Code::kInvalidArgument : base::Code::kInternal);
  }
  if (bound != nullptr) lanes_->StopBinding();
  Response response;
  response.outputs.reserve(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    response.outputs.push_back(TRY(TakeOutput(outputs.Take(i), wanted[i])));
    inputs.Part(response.outputs.back().tensor);
  }
  return response;
}

base::Result<NamedTensor> OnnxSession::TakeOutput(OrtValueHandle value, size_t output) const {
  const std::string& name = description_.outputs[output].name;
  if (output_is_tensor_[output]) {
    return NamedTensor{
        name, TRY(onnx::TensorFromOrtValue(*loaded_->library, std::move(value), loaded_)), nullptr};
  }
  FlatValue flat =
      TRY(Flatten(TRY(onnx::FromOrtValue(*loaded_->library, std::move(value), loaded_))));
  return NamedTensor{name, std::move(flat.tensor), std::move(flat.labels)};
}

// Opened by the first model: a server that has none does without the library's memory.
class OnnxRuntime final : public Runtime {
 public:
  explicit OnnxRuntime(OnnxSettings settings) : settings_(std::move(settings)) {}
  [[nodiscard]] std::string_view name() const override { return "onnx"; }
  [[nodiscard]] std::string Version() const override {
    const auto library = Library();
    return library.ok() ? (*library)->version() : "not there";
  }
  base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) override {
    return OnnxSession::Open(TRY(Library()), source, settings_);
  }
  [[nodiscard]] std::string library() const override {
    const auto library = Library();
    return library.ok() ? (*library)->path() : settings_.library;
  }
  [[nodiscard]] std::map<std::string, std::string> probe_settings() const override {
    std::string libraries;
    for (const std::string& one : settings_.custom_op_libraries) libraries += one + '\n';
    return {{kCustomOpLibraries, libraries}};
  }
  base::Result<std::shared_ptr<const OrtLibrary>> Library() const {
    const std::lock_guard lock(mutex_);
    if (library_ == nullptr) {
      library_ = TRY(OrtLibrary::Open(settings_.library, settings_.intra_op_threads));
      base::ReleaseLoaderPages();
    }
    return library_;
  }

 private:
  const OnnxSettings settings_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const OrtLibrary> library_;  // guarded by mutex_
};

}  // namespace

void Describe(base::Schema& schema, OnnxSettings& settings) {
  constexpr int64_t kMostLimitMb = 1 << 24;
  schema.Add("onnx.library", &settings.library,
             "Path of libonnxruntime.so; empty: beside the binary, then where the build found it. "
             "A build for GPUs brings the devices cuda:N and tensorrt:N.");
  schema.Add("onnx.intra_op_threads", &settings.intra_op_threads,
             "Threads of ONNX Runtime inside one run; all models share them.", 1, 1024);
  schema.Add("inference.native_trees", &settings.native_trees,
             "ONNX models that are only a tree ensemble run on our own evaluator, once it answered "
             "as ONNX Runtime does.");
  schema.Add("onnx.device", &settings.device,
             "Where models run that name no device themselves: cpu, cuda:N or tensorrt:N.");
  schema.AddChoice("onnx.device_fallback", &settings.device_fallback,
                   "When a model's device is missing: cpu runs it there and says so; refuse does "
                   "not load it.",
                   {"cpu", "refuse"});
  schema.Add("onnx.gpu_memory_limit_mb", &settings.gpu_memory_limit_mb,
             "MiB of ONNX Runtime's arena on each GPU, and of TensorRT's workspace; 0: no limit.",
             0, kMostLimitMb);
  schema.AddChoice("onnx.arena_extend", &settings.arena_extend,
                   "How the arena on a GPU grows: by what is asked for, or doubling.",
                   {"as_requested", "doubling"});
  schema.Add("onnx.custom_op_libraries", &settings.custom_op_libraries,
             "Libraries of custom operators that models may name in parameters.custom_ops, each "
             "name=/path/of/library.so. Their code runs in this process.");
}

OnnxSettings OnnxSettingsOfProbe(std::string library,
                                 const std::map<std::string, std::string>& settings) {
  OnnxSettings made;
  made.library = std::move(library);
  made.cpu_only = true;  // a GPU's driver does not live with the probe's memory limit
  const auto found = settings.find(kCustomOpLibraries);
  for (size_t at = 0; found != settings.end() && at < found->second.size();) {
    const size_t end = std::min(found->second.find('\n', at), found->second.size());
    made.custom_op_libraries.push_back(found->second.substr(at, end - at));
    at = end + 1;
  }
  return made;
}

base::Result<std::unique_ptr<Runtime>> MakeOnnxRuntime(const OnnxSettings& settings) {
  // The library opens a telemetry database in the user's home as soon as it makes an environment,
  // before DisableTelemetryEvents can be called; this is the only switch that it reads earlier. Set
  // here, since it may be opened when other threads read the environment.
  setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  auto runtime = std::make_unique<OnnxRuntime>(settings);
  if (!settings.library.empty()) TRY(runtime->Library());  // a wrong setting is said at once
  return std::unique_ptr<Runtime>(std::move(runtime));
}

}  // namespace slipway::inference
