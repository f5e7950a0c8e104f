// SPDX-License-Identifier: Apache-2.0
// A prediction by MLflow's protocol or SageMaker's: routes in, answers out.
#include "api/invocations/invocations.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>
#include <utility>

#include "api/invocations/answer.h"
#include "api/invocations/body.h"
#include "base/json.h"
#include "base/threads.h"
#include "inference/csv.h"
#include "serving/http_call.h"

namespace slipway::api::invocations {
namespace {

using base::Status;
using net::HttpRequest;
using net::HttpResponse;
using net::Respond;

// A body from here on is decoded off the I/O thread.
constexpr size_t kLargeBody = 256 * 1024;
constexpr size_t kMaxLargeWaiting = 64;

constexpr std::string_view kUnsupported = "unsupported_content_type";

// MLflow's name for a status.
std::string_view ErrorCode(int http_status) {
  switch (http_status) {
    case 404:
      return "RESOURCE_DOES_NOT_EXIST";
    case 429:
      return "REQUEST_LIMIT_EXCEEDED";
    case 501:
      return "NOT_IMPLEMENTED";
    case 503:
      return "TEMPORARILY_UNAVAILABLE";
    case 500:
    case 504:
      return "INTERNAL_ERROR";
    default:
      return "BAD_REQUEST";
  }
}

// The one place that knows how a failure looks on this wire.
HttpResponse ErrorAnswer(const Status& status) {
  const int code = status.reason() == kUnsupported ? 415 : net::HttpStatusOf(status.code());
  std::string body = "{\"error_code\":\"";
  body += ErrorCode(code);
  body += "\",\"message\":";
  base::AppendJsonString(body, serving::MessageOf(status));
  return serving::FailureAnswer(code, body + "}", status);
}

enum class Format { kJson, kCsv };

std::string LowerTrimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  std::string out(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

base::Result<Format> FormatOf(std::string_view content_type) {
  const size_t end = content_type.find(';');
  const std::string type = LowerTrimmed(content_type.substr(0, end));
  const std::string rest =
      end == content_type.npos ? "" : LowerTrimmed(content_type.substr(end + 1));
  if (!rest.empty() && rest != "charset=utf-8" && rest != "charset=\"utf-8\"") {
    return base::InvalidArgument("Content-Type",
                                 "'" + rest + "' is not known; expected nothing or charset=utf-8",
                                 std::string(kUnsupported));
  }
  if (type.empty() || type == "application/json") return Format::kJson;
  if (type == "text/csv") return Format::kCsv;
  return base::InvalidArgument("Content-Type",
                               "expected application/json or text/csv, got '" + type + "'",
                               std::string(kUnsupported));
}

// Whose words the answer is in: MLflow's scoring server, or SageMaker's runtime, which has the
// endpoint in its path and names of its own for headers and errors.
enum class Dialect { kMlflow, kSageMaker };

// SageMaker's name for a failure, which boto3 raises as.
std::string_view ErrorType(int http_status) {
  switch (http_status) {
    case 429:
      return "ThrottlingException";
    case 503:
      return "ServiceUnavailable";
    case 500:
    case 504:
      return "InternalFailure";
    default:
      return "ValidationError";
  }
}

HttpResponse ErrorAnswer(const Status& status, Dialect dialect) {
  HttpResponse response = ErrorAnswer(status);
  if (dialect == Dialect::kSageMaker)
    response.headers.push_back({"x-amzn-ErrorType", std::string(ErrorType(response.status))});
  return response;
}

// The version that a SageMaker caller asks for by name of its variant: its number.
base::Result<std::optional<int64_t>> TargetVersion(const HttpRequest& request) {
  std::string_view text = request.GetHeader("X-Amzn-SageMaker-Target-Variant");
  if (text.empty()) return std::optional<int64_t>();
  int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size() || version < 1) {
    return base::InvalidArgument("X-Amzn-SageMaker-Target-Variant",
                                 "expected a version's number, got '" + std::string(text) + "'");
  }
  return std::optional(version);
}

bool WantsCsv(const HttpRequest& request) {
  const std::string accept = LowerTrimmed(request.GetHeader("Accept"));
  return accept.starts_with("text/csv") && accept.find("json") == std::string::npos;
}

class Scoring {
 public:
  Scoring(serving::Predictor& predictor, InvocationsSettings settings)
      : predictor_(predictor), settings_(std::move(settings)) {}

  // `endpoint`: what the path says; empty: choose.
  void Invoke(HttpRequest request, Dialect dialect, std::string endpoint, Respond respond) {
    const int64_t started_ns = base::MonotonicNanos();
    if (request.body.size() < kLargeBody)
      return Score(request, dialect, std::move(endpoint), started_ns, respond);
    // std::function wants what it holds copyable.
    auto waiting = std::make_shared<HttpRequest>(std::move(request));
    Status status = large_bodies_.Submit(
        [this, waiting, dialect, endpoint = std::move(endpoint), started_ns, respond] {
          Score(*waiting, dialect, endpoint, started_ns, respond);
        });
    if (!status.ok()) respond(ErrorAnswer(status, dialect));
  }

 private:
  base::Result<std::string> ChooseEndpoint(const HttpRequest& request) const;
  base::Result<serving::PredictCall> Decode(const HttpRequest& request, Dialect dialect,
                                            std::string endpoint) const;
  void Score(const HttpRequest& request, Dialect dialect, std::string endpoint, int64_t started_ns,
             const Respond& respond) const;

  serving::Predictor& predictor_;
  const InvocationsSettings settings_;
  base::ThreadPool large_bodies_{"invocations", 1, kMaxLargeWaiting};
};

base::Result<std::string> Scoring::ChooseEndpoint(const HttpRequest& request) const {
  if (const auto named = request.GetQuery("endpoint")) return *named;
  if (const auto named = request.GetHeader("X-Slipway-Endpoint"); !named.empty())
    return std::string(named);
  if (!settings_.endpoint.empty()) return settings_.endpoint;
  const std::vector<std::string> names = predictor_.Endpoints();
  if (names.size() == 1) return names[0];
  if (names.empty()) return base::NotFound("endpoint_not_found", "there is no endpoint yet");
  return base::InvalidArgument("X-Slipway-Endpoint",
                               "there are " + std::to_string(names.size()) +
                                   " endpoints; name one in this header, in ?endpoint=, or POST to "
                                   "/endpoints/{name}/invocations");
}

base::Result<serving::PredictCall> Scoring::Decode(const HttpRequest& request, Dialect dialect,
                                                   std::string endpoint) const {
  serving::PredictCall call;
  const Format format = TRY(FormatOf(request.GetHeader("Content-Type")));
  call.endpoint = endpoint.empty() ? TRY(ChooseEndpoint(request)) : std::move(endpoint);
  const auto info = TRY(predictor_.Describe(call.endpoint, std::nullopt));
  if (format == Format::kCsv) {
    const bool headerless =
        dialect == Dialect::kSageMaker && inference::CsvBeginsWithNumbers(request.body);
    call.request = TRY(DecodeCsv(request.body, info.description, headerless));
  } else {
    call.request = TRY(DecodeJson(request.body, info.description));
  }
  serving::ReadHeaders(request, "invocations", call);
  if (dialect == Dialect::kSageMaker) {
    call.version = TRY(TargetVersion(request));
    const auto id = request.GetHeader("X-Amzn-SageMaker-Inference-Id");
    if (call.request_id.empty()) call.request_id = id;
    const auto session = request.GetHeader("X-Amzn-SageMaker-Session-Id");
    if (call.key.empty()) call.key = session;
  }
  return call;
}

base::Result<HttpResponse> Encode(const serving::PredictAnswer& answer, bool csv) {
  if (!csv) return HttpResponse::Json(200, EncodePredictions(answer.response.outputs));
  HttpResponse response = HttpResponse::Text(200, TRY(EncodeCsv(answer.response.outputs)));
  response.SetHeader("Content-Type", "text/csv; charset=utf-8");
  return response;
}

void Scoring::Score(const HttpRequest& request, Dialect dialect, std::string endpoint,
                    int64_t started_ns, const Respond& respond) const {
  auto call = Decode(request, dialect, std::move(endpoint));
  if (!call.ok()) return respond(ErrorAnswer(call.status(), dialect));
  call->started_ns = started_ns;
  const bool csv = WantsCsv(request);
  std::string attributes(request.GetHeader("X-Amzn-SageMaker-Custom-Attributes"));
  predictor_.Predict(
      std::move(call).TakeValue(), [respond, dialect, csv, attributes = std::move(attributes)](
                                       const serving::PredictAnswer& answer) {
        if (!answer.status.ok()) return respond(ErrorAnswer(answer.status, dialect));
        auto response = Encode(answer, csv);
        if (!response.ok()) return respond(ErrorAnswer(response.status(), dialect));
        serving::NameVersion(answer, *response);
        if (dialect == Dialect::kSageMaker) {
          response->headers.push_back(
              {"x-Amzn-Invoked-Production-Variant", std::to_string(answer.version)});
          if (!attributes.empty())
            response->headers.push_back({"X-Amzn-SageMaker-Custom-Attributes", attributes});
        }
        respond(std::move(*response));
      });
}

}  // namespace

void Describe(base::Schema& schema, InvocationsSettings& settings) {
  schema.Add(
      "invocations.endpoint", &settings.endpoint,
      "Endpoint of POST /invocations when the request names none; empty: the only one there is.");
}

void Register(net::Router& router, serving::Predictor& predictor,
              const InvocationsSettings& settings) {
  const auto scoring = std::make_shared<Scoring>(predictor, settings);
  router.Add("POST", "/invocations", [scoring](HttpRequest request, Respond respond) {
    scoring->Invoke(std::move(request), Dialect::kMlflow, "", std::move(respond));
  });
  router.Add("POST", "/endpoints/{endpoint}/invocations",
             [scoring](HttpRequest request, Respond respond) {
               std::string endpoint = request.GetParam("endpoint");
               scoring->Invoke(std::move(request), Dialect::kSageMaker, std::move(endpoint),
                               std::move(respond));
             });
  for (const char* path : {"/invocations", "/endpoints"}) {
    router.OnNotFound(path, [](const HttpRequest& request) {
      return ErrorAnswer(
          base::NotFound("no_such_path", "there is no " + request.method + " " + request.path));
    });
  }
}

}  // namespace slipway::api::invocations
