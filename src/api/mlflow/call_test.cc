// SPDX-License-Identifier: Apache-2.0
#include "api/mlflow/call.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>

#include "api/mlflow/errors.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;

net::HttpRequest Post(std::string body) {
  net::HttpRequest request;
  request.method = "POST";
  request.remote_address = "127.0.0.1:5";
  request.body = std::move(body);
  return request;
}

TEST(Call, AQueryAndABodyAreTheSameFields) {
  net::HttpRequest get;
  get.method = "GET";
  get.query = {{"name", "x"}, {"stages", "Staging"}, {"stages", "Production"}};
  EXPECT_EQ(DecodeCall(get)->fields.Dump(), R"({"name":"x","stages":["Staging","Production"]})");
  EXPECT_EQ(DecodeCall(Post(R"({"name":"x"})"))->fields.Dump(), R"({"name":"x"})");
  EXPECT_EQ(DecodeCall(Post("{")).status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(DecodeCall(Post("[]")).status().code(), base::Code::kInvalidArgument);
}

TEST(Call, TheActorIsWhoeverIsNamedFirst) {
  net::HttpRequest request = Post("");
  const Json fields = Json::MakeObject({{"user_id", "body"}});
  EXPECT_EQ(ActorOf(request, Json::MakeObject()).name, "anonymous");
  EXPECT_EQ(ActorOf(request, fields).name, "body");
  request.headers = {{"Authorization", "Basic YWRhOnNlY3JldDp4"}};
  EXPECT_EQ(ActorOf(request, fields).name, "ada");
  request.headers.push_back({"X-Slipway-Actor", "policy/retrain"});
  EXPECT_EQ(ActorOf(request, fields).name, "policy/retrain");
  EXPECT_EQ(ActorOf(request, fields).source, "http 127.0.0.1:5");
}

TEST(Call, ReadersRefuseInMlflowsWords) {
  const Json fields =
      Json::MakeObject({{"run_id", 31}, {"n", "x"}, {"empty", ""}, {"none", nullptr}});
  EXPECT_TRUE(RequireText(fields, "run_id")
                  .status()
                  .message()
                  .starts_with("Invalid value 31 for parameter 'run_id' supplied"));
  EXPECT_TRUE(RequireText(fields, "empty")
                  .status()
                  .message()
                  .starts_with("Missing value for required parameter 'empty'"));
  EXPECT_TRUE(RequireText(fields, "none")
                  .status()
                  .message()
                  .starts_with("Missing value for required parameter 'none'"));
  EXPECT_EQ(OptionalNumber(fields, "n").status().field(), "n");
  EXPECT_EQ(OptionalTexts(fields, "run_id").status().field(), "run_id");
  EXPECT_EQ(OptionalObjects(fields, "n").status().field(), "n");
  EXPECT_EQ(OptionalFlag(fields, "n", true).status().field(), "n");
}

TEST(Call, NumbersMayBeTexts) {
  const Json fields =
      Json::MakeObject({{"a", "12"}, {"b", 12}, {"c", "NaN"}, {"d", "-Infinity"}, {"e", "0.5"}});
  EXPECT_EQ(OptionalNumber(fields, "a").value(), 12);
  EXPECT_EQ(OptionalNumber(fields, "b").value(), 12);
  EXPECT_FALSE(OptionalNumber(fields, "z").value());
  EXPECT_TRUE(std::isnan(RequireDoubleValue(fields, "c").value()));
  EXPECT_TRUE(std::isinf(RequireDoubleValue(fields, "d").value()));
  EXPECT_EQ(RequireDoubleValue(fields, "e").value(), 0.5);
}

TEST(Call, PageTokensComeBack) {
  EXPECT_EQ(OffsetOf(Json::MakeObject()).value(), 0);
  EXPECT_EQ(OffsetOf(Json::MakeObject({{"page_token", TokenFor(500)}})).value(), 500);
  for (const char* bad : {"x", "after-", "after--1", "after-1x"}) {
    EXPECT_EQ(OffsetOf(Json::MakeObject({{"page_token", bad}})).status().field(), "page_token")
        << bad;
  }
}

std::string Wire(const base::Status& status) {
  const net::HttpResponse response = ErrorResponse(status);
  return std::to_string(response.status) + " " +
         Json::Parse(response.body)->Find("error_code")->AsString();
}

TEST(Errors, CodesAreThoseThatClientsKnow) {
  EXPECT_EQ(Wire(base::InvalidArgument("x", "m")), "400 INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Wire(base::NotFound("run_not_found", "m")), "404 RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(Wire(base::NotFound("alias_not_found", "m")), "400 INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Wire(base::AlreadyExists("model_exists", "m")), "400 RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(Wire(base::FailedPrecondition("gate_failed", "m")), "400 INVALID_STATE");
  EXPECT_EQ(Wire(base::FailedPrecondition("run_deleted", "m")), "400 INVALID_PARAMETER_VALUE");
  EXPECT_EQ(Wire(base::PermissionDenied("version_immutable", "m")), "403 PERMISSION_DENIED");
  EXPECT_EQ(Wire(base::Internal("x", "m")), "500 INTERNAL_ERROR");
}

}  // namespace
}  // namespace slipway::api::mlflow
