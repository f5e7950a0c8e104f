// SPDX-License-Identifier: Apache-2.0
// A prediction by TorchServe's protocol, and its management API: routes in, answers out.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/torchserve/body.h"
#include "api/torchserve/torchserve.h"
#include "base/clock.h"
#include "base/json.h"
#include "serving/http_call.h"

namespace slipway::api::torchserve {
namespace {

using base::Json;
using base::Status;
using net::HttpRequest;
using net::HttpResponse;
using net::Respond;
using serving::Predictor;

constexpr int64_t kDefaultLimit = 100;

// TorchServe's name for a failure.
std::string_view ErrorType(int http_status) {
  switch (http_status) {
    case 400:
      return "BadRequestException";
    case 404:
      return "ModelNotFoundException";
    case 429:
    case 503:
      return "ServiceUnavailableException";
    default:
      return "InternalServerException";
  }
}

// The one place that knows how a failure looks on this wire.
HttpResponse ErrorAnswer(const Status& status) {
  const int code = net::HttpStatusOf(status.code());
  const Json body = Json::MakeObject(
      {{"code", code}, {"type", ErrorType(code)}, {"message", serving::MessageOf(status)}});
  return serving::FailureAnswer(code, body.Dump(), status);
}

HttpResponse Done(const std::string& what) {
  return HttpResponse::Json(200, Json::MakeObject({{"status", what}}).Dump());
}

// "3", or "3.0" as TorchServe numbers its versions.
base::Result<int64_t> ParseVersion(std::string_view text) {
  std::string_view digits = text;
  if (digits.ends_with(".0")) digits.remove_suffix(2);
  int64_t version = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), version);
  if (error != std::errc() || end != digits.data() + digits.size() || version < 1) {
    return base::NotFound("version_not_found", "there is no version '" + std::string(text) +
                                                   "': versions are numbers from 1");
  }
  return version;
}

void Predict(Predictor& predictor, const HttpRequest& request, std::optional<int64_t> version,
             int64_t started_ns, const Predictor::ModelInfo& info, const Respond& respond) {
  auto body = DecodePrediction(request.body, request.GetHeader("Content-Type"), info.description);
  if (!body.ok()) return respond(ErrorAnswer(body.status()));
  serving::PredictCall call;
  call.endpoint = info.endpoint;
  call.version = version;
  call.request = std::move(body->request);
  serving::ReadHeaders(request, "torchserve", call);
  call.started_ns = started_ns;
  predictor.Predict(std::move(call),
                    [respond, many = body->many](const serving::PredictAnswer& answer) {
                      if (!answer.status.ok()) return respond(ErrorAnswer(answer.status));
                      auto text = EncodePrediction(answer.response.outputs, many);
                      if (!text.ok()) return respond(ErrorAnswer(text.status()));
                      HttpResponse response = HttpResponse::Json(200, std::move(*text));
                      serving::NameVersion(answer, response);
                      respond(std::move(response));
                    });
}

void AddPrediction(net::Router& router, Predictor& predictor, const char* method, bool versioned) {
  const std::string path = versioned ? "/predictions/{model}/{version}" : "/predictions/{model}";
  router.Add(method, path, [&predictor, versioned](HttpRequest request, Respond respond) {
    const int64_t started_ns = base::MonotonicNanos();
    std::optional<int64_t> version;
    if (versioned) {
      const auto parsed = ParseVersion(request.GetParam("version"));
      if (!parsed.ok()) return respond(ErrorAnswer(parsed.status()));
      version = *parsed;
    }
    auto shared = std::make_shared<HttpRequest>(std::move(request));
    predictor.Describe(shared->GetParam("model"), version,
                       [&predictor, shared, version, started_ns, respond = std::move(respond)](
                           const base::Result<Predictor::ModelInfo>& info) {
                         if (!info.ok()) return respond(ErrorAnswer(info.status()));
                         Predict(predictor, *shared, version, started_ns, *info, respond);
                       });
  });
}

Json Described(const Predictor::ModelInfo& info, int64_t version, bool first) {
  return Json::MakeObject({{"modelName", info.endpoint},
                           {"modelVersion", std::to_string(version)},
                           {"modelUrl", info.endpoint},
                           {"runtime", info.description.platform},
                           {"minWorkers", info.config.instances},
                           {"maxWorkers", info.config.instances},
                           {"batchSize", info.config.max_batch_rows.value_or(0)},
                           {"maxBatchDelay", info.config.max_queue_delay_us / 1000},
                           {"status", "READY"},
                           {"defaultVersion", first},
                           {"workers", Json(Json::Array())}});
}

// `all`: every version of the plan; else the first one, which answers most callers.
void Tell(Predictor& predictor, const std::string& model, std::optional<int64_t> version, bool all,
          Respond respond) {
  predictor.Describe(
      model, version,
      [all, respond = std::move(respond)](const base::Result<Predictor::ModelInfo>& info) {
        if (!info.ok()) return respond(ErrorAnswer(info.status()));
        Json::Array versions;
        for (const int64_t one : info->versions) {
          versions.push_back(Described(*info, one, versions.empty()));
          if (!all) break;
        }
        respond(HttpResponse::Json(200, Json(std::move(versions)).Dump()));
      });
}

base::Result<int64_t> NumberQuery(const HttpRequest& request, std::string_view name,
                                  int64_t otherwise, int64_t least) {
  const auto text = request.GetQuery(name);
  if (!text) return otherwise;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < least) {
    return base::InvalidArgument(
        std::string(name),
        "expected a number from " + std::to_string(least) + ", got '" + *text + "'");
  }
  return number;
}

base::Result<Json> List(const Predictor& predictor, const HttpRequest& request) {
  const auto limit = static_cast<size_t>(TRY(NumberQuery(request, "limit", kDefaultLimit, 1)));
  const auto begin = static_cast<size_t>(TRY(NumberQuery(request, "next_page_token", 0, 0)));
  const std::vector<std::string> names = predictor.Endpoints();
  Json::Array models;
  for (size_t i = begin; i < names.size() && models.size() < limit; ++i)
    models.push_back(Json::MakeObject({{"modelName", names[i]}, {"modelUrl", names[i]}}));
  const size_t end = begin + models.size();
  Json list = Json::MakeObject({{"models", Json(std::move(models))}});
  if (end < names.size()) list.Set("nextPageToken", std::to_string(end));
  return list;
}

// What TorchServe would load from its store by the URL's file name: a model of the repository.
base::Result<std::string> ModelOfUrl(const HttpRequest& request) {
  if (const auto name = request.GetQuery("model_name"); name && !name->empty()) return *name;
  const auto url = request.GetQuery("url");
  if (!url || url->empty())
    return base::InvalidArgument("url", "expected the name of a model of the repository");
  std::string name = url->substr(url->rfind('/') + 1);
  if (name.ends_with(".mar")) name.resize(name.size() - 4);
  return name;
}

events::Actor ActorOf(const HttpRequest& request) {
  const std::string_view name = request.GetHeader("X-Slipway-Actor");
  return {name.empty() ? "anonymous" : std::string(name), "http " + request.remote_address};
}

void AddManagement(net::Router& router, Predictor& predictor,
                   repository::ModelRepository& repository) {
  router.Add("GET", "/models", [&predictor](const HttpRequest& request, const Respond& respond) {
    const auto list = List(predictor, request);
    respond(list.ok() ? HttpResponse::Json(200, list->Dump()) : ErrorAnswer(list.status()));
  });
  router.Add("GET", "/models/{model}", [&predictor](const HttpRequest& request, Respond respond) {
    Tell(predictor, request.GetParam("model"), std::nullopt, false, std::move(respond));
  });
  router.Add("GET", "/models/{model}/{version}",
             [&predictor](const HttpRequest& request, Respond respond) {
               const std::string& text = request.GetParam("version");
               if (text == "all")
                 return Tell(predictor, request.GetParam("model"), std::nullopt, true,
                             std::move(respond));
               const auto version = ParseVersion(text);
               if (!version.ok()) return respond(ErrorAnswer(version.status()));
               Tell(predictor, request.GetParam("model"), *version, false, std::move(respond));
             });
  router.AddBlocking("POST", "/models", [&repository](HttpRequest& request) {
    const auto model = ModelOfUrl(request);
    if (!model.ok()) return ErrorAnswer(model.status());
    const Status loaded = repository.Load({*model, "", {}, ActorOf(request)});
    return loaded.ok() ? Done("Model \"" + *model + "\" registered") : ErrorAnswer(loaded);
  });
  for (const char* path : {"/models/{model}", "/models/{model}/{version}"}) {
    router.AddBlocking("DELETE", path, [&repository](HttpRequest& request) {
      const std::string& model = request.GetParam("model");
      const Status gone = repository.Unload(model, false, ActorOf(request));
      return gone.ok() ? Done("Model \"" + model + "\" unregistered") : ErrorAnswer(gone);
    });
    router.Add("PUT", path, [](const HttpRequest&, const Respond& respond) {
      respond(ErrorAnswer({base::Code::kUnimplemented, "workers_by_configuration",
                           "how many instances run is said by the model's configuration or by "
                           "`slipway tune`, not by a call"}));
    });
  }
  router.Add("PUT", "/models/{model}/{version}/set-default",
             [](const HttpRequest&, const Respond& respond) {
               respond(ErrorAnswer(
                   {base::Code::kUnimplemented, "default_by_stage",
                    "which version answers is decided by the registry's stages: promote it, or "
                    "roll back"}));
             });
}

}  // namespace

void Register(net::Router& router, Predictor& predictor, repository::ModelRepository& repository) {
  for (const char* method : {"POST", "PUT"}) {
    AddPrediction(router, predictor, method, false);
    AddPrediction(router, predictor, method, true);
  }
  router.Add("POST", "/explanations/{model}",
             [](const HttpRequest& request, const Respond& respond) {
               respond(ErrorAnswer({base::Code::kUnimplemented, "no_explainer",
                                    "model '" + request.GetParam("model") + "' has no explainer"}));
             });
  AddManagement(router, predictor, repository);
  for (const char* prefix : {"/predictions", "/models"}) {
    router.OnNotFound(prefix, [](const HttpRequest& request) {
      return ErrorAnswer(
          base::NotFound("no_such_path", "there is no " + request.method + " " + request.path));
    });
  }
}

}  // namespace slipway::api::torchserve
