// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <gtest/gtest.h>

namespace slipway::base {
namespace {

TEST(Yaml, KeepsWhereEachPartStands) {
  const auto document = ReadYaml("rules:\n  - name: a\n    above: 3\n  - {name: b}\n", "r.yaml");
  ASSERT_TRUE(document.ok()) << document.status().ToString();
  EXPECT_EQ(document->tree.Dump(), R"({"rules":[{"name":"a","above":3},{"name":"b"}]})");
  EXPECT_EQ(document->places.at("rules[0].above"), "r.yaml:3:5");
  EXPECT_EQ(document->places.at("rules[1].name"), "r.yaml:4:6");
}

TEST(Yaml, RefusesAtThePartOrAroundWhatIsMissing) {
  const auto document = ReadYaml("rules:\n  - name: a\n    above: 3\n", "r.yaml");
  const Status wrong = document->Refuse("rules[0].above", "expected less");
  EXPECT_EQ(wrong.message(), "r.yaml:3:5: rules[0].above: expected less");
  EXPECT_EQ(wrong.field(), "rules[0].above");
  EXPECT_EQ(document->Refuse("rules[0].kind", "missing").message(),
            "r.yaml:2:5: rules[0].kind: missing");
}

TEST(Yaml, RefusesBrokenTextAndNamesThatStandTwice) {
  EXPECT_EQ(ReadYaml("a: [1", "r.yaml").status().reason(), "bad_yaml");
  EXPECT_EQ(ReadYaml("a: 1\na: 2\n", "r.yaml").status().message(),
            "r.yaml:2:1: \"a\" stands twice");
}

}  // namespace
}  // namespace slipway::base
