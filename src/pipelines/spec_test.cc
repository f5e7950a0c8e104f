// SPDX-License-Identifier: Apache-2.0
#include "pipelines/spec.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "pipelines/template.h"

namespace slipway::pipelines {
namespace {

using base::Json;

constexpr const char* kRetrain = R"(
name: retrain
folder: examples/flights
env: {SEED: 7}
steps:
  - name: data
    run: [python3, data.py]
  - name: train
    run: [python3, train.py, --rows, "${outputs.data.ROWS}", --until, "${params.until}"]
    needs: [data]
    timeout: 10m
    retries: {max: 2, backoff: 5s}
    cache: on
    inputs: ["*.py"]
    outputs: [model.onnx]
triggers: [{schedule: "0 3 * * *"}, {on_alert: quality}, {manual: true}]
debounce: 5m
cooldown: 1h
)";

TEST(PipelineYaml, IsReadWhole) {
  const auto spec = ParsePipelineYaml(kRetrain);
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->name, "retrain");
  EXPECT_EQ(spec->env.at("SEED"), "7");
  ASSERT_EQ(spec->steps.size(), 2u);
  const StepSpec& train = spec->steps[1];
  EXPECT_EQ(train.run.size(), 6u);
  EXPECT_EQ(train.timeout, 10 * base::kMinute);
  EXPECT_EQ(train.retries.max, 2);
  EXPECT_EQ(train.retries.backoff, 5 * base::kSecond);
  EXPECT_EQ(train.retries.lost, 3);
  EXPECT_TRUE(train.cache);
  EXPECT_EQ(spec->steps[0].timeout, base::kHour);
  ASSERT_EQ(spec->triggers.size(), 3u);
  EXPECT_EQ(spec->triggers[0].kind, Trigger::Kind::kSchedule);
  EXPECT_TRUE(spec->triggers[0].cron.hours[3]);
  EXPECT_EQ(spec->triggers[1].text, "quality");
  EXPECT_EQ(spec->debounce, 5 * base::kMinute);
  EXPECT_EQ(spec->cooldown, base::kHour);
}

TEST(PipelineJson, ReadsBackWhatItWrote) {
  const PipelineSpec spec = ParsePipelineYaml(kRetrain).value();
  const auto back = ParsePipeline(Json::Parse(ToJson(spec).Dump()).value(), "pipeline");
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(ToJson(*back).Dump(), ToJson(spec).Dump());
}

struct BadSpec {
  std::string yaml;
  std::string field;
};
class PipelineRefuses : public testing::TestWithParam<BadSpec> {};
TEST_P(PipelineRefuses, NamingTheField) {
  const auto spec = ParsePipelineYaml(GetParam().yaml);
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(spec.status().field(), GetParam().field) << spec.status().ToString();
}
std::string Steps(const std::string& steps) { return "{name: p, steps: [" + steps + "]}"; }
INSTANTIATE_TEST_SUITE_P(
    Specs, PipelineRefuses,
    testing::Values(
        BadSpec{"{name: p", "pipeline"}, BadSpec{"[1]", "pipeline"},
        BadSpec{"{name: p}", "pipeline.steps"},
        BadSpec{"{name: 'a b', steps: [{name: s, run: [x]}]}", "pipeline.name"},
        BadSpec{"{name: p, step: []}", "pipeline.step"}, BadSpec{Steps(""), "pipeline.steps"},
        BadSpec{Steps("{name: s}"), "pipeline.steps[0].run"},
        BadSpec{Steps("{name: s, run: ls -l}"), "pipeline.steps[0].run"},
        BadSpec{Steps("{name: ../s, run: [x]}"), "pipeline.steps[0].name"},
        BadSpec{Steps("{name: s, run: [[x]]}"), "pipeline.steps[0].run[0]"},
        BadSpec{Steps("{name: s, run: [x]}, {name: s, run: [x]}"), "pipeline.steps[1].name"},
        BadSpec{Steps("{name: s, run: [x], needs: [t]}"), "pipeline.steps[0].needs[0]"},
        BadSpec{Steps("{name: s, run: [x], needs: [s]}"), "pipeline.steps[0].needs"},
        BadSpec{Steps("{name: z, run: [x]}, {name: s, run: [x], needs: [t]}, {name: t, run: [x], "
                      "needs: [s]}"),
                "pipeline.steps[1].needs"},
        BadSpec{Steps("{name: s, run: [x], timeout: soon}"), "pipeline.steps[0].timeout"},
        BadSpec{Steps("{name: s, run: [x], timeout: 0}"), "pipeline.steps[0].timeout"},
        BadSpec{Steps("{name: s, run: [x], retries: {max: -1}}"), "pipeline.steps[0].retries.max"},
        BadSpec{Steps("{name: s, run: [x], retries: {most: 1}}"), "pipeline.steps[0].retries.most"},
        BadSpec{Steps("{name: s, run: [x], cache: maybe}"), "pipeline.steps[0].cache"},
        BadSpec{Steps("{name: s, run: [x], outputs: [/etc/passwd]}"),
                "pipeline.steps[0].outputs[0]"},
        BadSpec{Steps("{name: s, run: [x], inputs: [a/../../b]}"), "pipeline.steps[0].inputs[0]"},
        BadSpec{Steps("{name: s, run: [x], env: {SLIPWAY_URL: y}}"),
                "pipeline.steps[0].env.SLIPWAY_URL"},
        BadSpec{Steps("{name: s, run: [x, '${secret}']}"), "pipeline.steps[0].run[1]"},
        BadSpec{Steps("{name: s, run: [x, '${outputs.t.K}']}"), "pipeline.steps[0].run[1]"},
        BadSpec{Steps("{name: s, run: [x, '${params.a']}"), "pipeline.steps[0].run[1]"},
        BadSpec{"{name: p, steps: [{name: s, run: [x]}], triggers: [{schedule: daily}]}",
                "pipeline.triggers[0].schedule"},
        BadSpec{"{name: p, steps: [{name: s, run: [x]}], triggers: [{webhook: x}]}",
                "pipeline.triggers[0].webhook"},
        BadSpec{"{name: p, steps: [{name: s, run: [x]}], triggers: [{}]}", "pipeline.triggers[0]"},
        BadSpec{"{name: p, steps: [{name: s, run: [x]}], cooldown: 100d}", "pipeline.cooldown"}));

TEST(Pipelines, AreAListOrAMapping) {
  const auto list =
      ParsePipelines(Json::Parse(R"([{"name":"a","steps":[{"name":"s","run":["x"]}]}])").value());
  ASSERT_TRUE(list.ok()) << list.status().ToString();
  EXPECT_EQ(list->at(0).name, "a");
  const auto mapping =
      ParsePipelines(Json::Parse(R"({"a":{"steps":[{"name":"s","run":["x"]}]}})").value());
  ASSERT_TRUE(mapping.ok()) << mapping.status().ToString();
  EXPECT_EQ(mapping->at(0).name, "a");
  EXPECT_TRUE(ParsePipelines(Json()).value().empty());
  EXPECT_EQ(ParsePipelines(Json(3)).status().field(), "pipelines");
  const char* twice =
      R"([{"name":"a","steps":[{"name":"s","run":["x"]}]},{"name":"a","steps":[{"name":"s","run":["x"]}]}])";
  EXPECT_EQ(ParsePipelines(Json::Parse(twice).value()).status().field(), "pipelines[1].name");
}

TEST(TopologicalOrder, KeepsTheWrittenOrderWherePossible) {
  const PipelineSpec spec = ParsePipelineYaml(Steps("{name: c, run: [x], needs: [b]}, {name: a, "
                                                    "run: [x]}, {name: b, run: [x], needs: [a]}"))
                                .value();
  EXPECT_EQ(TopologicalOrder(spec), (std::vector<size_t>{1, 2, 0}));
}

TEST(Template, FillsInParametersAndOutputs) {
  TemplateValues values;
  values.run_id = "01J";
  values.run_folder = "/data/work";
  values.parameters = {{"until", "2013-03-12"}};
  values.outputs = {{"data", {{"ROWS", "12"}}}};
  EXPECT_EQ(
      Fill("--x=${params.until},${outputs.data.ROWS} ${run.id} ${run.folder}$", values).value(),
      "--x=2013-03-12,12 01J /data/work$");
  EXPECT_EQ(Fill("$${params.until} a$b", values).value(), "${params.until} a$b");
  EXPECT_EQ(Fill("${params.from}", values).status().reason(), "no_value");
  EXPECT_EQ(Fill("${outputs.data.COLUMNS}", values).status().reason(), "no_value");
}

}  // namespace
}  // namespace slipway::pipelines
