// SPDX-License-Identifier: Apache-2.0
// MLflow's scoring protocol over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "api/invocations/invocations.h"
#include "base/json.h"
#include "base/threads.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "serving/testing.h"

namespace slipway::api::invocations {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class Invocations : public ::testing::Test {
 protected:
  Invocations() { serving_.routes.Set("m", 1, {{"stable", 3, 1, serving::TimesModel(2)}}); }
  ~Invocations() override {
    if (http_) http_->Stop();
  }

  void Start(const InvocationsSettings& settings = {}) {
    Register(router_, serving_.predictor, settings);
    net::HttpServerSettings http_settings;
    http_settings.listen = "127.0.0.1:0";
    http_ = std::make_unique<net::HttpServer>(http_settings, router_, pool_, metrics_);
    const base::Status status = http_->Start();
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  net::HttpResponse Post(const std::string& path, std::string body,
                         std::vector<net::Header> headers = {}) {
    net::HttpCall call;
    call.method = "POST";
    call.url = "http://127.0.0.1:" + std::to_string(http_->port()) + path;
    call.headers = std::move(headers);
    call.body = std::move(body);
    auto response = client_.Send(call);
    CHECK(response.ok(), response.status().message());
    return std::move(response).TakeValue();
  }

  static std::string HeaderOf(const net::HttpResponse& response, std::string_view name) {
    for (const net::Header& header : response.headers) {
      if (header.name == name) return header.value;
    }
    return {};
  }

  // {"error_code", "message"}
  static std::pair<std::string, std::string> ErrorOf(const net::HttpResponse& response) {
    const auto json = base::Json::Parse(response.body);
    if (!json.ok() || json->Find("error_code") == nullptr) return {"", response.body};
    return {json->Find("error_code")->AsString(), json->Find("message")->AsString()};
  }

  serving::FakeServing serving_;
  net::Router router_;
  base::ThreadPool pool_{"test", 1, 10};
  base::Metrics metrics_;
  std::unique_ptr<net::HttpServer> http_;
  net::HttpClient client_{{}};
};

const std::vector<net::Header> kJson = {{"Content-Type", "application/json"}};
const std::vector<net::Header> kCsv = {{"Content-Type", "text/csv; charset=utf-8"}};

TEST_F(Invocations, ScoresOnTheOnlyEndpoint) {
  Start();
  const auto response = Post(
      "/invocations", R"({"dataframe_split":{"columns":["x"],"data":[[1],[2.5]]}})",
      {{"Content-Type", "application/json"}, {"slipway-key", "user 1"}, {"X-Request-Id", "r-7"}});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.body, R"({"predictions":[2,5]})");
  const auto records = serving_.recorder.Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(HeaderOf(response, "slipway-prediction-id"), records[0].id);
  EXPECT_EQ(HeaderOf(response, "slipway-model-version"), "3");
  EXPECT_EQ(HeaderOf(response, "slipway-arm"), "stable");
  EXPECT_EQ(records[0].key, "user 1");
  EXPECT_EQ(records[0].request_id, "r-7");
  EXPECT_EQ(records[0].protocol, "invocations");
  EXPECT_EQ(records[0].rows, 2);
  EXPECT_EQ(Post("/invocations", "x\n1\n2\n", kCsv).body, R"({"predictions":[2,4]})");
  EXPECT_EQ(Post("/invocations", R"({"instances":[1,2]})", kJson).body, R"({"predictions":[2,4]})");
  EXPECT_EQ(Post("/invocations", R"({"inputs":{"x":[1]}})").body, R"({"predictions":[2]})");
}

TEST_F(Invocations, FindsTheEndpointThatIsMeant) {
  serving_.routes.Set("n", 1, {{"stable", 1, 1, serving::TimesModel(10)}});
  Start();
  const std::string body = R"({"inputs":[1]})";
  EXPECT_EQ(Post("/invocations?endpoint=n", body).body, R"({"predictions":[10]})");
  EXPECT_EQ(Post("/invocations", body, {{"X-Slipway-Endpoint", "n"}}).body,
            R"({"predictions":[10]})");
  EXPECT_EQ(Post("/endpoints/m/invocations", body).body, R"({"predictions":[2]})");
  const auto unclear = Post("/invocations", body);
  EXPECT_EQ(unclear.status, 400);
  EXPECT_THAT(ErrorOf(unclear).second, HasSubstr("2 endpoints"));
  const auto unknown = Post("/endpoints/z/invocations", body);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(ErrorOf(unknown).first, "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(Invocations, GoesWhereTheSettingSays) {
  serving_.routes.Set("n", 1, {{"stable", 1, 1, serving::TimesModel(10)}});
  Start({.endpoint = "n"});
  EXPECT_EQ(Post("/invocations", R"({"inputs":[1]})").body, R"({"predictions":[10]})");
}

TEST_F(Invocations, RefusesWithMlflowsErrorNamingTheColumn) {
  Start();
  const std::pair<const char*, const char*> table[] = {
      {R"({"dataframe_split":{"columns":["z"],"data":[["a"]]}})", "z: "},
      {R"({"inputs":{"x":["a"]}})", "x: "},
      {R"({"inputs":{"x":[1],"y":[1]}})", "y: "},
      {R"({"inputs":[["a"]]})", "inputs[0].datatype: "},
      {R"({"instances":[[1,2]]})", "inputs[0].shape: "},
      {R"({"unknown":1})", "unknown: "},
      {"nonsense", "body: "},
  };
  for (const auto& [body, message] : table) {
    const auto response = Post("/invocations", body, kJson);
    EXPECT_EQ(response.status, 400) << body << response.body;
    EXPECT_EQ(ErrorOf(response).first, "BAD_REQUEST") << body;
    EXPECT_THAT(ErrorOf(response).second, StartsWith(message)) << body;
  }
}

TEST_F(Invocations, RefusesOtherContentTypes) {
  Start();
  for (const char* type : {"application/x-www-form-urlencoded", "application/json; charset=latin-1",
                           "application/json; format=pandas-split"}) {
    const auto response = Post("/invocations", R"({"inputs":[1]})", {{"Content-Type", type}});
    EXPECT_EQ(response.status, 415) << type;
    EXPECT_EQ(ErrorOf(response).first, "BAD_REQUEST") << type;
  }
}

TEST_F(Invocations, DecodesLargeBodiesToo) {
  Start();
  std::string csv = "x\n";
  for (int i = 0; i < 100000; ++i) csv += "1.25\n";
  const auto response = Post("/invocations", csv, kCsv);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_THAT(response.body, StartsWith(R"({"predictions":[2.5,2.5,)"));
  EXPECT_EQ(serving_.recorder.Records()[0].rows, 100000);
}

TEST_F(Invocations, SaysWhenTheServerIsAtFault) {
  serving_.routes.Set(
      "m", 2, {{"stable", 4, 1, serving::BrokenModel(base::Internal("run_failed", "it broke"))}});
  Start();
  const auto response = Post("/invocations", R"({"inputs":[1]})");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(ErrorOf(response).first, "INTERNAL_ERROR");
}

}  // namespace
}  // namespace slipway::api::invocations
