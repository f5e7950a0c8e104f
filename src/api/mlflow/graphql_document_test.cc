// SPDX-License-Identifier: Apache-2.0
#include "api/mlflow/graphql_document.h"

#include <gtest/gtest.h>

#include <string>

#include "base/status.h"

namespace slipway::api::mlflow {
namespace {

std::string Text(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) {
    text += (text.empty() ? "" : " ") + field.answer_name;
    if (field.name != field.answer_name) text += "=" + field.name;
    if (!field.variable.empty()) text += "($" + field.variable + ")";
    if (!field.fields.empty()) text += "{" + Text(field.fields) + "}";
  }
  return text;
}

TEST(GraphqlDocument, ReadsWhatThePageSends) {
  const auto fields = ParseGraphql(R"(
      # the run's page
      query GetRun($data: MlflowGetRunInput!, $n: Int = 3) @component(name: "MLflow \" Run") {
        mlflowGetRun(input: $data) { __typename, run { info { runName } tags: data { ...Keys } } }
        again: mlflowGetRun(input: $data) { ... on MlflowGetRunResponse { apiError { code } } }
      }
      fragment Keys on MlflowRunData { tags @include(if: $n) { key value } })");
  ASSERT_TRUE(fields.ok()) << fields.status().ToString();
  EXPECT_EQ(Text(*fields),
            "mlflowGetRun($data){__typename run{info{runName} tags=data{tags{key value}}}} "
            "again=mlflowGetRun($data){apiError{code}}");
  EXPECT_EQ(Text(ParseGraphql("{ test }").value()), "test");
}

TEST(GraphqlDocument, RefusesWhatIsNoQuery) {
  for (const std::string bad :
       {"", "mutation M { x }", "query {", "query { a(", "{ a } { b }", "{ ...None }", "query",
        "{ a \"x }", "fragment F on T { ...F } { ...F }"}) {
    EXPECT_FALSE(ParseGraphql(bad).ok()) << bad;
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "{ a ";
  EXPECT_FALSE(ParseGraphql(deep).ok());
  EXPECT_FALSE(ParseGraphql(std::string(200'000, ' ')).ok());
}

}  // namespace
}  // namespace slipway::api::mlflow
