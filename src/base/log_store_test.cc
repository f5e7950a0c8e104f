// SPDX-License-Identifier: Apache-2.0
// Log lines as they reach standard error.
#include <gtest/gtest.h>

#include "base/log.h"

namespace slipway::base {
namespace {

std::string Captured(LogFormat format, LogLevel level) {
  ConfigureLog(format, LogLevel::kInfo);
  testing::internal::CaptureStderr();
  Log(level, "registry", "a\nb", {{"version", 3}, {"name", "x y\n"}});
  std::string text = testing::internal::GetCapturedStderr();
  ConfigureLog(LogFormat::kHuman, LogLevel::kInfo);
  return text;
}

TEST(Log, WritesOneJsonObjectALine) {
  const std::string line = Captured(LogFormat::kJson, LogLevel::kWarning);
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto json = Json::Parse(line);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->Find("level")->AsString(), "warning");
  EXPECT_EQ(json->Find("room")->AsString(), "registry");
  EXPECT_EQ(json->Find("message")->AsString(), "a\nb");
  EXPECT_EQ(json->Find("version")->AsInt(), 3);
}

TEST(Log, WritesOneLineForPeople) {
  const std::string line = Captured(LogFormat::kHuman, LogLevel::kError);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_NE(line.find(" error   registry: a b version=3 name=\"x y\\n\"\n"), std::string::npos)
      << line;
}

TEST(Log, LeavesOutWhatIsBelowTheLevel) {
  EXPECT_EQ(Captured(LogFormat::kJson, LogLevel::kDebug), "");
}

}  // namespace
}  // namespace slipway::base
