// SPDX-License-Identifier: Apache-2.0
// The REST protocol over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/oip/bad_requests_testing.h"
#include "api/oip/infer.h"
#include "api/oip/server_testing.h"
#include "base/json.h"

namespace slipway::api::oip {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

base::Json Parse(const std::string& text) {
  auto json = base::Json::Parse(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? *json : base::Json();
}

std::string HeaderOf(const net::HttpResponse& response, std::string_view name) {
  for (const net::Header& header : response.headers) {
    if (std::equal(header.name.begin(), header.name.end(), name.begin(), name.end(),
                   [](char a, char b) { return std::tolower(a) == std::tolower(b); })) {
      return header.value;
    }
  }
  return {};
}

constexpr const char* kOneRow =
    R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1.5]}]})";

TEST(OipRest, TellsAboutServerAndModels) {
  OipServer server;
  EXPECT_THAT(server.Send("GET", "/v2").body, HasSubstr(R"("name":"slipway")"));
  EXPECT_EQ(server.Send("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(server.Send("GET", "/v2/health/ready").status, 200);
  server.ready = false;
  EXPECT_EQ(server.Send("GET", "/v2/health/ready").status, 503);
  EXPECT_EQ(server.Send("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(
      server.Send("GET", "/v2/models/m").body,
      R"({"name":"m","versions":["3"],"platform":"fake","inputs":[{"name":"x","datatype":"FP32","shape":[-1,1]}],)"
      R"("outputs":[{"name":"y","datatype":"FP32","shape":[-1,1]}]})");
  EXPECT_THAT(server.Send("GET", "/v2/models/m/versions/2").body, HasSubstr(R"("versions":["2"])"));
  EXPECT_EQ(server.Send("GET", "/v2/models/m/ready").status, 200);
  EXPECT_EQ(server.Send("GET", "/v2/models/m/versions/3/ready").status, 200);
  for (const char* path : {"/v2/models/z", "/v2/models/z/ready", "/v2/models/m/versions/9",
                           "/v2/models/m/versions/x", "/v2/none"}) {
    const auto response = server.Send("GET", path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_TRUE(Parse(response.body).Find("error")->is_string()) << path;
  }
  const auto wrong_method = server.Send("GET", "/v2/models/m/infer");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_TRUE(Parse(wrong_method.body).Find("error")->is_string());
}

TEST(OipRest, Predicts) {
  OipServer server;
  const auto response =
      server.Send("POST", "/v2/models/m/infer", kOneRow, {{"slipway-key", "user 1"}});
  ASSERT_EQ(response.status, 200) << response.body;
  const base::Json json = Parse(response.body);
  EXPECT_EQ(json.Find("model_version")->AsString(), "3");
  EXPECT_EQ(json.Find("outputs")->AsArray()[0].Find("data")->AsArray()[0].AsDouble(), 3);
  const auto records = server.serving.recorder.Records();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].id, json.Find("parameters")->Find("prediction_id")->AsString());
  EXPECT_EQ(records[0].key, "user 1");
  EXPECT_EQ(records[0].protocol, "oip_http");
  EXPECT_GT(records[0].total_ns, 0);
}

TEST(OipRest, PredictsByTheVersionInThePath) {
  OipServer server;
  const auto response = server.Send("POST", "/v2/models/m/versions/2/infer", kOneRow);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_THAT(response.body, HasSubstr(R"("data":[30])"));
  EXPECT_EQ(server.Send("POST", "/v2/models/m/versions/9/infer", kOneRow).status, 404);
  EXPECT_EQ(server.Send("POST", "/v2/models/m/versions/0/infer", kOneRow).status, 404);
  EXPECT_EQ(server.Send("POST", "/v2/models/z/infer", kOneRow).status, 404);
}

TEST(OipRest, AnswersBinaryWithBinary) {
  OipServer server;
  const std::string json =
      R"({"id":"7","parameters":{"binary_data_output":true},"inputs":[)"
      R"({"name":"x","datatype":"FP32","shape":[2,1],"parameters":{"binary_data_size":8}}]})";
  std::string body = json;
  AppendRaw(body, inference::Tensor::Of<float>({2}, {1, 2}));
  const auto response =
      server.Send("POST", "/v2/models/m/infer", body,
                  {{"Inference-Header-Content-Length", std::to_string(json.size())}});
  ASSERT_EQ(response.status, 200) << response.body;
  const size_t length = std::stoul(HeaderOf(response, "Inference-Header-Content-Length"));
  EXPECT_EQ(Parse(response.body.substr(0, length)).Find("id")->AsString(), "7");
  std::string wanted;
  AppendRaw(wanted, inference::Tensor::Of<float>({2}, {2, 4}));
  EXPECT_EQ(response.body.substr(length), wanted);
}

TEST(OipRest, TakesARawTensorWithoutJson) {
  OipServer server;
  std::string body;
  AppendRaw(body, inference::Tensor::Of<float>({1}, {4}));
  const auto response =
      server.Send("POST", "/v2/models/m/infer", body, {{"Inference-Header-Content-Length", "0"}});
  ASSERT_EQ(response.status, 200) << response.body;
  std::string wanted;
  AppendRaw(wanted, inference::Tensor::Of<float>({1}, {8}));
  EXPECT_EQ(response.body.substr(std::stoul(HeaderOf(response, "Inference-Header-Content-Length"))),
            wanted);
  EXPECT_EQ(
      server.Send("POST", "/v2/models/echo/infer", body, {{"Inference-Header-Content-Length", "0"}})
          .status,
      400);
  EXPECT_EQ(server
                .Send("POST", "/v2/models/m/infer", body + "x",
                      {{"Inference-Header-Content-Length", "0"}})
                .status,
            400);
  EXPECT_EQ(
      server.Send("POST", "/v2/models/m/infer", body, {{"Inference-Header-Content-Length", "zero"}})
          .status,
      400);
}

TEST(OipRest, RefusesEveryWrongBodyWithItsField) {
  OipServer server;
  for (const BadRequest& bad : BadRequests()) {
    std::vector<net::Header> headers;
    if (bad.json_bytes)
      headers.push_back({"Inference-Header-Content-Length", std::to_string(*bad.json_bytes)});
    const auto response = server.Send("POST", "/v2/models/m/infer", bad.body, headers);
    EXPECT_EQ(response.status, 400) << bad.name << ": " << response.body;
    EXPECT_THAT(Parse(response.body).Find("error")->AsString(), StartsWith(bad.field + ": "))
        << bad.name;
  }
  EXPECT_THAT(server.serving.recorder.Records(), SizeIs(0));
}

TEST(OipRest, RefusesWhatTheModelDoesNotTakeWithTheField) {
  OipServer server;
  const std::pair<const char*, const char*> table[] = {
      {R"({"inputs":[{"name":"z","datatype":"FP32","shape":[1,1],"data":[1]}]})",
       "inputs[0].name: "},
      {R"({"inputs":[{"name":"x","datatype":"BYTES","shape":[1,1],"data":["1"]}]})",
       "inputs[0].datatype: "},
      {R"({"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]})",
       "inputs[0].shape: "},
      {R"({"inputs":[{"name":"x","datatype":"FP64","shape":[1,1],"data":[1e300]}]})",
       "inputs[0].data: "},
      {R"({"outputs":[{"name":"z"}],"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]})",
       "outputs[0]"},
  };
  for (const auto& [body, field] : table) {
    const auto response = server.Send("POST", "/v2/models/m/infer", body);
    EXPECT_EQ(response.status, 400) << response.body;
    EXPECT_THAT(Parse(response.body).Find("error")->AsString(), StartsWith(field));
  }
}

TEST(OipRest, TellsServerFaultsFromTheCallers) {
  OipServer server;
  server.serving.recorder.broken = true;
  const auto response = server.Send("POST", "/v2/models/m/infer", kOneRow);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(HeaderOf(response, "Retry-After"), "1");
}

}  // namespace
}  // namespace slipway::api::oip
