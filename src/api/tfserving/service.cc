// SPDX-License-Identifier: Apache-2.0
// A prediction over TensorFlow Serving's gRPC: its methods, on I/O threads, none of which
// ever waits.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/tfserving/messages.h"
#include "api/tfserving/tfserving.h"
#include "api/tfserving/tfserving.pb.h"
#include "base/clock.h"
#include "base/threads.h"
#include "net/grpc_server.h"

namespace slipway::api::tfserving {
namespace {

using base::Status;
using serving::Predictor;
using Info = base::Result<Predictor::ModelInfo>;
using Finish = std::function<void(const Status&)>;
template <typename Request, typename Response>
using Call = net::GrpcUnary<Request, Response>;

constexpr size_t kMaxLabelsWaiting = 256;
constexpr int kMaxTasks = 100;  // of one MultiInference
constexpr std::string_view kClassify = "tensorflow/serving/classify";
constexpr std::string_view kRegress = "tensorflow/serving/regress";

// The one place that knows how a failure looks on this wire. The codes are gRPC's own.
Status ToGrpc(const Status& status) {
  if (status.ok() || status.field().empty()) return status;
  return {status.code(), status.reason(), status.field() + ": " + status.message()};
}

// What a call has besides its message.
struct Caller {
  int64_t started_ns = base::MonotonicNanos();
  int64_t timeout_us = 0;  // 0: it named no time
  std::string key;
  std::string name;  // whose share of a busy model it takes
  std::shared_ptr<const std::atomic<bool>> gone;

  explicit Caller(net::GrpcCall& call)
      : timeout_us(call.TimeLeft()),
        key(call.GetMetadata("slipway-key")),
        name(call.GetMetadata("slipway-caller")),
        gone(call.gone_flag()) {}
};

// Shared by both services. Lives as long as the server.
class Models {
 public:
  Models(Predictor& predictor, FindLabel find_label)
      : predictor_(predictor), find_label_(std::move(find_label)) {}

  // Which version a spec names, past the plan; none: the plan decides. Inline, or from another
  // thread when a label must be looked up.
  void Resolve(const wire::ModelSpec& spec,
               std::function<void(base::Result<std::optional<int64_t>>)> done) {
    if (spec.name().empty())
      return done(base::InvalidArgument("model_spec.name", "expected a model's name"));
    if (spec.has_version()) {
      if (spec.version().value() < 1)
        return done(base::InvalidArgument("model_spec.version", "expected a number from 1"));
      return done(std::optional(spec.version().value()));
    }
    if (spec.version_label().empty()) return done(std::optional<int64_t>());
    auto shared = std::make_shared<decltype(done)>(std::move(done));
    const Status status =
        labels_.Submit([this, shared, model = spec.name(), label = spec.version_label()] {
          auto version = find_label_(model, label);
          if (!version.ok()) return (*shared)(version.status());
          (*shared)(std::optional(*version));
        });
    if (!status.ok()) (*shared)(status);
  }

  // `make`: ModelInfo -> Result<Request>; `fill`: (answer, info) -> Status. Both run once, `done`
  // last.
  template <typename Make, typename Fill>
  void Predict(const wire::ModelSpec& spec, const Caller& caller, Make make, Fill fill,
               Finish done) {
    if (Status status = CheckSignature(spec.signature_name()); !status.ok()) return done(status);
    Resolve(spec, [this, name = spec.name(), caller, make = std::move(make), fill = std::move(fill),
                   done = std::move(done)](const base::Result<std::optional<int64_t>>& version) {
      if (!version.ok()) return done(version.status());
      predictor_.Describe(name, *version, [=, this, version = *version](const Info& info) {
        if (!info.ok()) return done(info.status());
        auto request = make(*info);
        if (!request.ok()) return done(request.status());
        serving::PredictCall call;
        call.endpoint = name;
        call.version = version;
        call.request = std::move(*request);
        call.key = caller.key;
        call.timeout_us = caller.timeout_us;
        call.started_ns = caller.started_ns;
        call.protocol = "tfserving_grpc";
        call.cancelled = caller.gone;
        call.caller = caller.name;
        predictor_.Predict(std::move(call),
                           [=, config = info->config](const serving::PredictAnswer& answer) {
                             done(answer.status.ok() ? fill(answer, config) : answer.status);
                           });
      });
    });
  }

  void Describe(const wire::ModelSpec& spec, std::function<void(const Info&)> done) {
    Resolve(spec, [this, name = spec.name(),
                   done = std::move(done)](const base::Result<std::optional<int64_t>>& version) {
      if (!version.ok()) return done(version.status());
      predictor_.Describe(name, *version, done);
    });
  }

 private:
  Predictor& predictor_;
  const FindLabel find_label_;
  base::ThreadPool labels_{"tfs-labels", 1, kMaxLabelsWaiting};
};

void FillSpec(const std::string& name, const serving::PredictAnswer& answer,
              wire::ModelSpec& spec) {
  spec.set_name(name);
  spec.mutable_version()->set_value(answer.version);
  spec.set_signature_name("serving_default");
}

template <typename AnyCall>
Finish FinishOf(const AnyCall& call) {
  return [call](const Status& status) { call.Finish(ToGrpc(status)); };
}

void Predict(Models& models, const Call<wire::PredictRequest, wire::PredictResponse>& call) {
  models.Predict(
      call.request().model_spec(), Caller(call.call()),
      [call](const Predictor::ModelInfo&) { return ToRequest(call.request()); },
      [call](const serving::PredictAnswer& answer, const inference::ModelConfig&) {
        for (const auto& output : answer.response.outputs)
          FromTensor(output.tensor, (*call.response().mutable_outputs())[output.name]);
        FillSpec(call.request().model_spec().name(), answer, *call.response().mutable_model_spec());
        return Status::Ok();
      },
      FinishOf(call));
}

void Classify(Models& models,
              const Call<wire::ClassificationRequest, wire::ClassificationResponse>& call) {
  models.Predict(
      call.request().model_spec(), Caller(call.call()),
      [call](const Predictor::ModelInfo& info) {
        return ToRequest(call.request().input(), info.description);
      },
      [call](const serving::PredictAnswer& answer, const inference::ModelConfig& config) {
        FillSpec(call.request().model_spec().name(), answer, *call.response().mutable_model_spec());
        return FillClasses(answer.response, config, *call.response().mutable_result());
      },
      FinishOf(call));
}

void Regress(Models& models, const Call<wire::RegressionRequest, wire::RegressionResponse>& call) {
  models.Predict(
      call.request().model_spec(), Caller(call.call()),
      [call](const Predictor::ModelInfo& info) {
        return ToRequest(call.request().input(), info.description);
      },
      [call](const serving::PredictAnswer& answer, const inference::ModelConfig&) {
        FillSpec(call.request().model_spec().name(), answer, *call.response().mutable_model_spec());
        return FillRegression(answer.response, *call.response().mutable_result());
      },
      FinishOf(call));
}

using MultiCall = Call<wire::MultiInferenceRequest, wire::MultiInferenceResponse>;

// Task after task: a failure fails the call, as TensorFlow Serving does it.
void RunTask(Models& models, const Caller& caller, const MultiCall& call, int index) {
  if (index == call.request().tasks_size()) return call.Finish(Status::Ok());
  const wire::InferenceTask& task = call.request().tasks(index);
  const bool classify = task.method_name() == kClassify;
  if (!classify && task.method_name() != kRegress) {
    return call.Finish(ToGrpc(base::InvalidArgument(
        "tasks[" + std::to_string(index) + "].method_name",
        "expected " + std::string(kClassify) + " or " + std::string(kRegress))));
  }
  wire::InferenceResult* result = call.response().mutable_results(index);
  models.Predict(
      task.model_spec(), caller,
      [call](const Predictor::ModelInfo& info) {
        return ToRequest(call.request().input(), info.description);
      },
      [classify, result, &task](const serving::PredictAnswer& answer,
                                const inference::ModelConfig& config) {
        FillSpec(task.model_spec().name(), answer, *result->mutable_model_spec());
        return classify
                   ? FillClasses(answer.response, config, *result->mutable_classification_result())
                   : FillRegression(answer.response, *result->mutable_regression_result());
      },
      [&models, caller, call, index](const Status& status) {
        if (!status.ok()) return call.Finish(ToGrpc(status));
        RunTask(models, caller, call, index + 1);
      });
}

void MultiInference(Models& models, const MultiCall& call) {
  const int tasks = call.request().tasks_size();
  if (tasks == 0 || tasks > kMaxTasks) {
    return call.Finish(
        ToGrpc(base::InvalidArgument("tasks", "expected 1 to " + std::to_string(kMaxTasks))));
  }
  for (int i = 0; i < tasks; ++i) call.response().add_results();
  RunTask(models, Caller(call.call()), call, 0);
}

void GetModelMetadata(
    Models& models,
    const Call<wire::GetModelMetadataRequest, wire::GetModelMetadataResponse>& call) {
  const auto& fields = call.request().metadata_field();
  for (const std::string& field : fields) {
    if (field != "signature_def")
      return call.Finish(ToGrpc(base::InvalidArgument(
          "metadata_field", "there is only signature_def, not '" + field + "'")));
  }
  if (fields.empty())
    return call.Finish(ToGrpc(base::InvalidArgument("metadata_field", "expected signature_def")));
  models.Describe(call.request().model_spec(), [call](const Info& info) {
    if (!info.ok()) return call.Finish(ToGrpc(info.status()));
    wire::ModelSpec& spec = *call.response().mutable_model_spec();
    spec.set_name(info->endpoint);
    spec.mutable_version()->set_value(info->versions.front());
    wire::SignatureDefMap map;
    FillSignatures(info->description, map);
    (*call.response().mutable_metadata())["signature_def"].PackFrom(map);
    call.Finish(Status::Ok());
  });
}

void GetModelStatus(Models& models,
                    const Call<wire::GetModelStatusRequest, wire::GetModelStatusResponse>& call) {
  models.Describe(call.request().model_spec(), [call](const Info& info) {
    if (!info.ok()) return call.Finish(ToGrpc(info.status()));
    for (const int64_t version : info->versions) {
      wire::ModelVersionStatus& status = *call.response().add_model_version_status();
      status.set_version(version);
      status.set_state(wire::ModelVersionStatus::AVAILABLE);
      status.mutable_status();
    }
    call.Finish(Status::Ok());
  });
}

}  // namespace

void AddGrpcMethods(net::GrpcServer& server, Predictor& predictor, FindLabel find_label) {
  const auto models = std::make_shared<Models>(predictor, std::move(find_label));
  const auto add = [&]<typename Request, typename Response>(
                       const std::string& name,
                       void (*serve)(Models&, const Call<Request, Response>&)) {
    server.AddUnary<Request, Response>(
        "/tensorflow.serving." + name,
        [models, serve](const Call<Request, Response>& call) { serve(*models, call); });
  };
  add("PredictionService/Predict", Predict);
  add("PredictionService/Classify", Classify);
  add("PredictionService/Regress", Regress);
  add("PredictionService/MultiInference", MultiInference);
  add("PredictionService/GetModelMetadata", GetModelMetadata);
  add("ModelService/GetModelStatus", GetModelStatus);
  server.AddUnary<wire::ReloadConfigRequest, wire::ReloadConfigResponse>(
      "/tensorflow.serving.ModelService/HandleReloadConfigRequest", [](const auto& call) {
        call.Finish({base::Code::kUnimplemented, "no_model_config",
                     "which models are served is decided by the registry's stages and by the "
                     "model repository, not by a configuration that a client sends"});
      });
}

}  // namespace slipway::api::tfserving
