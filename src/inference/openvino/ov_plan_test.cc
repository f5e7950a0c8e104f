// SPDX-License-Identifier: Apache-2.0
#include "inference/openvino/ov_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace slipway::inference::openvino {
namespace {

using Map = std::map<std::string, std::string>;

base::Result<Map> Properties(Map parameters, const OpenVinoSettings& settings = {}) {
  ModelConfig config;
  config.parameters = std::move(parameters);
  return ReadProperties(config, settings);
}

TEST(OpenVinoPlan, WithoutParametersTheSettingsCount) {
  const auto plain = Properties({});
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->at("PERFORMANCE_HINT"), "THROUGHPUT");
  EXPECT_EQ(plain->at("INFERENCE_PRECISION_HINT"), "f32") << "what the model has is not rounded";
  EXPECT_FALSE(plain->contains("CACHE_DIR"));
  const auto set =
      Properties({}, {.performance_hint = "latency", .threads = 3, .cache_dir = "/cache"});
  EXPECT_EQ(set->at("PERFORMANCE_HINT"), "LATENCY");
  EXPECT_EQ(set->at("INFERENCE_NUM_THREADS"), "3");
  EXPECT_EQ(set->at("CACHE_DIR"), "/cache");
}

TEST(OpenVinoPlan, AModelsParametersStandBeforeTheSettings) {
  const auto properties = Properties({{"performance_hint", "latency"},
                                      {"num_streams", "2"},
                                      {"num_threads", "4"},
                                      {"precision", "bf16"},
                                      {"somebody_elses", "x"}},
                                     {.threads = 1});
  ASSERT_TRUE(properties.ok()) << properties.status().ToString();
  EXPECT_EQ(*properties, (Map{{"ENABLE_CPU_PINNING", "NO"},
                              {"INFERENCE_NUM_THREADS", "4"},
                              {"INFERENCE_PRECISION_HINT", "bf16"},
                              {"NUM_STREAMS", "2"},
                              {"PERFORMANCE_HINT", "LATENCY"}}));
}

TEST(OpenVinoPlan, WhatIsWrongIsRefusedByName) {
  const std::pair<const char*, const char*> wrong[] = {{"performance_hint", "LATENCY"},
                                                       {"num_streams", "0"},
                                                       {"num_threads", "2x"},
                                                       {"precision", "int8"}};
  for (const auto& [name, value] : wrong) {
    const auto properties = Properties({{name, value}});
    ASSERT_FALSE(properties.ok()) << name;
    EXPECT_EQ(properties.status().reason(), "bad_parameter");
    EXPECT_EQ(properties.status().field(), std::string("parameters.") + name);
  }
}

}  // namespace
}  // namespace slipway::inference::openvino
