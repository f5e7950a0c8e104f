// SPDX-License-Identifier: Apache-2.0
// A version's walk, its door for SageMaker's clients: who asks, which operation, how a failure
// looks.
#include "api/sagemaker/sagemaker.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sagemaker/call.h"
#include "api/sagemaker/sigv4.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/files.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::api::sagemaker {
namespace {

constexpr std::string_view kTarget = "SageMaker.";
constexpr int64_t kMostKeyBytes = 1 << 20;

struct Wire {
  int http = 500;
  std::string name = "InternalFailure";
};

Wire WireOf(const base::Status& status) {
  switch (status.code()) {
    case base::Code::kUnauthenticated:
      return {status.reason() == "MissingAuthenticationToken" ? 403 : 400, status.reason()};
    case base::Code::kUnimplemented:
      return {400, "UnknownOperationException"};
    case base::Code::kNotFound:
      return {400,
              status.reason() == "card_not_found" ? "ResourceNotFound" : "ValidationException"};
    case base::Code::kInvalidArgument:
    case base::Code::kOutOfRange:
      return {400, "ValidationException"};
    case base::Code::kAlreadyExists:
      return {400, status.reason() == "model_exists" ? "ValidationException" : "ConflictException"};
    case base::Code::kFailedPrecondition:
    case base::Code::kAborted:
      return {400, "ConflictException"};
    case base::Code::kResourceExhausted:
      return {400, "ResourceLimitExceeded"};
    case base::Code::kUnavailable:
      return {503, "ServiceUnavailable"};
    default:
      return {};
  }
}

net::HttpResponse Encode(int http, const base::Json& body) {
  net::HttpResponse response = net::HttpResponse::Json(http, body.Dump());
  response.SetHeader("Content-Type", "application/x-amz-json-1.1");
  return response;
}

net::HttpResponse Refusal(const base::Status& status) {
  const Wire wire = WireOf(status);
  net::HttpResponse response = Encode(
      wire.http, base::Json::MakeObject({{"__type", wire.name}, {"message", status.message()}}));
  response.SetHeader("x-amzn-ErrorType", wire.name);
  return response;
}

bool FromHere(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("[::1]") ||
         address.starts_with("::1") || address.starts_with("[::ffff:127.");
}

class Front {
 public:
  Front(storage::Database& database, storage::Blobs& blobs, registry::Registry& registry,
        const base::Clock& clock, SageMakerSettings settings)
      : rooms_{registry, blobs, clock, Documents(database), std::move(settings), {}} {
    for (auto operations : {GroupOperations(), PackageOperations(), CardOperations()}) {
      for (Operation& operation : operations)
        operations_.emplace(std::string(operation.name), std::move(operation));
    }
  }

  net::HttpResponse Answer(const net::HttpRequest& request) {
    const base::Result<base::Json> answer = Run(request);
    return answer.ok() ? Encode(200, *answer) : Refusal(answer.status());
  }

 private:
  base::Result<std::string> Caller(const net::HttpRequest& request) const {
    const std::string& path = rooms_.settings.keys_file;
    if (path.empty()) {
      if (FromHere(request.remote_address)) return std::string("anonymous");
      return base::Status(base::Code::kUnauthenticated, "UnrecognizedClientException",
                          "no access keys are configured here, so only callers on this machine "
                          "are answered: set sagemaker.keys_file");
    }
    // Read for each request: a key that is taken out of the file opens nothing any more.
    const base::Result<std::string> text = base::ReadFile(path, kMostKeyBytes);
    if (!text.ok()) return base::Internal("keys_unreadable", "sagemaker.keys_file cannot be read");
    const Keys keys = TRY(ParseKeys(*text));
    return VerifySignature(request, keys, rooms_.settings.region, real_clock_.Now());
  }

  base::Result<base::Json> Run(const net::HttpRequest& request) {
    const std::string caller = TRY(Caller(request));
    const std::string_view target = request.GetHeader("X-Amz-Target");
    const auto found = target.starts_with(kTarget)
                           ? operations_.find(std::string(target.substr(kTarget.size())))
                           : operations_.end();
    if (found == operations_.end()) {
      return base::Status(base::Code::kUnimplemented, "unknown_operation",
                          "X-Amz-Target '" + std::string(target) +
                              "' is no operation of SageMaker's model registry");
    }
    base::Json fields =
        request.body.empty() ? base::Json::MakeObject() : TRY(base::Json::Parse(request.body));
    if (!fields.is_object())
      return base::InvalidArgument("", "the request's body must be a JSON object");
    // A null is a member that is absent: handlers see none.
    std::erase_if(fields.AsObject(),
                  [](const base::Json::Member& member) { return member.second.is_null(); });
    TRY(CheckInput(found->second, fields));
    return found->second.handler(rooms_,
                                 {std::move(fields), {caller, "http " + request.remote_address}});
  }

  Rooms rooms_;
  base::SystemClock real_clock_;  // signatures know no driven clock
  std::map<std::string, Operation> operations_;
};

}  // namespace

void Describe(base::Schema& schema, SageMakerSettings& settings) {
  schema.Add("sagemaker.keys_file", &settings.keys_file,
             "File of lines \"ID SECRET\": the AWS access keys that may sign requests to "
             "SageMaker's registry. Empty: unsigned ones are answered, on the loopback only.");
  schema.Add("sagemaker.region", &settings.region,
             "Region in ARNs, and the one that signatures must be scoped to.");
  schema.Add("sagemaker.account", &settings.account, "Account number in ARNs.");
}

void Register(net::Router& router, storage::Database& database, storage::Blobs& blobs,
              registry::Registry& registry, const base::Clock& clock,
              const SageMakerSettings& settings) {
  const auto front = std::make_shared<Front>(database, blobs, registry, clock, settings);
  router.AddBlocking("POST", "/",
                     [front](net::HttpRequest& request) { return front->Answer(request); });
}

}  // namespace slipway::api::sagemaker
