// SPDX-License-Identifier: Apache-2.0
// A prediction, the run itself: OpenVINO behind the Runtime seam.
#include "inference/openvino_runtime.h"

#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/config.h"
#include "base/files.h"
#include "base/loader_pages.h"
#include "base/status.h"
#include "inference/onnx_file/model_files.h"
#include "inference/openvino/ov_abi.h"
#include "inference/openvino/ov_library.h"
#include "inference/openvino/ov_plan.h"
#include "inference/openvino/ov_values.h"
#include "inference/openvino/tflite_names.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

using openvino::OvCompiled;
using openvino::OvFunctions;
using openvino::OvLibrary;
using openvino::OvPort;
using openvino::OvRequest;

constexpr const char* kBadModel = "bad_model";
// A compiled model without weights, and how often it holds the weights: as read, and laid out for
// its kernels.
constexpr int64_t kSessionBytes = 16LL << 20;
constexpr int64_t kCopiesOfWeights = 3;

base::Status TakeLoad(const OvLibrary& library, int status) {
  return library.Take(status, kBadModel, base::Code::kInvalidArgument);
}

// One of the model's inputs or outputs, in our own words. OpenVINO knows outputs without a name.
base::Result<TensorSpec> Describe(const OvLibrary& library, const OvPort* port,
                                  const std::string& nameless) {
  const OvFunctions& api = library.api();
  TensorSpec spec;
  spec.name = nameless;
  char* name = nullptr;
  if (api.ov_port_get_any_name(port, &name) == 0 && name != nullptr) {
    spec.name = name;
    api.ov_free(name);
  }
  int element_type = 0;
  TRY(TakeLoad(library, api.ov_port_get_element_type(port, &element_type)));
  spec.type = TRY(openvino::FromOvType(element_type));
  openvino::OvPartialShape shape{};
  TRY(TakeLoad(library, api.ov_port_get_partial_shape(port, &shape)));
  spec.any_rank = shape.rank.least != shape.rank.most;
  for (int64_t i = 0; !spec.any_rank && i < shape.rank.least; ++i) {
    const auto& [least, most] = shape.dimensions[i];
    spec.shape.push_back(least == most ? least : -1);
  }
  api.ov_partial_shape_free(&shape);
  return spec;
}

using PortAt = int (*)(const OvCompiled*, size_t, OvPort**);

base::Result<std::vector<TensorSpec>> DescribeAll(const OvLibrary& library, const OvCompiled* model,
                                                  size_t count, PortAt port_at,
                                                  const std::string& nameless) {
  std::vector<TensorSpec> specs;
  for (size_t i = 0; i < count; ++i) {
    OvPort* port = nullptr;
    TRY(TakeLoad(library, port_at(model, i, &port)));
    auto spec = Describe(library, port, nameless + "_" + std::to_string(i));
    library.api().ov_output_const_port_free(port);
    specs.push_back(TRY(std::move(spec)));
  }
  return specs;
}

int64_t BytesBelow(const std::filesystem::path& path) {
  constexpr size_t kMostFiles = 10000;
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    // The weights of the formats that keep them apart lie beside the model.
    const auto size = std::filesystem::file_size(path, error);
    int64_t total = error ? 0 : static_cast<int64_t>(size);
    for (const char* extension : {".bin", ".pdiparams"}) {
      auto weights = path;
      weights.replace_extension(extension);
      const auto more = std::filesystem::file_size(weights, error);
      if (!error) total += static_cast<int64_t>(more);
    }
    return total;
  }
  int64_t total = 0;
  size_t seen = 0;
  for (std::filesystem::recursive_directory_iterator at(path, error), end;
       !error && at != end && seen < kMostFiles; at.increment(error), ++seen) {
    const auto size = at->is_regular_file(error) ? at->file_size(error) : 0;
    if (!error) total += static_cast<int64_t>(size);
  }
  return total;
}

// What OpenVINO calls the model: of a SavedModel, its folder.
std::string PathFor(const ModelSource& source) {
  const std::filesystem::path path(source.path);
  return path.filename() == "saved_model.pb" ? path.parent_path().string() : source.path;
}

class OpenVinoSession final : public Session {
 public:
  static base::Result<std::unique_ptr<Session>> Open(std::shared_ptr<const OvLibrary> library,
                                                     const ModelSource& source,
                                                     const OpenVinoSettings& settings);
  ~OpenVinoSession() override;
  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  base::Result<Response> Run(const Request& request) override;
  [[nodiscard]] int64_t memory_bytes() const override { return memory_bytes_; }

 private:
  // A request of OpenVINO's for the time of one run.
  class Lease {
   public:
    Lease(OpenVinoSession& session, OvRequest* request) : session_(&session), request_(request) {}
    ~Lease() {
      if (request_ != nullptr) session_->GiveBack(request_);
    }
    Lease(Lease&& other) noexcept
        : session_(other.session_), request_(std::exchange(other.request_, nullptr)) {}
    Lease& operator=(Lease&&) = delete;
    [[nodiscard]] OvRequest* get() const { return request_; }

   private:
    OpenVinoSession* session_;
    OvRequest* request_;
  };

  OpenVinoSession() = default;
  base::Status Compile(const std::string& path,
                       const std::map<std::string, std::string>& properties);
  base::Status Describe();
  base::Status NameBySignature(const std::string& tflite);
  base::Result<Lease> Take();
  void GiveBack(OvRequest* request);
  [[nodiscard]] size_t InputAt(const std::string& name, size_t guess) const;
  base::Result<NamedTensor> Output(const OvRequest* request, size_t index) const;

  static constexpr size_t kMostIdle = 64;
  std::shared_ptr<const OvLibrary> library_;
  OvCompiled* compiled_ = nullptr;
  ModelDescription description_;
  int64_t memory_bytes_ = 0;
  std::mutex mutex_;
  std::vector<OvRequest*> idle_;  // guarded by mutex_
};

base::Result<std::unique_ptr<Session>> OpenVinoSession::Open(
    std::shared_ptr<const OvLibrary> library, const ModelSource& source,
    const OpenVinoSettings& settings) {
  const auto properties = TRY(openvino::ReadProperties(source.config, settings));
  const std::string path = PathFor(source);
  std::unique_ptr<OpenVinoSession> session(new OpenVinoSession());
  session->library_ = std::move(library);
  int64_t bytes = BytesBelow(path);
  // OpenVINO opens the files that the model names by itself: they are held to the same places as
  // ONNX Runtime's first.
  if (path.ends_with(".onnx")) bytes = TRY(onnx::ModelFiles::Open(path)).size_bytes();
  TRY(session->Compile(path, properties));
  TRY(session->Describe());
  if (path.ends_with(".tflite")) TRY(session->NameBySignature(path));
  session->memory_bytes_ = kSessionBytes + kCopiesOfWeights * bytes;
  return std::unique_ptr<Session>(std::move(session));
}

OpenVinoSession::~OpenVinoSession() {
  for (OvRequest* request : idle_) library_->api().ov_infer_request_free(request);
  if (compiled_ != nullptr) library_->api().ov_compiled_model_free(compiled_);
}

base::Status OpenVinoSession::Compile(const std::string& path,
                                      const std::map<std::string, std::string>& properties) {
  const OvFunctions& api = library_->api();
  openvino::OvModel* model = nullptr;
  TRY(TakeLoad(*library_, api.ov_core_read_model(library_->core(), path.c_str(), nullptr, &model)));
  std::vector<openvino::OvProperty> rows;
  for (const auto& [key, value] : properties) rows.push_back({key.c_str(), value.c_str()});
  const int status = api.ov_core_compile_model_props(library_->core(), model, "CPU", rows.size(),
                                                     rows.data(), &compiled_);
  base::Status taken = TakeLoad(*library_, status);
  api.ov_model_free(model);
  return taken;
}

base::Status OpenVinoSession::Describe() {
  const OvFunctions& api = library_->api();
  size_t inputs = 0, outputs = 0;
  TRY(TakeLoad(*library_, api.ov_compiled_model_inputs_size(compiled_, &inputs)));
  TRY(TakeLoad(*library_, api.ov_compiled_model_outputs_size(compiled_, &outputs)));
  description_.inputs =
      TRY(DescribeAll(*library_, compiled_, inputs, api.ov_compiled_model_input_by_index, "input"));
  description_.outputs = TRY(
      DescribeAll(*library_, compiled_, outputs, api.ov_compiled_model_output_by_index, "output"));
  description_.batchable = RowsAreFree(description_);
  description_.platform = "openvino";
  return base::Status::Ok();
}

// TFLite's tensors by the names that its callers know, where the file has them.
base::Status OpenVinoSession::NameBySignature(const std::string& tflite) {
  constexpr int64_t kMostBytes = 1LL << 31;  // what its format can hold
  const std::string bytes = TRY(base::ReadFile(tflite, kMostBytes));
  const auto names = openvino::SignatureNames(std::as_bytes(std::span(bytes)));
  for (std::vector<TensorSpec>* specs : {&description_.inputs, &description_.outputs}) {
    for (TensorSpec& spec : *specs) {
      if (const auto known = names.find(spec.name); known != names.end()) spec.name = known->second;
    }
  }
  return base::Status::Ok();
}

base::Result<OpenVinoSession::Lease> OpenVinoSession::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      OvRequest* request = idle_.back();
      idle_.pop_back();
      return Lease(*this, request);
    }
  }
  OvRequest* made = nullptr;
  TRY(library_->Take(library_->api().ov_compiled_model_create_infer_request(compiled_, &made),
                     "run_failed"));
  return Lease(*this, made);
}

void OpenVinoSession::GiveBack(OvRequest* request) {
  {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMostIdle) {
      idle_.push_back(request);
      return;
    }
  }
  library_->api().ov_infer_request_free(request);
}

size_t OpenVinoSession::InputAt(const std::string& name, size_t guess) const {
  const std::vector<TensorSpec>& specs = description_.inputs;
  if (guess < specs.size() && specs[guess].name == name) return guess;
  return static_cast<size_t>(std::ranges::find(specs, name, &TensorSpec::name) - specs.begin());
}

base::Result<Response> OpenVinoSession::Run(const Request& request) {
  TRY(CheckRequest(description_, request));
  const OvFunctions& api = library_->api();
  const Lease lease = TRY(Take());
  std::vector<Tensor> copies;
  copies.reserve(request.inputs.size());
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const auto tensor = TRY(openvino::ToOvTensor(*library_, request.inputs[i].tensor, copies));
    TRY(library_->Take(api.ov_infer_request_set_input_tensor_by_index(
                           lease.get(), InputAt(request.inputs[i].name, i), tensor.get()),
                       "run_failed"));
  }
  TRY(library_->Take(api.ov_infer_request_infer(lease.get()), "run_failed"));
  Response response;
  for (size_t i = 0; i < description_.outputs.size() && request.outputs.empty(); ++i)
    response.outputs.push_back(TRY(Output(lease.get(), i)));
  for (const std::string& name : request.outputs) {
    const auto at = std::ranges::find(description_.outputs, name, &TensorSpec::name);
    response.outputs.push_back(
        TRY(Output(lease.get(), static_cast<size_t>(at - description_.outputs.begin()))));
  }
  return response;
}

base::Result<NamedTensor> OpenVinoSession::Output(const OvRequest* request, size_t index) const {
  const OvFunctions& api = library_->api();
  openvino::OvTensor* raw = nullptr;
  TRY(library_->Take(api.ov_infer_request_get_output_tensor_by_index(request, index, &raw),
                     "run_failed"));
  const openvino::OvTensorHandle tensor(api, raw);
  return NamedTensor{description_.outputs[index].name,
                     TRY(openvino::FromOvTensor(*library_, tensor.get())), nullptr};
}

class OpenVinoRuntime final : public Runtime {
 public:
  explicit OpenVinoRuntime(OpenVinoSettings settings) : settings_(std::move(settings)) {}
  [[nodiscard]] std::string_view name() const override { return "openvino"; }
  [[nodiscard]] std::string Version() const override {
    const std::lock_guard lock(mutex_);
    return library_ == nullptr ? "not opened" : library_->version();
  }
  base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) override {
    return OpenVinoSession::Open(TRY(Library()), source, settings_);
  }
  [[nodiscard]] std::string library() const override { return settings_.library; }

 private:
  // Opened by the first model: a server that has none starts without it.
  base::Result<std::shared_ptr<const OvLibrary>> Library() {
    const std::lock_guard lock(mutex_);
    if (library_ == nullptr) {
      library_ = TRY(OvLibrary::Open(settings_.library));
      base::ReleaseLoaderPages();
    }
    return library_;
  }

  const OpenVinoSettings settings_;
  mutable std::mutex mutex_;
  std::shared_ptr<const OvLibrary> library_;  // guarded by mutex_
};

}  // namespace

void Describe(base::Schema& schema, OpenVinoSettings& settings) {
  schema.Add("openvino.library", &settings.library,
             "Path of libopenvino_c.so; empty: beside the binary, then where the build found it. "
             "Opened with the first model that needs it.");
  schema.AddChoice("openvino.performance_hint", &settings.performance_hint,
                   "Of models that name none: throughput (a stream for each core) or latency (all "
                   "threads for each run).",
                   {"throughput", "latency"});
  schema.Add("openvino.threads", &settings.threads,
             "Threads of one model in OpenVINO; 0: one a core.", 0, 1024);
  schema.Add("openvino.cache_dir", &settings.cache_dir,
             "Folder where OpenVINO keeps compiled models; empty: none are kept.");
}

std::unique_ptr<Runtime> MakeOpenVinoRuntime(const OpenVinoSettings& settings) {
  // OpenVINO's scheduler opens hwloc so that it calls libc's free() even where another allocator
  // has taken malloc's place, which ends the process; told so, it opens it like any other library.
  // Set here, while the server is built, since the environment is not to be changed under threads.
  setenv("TBB_ENABLE_SANITIZERS", "1", 1);
  return std::make_unique<OpenVinoRuntime>(settings);
}

}  // namespace slipway::inference
