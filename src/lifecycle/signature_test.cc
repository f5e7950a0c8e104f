// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/signature.h"

#include <gtest/gtest.h>

namespace slipway::lifecycle {
namespace {

using inference::DataType;
using Breaks = std::vector<std::string>;

inference::ModelDescription Production() {
  inference::ModelDescription description;
  description.inputs = {{"age", DataType::kFp32, {-1, 1}}, {"income", DataType::kFp32, {-1, 1}}};
  description.outputs = {{"p", DataType::kFp32, {-1, 2}}};
  return description;
}

TEST(Signature, TheSameOneAndMoreOutputsBreakNothing) {
  EXPECT_TRUE(SignatureBreaks(Production(), Production()).empty());
  inference::ModelDescription next = Production();
  next.outputs.push_back({"why", DataType::kString, {-1}});
  EXPECT_TRUE(SignatureBreaks(Production(), next).empty());
}

TEST(Signature, EachFieldThatBreaksIsNamed) {
  inference::ModelDescription next = Production();
  next.inputs = {{"age", DataType::kInt64, {-1, 1}}, {"tenure", DataType::kFp32, {-1, 1}}};
  next.outputs[0].shape = {-1, 3};
  EXPECT_EQ(SignatureBreaks(Production(), next),
            (Breaks{"input 'age' is INT64 and was FP32", "input 'income' is gone",
                    "input 'tenure' is new and callers do not send it",
                    "output 'p' has shape [-1,3] and had [-1,2]"}));
}

TEST(Signature, AnInputMayBecomeFreerAndAnOutputMayNot) {
  inference::ModelDescription next = Production();
  next.inputs[0].shape = {-1, -1};
  EXPECT_TRUE(SignatureBreaks(Production(), next).empty());
  next = Production();
  next.inputs[0].shape = {1, 1};
  EXPECT_EQ(SignatureBreaks(Production(), next),
            (Breaks{"input 'age' has shape [1,1] and had [-1,1]"}));
  next = Production();
  next.outputs[0].shape = {-1, -1};
  EXPECT_EQ(SignatureBreaks(Production(), next).size(), 1U);
}

}  // namespace
}  // namespace slipway::lifecycle
