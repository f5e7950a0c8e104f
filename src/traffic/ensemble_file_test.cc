// SPDX-License-Identifier: Apache-2.0
#include "traffic/ensemble_file.h"

#include <gtest/gtest.h>

namespace slipway::traffic {
namespace {

TEST(EnsembleFile, StepsNameAVersionAnAliasOrAnEndpoint) {
  const auto file = ParseEnsembleFile(R"(
inputs: [{name: raw, type: FP32, shape: [-1, 3]}]
outputs: [{name: score, type: FP64, shape: [-1]}]
steps:
  - {model: scale, inputs: {x: raw}, outputs: {y: scaled}}
  - {model: forest/3, inputs: {x: scaled}, outputs: {p: trees}}
  - {model: blend@champion, inputs: {a: trees, b: scaled}, outputs: {s: score}}
)");
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_EQ(file->config.ensemble.size(), 3u);
  EXPECT_EQ(file->config.ensemble[0].model, "scale");
  EXPECT_FALSE(file->config.ensemble[0].version.has_value());
  EXPECT_EQ(file->config.ensemble[1].model, "forest");
  EXPECT_EQ(file->config.ensemble[1].version, 3);
  EXPECT_EQ(file->config.ensemble[2].model, "blend");
  EXPECT_EQ(file->aliases, (std::vector<std::string>{"", "", "champion"}));
  EXPECT_EQ(file->config.ensemble[2].inputs.at("b"), "scaled");
  EXPECT_EQ(file->config.inputs.at(0).shape, (inference::Shape{-1, 3}));
  EXPECT_EQ(file->config.outputs.at(0).type, inference::DataType::kFp64);
}

TEST(EnsembleFile, AnErrorNamesTheMember) {
  const struct {
    const char* text;
    const char* field;
  } kCases[] = {
      {"steps: [", "ensemble.yaml"},
      {"[]", "ensemble"},
      {"stepz: []", "ensemble.stepz"},
      {"steps: []", "ensemble.steps"},
      {"steps: [{inputs: {x: a}, outputs: {y: b}}]", "ensemble.steps[0].model"},
      {"steps: [{model: m/x, inputs: {x: a}, outputs: {y: b}}]", "ensemble.steps[0].model"},
      {"steps: [{model: m@, inputs: {x: a}, outputs: {y: b}}]", "ensemble.steps[0].model"},
      {"steps: [{model: m, outputs: {y: b}}]", "ensemble.steps[0].inputs"},
      {"steps: [{model: m, inputs: [x], outputs: {y: b}}]", "ensemble.steps[0].inputs"},
      {"steps: [{model: m, inputs: {x: a}, outputs: {y: b}, more: 1}]", "ensemble.steps[0].more"},
      {"inputs: [{name: x, type: FLOAT, shape: [1]}]\nsteps: []", "ensemble.inputs[0].type"},
      {"inputs: [{name: x, type: FP32}]\nsteps: []", "ensemble.inputs[0]"},
  };
  for (const auto& one : kCases) {
    const auto file = ParseEnsembleFile(one.text);
    ASSERT_FALSE(file.ok()) << one.text;
    EXPECT_EQ(file.status().reason(), "bad_ensemble") << one.text;
    EXPECT_EQ(file.status().field(), one.field) << one.text;
  }
}

}  // namespace
}  // namespace slipway::traffic
