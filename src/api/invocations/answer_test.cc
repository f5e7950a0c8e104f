// SPDX-License-Identifier: Apache-2.0
#include "api/invocations/answer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "inference/testing.h"

namespace slipway::api::invocations {
namespace {

using inference::NamedTensor;
using inference::Tensor;

TEST(InvocationsAnswer, GivesAListForOneOutput) {
  EXPECT_EQ(EncodePredictions({{"y", Tensor::Of<float>({2, 1}, {0.1F, 2})}}),
            R"({"predictions":[0.1,2]})");
  EXPECT_EQ(EncodePredictions({{"y", Tensor::Of<int64_t>({2}, {1, 9007199254740993})}}),
            R"({"predictions":[1,9007199254740993]})");
  EXPECT_EQ(EncodePredictions({{"y", Tensor::Of<float>({2, 2}, {1, 2, 3, 4})}}),
            R"({"predictions":[[1,2],[3,4]]})");
  EXPECT_EQ(EncodePredictions({{"y", Tensor::Of<float>({1, 2, 2}, {1, 2, 3, 4})}}),
            R"({"predictions":[[[1,2],[3,4]]]})");
  EXPECT_EQ(EncodePredictions({{"y", Tensor::Of<std::string>({1}, {"a\"b"})}}),
            R"({"predictions":["a\"b"]})");
  EXPECT_EQ(EncodePredictions({{"y", Tensor(inference::DataType::kFp32, {0, 2})}}),
            R"({"predictions":[]})");
}

TEST(InvocationsAnswer, GivesRecordsForSeveralOutputs) {
  NamedTensor scores{"scores", Tensor::Of<float>({2, 2}, {0.25F, 0.75F, 1, 0})};
  const NamedTensor label{"label", Tensor::Of<int64_t>({2}, {1, 0})};
  EXPECT_EQ(EncodePredictions({label, scores}),
            R"({"predictions":[{"label":1,"scores":[0.25,0.75]},{"label":0,"scores":[1,0]}]})");
  scores.labels = std::make_shared<const Tensor>(Tensor::Of<int64_t>({2}, {0, 1}));
  EXPECT_EQ(
      EncodePredictions({label, scores}),
      R"({"predictions":[{"label":1,"scores":{"0":0.25,"1":0.75}},{"label":0,"scores":{"0":1,"1":0}}]})");
}

TEST(InvocationsAnswer, GivesListsByNameWhenRowsDiffer) {
  EXPECT_EQ(EncodePredictions(
                {{"a", Tensor::Of<float>({1}, {1})}, {"b", Tensor::Of<float>({2}, {2, 3})}}),
            R"({"predictions":{"a":[1],"b":[2,3]}})");
}

TEST(InvocationsAnswer, GivesNullForWhatJsonHasNoNumberFor) {
  EXPECT_EQ(EncodePredictions({{"y", Tensor::Of<float>({3}, {NAN, INFINITY, 1})}}),
            R"({"predictions":[null,null,1]})");
}

TEST(InvocationsAnswer, IsJsonForEveryType) {
  const auto json = base::Json::Parse(EncodePredictions(inference::IdentityRequest().inputs));
  ASSERT_TRUE(json.ok()) << json.status().ToString();
  EXPECT_EQ(json->Find("predictions")->AsArray().size(), 2U);
}

TEST(InvocationsAnswer, CsvHasALineARowAndQuotesWhatNeedsIt) {
  const std::vector<inference::NamedTensor> outputs = {
      {"label", inference::Tensor::Strings({2}, {"a", "b,\"c\""})},
      {"p", inference::Tensor::Of<float>({2, 2}, {0.25F, 0.75F, 1, 0})}};
  EXPECT_EQ(*EncodeCsv(outputs), "a,0.25,0.75\n\"b,\"\"c\"\"\",1,0\n");
  EXPECT_EQ(EncodeCsv({outputs[0], {"n", inference::Tensor::Of<float>({1}, {1})}}).status().field(),
            "Accept");
}

}  // namespace
}  // namespace slipway::api::invocations
