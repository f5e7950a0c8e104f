// SPDX-License-Identifier: Apache-2.0
#include "inference/onnx_file/external_data.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace slipway::inference::onnx {
namespace {

// A length-delimited field of protobuf's wire format.
std::string Field(unsigned number, const std::string& payload) {
  std::string out;
  const auto varint = [&out](size_t value) {
    for (; value > 127; value >>= 7) out += static_cast<char>((value & 127) | 128);
    out += static_cast<char>(value);
  };
  varint(number << 3 | 2);
  varint(payload.size());
  return out + payload;
}
std::string Entry(const std::string& key, const std::string& value) {
  return Field(13, Field(1, key) + Field(2, value));
}

base::Result<std::vector<std::string>> LocationsOf(const std::string& model) {
  return ExternalDataLocations(std::as_bytes(std::span(model)));
}

TEST(ExternalData, IsFoundWhereverATensorCanStand) {
  const auto tensor = [](const std::string& name) {
    return Entry("location", name) + Entry("offset", "0");
  };
  const std::string subgraph = Field(5, tensor("subgraph"));
  const std::string node =
      Field(5, Field(5, tensor("attribute")) + Field(10, tensor("attributes")) +
                   Field(6, subgraph) + Field(22, Field(1, tensor("sparse"))));
  const std::string graph =
      Field(1, node) + Field(5, tensor("weights")) + Field(15, Field(2, tensor("indices")));
  const std::string function_node = Field(5, Field(11, Field(5, tensor("function"))));
  const std::string model = Field(7, graph) + Field(25, Field(7, function_node)) +
                            Field(20, Field(1, Field(5, tensor("training"))));
  auto locations = LocationsOf(model);
  ASSERT_TRUE(locations.ok()) << locations.status().ToString();
  EXPECT_EQ(*locations, (std::vector<std::string>{"attribute", "attributes", "subgraph", "sparse",
                                                  "weights", "indices", "function", "training"}));
}

TEST(ExternalData, TheLastOfARepeatedKeyCountsAsProtobufHasIt) {
  const std::string hidden = Field(
      13, Field(1, "offset") + Field(2, "fine") + Field(1, "location") + Field(2, "../secret"));
  auto locations = LocationsOf(Field(7, Field(5, hidden)));
  ASSERT_TRUE(locations.ok());
  EXPECT_EQ(*locations, (std::vector<std::string>{"../secret"}));
}

TEST(ExternalData, NumbersAreStepped) {
  const std::string numbers =
      "\x08\x96\x01" + std::string("\x11") + std::string(8, 'x') + "\x1d" + std::string(4, 'x');
  EXPECT_TRUE(LocationsOf(numbers + Field(7, "")).ok());
}

TEST(ExternalData, OtherBytesAreNoModel) {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep = Field(1, Field(5, Field(6, deep)));
  const std::string none[] = {"",
                              "PK\x03\x04 some zip",
                              std::string(64, '\xff'),
                              Field(7, Field(5, "x")).substr(0, 4),
                              Field(8, "no graph"),
                              "\x3b\x3c",  // a group
                              "\x38\x01",  // graph as a number
                              Field(7, deep)};
  for (const std::string& bytes : none) {
    auto locations = LocationsOf(bytes);
    ASSERT_FALSE(locations.ok()) << testing::PrintToString(bytes);
    EXPECT_EQ(locations.status().reason(), "bad_model");
  }
}

TEST(ExternalData, OperatorsOfOnnxMlAreTold) {
  const auto imports = [](const std::string& domain) {
    const std::string inner = "\x0a" + std::string(1, static_cast<char>(domain.size())) + domain;
    return "\x42" + std::string(1, static_cast<char>(inner.size())) + inner;
  };
  const auto uses = [](const std::string& model) {
    return UsesMlOperators(std::as_bytes(std::span(model)));
  };
  EXPECT_TRUE(uses(imports("") + imports("ai.onnx.ml")));
  EXPECT_FALSE(uses(imports("ai.onnx")));
  EXPECT_FALSE(uses("\xff"));
}

}  // namespace
}  // namespace slipway::inference::onnx
