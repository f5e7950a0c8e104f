// SPDX-License-Identifier: Apache-2.0
// Outputs as classes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "api/oip/infer.h"
#include "serving/testing.h"

namespace slipway::api::oip {
namespace {

using inference::DataType;
using inference::Tensor;
using ::testing::ElementsAre;

struct Classified {
  base::Status status;
  Tensor tensor;
};

Classified Classify(inference::NamedTensor output, int64_t classes, bool batchable,
                    std::map<std::string, std::vector<std::string>> labels = {}) {
  inference::ModelDescription description;
  description.batchable = batchable;
  inference::ModelConfig config;
  config.labels = std::move(labels);
  const serving::FakeModel model(description, nullptr, config);
  OutputWishes wishes;
  wishes.special = true;
  wishes.names = {output.name};
  wishes.own.resize(1);
  wishes.own[0].classes = classes;
  serving::PredictAnswer answer;
  answer.response.outputs = {std::move(output)};
  answer.answered_by = &model;
  const base::Status status = FulfilWishes(wishes, answer);
  return {status, answer.response.outputs[0].tensor};
}

TEST(OipClassification, GivesTheGreatestOfEachRowWithItsLabel) {
  const auto got = Classify({"y", Tensor::Of<float>({2, 3}, {0.25F, 0.5F, 0.125F, 3, 1, 2})}, 2,
                            true, {{"y", {"cat", "dog"}}});
  ASSERT_TRUE(got.status.ok());
  EXPECT_THAT(got.tensor.shape(), ElementsAre(2, 2));
  EXPECT_THAT(got.tensor.strings(),
              ElementsAre("0.500000:1:dog", "0.250000:0:cat", "3.000000:0:cat", "2.000000:2"));
}

TEST(OipClassification, TakesAModelWithoutBatchesAsOneRow) {
  const auto got = Classify({"y", Tensor::Of<int64_t>({2, 2}, {5, -7, 9, 5})}, 9, false);
  ASSERT_TRUE(got.status.ok());
  EXPECT_THAT(got.tensor.shape(), ElementsAre(4));
  EXPECT_THAT(got.tensor.strings(), ElementsAre("9:2", "5:0", "5:3", "-7:1"));
}

TEST(OipClassification, NamesColumnsAsTheModelDoes) {
  const auto labels = std::make_shared<const Tensor>(Tensor::Of<int64_t>({2}, {10, 20}));
  const auto got = Classify({"y", Tensor::Of<double>({1, 2}, {0, 1}), labels}, 1, true);
  EXPECT_THAT(got.tensor.strings(), ElementsAre("1.000000:1:20"));
}

TEST(OipClassification, PutsNaNLast) {
  const float nan = std::nanf("");
  const auto got = Classify({"y", Tensor::Of<float>({1, 4}, {nan, -1, nan, 4})}, 4, true);
  EXPECT_THAT(got.tensor.strings(), ElementsAre("4.000000:3", "-1.000000:1", "nan:0", "nan:2"));
}

TEST(OipClassification, RefusesTexts) {
  const auto got = Classify({"y", Tensor::Strings({1}, {"a"})}, 1, true);
  EXPECT_EQ(got.status.field(), "outputs[0].parameters.classification");
}

TEST(OipClassification, HasNothingToSayOfNoRows) {
  const auto got = Classify({"y", Tensor(DataType::kFp32, {0, 3})}, 2, true);
  ASSERT_TRUE(got.status.ok());
  EXPECT_EQ(got.tensor.element_count(), 0);
}

}  // namespace
}  // namespace slipway::api::oip
