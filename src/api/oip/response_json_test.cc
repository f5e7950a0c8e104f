// SPDX-License-Identifier: Apache-2.0
#include "api/oip/response_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "inference/testing.h"

namespace slipway::api::oip {
namespace {

using inference::Tensor;
using ::testing::HasSubstr;

serving::PredictAnswer Answer(std::vector<inference::NamedTensor> outputs) {
  serving::PredictAnswer answer;
  answer.response.outputs = std::move(outputs);
  answer.prediction_id = "01ABC";
  answer.version = 3;
  answer.arm = "stable";
  return answer;
}

ResponseShape Asked(bool binary) {
  ResponseShape shape;
  shape.id = "my \"id\"";
  shape.endpoint = "flights";
  shape.wishes.binary = binary;
  return shape;
}

std::string HeaderOf(const net::HttpResponse& response, std::string_view name) {
  for (const net::Header& header : response.headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

TEST(OipResponse, WritesOneJsonDocument) {
  const auto response = EncodeInfer(Asked(false),
                                    Answer({{"y", Tensor::Of<float>({1, 2}, {0.1F, 3})},
                                            {"label", Tensor::Of<std::string>({1}, {"a\"b"})}}),
                                    {});
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body,
            R"({"model_name":"flights","model_version":"3","id":"my \"id\"",)"
            R"("parameters":{"prediction_id":"01ABC","arm":"stable","model_version":3},"outputs":[)"
            R"({"name":"y","datatype":"FP32","shape":[1,2],"data":[0.1,3]},)"
            R"({"name":"label","datatype":"BYTES","shape":[1],"data":["a\"b"]}]})");
  EXPECT_EQ(HeaderOf(*response, "Content-Type"), "application/json");
  EXPECT_EQ(HeaderOf(*response, "Inference-Header-Content-Length"), "");
}

TEST(OipResponse, WritesEveryTypeAsValidJson) {
  const auto response = EncodeInfer(Asked(false), Answer(inference::IdentityRequest().inputs), {});
  ASSERT_TRUE(response.ok());
  const auto json = base::Json::Parse(response->body);
  ASSERT_TRUE(json.ok()) << json.status().ToString() << "\n" << response->body;
  const base::Json::Array& outputs = json->Find("outputs")->AsArray();
  ASSERT_EQ(outputs.size(), 14U);
  for (const base::Json& output : outputs)
    EXPECT_EQ(output.Find("data")->AsArray().size(), 4U) << output.Dump();
  EXPECT_THAT(
      response->body,
      HasSubstr(
          R"("name":"uint64","datatype":"UINT64","shape":[2,2],"data":[0,1,2,18446744073709551615])"));
  EXPECT_THAT(response->body, HasSubstr("[true,false,false,true]"));
}

TEST(OipResponse, PutsBinaryOutputsBehindTheJsonInOrder) {
  const Tensor floats = Tensor::Of<float>({2}, {1, 2});
  const Tensor texts = Tensor::Of<std::string>({1}, {"ab"});
  ResponseShape shape = Asked(true);
  shape.wishes.names = {"y", "j", "s"};
  shape.wishes.own = {{}, {.binary = false}, {.binary = true}};
  const auto response = EncodeInfer(
      shape, Answer({{"y", floats}, {"j", Tensor::Of<int64_t>({1}, {5})}, {"s", texts}}), {});
  ASSERT_TRUE(response.ok());
  const size_t length = std::stoul(HeaderOf(*response, "Inference-Header-Content-Length"));
  const auto json = base::Json::Parse(response->body.substr(0, length));
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  const base::Json::Array& outputs = json->Find("outputs")->AsArray();
  EXPECT_EQ(outputs[0].Find("parameters")->Find("binary_data_size")->AsInt(), 8);
  EXPECT_EQ(outputs[0].Find("data"), nullptr);
  EXPECT_NE(outputs[1].Find("data"), nullptr);
  EXPECT_EQ(outputs[2].Find("parameters")->Find("binary_data_size")->AsInt(), 6);
  std::string wanted;
  AppendRaw(wanted, floats);
  AppendRaw(wanted, texts);
  EXPECT_EQ(response->body.substr(length), wanted);
  EXPECT_EQ(HeaderOf(*response, "Content-Type"), "application/octet-stream");
}

TEST(OipResponse, WritesWhatJsonHasNoNumberForAsStringsOrRefuses) {
  const auto answer = Answer({{"y", Tensor::Of<double>({3}, {NAN, INFINITY, -INFINITY})}});
  const auto strings = EncodeInfer(Asked(false), answer, {});
  ASSERT_TRUE(strings.ok());
  EXPECT_THAT(strings->body, HasSubstr(R"("data":["NaN","Infinity","-Infinity"])"));
  const auto refused = EncodeInfer(Asked(false), answer, {.non_finite = "error"});
  EXPECT_EQ(refused.status().reason(), "non_finite_output");
  EXPECT_EQ(refused.status().field(), "outputs.y");
  EXPECT_TRUE(EncodeInfer(Asked(true), answer, {.non_finite = "error"}).ok());
}

}  // namespace
}  // namespace slipway::api::oip
