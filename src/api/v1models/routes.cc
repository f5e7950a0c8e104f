// SPDX-License-Identifier: Apache-2.0
// A prediction over /v1/models: routes in, answers out.
#include <charconv>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/v1models/body.h"
#include "api/v1models/metadata.h"
#include "api/v1models/v1models.h"
#include "base/clock.h"
#include "base/json.h"
#include "serving/http_call.h"

namespace slipway::api::v1models {
namespace {

using base::Status;
using net::HttpRequest;
using net::HttpResponse;
using net::Respond;
using serving::Predictor;

enum class Verb { kPredict, kClassify, kRegress };

// The one place that knows how a failure looks on this wire.
HttpResponse ErrorAnswer(const Status& status) {
  const int code = net::HttpStatusOf(status.code());
  std::string body = "{\"error\":";
  base::AppendJsonString(body, serving::MessageOf(status));
  return serving::FailureAnswer(code, body + "}", status);
}

base::Result<std::string> Encode(Verb verb, bool by_column, const serving::PredictAnswer& answer,
                                 const inference::ModelConfig& config) {
  switch (verb) {
    case Verb::kClassify:
      return EncodeClassify(answer.response.outputs, config);
    case Verb::kRegress:
      return EncodeRegress(answer.response.outputs);
    case Verb::kPredict:
      break;
  }
  return EncodePredict(answer.response.outputs, by_column);
}

HttpResponse Answered(std::string body, const serving::PredictAnswer& answer) {
  HttpResponse response = HttpResponse::Json(200, std::move(body));
  serving::NameVersion(answer, response);
  return response;
}

base::Result<int64_t> ParseVersion(const std::string& text) {
  int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size() || version < 1) {
    return base::NotFound("version_not_found",
                          "there is no version '" + text + "': versions are numbers from 1");
  }
  return version;
}

class Models {
 public:
  Models(Predictor& predictor, FindLabel find_label)
      : predictor_(predictor), find_label_(std::move(find_label)) {}

  void Run(Verb verb, HttpRequest request, std::optional<int64_t> version, Respond respond) const {
    const int64_t started_ns = base::MonotonicNanos();
    auto shared = std::make_shared<HttpRequest>(std::move(request));
    std::string model = shared->GetParam("model");
    predictor_.Describe(model, version,
                        [this, verb, shared, version, started_ns, respond = std::move(respond)](
                            const base::Result<Predictor::ModelInfo>& info) {
                          if (!info.ok()) return respond(ErrorAnswer(info.status()));
                          Predict(verb, *shared, version, started_ns, *info, respond);
                        });
  }

  // `encode`: a ModelInfo as a body.
  void Tell(const std::string& model, std::optional<int64_t> version,
            std::string (*encode)(const Predictor::ModelInfo&), Respond respond) const {
    predictor_.Describe(
        model, version,
        [encode, respond = std::move(respond)](const base::Result<Predictor::ModelInfo>& info) {
          respond(info.ok() ? HttpResponse::Json(200, encode(*info)) : ErrorAnswer(info.status()));
        });
  }

  HttpResponse List() const {
    base::Json::Array names;
    for (std::string& name : predictor_.Endpoints()) names.emplace_back(std::move(name));
    return HttpResponse::Json(
        200, base::Json::MakeObject({{"models", base::Json(std::move(names))}}).Dump());
  }

  base::Result<int64_t> Labelled(const HttpRequest& request) const {
    return find_label_(request.GetParam("model"), request.GetParam("label"));
  }

 private:
  void Predict(Verb verb, const HttpRequest& request, std::optional<int64_t> version,
               int64_t started_ns, const Predictor::ModelInfo& info, const Respond& respond) const;

  Predictor& predictor_;
  const FindLabel find_label_;
};

void Models::Predict(Verb verb, const HttpRequest& request, std::optional<int64_t> version,
                     int64_t started_ns, const Predictor::ModelInfo& info,
                     const Respond& respond) const {
  serving::PredictCall call;
  bool by_column = false;
  if (verb == Verb::kPredict) {
    auto body = DecodePredict(request.body, info.description);
    if (!body.ok()) return respond(ErrorAnswer(body.status()));
    call.request = std::move(body->request);
    by_column = body->by_column;
  } else {
    auto examples = DecodeExamples(request.body, info.description);
    if (!examples.ok()) return respond(ErrorAnswer(examples.status()));
    call.request = std::move(*examples);
  }
  call.endpoint = info.endpoint;
  call.version = version;
  serving::ReadHeaders(request, "v1models", call);
  call.started_ns = started_ns;
  predictor_.Predict(std::move(call), [verb, by_column, config = info.config,
                                       respond](const serving::PredictAnswer& answer) {
    if (!answer.status.ok()) return respond(ErrorAnswer(answer.status));
    auto body = Encode(verb, by_column, answer, config);
    respond(body.ok() ? Answered(std::move(*body), answer) : ErrorAnswer(body.status()));
  });
}

// Waits on a pool thread for what `start` answers through a Respond.
template <typename Start>
HttpResponse Await(const Start& start) {
  auto promise = std::make_shared<std::promise<HttpResponse>>();
  auto answer = promise->get_future();
  start([promise](HttpResponse response) { promise->set_value(std::move(response)); });
  return answer.get();
}

void AddVerb(net::Router& router, const std::shared_ptr<Models>& models, Verb verb,
             const std::string& ending) {
  router.Add("POST", "/v1/models/{model}" + ending,
             [models, verb](HttpRequest request, Respond respond) {
               models->Run(verb, std::move(request), std::nullopt, std::move(respond));
             });
  router.Add("POST", "/v1/models/{model}/versions/{version}" + ending,
             [models, verb](HttpRequest request, Respond respond) {
               const auto version = ParseVersion(request.GetParam("version"));
               if (!version.ok()) return respond(ErrorAnswer(version.status()));
               models->Run(verb, std::move(request), *version, std::move(respond));
             });
  // Which version a label names is in the database: off the I/O thread.
  router.AddBlocking("POST", "/v1/models/{model}/labels/{label}" + ending,
                     [models, verb](HttpRequest& request) {
                       const auto version = models->Labelled(request);
                       if (!version.ok()) return ErrorAnswer(version.status());
                       return Await([&](Respond respond) {
                         models->Run(verb, std::move(request), *version, std::move(respond));
                       });
                     });
}

void AddQuestion(net::Router& router, const std::shared_ptr<Models>& models,
                 const std::string& ending, std::string (*encode)(const Predictor::ModelInfo&)) {
  router.Add("GET", "/v1/models/{model}" + ending,
             [models, encode](const HttpRequest& request, Respond respond) {
               models->Tell(request.GetParam("model"), std::nullopt, encode, std::move(respond));
             });
  router.Add("GET", "/v1/models/{model}/versions/{version}" + ending,
             [models, encode](const HttpRequest& request, Respond respond) {
               const auto version = ParseVersion(request.GetParam("version"));
               if (!version.ok()) return respond(ErrorAnswer(version.status()));
               models->Tell(request.GetParam("model"), *version, encode, std::move(respond));
             });
  router.AddBlocking(
      "GET", "/v1/models/{model}/labels/{label}" + ending, [models, encode](HttpRequest& request) {
        const auto version = models->Labelled(request);
        if (!version.ok()) return ErrorAnswer(version.status());
        return Await([&](Respond respond) {
          models->Tell(request.GetParam("model"), *version, encode, std::move(respond));
        });
      });
}

}  // namespace

void Register(net::Router& router, Predictor& predictor, FindLabel find_label) {
  const auto models = std::make_shared<Models>(predictor, std::move(find_label));
  router.Add("GET", "/v1/models",
             [models](const HttpRequest&, const Respond& respond) { respond(models->List()); });
  AddQuestion(router, models, "", EncodeStatus);
  AddQuestion(router, models, "/metadata", EncodeMetadata);
  AddVerb(router, models, Verb::kPredict, ":predict");
  AddVerb(router, models, Verb::kClassify, ":classify");
  AddVerb(router, models, Verb::kRegress, ":regress");
  router.Add("POST", "/v1/models/{model}:explain",
             [](const HttpRequest& request, const Respond& respond) {
               respond(ErrorAnswer(
                   {base::Code::kUnimplemented, "no_explainer",
                    "model '" + request.GetParam("model") + "' has no explainer: send :predict"}));
             });
  router.OnNotFound("/v1/models", [](const HttpRequest& request) {
    return ErrorAnswer(
        base::NotFound("no_such_path", "there is no " + request.method + " " + request.path));
  });
}

}  // namespace slipway::api::v1models
