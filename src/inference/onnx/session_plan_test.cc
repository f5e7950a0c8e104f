// SPDX-License-Identifier: Apache-2.0
#include "inference/onnx/session_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace slipway::inference::onnx {
namespace {

base::Result<SessionPlan> Plan(std::map<std::string, std::string> parameters,
                               const OnnxSettings& settings = {}) {
  ModelConfig config;
  config.parameters = std::move(parameters);
  return ReadPlan(config, settings);
}

TEST(SessionPlan, NothingAskedIsTheSharedPoolOnTheCpu) {
  const auto plan = Plan({});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->device.Name(), "cpu");
  EXPECT_EQ(plan->intra_op_threads, 0);
  EXPECT_EQ(plan->graph_optimization, 99);
  EXPECT_TRUE(plan->cpu_arena);
}

TEST(SessionPlan, ReadsEveryParameterInOurSpellingAndTritons) {
  const auto plan = Plan({{"device", "tensorrt:1"},
                          {"intra_op_thread_count", "3"},
                          {"inter_op_threads", "2"},
                          {"execution_mode", "1"},
                          {"graph_optimization", "basic"},
                          {"enable_mem_pattern", "0"},
                          {"memory.enable_memory_arena_shrinkage", "cpu:0"},
                          {"free_dimension.batch", "8"},
                          {"somebody_elses", "x"}});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(plan->device.Name(), "tensorrt:1");
  EXPECT_EQ(plan->device.Provider(), "TensorrtExecutionProvider");
  EXPECT_EQ(plan->intra_op_threads, 3);
  EXPECT_EQ(plan->inter_op_threads, 2);
  EXPECT_TRUE(plan->parallel);
  EXPECT_EQ(plan->graph_optimization, 1);
  EXPECT_FALSE(plan->memory_pattern);
  EXPECT_TRUE(plan->shrink_arena);
  ASSERT_EQ(plan->dimensions.size(), 1U);
  EXPECT_EQ(plan->dimensions[0], (std::pair<std::string, int64_t>("batch", 8)));
}

TEST(SessionPlan, TheSettingsDeviceIsForModelsThatNameNone) {
  OnnxSettings settings;
  settings.device = "cuda:2";
  EXPECT_EQ(Plan({}, settings)->device.Name(), "cuda:2");
  EXPECT_EQ(Plan({{"device", "cpu"}}, settings)->device.Name(), "cpu");
  settings.device = "npu";
  EXPECT_EQ(Plan({}, settings).status().field(), "onnx.device");
}

TEST(SessionPlan, WhatIsWrongIsRefusedByName) {
  const std::pair<const char*, const char*> wrong[] = {
      {"device", "cuda:x"},       {"device", "cuda:-1"},       {"device", "cuda:"},
      {"device", "cpu:0"},        {"intra_op_threads", "0"},   {"inter_op_threads", "1000"},
      {"execution_mode", "fast"}, {"graph_optimization", "3"}, {"enable_mem_arena", "maybe"},
      {"free_dimension.n", "0"}};
  for (const auto& [name, value] : wrong) {
    const auto plan = Plan({{name, value}});
    ASSERT_FALSE(plan.ok()) << name << "=" << value;
    EXPECT_EQ(plan.status().code(), base::Code::kInvalidArgument);
    EXPECT_EQ(plan.status().field(), std::string("parameters.") + name);
    EXPECT_EQ(plan.status().reason(), "bad_parameter");
  }
  EXPECT_FALSE(Plan({{"enable_mem_arena", "0"}, {"arena_shrinkage", "1"}}).ok());
}

TEST(SessionPlan, CustomOpsComeFromTheAllowListOnly) {
  OnnxSettings settings;
  settings.custom_op_libraries = {"text=/opt/text.so", "math=/opt/math.so"};
  const auto plan = Plan({{"custom_ops", "math, text"}}, settings);
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(plan->custom_op_libraries, (std::vector<std::string>{"/opt/math.so", "/opt/text.so"}));
  for (const char* name : {"/opt/math.so", "other"}) {
    const auto refused = Plan({{"custom_ops", name}}, settings);
    EXPECT_EQ(refused.status().reason(), "custom_ops_not_allowed");
    EXPECT_NE(refused.status().message().find("text, math"), std::string::npos);
  }
  settings.custom_op_libraries = {"/opt/math.so"};
  EXPECT_EQ(Plan({{"custom_ops", "math"}}, settings).status().field(), "onnx.custom_op_libraries");
}

}  // namespace
}  // namespace slipway::inference::onnx
