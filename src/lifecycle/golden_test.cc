// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/golden.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lifecycle/run_model.h"

namespace slipway::lifecycle {
namespace {

using inference::DataType;

inference::ModelDescription TwoColumns() {
  inference::ModelDescription description;
  description.inputs = {{"carrier", DataType::kString, {-1, 1}},
                        {"hour", DataType::kFp32, {-1, 1}}};
  description.outputs = {{"label", DataType::kInt64, {-1}},
                         {"probabilities", DataType::kFp32, {-1, 2}}};
  return description;
}

base::Result<GoldenSet> Parse(std::string_view text) {
  return ParseGolden(*base::Json::Parse(text), TwoColumns());
}

TEST(Golden, BecomesTheModelsTensors) {
  const auto golden = Parse(
      R"({"inputs": {"dataframe_split": {"columns": ["hour", "carrier"], "data": [[7, "UA"], [null, "B6"]]}},
      "outputs": {"probabilities": [[0.9, 0.1], [0.25, 0.75]], "label": [0, 1]},
      "tolerance": {"absolute": 0.001}})");
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  EXPECT_EQ(golden->rows, 2);
  EXPECT_EQ(golden->absolute, 0.001);
  ASSERT_EQ(golden->request.inputs.size(), 2U);
  EXPECT_EQ(golden->request.inputs[0].tensor.strings()[1], "B6");
  EXPECT_TRUE(std::isnan(golden->request.inputs[1].tensor.NumberAt(1)));
  EXPECT_EQ(golden->expected.outputs[0].tensor.shape(), (inference::Shape{2, 2}));
  EXPECT_FLOAT_EQ(static_cast<float>(golden->expected.outputs[0].tensor.NumberAt(3)), 0.75F);
  EXPECT_EQ(golden->expected.outputs[1].tensor.type(), DataType::kInt64);
}

TEST(Golden, NamesWhatIsWrongWithTheFile) {
  const std::string inputs =
      R"("inputs": {"dataframe_split": {"columns": ["hour", "carrier"], "data": [[7, "UA"]]}})";
  EXPECT_EQ(Parse("{}").status().field(), "inputs.dataframe_split");
  EXPECT_EQ(Parse("{" + inputs + "}").status().field(), "outputs");
  EXPECT_EQ(Parse("{" + inputs + R"(, "outputs": {"nothing": [1]}})").status().field(),
            "outputs.nothing");
  const auto rows = Parse("{" + inputs + R"(, "outputs": {"label": [1, 0]}})");
  EXPECT_EQ(rows.status().field(), "outputs.label");
  EXPECT_NE(rows.status().message().find("expected 1 rows"), std::string::npos)
      << rows.status().message();
  const auto missing = Parse(
      R"({"inputs": {"dataframe_split": {"columns": ["hour"], "data": [[7]]}}, "outputs": {"label": [1]}})");
  EXPECT_EQ(missing.status().field(), "carrier");
}

TEST(Scores, AreTheLastColumnOfTheLastFloatingOutput) {
  inference::Response response;
  response.outputs.push_back({"label", inference::Tensor::Of<int64_t>({2}, {0, 1})});
  response.outputs.push_back(
      {"probabilities", inference::Tensor::Of<float>({2, 2}, {0.75F, 0.25F, 0.5F, 0.5F})});
  const auto scores = Scores(response, "");
  ASSERT_TRUE(scores.ok());
  EXPECT_EQ(*scores, (std::vector<double>{0.25, 0.5}));
  EXPECT_EQ(Scores(response, "other").status().reason(), "no_score");
}

}  // namespace
}  // namespace slipway::lifecycle
